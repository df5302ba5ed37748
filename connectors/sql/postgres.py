"""PostgreSQL: COPY out of one repeatable-read, read-only transaction, parsed block by block.

COPY shows every type's own exact text, at several times the speed of rows. The session shows time in UTC with its offset, and bytes as hex.
"""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa

from connectors.bounds import Horizon, Value
from connectors.interface import SourceColumn
from connectors.sql.copying import copied
from connectors.sql.dialect import number, numeric, since
from schemas.errors import SourceDamaged

_TYPES: dict[str, pa.DataType] = {
    "SMALLINT": pa.int64(), "INTEGER": pa.int64(), "BIGINT": pa.int64(), "DOUBLE PRECISION": pa.float64(),
    "BOOLEAN": pa.bool_(), "DATE": pa.date32(), "TIMESTAMP WITHOUT TIME ZONE": pa.timestamp("us"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
}  # fmt: skip
_SESSION = """
SET TIME ZONE 'UTC'; SET DateStyle = ISO, YMD; SET IntervalStyle = iso_8601; SET bytea_output = hex; SET extra_float_digits = 1;
SET client_encoding = 'UTF8'; SET lock_timeout = '60s'
"""
_HORIZON = """
SELECT least(min(started), clock_timestamp()) - interval '1 second',
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AND NOT pg_is_in_recovery() AND coalesce(bool_and(known), true)
FROM (SELECT xact_start, true FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
      UNION ALL SELECT prepared, false FROM pg_prepared_xacts WHERE database = current_database()) AS running(started, known)
"""
_OVERLAP = (
    "bound by overlap: running transactions cannot be seen (pg_read_all_stats on a primary, without prepared ones)"
)


class _Patient(psycopg.Connection[Any]):
    """A connection that gives a server up which answers nothing for `patience` seconds; the driver would wait for ever."""

    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer."""
        return super().wait(gen, interval, self.patience if timeout is None else timeout)


class Postgres:
    """One session; the horizon is sure where the role may see other sessions' transactions on a primary.

    A prepared transaction no longer tells when it began, so while there is one the horizon is not sure.
    """

    mark = "%s"

    def __init__(self, patience: float | None = None, **arguments: Any) -> None:
        self.connection = _Patient.connect(**arguments, autocommit=True)
        self.connection.patience = patience
        self.connection.execute(_SESSION)

    def horizon(self) -> Horizon:
        """The oldest running transaction's start, or now; a second earlier, for a start is reported a moment late."""
        moment, sure = self._one(_HORIZON)
        return Horizon(moment, sure=bool(sure), note="" if sure else _OVERLAP)

    def begin(self) -> None:
        """Open the transaction; its first statement takes the snapshot, so one is made at once."""
        self.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self.connection.execute("SELECT 1")

    def consistent(self, _schema: str | None, _table: str, /) -> bool:
        """Always."""
        return True

    def expression(self, column: SourceColumn, quoted: str, kind: pa.DataType, /) -> str:
        """The column as COPY shows it; a boolean as true or false instead of t or f."""
        return f"{quoted}::text" if column.type == "BOOLEAN" and kind == pa.string() else quoted

    def zone(self, _column: SourceColumn, zone: str, /) -> str:
        """The source's own: a column with a zone shows its offset."""
        return zone

    def newest(self, column: SourceColumn, quoted: str, table: str, /) -> Value | None:
        """The greatest finite value: `infinity` would be the bound for ever."""
        finite = f" WHERE isfinite({quoted})" if column.type.startswith(("DATE", "TIMESTAMP")) else ""
        (value,) = self._one(f"SELECT max({quoted})::text FROM {table}{finite}")
        return number(value) if value is not None and numeric(column) else value

    def type(self, column: SourceColumn, /) -> pa.DataType:
        """The Arrow type that holds every usual value of the column exactly; text where there is none."""
        return _arrow(column.type)

    def since(self, rows: str, cursor: SourceColumn, quoted: str, /) -> str:
        """Two queries where a value is promised, of which the server leaves out the second: a range alone is a walk along the index.

        With OR it becomes a bitmap, which outgrows the server's memory if the rows lie scattered, and whole pages are looked through.
        Where no value is promised, or the table is a view, two queries might be two scans.
        """
        if cursor.nullable:
            return since(rows, quoted, self.mark)
        return f"{rows} WHERE {quoted} >= {self.mark} UNION ALL {rows} WHERE {quoted} IS NULL"

    def rows(self, sql: str, parameters: tuple[Value, ...], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows by COPY; see `connectors.sql.copying`."""
        query = psycopg.ClientCursor(self.connection).mogrify(sql.encode(), parameters) if parameters else sql
        return copied(self.connection, f"COPY ({query}) TO STDOUT (FORMAT text, ENCODING 'UTF8')", schema)

    def close(self) -> None:
        """Closing the connection ends the transaction and any stream."""
        self.connection.close()

    def _one(self, sql: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self.connection.execute(sql.encode()).fetchone()
        if row is None:
            raise SourceDamaged("PostgreSQL gave no row where there is always one", todo="check the server's log")
        return row


def _arrow(declared: str) -> pa.DataType:
    """The Arrow type of a declared one.

    >>> _arrow("NUMERIC(12, 2)"), _arrow("VARCHAR(18)")
    (Decimal128Type(decimal128(12, 2)), DataType(string))
    """
    if found := re.fullmatch(r"NUMERIC\((\d+), (\d+)\)", declared):
        precision, scale = int(found[1]), int(found[2])
        return pa.decimal128(precision, scale) if scale <= precision <= 38 else pa.string()
    return _TYPES.get(declared, pa.string())
