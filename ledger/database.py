"""Engines and transactions of the hub's databases: SQLite files embedded, PostgreSQL in production, one code.

Three databases, so that a bulk load never makes the audit wait: `ledger`, `subjects`, `audit`. On SQLite each is a file in WAL
mode with synchronous=FULL, and a write transaction begins IMMEDIATE (a deferred one that reads first fails at once, whatever
the time-out, when another writer came between).
Its log grows to 64 MB before it is carried into the file, for which whoever commits then waits; a server's audit has it carried over beside
its commits (`ledger.carrying`). Errors never show a statement's parameters, which may be personal data.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from functools import cache, cached_property
from typing import Any

from sqlalchemy import Connection as Connection
from sqlalchemy import DateTime, Dialect, Engine, MetaData, create_engine, event, inspect, text
from sqlalchemy.types import TypeDecorator

ledger_tables = MetaData()
subject_tables = MetaData()
audit_tables = MetaData()
_ROWS = 256
"""How many rows a statement inserts at most."""
_PRAGMAS = ("synchronous=FULL", "wal_autocheckpoint=16000", "foreign_keys=ON", "busy_timeout=60000")
_MAPPED_BYTES = 1 << 31


class Moment(TypeDecorator[datetime]):
    """A moment that is aware and in UTC whichever the database; SQLite keeps no time zone of its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """In UTC, so that moments written from several zones compare."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Aware again."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """One database with two doors: `read()` for consistent reads, `write()` for a transaction that commits or leaves no trace."""

    def __init__(self, url: str, tables: MetaData, *, mapped: bool = False) -> None:
        """`mapped`: single reads of a SQLite file (2 GB of it) are made where the kernel has it, without a copy for each page.

        Not where `quick` writes: to carry the log over with the file mapped takes long enough for SQLite's fault (`ledger.carrying`).
        """
        self.engine = _engine(url)
        self._mapped = mapped
        self.tables = tables
        self.is_sqlite = self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection inside a read transaction."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, alone: str = "") -> Iterator[Connection]:
        """A connection inside a write transaction; SQLite takes its write lock at once.

        Of transactions that ask to be `alone` under one name the next begins when the last has ended: whoever reads before it
        writes needs that. SQLite has one writer at any time.
        """
        with self.engine.connect().execution_options(hub_write=True) as connection, connection.begin():
            if alone and not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": alone})
            yield connection

    @contextmanager
    def quick(self) -> Iterator["Plain"]:
        """A write transaction whose statements the driver itself runs, for what every answer waits for."""
        plain = self.points.begun("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
        try:
            yield plain
            plain.run("COMMIT")
        except BaseException:
            with suppress(Exception):
                plain.run("ROLLBACK")
            self.points.drop()
            raise

    @cached_property
    def points(self) -> "Points":
        """Single reads outside any transaction."""
        if self.is_sqlite:
            return Points(self.engine, mapped=self._mapped)
        return Points(create_engine(self.engine.url, isolation_level="AUTOCOMMIT", hide_parameters=True))

    def create(self) -> None:
        """Create all tables that are missing; of processes that start at once, one."""
        if not self.tables.tables.keys() <= set(inspect(self.engine).get_table_names()):
            with self.write(alone="tables") as connection:
                self.tables.create_all(connection)

    def scrub(self) -> None:
        """Write a SQLite file anew, so that nothing that was deleted stays in free pages or in its log; a server sees to that itself."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                driver = connection.connection.driver_connection
                assert driver is not None  # noqa: S101 - the connection is open
                driver.execute("VACUUM")
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()
        if "points" in vars(self):
            self.points.close()


class Points:
    """Statements by a connection that each thread keeps, not tried before it is used: a look-up is one round trip and no more.

    Where the server went away and came back, the first statement is run once more.
    """

    def __init__(self, engine: Engine, *, mapped: bool = False) -> None:
        self._engine, self._mapped = engine, mapped
        self._own, self._open = threading.local(), list[Any]()

    def rows(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """What a query finds."""
        try:
            return self._plain().rows(query, values)
        except self._engine.dialect.loaded_dbapi.OperationalError:
            self.drop()
            return self._plain().rows(query, values)

    def begun(self, begin: str) -> "Plain":
        """A transaction that has begun; to be committed, or the connection dropped."""
        try:
            self._plain().run(begin)
        except self._engine.dialect.loaded_dbapi.OperationalError:
            self.drop()
            self._plain().run(begin)
        return self._plain()

    def drop(self) -> None:
        """Close this thread's connection."""
        connection, self._own.connection = getattr(self._own, "connection", None), None
        if connection is not None:
            self._open.remove(connection)
            connection.close()

    def close(self) -> None:
        """Close every connection; no thread may be using one."""
        self._own = threading.local()
        while self._open:
            self._open.pop().close()
        self._engine.dispose()

    def _plain(self) -> "Plain":
        connection: Any = getattr(self._own, "connection", None)
        if connection is None:
            pooled = self._engine.raw_connection()
            connection = self._own.connection = pooled.driver_connection
            pooled.detach()
            self._open.append(connection)
            if self._mapped:
                connection.execute(f"PRAGMA mmap_size={_MAPPED_BYTES}")
        return Plain(connection.cursor(), self._engine.dialect.name)


class Plain:
    """A transaction's statements as the driver itself runs them: SQLAlchemy's bookkeeping costs more than they do.

    Parameters stand as `?`; `day` and `moment` say how the database keeps them.
    """

    def __init__(self, cursor: Any, dialect: str) -> None:
        self._cursor, self.dialect = cursor, dialect

    @staticmethod
    def of(connection: Connection) -> "Plain":
        """Statements in the transaction of this connection."""
        return Plain(connection.connection.cursor(), connection.dialect.name)

    def rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """What a query finds."""
        self._cursor.execute(_marked(self.dialect, statement), tuple(values))
        found: list[tuple[Any, ...]] = self._cursor.fetchall()
        return found

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it touched."""
        self._cursor.execute(_marked(self.dialect, statement), tuple(values))
        return int(self._cursor.rowcount)

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each row of values."""
        self._cursor.executemany(_marked(self.dialect, statement), rows)

    def insert(self, into: str, rows: Sequence[Sequence[Any]], then: str = "") -> None:
        """Insert the rows, so many by one statement: each statement gives the interpreter away and has to wait for it again."""
        for first in range(0, len(rows), _ROWS):
            some = rows[first : first + _ROWS]
            statement = _marked(self.dialect, _inserting(into, len(some[0]), len(some), then))
            self._cursor.execute(statement, [value for row in some for value in row])

    def day(self, day: date) -> date | str:
        """A day as it is kept."""
        return day.isoformat() if self.dialect == "sqlite" else day

    def moment(self, at: datetime) -> datetime | str:
        """A moment as `Moment` keeps it."""
        utc = at.astimezone(UTC)
        return f"{utc:%Y-%m-%d %H:%M:%S.%f}" if self.dialect == "sqlite" else utc


def as_day(kept: Any) -> date:
    """A day that was kept."""
    return date.fromisoformat(kept) if isinstance(kept, str) else kept


@cache
def _inserting(into: str, columns: int, rows: int, then: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)} {then}"


@cache
def _marked(dialect: str, statement: str) -> str:
    return statement if dialect == "sqlite" else statement.replace("?", "%s")


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": 60, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        _use_wal(connection)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("hub_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _use_wal(connection: Any) -> None:
    """Put the file in WAL mode; while another process is doing so SQLite refuses instead of waiting, so this waits."""
    for _ in range(200):
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=WAL")
            return
        time.sleep(0.05)
    connection.execute("PRAGMA journal_mode=WAL")
