"""The departments of the fault suites: one table of people, held in every kind of system that a dataset may come from.

`hold` makes the department have exactly these rows. `whole` says that each read delivers everything, so that an absent key was
deleted; `reads` how many reads it takes until it is (two where the source shows no snapshot).
"""

import csv
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import servers
from sqlalchemy import NullPool, create_engine, make_url, text

Row = tuple[str, str | None, int]
Rows = dict[str, Row]
SECRET = "canary-secret-91f2"
PAGE = 20


@dataclass
class Department:
    """A department whose system is a SQLite file; every other kind says what is different."""

    drop: Path
    rows: Rows = field(default_factory=dict)

    whole = True
    reads = 1
    parts = 1
    secret = ""
    extra: ClassVar[tuple[dict[str, Any], ...]] = ()

    def server(self) -> dict[str, Any]:
        """The contract's server block."""
        return {"type": "custom", "url": "sqlite:///people.db", "syncMode": "snapshot"}

    def hold(self, rows: Rows) -> None:
        with closing(sqlite3.connect(self.drop / "people.db")) as db, db:
            db.execute('CREATE TABLE IF NOT EXISTS "人口" ("身份证号" TEXT, "姓名" TEXT, n INTEGER)')
            db.execute('DELETE FROM "人口"')
            db.executemany('INSERT INTO "人口" VALUES (?, ?, ?)', list(rows.values()))
        self.rows = rows

    def news(self, rows: Rows) -> list[Row]:
        """The rows that are not as they were."""
        return [row for key, row in rows.items() if self.rows.get(key) != row]


class Changes(Department):
    """A table with a number that grows with every write: read by cursor. Deletions show in no read."""

    whole = False
    extra: ClassVar[tuple[dict[str, Any], ...]] = ({"name": "v", "logicalType": "integer"},)

    def server(self) -> dict[str, Any]:
        return {**super().server(), "syncMode": "incremental", "cursor": "v"}

    def hold(self, rows: Rows) -> None:
        with closing(sqlite3.connect(self.drop / "people.db")) as db, db:
            db.execute(
                'CREATE TABLE IF NOT EXISTS "人口" ("身份证号" TEXT PRIMARY KEY, "姓名" TEXT, n INTEGER, v INTEGER)'
            )
            (last,) = db.execute('SELECT coalesce(max(v), 0) FROM "人口"').fetchone()
            news = [(*row, last + i) for i, row in enumerate(self.news(rows), 1)]
            db.executemany('INSERT OR REPLACE INTO "人口" VALUES (?, ?, ?, ?)', news)
            gone = [(key,) for key in self.rows if key not in rows]
            db.executemany('DELETE FROM "人口" WHERE "身份证号" = ?', gone)
        self.rows = rows


class Drops(Department):
    """A folder that gets a CSV file with each day's changes."""

    whole = False

    def server(self) -> dict[str, Any]:
        return {"type": "local", "path": "days/*.csv", "format": "csv", "syncMode": "append", "encoding": "gb18030"}

    def hold(self, rows: Rows) -> None:
        days = self.drop / "days"
        days.mkdir(exist_ok=True)
        with (days / f"{len(list(days.iterdir())):05d}.csv").open("w", encoding="gb18030", newline="") as file:
            csv.writer(file).writerows([("身份证号", "姓名", "n"), *self.news(rows)])
        self.rows = rows


class Api(Department):
    """An HTTP API that shows all rows page by page, without a snapshot."""

    reads = 2
    parts = 2
    secret = SECRET
    port = 0
    later_pages: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def server(self) -> dict[str, Any]:
        options = {"records": "items", "total": "total", "pagination": {"kind": "page", "size": PAGE}, "timeout": 2}
        location = f"http://127.0.0.1:{self.port}"
        return {
            "type": "api",
            "location": location,
            "syncMode": "snapshot",
            "secretRef": "env:CANARY",
            "options": options,
        }

    def hold(self, rows: Rows) -> None:
        self.rows = rows

    def page(self, number: int) -> bytes:
        """The answer to page `number`, from 1."""
        shown = list(self.rows.values())[(number - 1) * PAGE : number * PAGE]
        items = [{"身份证号": key, "姓名": name, "n": n} for key, name, n in shown]
        if self.later_pages and number > 1:
            items = [self.later_pages(item) for item in items]
        return json.dumps({"total": len(self.rows), "items": items}, ensure_ascii=False).encode()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """The API on a port of 127.0.0.1."""
        handler = type("Handler", (_Handler,), {"department": self})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    department: Api

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == f"Bearer {SECRET}"
        body = self.department.page(int(parse_qs(urlsplit(self.path).query)["page"][0])) if known else b"{}"
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass
class Server(Department):
    """A table on PostgreSQL or MariaDB, read whole in one snapshot; `port` is where the hub goes, if not to the server itself."""

    url: str = ""
    port: int = 0

    stamp = ""
    charset = ""

    def __post_init__(self) -> None:
        self.secret = servers.account(self.url)[1]
        postgres = make_url(self.url).get_backend_name() == "postgresql"
        self.quote, self.charset = ('"', "") if postgres else ("`", " CHARSET utf8mb4")
        columns = "{身份证号} varchar(18) PRIMARY KEY, {姓名} varchar(80), n bigint" + self.stamp
        self.table = self.ddl(f"CREATE TABLE {{人口}} ({columns}){self.charset}")
        self.execute(self.table)

    def begin_anew(self) -> None:
        """Make the table as it was at first, with the rows of now."""
        self.execute(self.ddl("DROP TABLE {人口}"), self.table)
        rows, self.rows = self.rows, {}
        self.hold(rows)

    def server(self) -> dict[str, Any]:
        at = make_url(self.url)
        kind = "postgres" if at.get_backend_name() == "postgresql" else "mysql"
        block = {"type": kind, "host": at.host, "port": self.port or at.port, "database": at.database}
        block |= {"schema": "public"} if kind == "postgres" else {}
        return {**block, "syncMode": "snapshot", "secretRef": "env:CANARY", "statementSeconds": 3}

    def ddl(self, statement: str) -> str:
        return statement.replace("{", self.quote).replace("}", self.quote)

    def execute(self, *statements: str, rows: list[dict[str, Any]] | None = None) -> None:
        """Statements in one transaction; the last one with these rows."""
        with create_engine(self.url, poolclass=NullPool).begin() as connection:
            for statement in statements[:-1]:
                connection.execute(text(statement))
            connection.execute(text(statements[-1]), rows or {})

    def hold(self, rows: Rows) -> None:
        gone = [{"k": key} for key in self.rows if key not in rows]
        if gone:
            self.execute(self.ddl("DELETE FROM {人口} WHERE {身份证号} = :k"), rows=gone)
        news = [{"k": key, "name": name, "n": n} for key, name, n in self.news(rows)]
        old = self.ddl("DELETE FROM {人口} WHERE {身份证号} = '%s'")
        put = self.ddl("INSERT INTO {人口} ({身份证号}, {姓名}, n) VALUES (:k, :name, :n)")
        if news:
            self.execute(*(old % row["k"] for row in news), put, rows=news)
        self.rows = rows


class ServerChanges(Server):
    """The same with a time stamp set at the write: read by cursor."""

    whole = False
    extra: ClassVar[tuple[dict[str, Any], ...]] = ({"name": "v", "logicalType": "timestamp"},)

    def __post_init__(self) -> None:
        postgres = make_url(self.url).get_backend_name() == "postgresql"
        self.stamp = ", v timestamptz DEFAULT now()" if postgres else ", v timestamp(6) DEFAULT now(6)"
        super().__post_init__()

    def server(self) -> dict[str, Any]:
        return {**super().server(), "syncMode": "incremental", "cursor": "v"}
