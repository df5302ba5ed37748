"""Sorted relations read side by side: each gives its rows up to a hash, piece by piece, whatever the size of the whole.

DuckDB sorts each within its memory limit, spilling to disk; pieces come out as Arrow tables, cut where the hash ranges end.
"""

from collections.abc import Iterator, Mapping

import duckdb
import numpy as np
import pyarrow as pa

_BATCH = 65536
_HASHES = 1 << 64


class _Sorted:
    """One relation sorted by `_h`."""

    def __init__(self, con: duckdb.DuckDBPyConnection, query: str) -> None:
        self._cursor = con.cursor()
        self._reader = self._cursor.sql(query).to_arrow_reader(_BATCH)
        self._held: list[pa.RecordBatch] = []
        self._last = -1
        self._ended = False

    def until(self, end: int) -> pa.Table:
        """The next rows whose hash is below `end`, without those that a column `_ok` does not affirm."""
        while not self._ended and self._last < end:
            batch = next(self._reader, None)
            if batch is None:
                self._ended = True
            elif batch.num_rows:
                self._held.append(batch)
                self._last = batch.column(0)[-1].as_py()
        table = pa.Table.from_batches(self._held, self._reader.schema).combine_chunks()
        cut = table.num_rows if end >= _HASHES else int(np.searchsorted(hashes(table), np.uint64(end)))
        self._held = table.slice(cut).to_batches()
        found = table.slice(0, cut)
        return found.filter(found["_ok"]).combine_chunks() if "_ok" in found.column_names else found

    def close(self) -> None:
        self._reader.close()
        self._cursor.close()


def side_by_side(
    con: duckdb.DuckDBPyConnection, queries: Mapping[str, str], pieces: int
) -> Iterator[dict[str, pa.Table]]:
    """The relations, by name, in so many ranges of the hash: all rows of one subject come in one piece."""
    relations = {name: _Sorted(con, query) for name, query in queries.items()}
    try:
        for piece in range(1, pieces + 1):
            yield {name: relation.until(_HASHES * piece // pieces) for name, relation in relations.items()}
    finally:
        for relation in relations.values():
            relation.close()


def hashes(table: pa.Table) -> np.ndarray:
    """The column `_h` of a table in one chunk."""
    column = table.column("_h")
    found: np.ndarray = column.chunk(0).to_numpy() if column.num_chunks else np.empty(0, np.uint64)
    return found
