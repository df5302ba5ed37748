"""Stages (`connector_stages`) whose department keeps its records in a database."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import duckdb
import psycopg
import pyarrow as pa
import pymysql
import servers
from connector_stages import Impossible, Rows, Stage
from sqlalchemy import NullPool, create_engine, make_url

from schemas.contract import Source


class SqlStage(Stage):
    """A table in a database; `execute` runs a statement with parameters."""

    quote = '"'
    mark = "%s"
    text_type = "text"
    short_type = "text"
    special: ClassVar[dict[str, tuple[str, str, str | None]]] = {}
    """Values that plain text does not show: declared type, literal, and the text that must come."""

    def execute(self, statement: str, rows: Rows = ()) -> None:
        raise NotImplementedError

    def q(self, name: str) -> str:
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def write(self, names: Sequence[str], rows: Rows) -> None:
        self.names = names
        self.execute(f"DROP TABLE IF EXISTS {self.q(self.table)}")
        kind = self.text_type if len(names) < 100 else self.short_type
        declared = ", ".join(f"{self.q(name)} {kind}" for name in names)
        self.execute(f"CREATE TABLE {self.q(self.table)} ({declared})")
        self.add(rows)

    def make(self, declared: dict[str, str], *rows: Sequence[str]) -> None:
        """The table with columns of these types, rows given as SQL literals."""
        self.execute(f"DROP TABLE IF EXISTS {self.table}")
        self.execute(f"CREATE TABLE {self.table} ({', '.join(f'{n} {t}' for n, t in declared.items())})")
        for row in rows:
            self.execute(f"INSERT INTO {self.table} VALUES ({', '.join(row)})")

    def add(self, rows: Rows) -> None:
        if rows:
            marks = ", ".join([self.mark] * len(self.names))
            table = self.q(self.table).replace("%", "%%") if self.mark == "%s" else self.q(self.table)
            self.execute(f"INSERT INTO {table} VALUES ({marks})", rows)


class SqliteStage(SqlStage):
    mark = "?"
    special: ClassVar[dict[str, tuple[str, str, str | None]]] = {
        "infinity": ("real", "9e999", "inf"),
        "minus infinity": ("real", "-9e999", "-inf"),
        "not a number is null": ("real", "9e999 - 9e999", None),
        "zero date": ("date", "'0000-00-00'", "0000-00-00"),
        "negative year": ("date", "'-0043-03-15'", "-0043-03-15"),
        "number in a text column": ("text", "1e2", "100.0"),
        "text in a number column": ("integer", "'n/a'", "n/a"),
        "blob": ("blob", "x'00ff'", r"\x00ff"),
    }

    def poison(self, name: str, raw: bytes) -> None:
        self.write([name], [])
        self.execute(f"INSERT INTO {self.q(self.table)} VALUES (CAST(x'{raw.hex()}' AS TEXT))")

    def source(self, **changes: Any) -> Source:
        return replace(Source("sql", "sqlite:///police.db", self.table), **changes)

    def execute(self, statement: str, rows: Rows = ()) -> None:
        connection = sqlite3.connect(self.root / "police.db")
        with connection:
            connection.executemany(statement, rows) if rows else connection.execute(statement)
        connection.close()


class DuckDbStage(SqlStage):
    """A dialect without a connector of its own: stands for all that go through SQLAlchemy alone."""

    mark = "?"
    keeps_snapshots = False
    special: ClassVar[dict[str, tuple[str, str, str | None]]] = {
        "not a number": ("double", "'nan'", "NaN"),
        "infinity": ("double", "'-infinity'", "-Infinity"),
        "digits": ("decimal(38,10)", "1234567890123456789012345678.1", "1234567890123456789012345678.1000000000"),
        "huge": ("hugeint", "170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
        "bytes": ("blob", r"'\x00\xFF'::blob", r"\x00ff"),
        "list": ("integer[]", "[1, NULL]", "[1,null]"),
        "day": ("date", "'0099-01-01'", "0099-01-01"),
        "moment": ("timestamp", "'2026-05-01 08:00:00.000001'", "2026-05-01 08:00:00.000001"),
        "truth": ("boolean", "true", "true"),
    }

    def source(self, **changes: Any) -> Source:
        return replace(Source("sql", "duckdb:///land.duckdb", self.table), **changes)

    def execute(self, statement: str, rows: Rows = ()) -> None:
        with duckdb.connect(str(self.root / "land.duckdb")) as connection:
            connection.execute(statement, rows or None)

    def add(self, rows: Rows) -> None:
        if rows:
            given = pa.table(
                [pa.array(c, pa.string()) for c in zip(*rows, strict=True)], [f"c{i}" for i in range(len(rows[0]))]
            )
            with duckdb.connect(str(self.root / "land.duckdb")) as connection:
                connection.register("given", given)
                connection.execute(f"INSERT INTO {self.q(self.table)} SELECT * FROM given")


@dataclass
class ServerStage(SqlStage):
    """A database of its own on a real server."""

    url: str = ""

    def source(self, **changes: Any) -> Source:
        bare, self.secret = servers.account(self.url)
        return replace(Source("sql", bare, self.table, secret="env:ACCOUNT"), **changes)

    def unreachable(self) -> Source | None:
        url = make_url(servers.account(self.url)[0]).set(port=servers.free_port())
        return self.source(url=url.render_as_string())

    def execute(self, statement: str, rows: Rows = ()) -> None:
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection, connection.connection.cursor() as cursor:
            cursor.executemany(statement, rows) if rows else cursor.execute(statement)

    def _insert_or_refuse(self, value: str) -> None:
        try:
            self.execute(f"INSERT INTO {self.q(self.table)} VALUES ({value})")
        except (psycopg.Error, pymysql.MySQLError):
            raise Impossible from None
        stored = self.execute_scalar(
            f"SELECT count(*) FROM {self.q(self.table)} WHERE {self.q(self.names[0])} IS NOT NULL"
        )
        if not stored:
            raise Impossible

    def execute_scalar(self, query: str) -> Any:
        with create_engine(self.url, poolclass=NullPool).connect() as connection:
            return connection.exec_driver_sql(query).scalar()


class PostgresStage(ServerStage):
    special: ClassVar[dict[str, tuple[str, str, str | None]]] = {
        "not a number": ("float8", "'NaN'", "NaN"),
        "infinity": ("float8", "'Infinity'", "Infinity"),
        "decimal not a number": ("numeric", "'NaN'", "NaN"),
        "decimal infinity": ("numeric", "'-Infinity'", "-Infinity"),
        "endless timestamp": ("timestamptz", "'infinity'", "infinity"),
        "endless date": ("date", "'-infinity'", "-infinity"),
        "negative year": ("date", "'0044-03-15 BC'", "0044-03-15 BC"),
        "far year": ("date", "'12026-05-01'", "12026-05-01"),
        "half an hour of a zone": ("timestamptz", "'2026-05-01 08:00:00+05:30'", "2026-05-01 02:30:00+00"),
        "end of the day": ("time", "'24:00'", "24:00:00"),
        "digits": ("numeric", "12345678901234567890123456789012345678901.10", "12345678901234567890123456789012345678901.10"),
        "scale kept": ("numeric(10,4)", "1.5", "1.5000"),
        "list": ("text[]", "ARRAY['a,b', NULL]", '{"a,b",NULL}'),
        "bytes": ("bytea", r"'\x00ff'", r"\x00ff"),
    }  # fmt: skip

    def poison(self, name: str, raw: bytes) -> None:
        self.write([name], [])
        self._insert_or_refuse(f"convert_from('\\x{raw.hex()}', 'UTF8')")


class MariaDbStage(ServerStage):
    quote = "`"
    text_type = "longtext character set utf8mb4"
    short_type = "varchar(8) character set ascii"
    odd_table = "1 表'x' \"y\" `z` %s;-- \\"  # MySQL names end at U+FFFF
    special: ClassVar[dict[str, tuple[str, str, str | None]]] = {
        "zero date": ("date", "'0000-00-00'", "0000-00-00"),
        "zero month": ("datetime", "'2026-00-00 08:00:00'", "2026-00-00 08:00:00"),
        "zero timestamp": ("timestamp null", "'0000-00-00 00:00:00'", "0000-00-00 00:00:00+00:00"),
        "long time": ("time", "'-838:59:59'", "-838:59:59"),
        "digits": ("decimal(65,10)", "'1234567890123456789012345678901234567890123456789012345.1'",
                   "1234567890123456789012345678901234567890123456789012345.1000000000"),
        "unsigned": ("bigint unsigned", "18446744073709551615", "18446744073709551615"),
        "year": ("year", "2026", "2026"),
        "set": ("set('a','b')", "'a,b'", "a,b"),
        "bits": ("bit(10)", "b'1000000001'", "513"),
        "bytes": ("varbinary(2)", "x'00ff'", r"\x00ff"),
    }  # fmt: skip

    def poison(self, name: str, raw: bytes) -> None:
        self.write([name], [])
        self._insert_or_refuse(f"CONVERT(x'{raw.hex()}' USING utf8mb4)")
