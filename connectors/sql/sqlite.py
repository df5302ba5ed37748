"""SQLite files: dynamically typed, so every value is text, exact (a REAL as the shortest text that reads back the same)."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import pyarrow as pa

from connectors.batches import text_batches
from connectors.bounds import Horizon, Value
from connectors.interface import SourceColumn
from connectors.sql.dialect import since
from schemas.errors import SourceDamaged


class Sqlite:
    """One read transaction on a file. Writers are serial here, so only the host's own clock caps a bound."""

    mark = "?"

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], datetime]) -> None:
        self.connection = connection
        self.connection.text_factory = _decoded
        self.clock = clock

    def horizon(self) -> Horizon:
        """Now, unsure: the writer's clock is unknown."""
        return Horizon(self.clock(), sure=False, note="bound by overlap: SQLite does not tell running transactions")

    def begin(self) -> None:
        """A read transaction; SQLite takes its snapshot at the first read, so one is made at once."""
        self.connection.execute("BEGIN")
        self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()

    def consistent(self, _schema: str | None, _table: str, /) -> bool:
        """Always."""
        return True

    def expression(self, _column: SourceColumn, quoted: str, _kind: pa.DataType, /) -> str:
        """The column itself; `_text` makes it text."""
        return quoted

    def type(self, _column: SourceColumn, /) -> pa.DataType:
        """Text."""
        return pa.string()

    def zone(self, _column: SourceColumn, zone: str, /) -> str:
        """The source's own."""
        return zone

    def newest(self, _column: SourceColumn, quoted: str, table: str, /) -> Value | None:
        """The greatest value by SQLite's own order; a number stays a number."""
        value = self.connection.execute(f"SELECT max({quoted}) FROM {table}").fetchone()[0]
        return value if isinstance(value, int) else _text(value)

    def since(self, rows: str, _cursor: SourceColumn, quoted: str, /) -> str:
        """One condition."""
        return since(rows, quoted, self.mark)

    def rows(self, sql: str, parameters: tuple[Value, ...], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows, fetched as they are batched."""
        return text_batches(_texts(self.connection.execute(sql, parameters)), schema)

    def close(self) -> None:
        """Closing ends the transaction."""
        self.connection.close()


def _texts(rows: Iterable[tuple[object, ...]]) -> Iterator[list[str | None]]:
    for row in rows:
        yield [_text(value) for value in row]


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return repr(value)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise SourceDamaged(
            f"a text value is not UTF-8 (its byte {error.start})", todo="store the file's text as UTF-8 at the source"
        ) from None
