"""The data resource catalog (政务数据目录): what the contracts promise beside what the runs measured.

Enters: applied contracts, the newest load of each dataset, a moment. Leaves: entries, search hits, the 2017 guide's metadata.
Must not know: how data is read or judged, HTTP, who asks.
"""
