"""Data on its way out to clients: what may be asked for, requests and their clocks, grants as files, records, exports, subscriptions."""
