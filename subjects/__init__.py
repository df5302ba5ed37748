"""One person one file, one enterprise one file: any subject kind that a YAML file declares.

Enters: declarations, applied contracts, current views of the lake. Leaves: subject files in the store, lists of what falls due.
Must not know: forms, clients, HTTP, Airflow.
"""
