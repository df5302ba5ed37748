"""PostgreSQL: COPY to csv out of one repeatable-read, read-only transaction, parsed block by block.

COPY shows every type's own exact text, at several times the speed of rows. In its csv an empty field is NULL and `""` the
empty string, which the parser keeps apart. The session shows time in UTC with its offset, and bytes as hex.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import psycopg
import pyarrow as pa
from pyarrow import csv

from connectors.bounds import Horizon, Value
from connectors.interface import SourceColumn
from connectors.sql.dialect import number, numeric
from schemas.errors import SourceDamaged

BLOCK = 4 << 20
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


class Postgres:
    """One session; the horizon is sure where the role may see other sessions' transactions on a primary.

    A prepared transaction no longer tells when it began, so while there is one the horizon is not sure.
    """

    mark = "%s"

    def __init__(self, **arguments: Any) -> None:
        self.connection = psycopg.connect(**arguments, autocommit=True)
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

    def expression(self, column: SourceColumn, quoted: str, /) -> str:
        """The column as COPY shows it; a boolean as true or false instead of t or f."""
        return f"{quoted}::text" if column.type == "BOOLEAN" else quoted

    def zone(self, _column: SourceColumn, zone: str, /) -> str:
        """The source's own: a column with a zone shows its offset."""
        return zone

    def newest(self, column: SourceColumn, quoted: str, table: str, /) -> Value | None:
        """The greatest finite value: `infinity` would be the bound for ever."""
        finite = f" WHERE isfinite({quoted})" if column.type.startswith(("DATE", "TIMESTAMP")) else ""
        (value,) = self._one(f"SELECT max({quoted})::text FROM {table}{finite}")
        return number(value) if value is not None and numeric(column) else value

    def rows(self, sql: str, parameters: tuple[Value, ...], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows; the server sends one message a row, so a block of messages is a block of whole rows."""
        statement = f"COPY ({sql}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')".encode()
        with self.connection.cursor() as cursor, cursor.copy(statement, parameters) as copy:
            block = bytearray()
            for row in copy:
                block += row
                if len(block) >= BLOCK:
                    yield _batch(block, schema)
                    block = bytearray()
            if block:
                yield _batch(block, schema)

    def close(self) -> None:
        """Closing the connection ends the transaction and any stream."""
        self.connection.close()

    def _one(self, sql: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self.connection.execute(sql.encode()).fetchone()
        if row is None:
            raise SourceDamaged("PostgreSQL gave no row where there is always one", todo="check the server's log")
        return row


def _batch(block: bytearray, schema: pa.Schema) -> pa.RecordBatch:
    try:
        table = csv.read_csv(
            BytesIO(block),
            csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=schema.names),
            csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types={name: pa.string() for name in schema.names},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        raise SourceDamaged(
            "a text value is not UTF-8 (a database of encoding SQL_ASCII?)",
            todo="ask the department to store valid text",
        ) from None
    arrays = [pa.concat_arrays(column.chunks) for column in table.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
