"""MariaDB and MySQL: one consistent, read-only snapshot, values as the server's own text.

Rows are taken from the wire in blocks (`connectors.sql.packets`) and nothing is converted on the way, so `0000-00-00` and every digit of a
DECIMAL come through; what fits a type is converted here. The session's zone is UTC: as text, a TIMESTAMP is shown with its offset, a
DATETIME as it was stored.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pymysql
from pymysql.constants import ER
from pymysql.converters import conversions

from connectors.bounds import Horizon, Value
from connectors.interface import SourceColumn
from connectors.sql import packets
from connectors.sql.conversion import converted
from connectors.sql.dialect import number, numeric, since
from connectors.sql.limits import IDLE_SECONDS

MARGIN = 2
_SAYS_FIRST = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION lock_wait_timeout = 60, time_zone = '+00:00'",
)
_TEXT = r"(TINY|MEDIUM|LONG)?TEXT\b|N?(VAR)?CHAR\b"
_BYTES = r"(TINY|MEDIUM|LONG)?BLOB\b|(VAR)?BINARY\b|GEOMETRY|POINT|LINESTRING|POLYGON|MULTI|$"
_TYPES: dict[str, pa.DataType] = {
    r"(TINYINT|SMALLINT|MEDIUMINT|INTEGER|INT|BIGINT)(\(\d+\))?": pa.int64(), r"DOUBLE(\(.*\))?": pa.float64(), "DATE": pa.date32(),
    r"(DATETIME|TIMESTAMP)(\(.*\))?": pa.timestamp("us"),
}  # fmt: skip
# A statement that waits for a lock stamps its rows before InnoDB's transaction begins, hence the process list too.
_AGE = """
SELECT greatest(
  coalesce((SELECT max(timestampdiff(SECOND, trx_started, now())) FROM information_schema.innodb_trx), 0),
  coalesce((SELECT max(time) FROM information_schema.processlist
            WHERE command IN ('Query', 'Execute') AND id <> connection_id()), 0)), @@global.read_only
"""
_ENGINE = (
    "SELECT engine FROM information_schema.tables WHERE table_schema = coalesce(%s, database()) AND table_name = %s"
)
_OVERLAP = "bound by overlap: running transactions cannot be seen (the PROCESS right, on a primary)"


class MariaDb:
    """One session; the horizon is sure where the account has PROCESS and the server is no replica."""

    mark = "%s"

    def __init__(self, **arguments: Any) -> None:
        encoders = {kind: how for kind, how in conversions.items() if not isinstance(kind, int)}
        self._patience = float(arguments.get("read_timeout") or IDLE_SECONDS)
        arguments = arguments | {"charset": "utf8mb4", "conv": encoders, "local_infile": False, "autocommit": True}
        self.connection = pymysql.connect(**arguments)
        for statement in _SAYS_FIRST:
            self._one(statement)

    def horizon(self) -> Horizon:
        """The oldest running transaction's or statement's start, or now; two seconds earlier, for those are whole seconds."""
        now = datetime.fromisoformat(f"{self._one('SELECT utc_timestamp(6)')[0]}+00:00") - timedelta(seconds=MARGIN)
        self._one("SET SESSION time_zone = 'SYSTEM'")  # the zone of trx_started
        try:
            age, replica = self._one(_AGE)
        except pymysql.OperationalError as error:
            if error.args[0] != ER.SPECIFIC_ACCESS_DENIED_ERROR:
                raise
            return Horizon(now, sure=False, note=_OVERLAP)
        finally:
            self._one("SET SESSION time_zone = '+00:00'")
        sure = replica in ("0", "OFF")
        return Horizon(now - timedelta(seconds=int(age)), sure=sure, note="" if sure else _OVERLAP)

    def begin(self) -> None:
        """Open the snapshot."""
        self._one("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def consistent(self, schema: str | None, table: str, /) -> bool:
        """Only InnoDB keeps snapshots; of a view it is not known."""
        row = self._one(_ENGINE, (schema, table))
        return bool(row) and row[0] == "InnoDB"

    def expression(self, column: SourceColumn, quoted: str, kind: pa.DataType, /) -> str:
        """A TIMESTAMP with its offset, bits as a number, bytes as hex, all else as the server's own text."""
        if kind != pa.string() or re.match(_TEXT, column.type):
            return quoted
        if re.match(_BYTES, column.type):
            return f"CONCAT('\\\\x', LOWER(HEX({quoted})))"
        if column.type.startswith("TIMESTAMP"):
            return f"CONCAT({quoted}, '+00:00')"
        return f"CAST({quoted} + 0 AS CHAR)" if column.type.startswith("BIT") else f"CAST({quoted} AS CHAR)"

    def type(self, column: SourceColumn, /) -> pa.DataType:
        """All comes as text, which is converted here."""
        if found := re.fullmatch(r"DECIMAL\((\d+), (\d+)\)", column.type):
            precision, scale = int(found[1]), int(found[2])
            return pa.decimal128(precision, scale) if precision <= 38 else pa.string()
        return next((kind for form, kind in _TYPES.items() if re.fullmatch(form, column.type)), pa.string())

    def zone(self, column: SourceColumn, zone: str, /) -> str:
        """UTC for a TIMESTAMP, the source's own for a DATETIME."""
        return "UTC" if column.type.startswith("TIMESTAMP") else zone

    def newest(self, column: SourceColumn, quoted: str, table: str, /) -> Value | None:
        """The greatest value."""
        value: str | None = self._one(f"SELECT max({quoted}) FROM {table}")[0]
        return number(value) if value is not None and numeric(column) else value

    def since(self, rows: str, _cursor: SourceColumn, quoted: str, /) -> str:
        """One condition."""
        return since(rows, quoted, self.mark)

    def rows(self, sql: str, parameters: tuple[Value, ...], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows; parameters are escaped by the driver."""
        statement = self.connection.cursor().mogrify(sql, parameters or None)
        yield from converted(packets.rows(self.connection, statement, schema.names, self._patience), schema)

    def close(self) -> None:
        """Closing the connection ends the transaction and any stream, whose unread rest the driver would else fetch."""
        if self.connection._result:
            self.connection._result.unbuffered_active = False
        if self.connection.open:
            self.connection.close()

    def _one(self, sql: str, parameters: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone() or ()
