"""Departments' databases: one table, read from one snapshot, every value as the text that the server itself would show.

1. The address is checked: no credentials, no driver options, SQLite files below the drop root.
2. Tables and columns are introspected; only names that came from there are ever put into SQL, quoted by the dialect.
3. For an incremental read the horizon is asked first (`connectors.bounds`), then the snapshot is opened and the new bound taken in it.
4. All columns are streamed as they stand, those unknown to the contract too. Rows without a cursor value come every time.
"""

from connectors.sql.connector import SqlConnector

__all__ = ["SqlConnector"]
