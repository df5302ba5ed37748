"""A delivery as typed rows: the view `standard` that judge and sieve look at, over Parquet files in the work folder.

1. Each landed file's batches stream through DuckDB; memory does not grow with the delivery. Names are checked against the contract first.
2. Per record: the value by `schemas.expressions.normalise` under the column's hub name; what the history wants (`_op`, `_load`, `_seq`: its number
   over all files, `_hash` of the values); its origin (`_part`: its file's place in the delivery, `_file`, `_row`); and `_raws`: the delivered
   text of those columns whose value does not show it, NULL if all do. A file in which `_raws` is all NULL can be published as it stands.
3. Blank text is NULL. A value that cannot be read is NULL too, and the rule `<column>.type` says so by looking at the text.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.current import literal, quote
from lake.hashing import of_values
from quality.drift import require
from quality.rule import delivered, raw
from quality.standard_file import ROWS, Staying, Waiting, repeated, write
from schemas import expressions
from schemas.contract import Column, Contract

Delivery = tuple[str, Iterator[pa.RecordBatch]]
_NATIVE: dict[str, tuple[str, ...]] = {
    "integer": ("int",), "number": ("double",), "decimal": ("decimal",), "date": ("date32",), "timestamp": ("timestamp[us, tz=",),
    "boolean": ("bool",),
}  # fmt: skip


_KEPT = (pa.int64(), pa.date32(), pa.bool_())
"""Kinds of which every delivered value is one of the column, as of timestamps."""


def standardise(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    deliveries: Iterable[Delivery],
    first_seq: int,
    workdir: Path,
    load: int = 0,
) -> tuple[int, list[Path]]:
    """Write files `standard-<n>.parquet` in `workdir`, one for each shape of the delivered rows; return how many rows, and the files.

    The session keeps the rows of a query in their order, as DuckDB does unless it is told otherwise.

    Raises:
        SourceDamaged: a delivered column is unknown, or one of the contract's is missing.
    """
    stream = _Stream(contract, first_seq)
    files: list[Path] = []
    for schema, batches in groupby(stream.batches(merged(deliveries)), attrgetter("schema")):
        files.append(workdir / f"standard-{len(files)}.parquet")
        waiting = Waiting()
        delivered = pa.RecordBatchReader.from_batches(schema, waiting.passing(stream.guarded(batches)))
        con.register("_delivered", delivered)
        try:
            staying = [_staying(c, place, schema) for place, c in enumerate(contract.columns)]
            made = con.sql(_select(contract, schema, staying)).to_arrow_reader(ROWS)
            write(files[-1], made, waiting, [c.name for c in contract.columns], staying, load)
        except (duckdb.Error, pa.ArrowException, OSError):
            if stream.fault is not None:
                raise stream.fault from None
            raise
        finally:
            con.unregister("_delivered")
    return stream.seq - first_seq, files


def create_view(con: duckdb.DuckDBPyConnection, contract: Contract, files: Iterable[Path]) -> None:
    """View `standard` over these files, which may be none, and `respelt`, its rows of which a value does not show what was delivered."""
    names = ", ".join(literal(str(f)) for f in files)
    empty = f"SELECT * FROM (VALUES ({', '.join(f'NULL::{kind}' for _, kind in _shape(contract))})) WHERE false"
    con.execute(
        f"CREATE OR REPLACE VIEW standard({', '.join(quote(name) for name, _ in _shape(contract))}) AS "
        + (f"SELECT * FROM read_parquet([{names}])" if names else empty)
    )
    con.execute("CREATE OR REPLACE VIEW respelt AS SELECT * FROM standard WHERE _raws IS NOT NULL")


def merged(deliveries: Iterable[Delivery]) -> Iterator[Delivery]:
    """The deliveries, neighbours of one name as one: a table whose rows changed their form on the way."""
    for name, group in groupby(deliveries, itemgetter(0)):
        yield name, chain.from_iterable(batches for _, batches in group)


def delivered_hash(contract: Contract) -> str:
    """`_hash` of a row set aside: of its values as delivered."""
    return f"unhex(md5({delivered_json(contract)}))"


def delivered_json(contract: Contract) -> str:
    """The row's values as delivered: a JSON object of text by the department's column names, in the contract's order."""
    fields = ", ".join(f"{literal(c.source)}, {_text(c, i)}" for i, c in enumerate(contract.columns))
    return f"json_object({fields})::VARCHAR"


def _text(column: Column, place: int) -> str:
    return f"coalesce({delivered(place)}, CAST({quote(column.name)} AS VARCHAR))"


def _shape(contract: Contract) -> list[tuple[str, str]]:
    values = [(c.name, c.sql_type) for c in contract.columns]
    history = [("_op", "VARCHAR"), ("_load", "BIGINT"), ("_seq", "BIGINT"), ("_hash", "BIGINT")]
    return [*values, *history, ("_part", "INTEGER"), ("_file", "VARCHAR"), ("_row", "BIGINT"), ("_raws", "VARCHAR[]")]


def _staying(column: Column, place: int, schema: pa.Schema) -> Staying | None:
    """Where column number `place` of a delivery stays as it is, if that is known."""
    plain = _plain(place)
    return Staying(raw(place), plain) if plain in schema.names and not column.codes else None


def _select(contract: Contract, schema: pa.Schema, staying: Sequence[Staying | None]) -> str:
    zone = contract.source.timezone
    values, shown, apart = [], [], []
    for place, (column, stays) in enumerate(zip(contract.columns, staying, strict=True)):
        name, source = quote(column.name), quote(raw(place))
        kind, plain = schema.field(raw(place)).type, _plain(place)
        shown.append(f"CASE WHEN {stays.where} THEN NULL ELSE {name} END" if stays else name)
        if is_native(column, kind):
            values.append(f"{expressions.native(column, source)} AS {name}")
            apart.append(_is_lost(column, kind, name, source))
            continue
        known = plain if plain in schema.names else ""
        values.append(f"{expressions.normalise(column, source, timezone=zone, plain=known)} AS {name}")
        differs = f"CAST({source} AS VARCHAR) IS DISTINCT FROM CAST({name} AS VARCHAR)"
        apart.append(f"CASE WHEN {known} THEN false ELSE {differs} END" if stays else differs)
    texts = ", ".join(
        f"CASE WHEN {differs} THEN CAST({quote(raw(i))} AS VARCHAR) END" for i, differs in enumerate(apart)
    )
    raws = f"CASE WHEN {' OR '.join(f'({a})' for a in apart)} THEN [{texts}] END"
    return (
        f"SELECT {', '.join(shown)}, _seq, {of_values(contract)}, {raws} "
        f"FROM (SELECT *, {', '.join(values)} FROM _delivered)"
    )


def is_native(column: Column, kind: pa.DataType) -> bool:
    """Whether delivered values of this Arrow type are the column's own, not a spelling of them."""
    return not column.codes and not column.format and str(kind).startswith(_NATIVE.get(column.type, ("none",)))


def _is_lost(column: Column, kind: pa.DataType, name: str, source: str) -> str:
    """Whether a value is no longer what was delivered in this Arrow type: out of range, or a decimal that was rounded."""
    if kind in _KEPT or pa.types.is_timestamp(kind):
        return "false"
    if pa.types.is_decimal(kind) and kind.scale > (column.scale or 0):
        return f"try_cast({name} AS DECIMAL({kind.precision}, {kind.scale})) IS DISTINCT FROM {source}"
    return f"{name} IS NULL AND {source} IS NOT NULL"


class _Stream:
    """Batches with columns in the contract's order, numbered. Keeps its own fault: DuckDB would only tell its text."""

    def __init__(self, contract: Contract, seq: int) -> None:
        self.contract, self.seq = contract, seq
        self.bytes = [expressions.plain_bytes(c) if c.type == "string" else b"" for c in contract.columns]
        self.fault: Exception | None = None

    def guarded(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            self.fault = error
            raise

    def batches(self, deliveries: Iterator[Delivery]) -> Iterator[pa.RecordBatch]:
        for part, (file, batches) in enumerate(deliveries):
            for batch in batches:
                require(self.contract, file, [n for n in batch.schema.names if n != "_row"])
                yield self._shape(part, file, batch)

    def _shape(self, part: int, file: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows, names = batch.num_rows, [raw(i) for i in range(len(self.contract.columns))]
        numbers = pa.array(np.arange(self.seq, self.seq + rows))
        self.seq += rows
        origin: list[pa.Array[Any]] = [
            pa.repeat(pa.scalar(part, pa.int32()), rows),
            repeated(file, rows),
            batch.column("_row"),
        ]
        values = [batch.column(c.source) for c in self.contract.columns]
        plain = {
            _plain(i): _are_plain(values[i], self.bytes[i])
            for i in range(len(values))
            if self.bytes[i] and values[i].type == pa.string()
        }
        return pa.RecordBatch.from_arrays(
            [numbers, *origin, *values, *plain.values()], names=["_seq", "_part", "_file", "_row", *names, *plain]
        )


def _plain(place: int) -> str:
    """The column that tells where column number `place` holds plain text."""
    return f"_plain{place}"


def _are_plain(values: "pa.Array[Any]", allowed: bytes) -> "pa.Array[Any]":
    """Which values are plain text for sure (see `schemas.standardise.plain_bytes`), or NULL."""
    offsets, content = (memoryview(part) if part else b"" for part in values.buffers()[1:])
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    text = bytes(content[ends[0] : ends[-1]]) if len(values) else b""
    starts, stops = ends[:-1] - ends[0], ends[1:] - ends[0]
    plain = (starts < stops) & (not text.translate(None, allowed))
    if b" " in text:
        letters = np.frombuffer(text, np.uint8)
        plain &= (letters[np.minimum(starts, len(text) - 1)] != 0x20) & (letters[stops - 1] != 0x20)
    told: pa.Array[Any] = pa.array(plain)
    return pc.or_(told, values.is_null()) if values.null_count else told
