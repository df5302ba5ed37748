"""Rows of several relations in ranges of the hash: all rows of one subject come in one piece, whatever the size of the whole.

1. Each relation is read once. Batch by batch its rows are parted by range and put down, compressed, in a file that has no name: a build that
   is killed leaves none behind. What is small stays in memory.
2. Range by range the rows of every relation are read back and ordered: by hash, and those of one hash as the relation says.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from io import IOBase
from pathlib import Path
from typing import Any, cast

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Values = Any
"""An Arrow array; the stubs want its element's type said, which is not known here."""
Order = Sequence[tuple[str, str]]
"""Columns that rows of one hash are sorted by, each `ascending` or `descending`; NULL comes last."""
_BATCH = 1 << 18
_IN_MEMORY = 1 << 25
_BLOCKS = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class Relation:
    """A query whose first column is `_h`, a hash, and the order of rows of one hash."""

    sql: str
    order: Order = ()


@dataclass(frozen=True)
class Rows:
    """Rows of one relation sorted by `hashes`; `table` (in one chunk) holds them as they came, `order` says which row of it each is."""

    table: pa.Table
    order: np.ndarray
    hashes: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def column(self, name: str) -> Values:
        """A column's values, one a row."""
        return _one(self.table, name).take(self._places)

    def taken(self, name: str, rows: Values) -> Values:
        """A column's values in the rows of these numbers; NULL where the number is."""
        return _one(self.table, name).take(self._places.take(rows))

    def where(self, kept: np.ndarray) -> "Rows":
        """The rows that are flagged."""
        return Rows(self.table, self.order[kept], self.hashes[kept])

    def best(self, rows: np.ndarray, order: Order) -> np.ndarray:
        """Of these row numbers of several hashes, ascending, the first of each hash by this order."""
        placed = sorted_places(self.table, self.order[rows], order)
        number = np.empty(self.table.num_rows, np.int64)
        number[self.order[rows]] = rows
        found: np.ndarray = number[placed[begins(_hashes(self.table)[placed])]]
        return found

    @cached_property
    def _places(self) -> Values:
        return pa.array(self.order)


def side_by_side(
    con: duckdb.DuckDBPyConnection, relations: Mapping[str, Relation], pieces: int, folder: Path | None = None
) -> Iterator[dict[str, Rows]]:
    """The relations' rows, by name, in so many ranges of the hash; without those that a column `_ok` does not affirm."""
    if pieces == 1:
        yield {name: _rows(con.sql(r.sql).to_arrow_table().combine_chunks(), r.order) for name, r in relations.items()}
        return
    with ExitStack() as stack:
        parted = {}
        for name, relation in relations.items():
            file = stack.enter_context(
                tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=None if folder is None else str(folder))
            )
            parted[name] = _Parted(con.sql(relation.sql).to_arrow_reader(_BATCH), pieces, cast("IOBase", file))
        for piece in range(pieces):
            yield {name: _rows(parted[name].read(piece), relation.order) for name, relation in relations.items()}


def begins(sorted_hashes: np.ndarray) -> np.ndarray:
    """Whether a row is the first of its hash."""
    found = np.ones(len(sorted_hashes), bool)
    found[1:] = sorted_hashes[1:] != sorted_hashes[:-1]
    return found


def sorted_places(table: pa.Table, places: np.ndarray, order: Order) -> np.ndarray:
    """These rows of a table sorted by hash and, within one, by the order."""
    names = ["_h", *(name for name, _ in order)]
    few = table.select(list(dict.fromkeys(names))).take(pa.array(places))
    keys: Any = [("_h", "ascending", "at_end"), *((name, way, "at_end") for name, way in order)]
    found: np.ndarray = places[pc.sort_indices(few, sort_keys=keys).to_numpy()]
    return found


class _Parted:
    """One relation's rows in a file, parted by range."""

    def __init__(self, batches: pa.RecordBatchReader, pieces: int, file: IOBase) -> None:
        self._file = file
        self._blocks: list[list[int]] = [[] for _ in range(pieces)]
        written = 0
        with pa.ipc.new_file(pa.PythonFile(file, "w"), batches.schema, options=_BLOCKS) as writer:
            for batch in batches:
                for piece, rows in _by_range(batch, pieces):
                    writer.write_batch(rows)
                    self._blocks[piece].append(written)
                    written += 1
        self._reader = pa.ipc.open_file(pa.PythonFile(file, "r"))

    def read(self, piece: int) -> pa.Table:
        """The rows of a range."""
        found = [self._reader.get_batch(block) for block in self._blocks[piece]]
        return pa.Table.from_batches(found, self._reader.schema).combine_chunks()


def _by_range(batch: pa.RecordBatch, pieces: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    hashed = batch.column(0).to_numpy()
    ranges = ((hashed >> np.uint64(32)) * np.uint64(pieces) >> np.uint64(32)).astype(np.uint16)
    order = np.argsort(ranges, kind="stable")
    rows: Values = pa.array(order)
    parted = batch.take(rows)
    ends = np.searchsorted(ranges[order], np.arange(pieces + 1))
    for piece in np.flatnonzero(np.diff(ends)):
        yield int(piece), parted.slice(ends[piece], ends[piece + 1] - ends[piece])


def _rows(table: pa.Table, order: Order) -> Rows:
    places = np.arange(table.num_rows)
    if "_ok" in table.column_names:
        places = places[pc.fill_null(_one(table, "_ok"), False).to_numpy(zero_copy_only=False)]
    hashed = _hashes(table)[places]
    by_hash = np.argsort(hashed)
    places, hashed = places[by_hash], hashed[by_hash]
    first = begins(hashed)
    several = ~(first & np.append(first[1:], True))
    if order and several.any():
        places[several] = sorted_places(table, places[several], order)
    return Rows(table, places, hashed)


def _hashes(table: pa.Table) -> np.ndarray:
    found: np.ndarray = _one(table, "_h").to_numpy()
    return found


def _one(table: pa.Table, name: str) -> Values:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)
