"""Standardised rows as a Parquet file: what DuckDB made of them, put beside what stays as it was delivered.

Text costs DuckDB more to give back than to look at, and Arrow's writer takes a third of DuckDB's time. So a batch's delivered columns wait here until
the query over them answers, in their order: its columns are the values it had to make, the delivered ones all others.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TEXT = pa.dictionary(pa.int32(), pa.string())
ROWS = 61_440
"""Rows in a group."""
_DICTIONARY = 16 << 10
"""Bytes of distinct values from which on a column's group is written without a dictionary."""


class Staying(NamedTuple):
    """Where a text stays as it was delivered: the delivered columns that hold it, and that say so."""

    text: str
    where: str


class Waiting:
    """Delivered batches, until as many rows were made of them."""

    def __init__(self) -> None:
        self._batches = deque[pa.RecordBatch]()

    def passing(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches, each kept on its way."""
        for batch in batches:
            self._batches.append(batch)
            yield batch

    def take(self, rows: int) -> pa.Table:
        """The next rows."""
        found = list[pa.RecordBatch]()
        while rows:
            batch = self._batches.popleft()
            if batch.num_rows > rows:
                self._batches.appendleft(batch.slice(rows))
                batch = batch.slice(0, rows)
            found.append(batch)
            rows -= batch.num_rows
        return pa.Table.from_batches(found)


def write(
    file: Path,
    made: pa.RecordBatchReader,
    waiting: Waiting,
    names: Sequence[str],
    staying: Sequence[Staying | None],
    load: int,
) -> None:
    """Write the rows in groups: the values under `names`, then what the history and the gate want of a row.

    `made` has the values in this order, then `_seq`, `_hash` and `_raws`.
    """
    *kinds, _, _, raws = made.schema.types
    schema = pa.schema([
        *zip(names, kinds, strict=True), ("_op", TEXT), ("_load", pa.int64()), ("_seq", pa.int64()), ("_hash", pa.int64()),
        ("_part", pa.int32()), ("_file", TEXT), ("_row", pa.int64()), ("_raws", raws),
    ])  # fmt: skip
    with pq.ParquetWriter(file, schema, **_options(schema)) as out:
        for batch in made:
            out.write_table(_group(batch, waiting.take(batch.num_rows), staying, load, schema), ROWS)


def repeated(text: str, rows: int) -> "pa.Array[Any]":
    """One text in every row."""
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([text]))


def _group(
    batch: pa.RecordBatch, came: pa.Table, staying: Sequence[Staying | None], load: int, schema: pa.Schema
) -> pa.Table:
    *values, seq, hashed, raws = batch.columns
    if came.column("_seq") != pa.chunked_array([seq]):
        raise RuntimeError("rows were given back in another order")
    rows = batch.num_rows
    columns = [_kept(value, came, stays) for value, stays in zip(values, staying, strict=True)]
    history = [repeated("upsert", rows), pa.repeat(pa.scalar(load, pa.int64()), rows), seq, hashed]
    origin = [came.column("_part"), came.column("_file"), came.column("_row")]
    return pa.Table.from_arrays([*columns, *history, *origin, raws], schema=schema)


def _kept(value: "pa.Array[Any]", came: pa.Table, stays: Staying | None) -> "pa.Array[Any] | pa.ChunkedArray[Any]":
    """The values of a column: as they came, where they stay so."""
    if stays is None:
        return value
    text, where = came.column(stays.text), came.column(stays.where)
    if pc.all(where).as_py():
        return text
    found: pa.ChunkedArray[Any] = pc.if_else(where, text, pa.chunked_array([value]))
    return found


def _options(schema: pa.Schema) -> dict[str, Any]:
    """How the file is written: differences of numbers, a dictionary where values repeat; least and greatest of what is no text."""
    numbers = [f.name for f in schema if _is_number(f.type)]
    return {
        "compression": "zstd", "compression_level": 1, "store_schema": False, "store_decimal_as_integer": True,
        "use_dictionary": [_leaf(f) for f in schema if f.name not in numbers], "dictionary_pagesize_limit": _DICTIONARY,
        "column_encoding": {name: "PLAIN" if name == "_hash" else "DELTA_BINARY_PACKED" for name in numbers},
        "write_statistics": numbers, "max_rows_per_page": ROWS,
    }  # fmt: skip


def _is_number(kind: pa.DataType) -> bool:
    """Whether Parquet holds it as an integer."""
    small = pa.types.is_decimal(kind) and kind.precision <= 18
    return small or pa.types.is_integer(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind)


def _leaf(field: "pa.Field[Any]") -> str:
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name
