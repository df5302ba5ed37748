"""One small department per connector, all in the same shape, so that one suite runs over every kind.

A stage keeps one table of text columns. `write` makes it anew, `add` adds records as the department would (rows, or a further
file), `source` is the contract's server block for it. `deliver` reads as the hub does: land, then decode.
"""

import csv
import json
import math
import shutil
import sqlite3
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import duckdb
import openpyxl
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pymysql
import pytest
import servers
from sqlalchemy import NullPool, create_engine, make_url

from connectors import Connector, decode, open_source
from lake import inbox
from schemas.contract import Column, Source

TOKEN = "token-that-nobody-may-see-51c0"
SERVERS = tuple(pytest.param(name, marks=getattr(pytest.mark, f"needs_{name}")) for name in ("postgres", "mariadb"))
KINDS = ("sqlite", "duckdb", *SERVERS, "csv", "csv-gb18030", "xlsx", "jsonl", "parquet", "rest", "push")
Rows = Sequence[Sequence[str | None]]


@dataclass
class Delivery:
    """What one read brought: records as dicts by source name, and what the reading said of itself."""

    records: list[dict[str, Any]]
    names: list[str]
    watermark: str | None
    complete: bool
    consistent: bool
    note: str
    parts: list[str]

    def values(self, name: str) -> list[Any]:
        return [record[name] for record in self.records]

    def texts(self, name: str) -> list[str | None]:
        """A column in text form, whatever type it came in."""
        return [text(value) for value in self.values(name)]


def text(value: Any) -> str | None:
    """A value as the source would write it."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case datetime():
            return value.isoformat(" ")
        case bytes():
            return "\\x" + value.hex()
        case _:
            return str(value)


def columns(*names: str) -> tuple[Column, ...]:
    """Contract columns whose hub names are c0, c1, … for these source names."""
    return tuple(Column(f"c{i}", name, name) for i, name in enumerate(names))


def deliver(
    connector: Connector, source: Source, wanted: Sequence[Column], watermark: str | None, folder: Path
) -> Delivery:
    """Read all parts, landing each in `folder`, and decode what was landed."""
    records: list[dict[str, Any]] = []
    names: list[str] = []
    parts: list[str] = []
    folder.mkdir(exist_ok=True)
    with connector, connector.read(wanted, watermark) as reading:
        for number, part in enumerate(reading.parts()):
            landed = folder / f"{number}.{part.media}"
            if part.batches is not None:
                with pa.ipc.new_stream(str(landed), part.schema) as writer:
                    for batch in part.batches:
                        writer.write_batch(batch)
            else:
                landed.write_bytes(b"".join(part.chunks or ()))
            parts.append(part.name)
            for batch in decode(landed, part.media, source, name=part.name):
                names += [n for n in batch.schema.names if n not in names and n != "_row"]
                records += batch.to_pylist()
        return Delivery(records, names, reading.watermark, reading.complete, reading.consistent, reading.note, parts)


class Impossible(Exception):
    """The system itself refuses such a value, or has no way to write it."""


@dataclass
class Stage:
    """What the suite needs of a department; each kind fills in its own."""

    root: Path
    secret: str = ""
    table: str = "records"
    options: dict[str, Any] = field(default_factory=dict)
    turn: int = 0
    names: Sequence[str] = ()

    tells_null_from_empty = True
    names_without_records = True
    keeps_snapshots = True
    begins_whole = True
    """Whether the first incremental read is of everything there is."""
    gives_once = False
    """Whether an incremental read brings what no other brought before, instead of all from the bound on."""
    misses = True
    """Whether a table that is not there is a fault."""
    odd_table = "1 表'x' \"y\" %s;-- \\ 😀"
    """A table's name with all that a name may hold."""
    longest = 10 << 20
    """Characters that one cell can hold."""

    def poison(self, name: str, raw: bytes) -> None:
        """Make the table anew with one record, whose text is these bytes. Raises Impossible where the system takes no such text."""
        raise Impossible(name, raw)

    def source(self, **changes: Any) -> Source:
        raise NotImplementedError

    def write(self, names: Sequence[str], rows: Rows) -> None:
        raise NotImplementedError

    def add(self, rows: Rows) -> None:
        raise NotImplementedError

    def missing(self) -> Source:
        return self.source(table="absent")

    def unreachable(self) -> Source | None:
        """The source on a port where nobody listens, None where there is no network between."""
        return None

    def open(self, source: Source | None = None, secret: str | None = None) -> Connector:
        return open_source(
            source or self.source(), secret=lambda _: self.secret if secret is None else secret, root=self.root
        )

    def deliver(self, wanted: Sequence[Column] = (), watermark: str | None = None, **changes: Any) -> Delivery:
        source = self.source(**changes)
        self.turn += 1
        return deliver(self.open(source), source, wanted, watermark, self.root / f"landed-{self.turn}")


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


class FileStage(Stage):
    """Files in a drop folder, `records-001.csv` and so on."""

    kind = "csv"
    tells_null_from_empty = False
    begins_whole = False
    gives_once = True

    def source(self, **changes: Any) -> Source:
        if changes.get("sync", "snapshot") != "snapshot":
            changes = {"table": f"drops/*.{self.kind}", **changes}
        return replace(
            Source(self.kind, "file://", f"drops/{self.table}-001.{self.kind}", options=self.options), **changes
        )

    @property
    def first(self) -> Path:
        (self.root / "drops").mkdir(exist_ok=True)
        return self.root / "drops" / f"{self.table}-001.{self.kind}"

    def write(self, names: Sequence[str], rows: Rows) -> None:
        self.names = names
        self.write_file(self.first, rows)

    def add(self, rows: Rows) -> None:
        number = len(list((self.root / "drops").iterdir())) + 1
        self.write_file(self.root / "drops" / f"{self.table}-{number:03d}.{self.kind}", rows)

    def missing(self) -> Source:
        return self.source(table=f"drops/absent.{self.kind}")

    def write_file(self, path: Path, rows: Rows) -> None:
        raise NotImplementedError


@dataclass
class CsvStage(FileStage):
    encoding: str | None = None

    def source(self, **changes: Any) -> Source:
        return super().source(**{"encoding": self.encoding, **changes})

    def write_file(self, path: Path, rows: Rows) -> None:
        with path.open("w", encoding=self.encoding or "utf-8-sig", newline="") as file:
            csv.writer(file).writerows([self.names, *rows])

    def poison(self, name: str, raw: bytes) -> None:
        if self.encoding:
            raise Impossible
        self.first.write_bytes(b"\xef\xbb\xbf" + f'"{name}"\r\n"'.encode() + raw + b'"\r\n')


class XlsxStage(FileStage):
    kind = "xlsx"
    longest = 32_767

    def write_file(self, path: Path, rows: Rows) -> None:
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for row in [self.names, *rows]:
            sheet.append(list(row))
        for cell in (cell for row in sheet.iter_rows() for cell in row if cell.value is not None):
            cell.data_type = "s"  # text that begins with = is no formula here
        book.save(path)


class JsonlStage(FileStage):
    kind = "jsonl"
    tells_null_from_empty = True
    names_without_records = False

    def poison(self, name: str, raw: bytes) -> None:
        self.first.write_text(poisoned(name, raw) + "\n", encoding="utf-8")

    def write_file(self, path: Path, rows: Rows) -> None:
        objects = [dict(zip(self.names, row, strict=True)) for row in rows]
        path.write_text("".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects) or "\n", encoding="utf-8")


class ParquetStage(FileStage):
    kind = "parquet"
    tells_null_from_empty = True

    def write_file(self, path: Path, rows: Rows) -> None:
        columns = list(zip(*rows, strict=True)) or [()] * len(self.names)
        table = pa.table([pa.array(column, pa.string()) for column in columns], names=list(self.names))
        pq.write_table(table, path)

    def poison(self, name: str, raw: bytes) -> None:
        self.names = [name]
        offsets = pa.py_buffer(struct.pack("<ii", 0, len(raw)))
        column = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(raw)])
        pq.write_table(pa.table([column], names=[name]), self.first)


@dataclass
class RestStage(Stage):
    """A real HTTP server over a list of records, three kinds of fault on request."""

    port: int = 0
    records: list[dict[str, str | None]] = field(default_factory=list)
    since: list[str] = field(default_factory=list)
    raw: bytes = b""
    names_without_records = False
    keeps_snapshots = False
    odd_table = "1 表'x' 😀"  # a path is the API's own: ?, # and % mean something there

    def poison(self, name: str, raw: bytes) -> None:
        self.raw = f'{{"data": {{"total": 1, "items": [{poisoned(name, raw)}]}}}}'.encode()

    def source(self, **changes: Any) -> Source:
        options = {
            "records": "data.items",
            "total": "data.total",
            "pagination": {"kind": "page", "size": 400},
            "updatedSince": "since",
        }
        url = f"http://127.0.0.1:{self.port}/v1"
        return replace(Source("rest", url, self.table, secret="env:TOKEN", options=options), **changes)

    def unreachable(self) -> Source | None:
        return self.source(url=f"http://127.0.0.1:{servers.free_port()}/v1")

    def write(self, names: Sequence[str], rows: Rows) -> None:
        self.names = names
        self.records.clear()
        self.add(rows)

    def add(self, rows: Rows) -> None:
        self.records += [dict(zip(self.names, row, strict=True)) for row in rows]

    def answer(self, path: str, query: dict[str, str], token: str) -> tuple[int, bytes]:
        if token != f"Bearer {self.secret}":
            return 401, b"{}"
        if unquote(path) != f"/v1/{self.table}":
            return 404, b"{}"
        if self.raw:
            return 200, self.raw
        found = self.records
        if "since" in query:
            self.since.append(query["since"])
            found = [r for r in found if (r["updated_at"] or "") >= query["since"]]
        size = min(int(query["size"]), 300)  # the server caps what it is asked for
        first = (int(query["page"]) - 1) * size
        data = {"total": len(found), "items": found[first : first + size]}
        return 200, json.dumps({"data": data}, ensure_ascii=False, indent=1).encode()


class PushStage(Stage):
    """An inbox, into which the department sends JSON lines through the hub's own door: the whole table, then what is new."""

    names_without_records = False
    gives_once = True
    misses = False  # the department has yet to send
    odd_table = "records"  # a dataset's name is the hub's own

    def source(self, **changes: Any) -> Source:
        return replace(Source("push", "", self.table, encoding="utf-8"), **changes)

    def open(self, source: Source | None = None, secret: str | None = None) -> Connector:
        assert secret is None
        return open_source(source or self.source(), secret=str, root=self.root, inbox=inbox.root(self.root))

    def write(self, names: Sequence[str], rows: Rows) -> None:
        self.names = names
        shutil.rmtree(inbox.folder(self.root, self.table), ignore_errors=True)
        if rows:
            self.send([json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows], whole=True)

    def add(self, rows: Rows) -> None:
        self.send(
            [json.dumps(dict(zip(self.names, row, strict=True)), ensure_ascii=False) for row in rows], whole=False
        )

    def poison(self, name: str, raw: bytes) -> None:
        self.send([poisoned(name, raw)], whole=True)

    def send(self, lines: list[str], *, whole: bool) -> None:
        door = inbox.Door(
            self.root, self.table, "bureau", "incremental", 64 << 20, lambda: datetime(2026, 5, 1, tzinfo=UTC)
        )
        with door.open(f"key {time.monotonic_ns()}", "jsonl", complete=whole) as arrival:
            arrival.write("\n".join(lines).encode())
            arrival.seal(lambda _: None)


def poisoned(name: str, raw: bytes) -> str:
    """A JSON object whose value is these bytes, lone surrogates and control characters as escapes."""
    return json.dumps({name: raw.decode("utf-8", "surrogatepass")})
