"""Engines and transactions of the hub's databases: SQLite files embedded, PostgreSQL in production, one code.

Three databases, so that a bulk load never makes the audit wait: `ledger`, `subjects`, `audit`. On SQLite each is a file in WAL
mode with synchronous=FULL, and a write transaction begins IMMEDIATE (a deferred one that reads first fails at once, whatever
the time-out, when another writer came between). Errors never show a statement's parameters, which may be personal data.
"""

import sqlite3
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

    def __init__(self, url: str, tables: MetaData) -> None:
        self.engine = _engine(url)
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

    @cached_property
    def points(self) -> Engine:
        """Connections for single reads outside any transaction, not tried before they are used: one round trip and no more."""
        if self.is_sqlite:
            return self.engine
        quick = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None, "hide_parameters": True}
        return create_engine(self.engine.url, **quick)

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
            self.points.dispose()


class Plain:
    """A transaction's statements as the driver itself runs them, for what every answer waits for.

    SQLAlchemy's bookkeeping costs more than these statements. Parameters stand as `?`; `day` and `moment` say how the database keeps them.
    """

    def __init__(self, connection: Connection) -> None:
        self.dialect = connection.dialect.name
        self._cursor = connection.connection.cursor()

    def rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """What a query finds."""
        self._cursor.execute(_marked(self.dialect, statement), tuple(values))
        return list(self._cursor.fetchall())

    def run(self, statement: str, values: Sequence[Any]) -> int:
        """Run a statement; how many rows it touched."""
        self._cursor.execute(_marked(self.dialect, statement), tuple(values))
        return int(self._cursor.rowcount)

    def many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each row of values."""
        self._cursor.executemany(_marked(self.dialect, statement), rows)

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
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "busy_timeout=60000"):
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
