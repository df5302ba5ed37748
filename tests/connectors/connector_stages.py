"""One small department per connector, all in the same shape, so that one suite runs over every kind.

A stage keeps one table of text columns. `write` makes it anew, `add` adds records as the department would (rows, or a further
file), `source` is the contract's server block for it. `deliver` reads as the hub does: land, then decode.
"""

import csv
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import openpyxl
import pyarrow.parquet as pq
import pytest
import servers
from sqlalchemy import NullPool, create_engine, make_url

from connectors import Connector, decode, open_source
from schemas.contract import Column, Source

TOKEN = "token-that-nobody-may-see-51c0"
SERVERS = tuple(pytest.param(name, marks=getattr(pytest.mark, f"needs_{name}")) for name in ("postgres", "mariadb"))
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
                with pq.ParquetWriter(landed, part.schema) as writer:
                    for batch in part.batches:
                        writer.write_batch(batch)
            else:
                landed.write_bytes(b"".join(part.chunks or ()))
            parts.append(part.name)
            for batch in decode(landed, part.media, source, name=part.name):
                names += [n for n in batch.schema.names if n not in names and n != "_row"]
                records += batch.to_pylist()
        return Delivery(records, names, reading.watermark, reading.complete, reading.consistent, reading.note, parts)


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

    def execute(self, statement: str, rows: Rows = ()) -> None:
        raise NotImplementedError

    def q(self, name: str) -> str:
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def write(self, names: Sequence[str], rows: Rows) -> None:
        self.names = names
        self.execute(f"DROP TABLE IF EXISTS {self.q(self.table)}")
        declared = ", ".join(f"{self.q(name)} {self.text_type}" for name in names)
        self.execute(f"CREATE TABLE {self.q(self.table)} ({declared})")
        self.add(rows)

    def add(self, rows: Rows) -> None:
        if rows:
            marks = ", ".join([self.mark] * len(self.names))
            table = self.q(self.table).replace("%", "%%") if self.mark == "%s" else self.q(self.table)
            self.execute(f"INSERT INTO {table} VALUES ({marks})", rows)


class SqliteStage(SqlStage):
    mark = "?"

    def source(self, **changes: Any) -> Source:
        return replace(Source("sql", "sqlite:///police.db", self.table), **changes)

    def execute(self, statement: str, rows: Rows = ()) -> None:
        connection = sqlite3.connect(self.root / "police.db")
        with connection:
            connection.executemany(statement, rows) if rows else connection.execute(statement)
        connection.close()


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


class PostgresStage(ServerStage):
    pass


class MariaDbStage(ServerStage):
    quote = "`"
    text_type = "varchar(300) character set utf8mb4"


class FileStage(Stage):
    """Files in a drop folder, `records-001.csv` and so on."""

    kind = "csv"
    tells_null_from_empty = False

    def source(self, **changes: Any) -> Source:
        if changes.get("sync", "snapshot") != "snapshot":
            changes = {"table": f"drops/*.{self.kind}", **changes}
        return replace(Source(self.kind, "file://", f"drops/records-001.{self.kind}", options=self.options), **changes)

    def write(self, names: Sequence[str], rows: Rows) -> None:
        self.names = names
        (self.root / "drops").mkdir(exist_ok=True)
        self.write_file(self.root / "drops" / f"records-001.{self.kind}", rows)

    def add(self, rows: Rows) -> None:
        number = len(list((self.root / "drops").iterdir())) + 1
        self.write_file(self.root / "drops" / f"records-{number:03d}.{self.kind}", rows)

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


class XlsxStage(FileStage):
    kind = "xlsx"

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

    def write_file(self, path: Path, rows: Rows) -> None:
        objects = [dict(zip(self.names, row, strict=True)) for row in rows]
        path.write_text("".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects) or "\n", encoding="utf-8")


@dataclass
class RestStage(Stage):
    """A real HTTP server over a list of records, three kinds of fault on request."""

    port: int = 0
    records: list[dict[str, str | None]] = field(default_factory=list)
    since: list[str] = field(default_factory=list)
    names_without_records = False

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
        if path != "/v1/records":
            return 404, b"{}"
        found = self.records
        if "since" in query:
            self.since.append(query["since"])
            found = [r for r in found if (r["updated_at"] or "") >= query["since"]]
        size = min(int(query["size"]), 300)  # the server caps what it is asked for
        first = (int(query["page"]) - 1) * size
        data = {"total": len(found), "items": found[first : first + size]}
        return 200, json.dumps({"data": data}, ensure_ascii=False, indent=1).encode()


Answer = Callable[[str, dict[str, str], str], tuple[int, bytes] | tuple[int, bytes, dict[str, str]]]


@contextmanager
def http_server(answer: Answer) -> Iterator[int]:
    """An HTTP server on 127.0.0.1 that answers as the function says; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(url.query).items()}
            status, body, *headers = answer(url.path, query, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in (headers[0] if headers else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
