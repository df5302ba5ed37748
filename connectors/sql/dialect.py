"""What the connector needs of one database product."""

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from connectors.bounds import Horizon, Value
from connectors.interface import SourceColumn
from schemas.contract import Column


class Dialect(Protocol):
    """One read-only session on a server; SQL comes with quoted identifiers, values as parameters marked by `mark`."""

    mark: str

    def horizon(self) -> Horizon:
        """The moment before which nothing more is committed; asked before the snapshot, for what ends in between counts as running."""

    def begin(self) -> None:
        """Open the snapshot that all further statements read."""

    def consistent(self, schema: str | None, table: str, /) -> bool:
        """Whether the snapshot holds for this table."""

    def expression(self, column: SourceColumn, quoted: str, kind: pa.DataType, /) -> str:
        """The SQL that shows a column's value without loss, as text or as the Arrow type `kind` that `type` told."""

    def type(self, column: SourceColumn, /) -> pa.DataType:
        """The Arrow type in which `rows` can give the column exactly; text where there is none. A timestamp without zone is in `zone`."""

    def zone(self, column: SourceColumn, zone: str, /) -> str:
        """The time zone in which the session shows this column's zoneless timestamps; `zone` is the source's."""

    def newest(self, column: SourceColumn, quoted: str, table: str, /) -> Value | None:
        """The greatest cursor value in the snapshot, None if there is none."""

    def since(self, rows: str, cursor: SourceColumn, quoted: str, /) -> str:
        """The query of those rows whose cursor value is at or after a parameter, and of those without one."""

    def rows(self, sql: str, parameters: tuple[Value, ...], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows of a query, streamed as batches of `schema`; a column whose values do not fit its type turns to text on the way."""

    def close(self) -> None:
        """End the session, in the middle of a stream too."""


def since(rows: str, quoted: str, mark: str) -> str:
    """What every database understands: see `Dialect.since`.

    >>> since("SELECT a FROM t", '"at"', "?")
    'SELECT a FROM t WHERE "at" >= ? OR "at" IS NULL'
    """
    return f"{rows} WHERE {quoted} >= {mark} OR {quoted} IS NULL"


def typed(plain: pa.Schema, dialect: Dialect, columns: Sequence[SourceColumn], wanted: Sequence[Column]) -> pa.Schema:
    """The text schema with the server's own types where the contract's column takes them as they stand, without a code map or format."""
    kinds = {c.source: c.type for c in wanted if not c.codes and not c.format}
    fields = []
    for field, column in zip(plain, columns, strict=True):
        found, kind = dialect.type(column), kinds.get(column.name)
        if kind == "boolean" and found == pa.int64():
            found = pa.bool_()  # 0 and 1; where there are others, the column is text
        fields.append(field.with_type(found) if _KINDS[_kind(found)] == kind else field)
    return pa.schema(fields)


_KINDS = {
    "int64": "integer", "double": "number", "decimal128": "decimal", "date32": "date", "timestamp": "timestamp", "bool": "boolean",
    "string": "string",
}  # fmt: skip


def _kind(found: pa.DataType) -> str:
    return re.split(r"[\[(]", str(found))[0]


def numeric(column: SourceColumn) -> bool:
    """Whether a column's declared type is a number.

    >>> numeric(SourceColumn("n", "BIGINT")), numeric(SourceColumn("at", "TIMESTAMP"))
    (True, False)
    """
    words = ("INT", "SERIAL", "NUMERIC", "DECIMAL", "FLOAT", "DOUBLE", "REAL")
    kind = column.type.upper()
    return kind.startswith(words) or any(word in kind for word in ("BIGINT", "SMALLINT", "TINYINT", "MEDIUMINT"))


def number(text: str) -> Value:
    """An integer as such, so that a watermark keeps it exactly; any other number as its text."""
    return int(text) if text.lstrip("-").isdecimal() else text
