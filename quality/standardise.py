"""A delivery as typed rows: the table `standard` that judge and sieve look at.

1. Each landed file's batches stream into DuckDB; memory does not grow with the delivery. Names are checked against the contract first.
2. Per record: `_seq` (its number over all files), `_part` (its file's place in the delivery), `_file`, `_row`; the delivered text of each column
   (`_raw_<place>`); the value by `schemas.expressions.normalise` under the column's hub name; `_hash` of the values.
3. Blank text is NULL. A value that cannot be read is NULL too, and the rule `<column>.type` says so by looking at the text.
"""

from collections.abc import Iterable, Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from lake.current import literal, quote
from quality.drift import require
from quality.rule import raw
from schemas import expressions
from schemas.contract import Contract
from schemas.errors import SourceDamaged

Delivery = tuple[str, Iterator[pa.RecordBatch]]


def standardise(
    con: duckdb.DuckDBPyConnection, contract: Contract, deliveries: Iterable[Delivery], first_seq: int
) -> int:
    """Fill table `standard`; return the number of records.

    Raises:
        SourceDamaged: a delivered column is unknown, or one of the contract's is missing.
    """
    con.execute(f"CREATE TABLE standard ({_columns(contract)})")
    seq = first_seq
    for part, (file, batches) in enumerate(deliveries):
        first = next(batches, None)
        if first is None:
            continue
        stream = _Stream(contract, file, first, batches, seq)
        con.register("_delivered", pa.RecordBatchReader.from_batches(stream.schema, stream.batches()))
        try:
            con.execute(f"INSERT INTO standard {_select(contract, part, file)}")
        except duckdb.Error:
            if stream.fault is not None:
                raise stream.fault from None
            raise
        finally:
            con.unregister("_delivered")
        seq = stream.seq
    return seq - first_seq


def hash_of(columns: Iterable[tuple[str, str]]) -> str:
    """MD5 (16 bytes) over (name, SQL text) pairs: equal only for equal values, whatever the columns' order in the contract.

    Each value goes in with its length, so that ('ab', 'c') and ('a', 'bc') differ, and NULL from ''.
    """
    parts = [f"CASE WHEN {t} IS NULL THEN '-' ELSE concat(strlen({t}), ':', {t}) END" for _, t in sorted(columns)]
    return f"unhex(md5(concat({', '.join(parts)})))"


def values_hash(contract: Contract) -> str:
    """`_hash` of a published row: of its standardised values."""
    return hash_of((c.name, f"CAST({quote(c.name)} AS VARCHAR)") for c in contract.columns)


def delivered_hash(contract: Contract) -> str:
    """`_hash` of a row set aside: of its values as delivered."""
    return hash_of((c.name, quote(raw(i))) for i, c in enumerate(contract.columns))


def _columns(contract: Contract) -> str:
    names = [f"{quote(raw(i))} VARCHAR" for i in range(len(contract.columns))]
    values = [f"{quote(c.name)} {c.sql_type}" for c in contract.columns]
    return ", ".join(["_seq BIGINT", "_part INTEGER", "_file VARCHAR", "_row BIGINT", *names, *values, "_hash BLOB"])


def _select(contract: Contract, part: int, file: str) -> str:
    texts = [f"CAST({quote(raw(i))} AS VARCHAR) AS {quote(raw(i))}" for i in range(len(contract.columns))]
    zone = contract.source.timezone
    values = [
        f"{expressions.normalise(c, quote(raw(i)), timezone=zone)} AS {quote(c.name)}"
        for i, c in enumerate(contract.columns)
    ]
    inner = ", ".join(["_seq", f"{part} AS _part", f"{literal(file)} AS _file", "_row", *texts, *values])
    return f"SELECT *, {values_hash(contract)} FROM (SELECT {inner} FROM _delivered)"


class _Stream:
    """A file's batches with columns in the contract's order, numbered. Keeps its own fault: DuckDB would only tell its text."""

    def __init__(
        self, contract: Contract, file: str, first: pa.RecordBatch, rest: Iterator[pa.RecordBatch], seq: int
    ) -> None:
        self.contract, self.file, self.seq = contract, file, seq
        self.fault: Exception | None = None
        self._first, self._rest = first, rest
        require(contract, file, _names(first))
        fields = [pa.field("_seq", pa.int64()), pa.field("_row", pa.int64())]
        fields += [pa.field(raw(i), first.schema.field(c.source).type) for i, c in enumerate(contract.columns)]
        self.schema = pa.schema(fields)

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            yield self._shape(self._first)
            for batch in self._rest:
                require(self.contract, self.file, _names(batch))
                yield self._shape(batch)
        except Exception as error:
            self.fault = error
            raise

    def _shape(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        numbers = pc.cumulative_sum(
            pa.repeat(pa.scalar(1, pa.int64()), batch.num_rows), start=pa.scalar(self.seq - 1, pa.int64())
        )
        self.seq += batch.num_rows
        arrays = [numbers, batch.column("_row"), *(batch.column(c.source) for c in self.contract.columns)]
        try:
            arrays = [a if a.type == f.type else pc.cast(a, f.type) for a, f in zip(arrays, self.schema, strict=True)]
        except pa.ArrowException:  # its text would tell the value
            what = f"{self.contract.dataset}: file {self.file} changes a column's type midway"
            raise SourceDamaged(what, todo="deliver the file again with one type per column") from None
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _names(batch: pa.RecordBatch) -> list[str]:
    return [n for n in batch.schema.names if n != "_row"]
