"""A DuckDB session bounded in memory, spilling where told, thinking in UTC."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

Connection = duckdb.DuckDBPyConnection
PARQUET = "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd"
"""How the hub writes Parquet: the second version's encodings (deltas of numbers and lengths) cost less to write and to read, and half the room."""


@contextmanager
def session(work: Path, memory_mb: int) -> Iterator[Connection]:
    """A session with `memory_mb` MiB, its spill files below `work`."""
    work.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute(f"SET memory_limit = '{memory_mb}MB'")
        con.execute("SET temp_directory = '" + str(work / "spill").replace("'", "''") + "'")
        con.execute("SET TimeZone = 'UTC'")
        yield con
