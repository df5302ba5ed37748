"""Databases with a SQLAlchemy dialect but no connector of their own: experimental, until they have run against a server.

SQLAlchemy Core writes the SQL and streams the rows; names come from the database itself, or from an empty query's description where
a dialect cannot tell them. Values are the driver's own, each as exact text. What no dialect-independent way exists for is said: the
read is no snapshot of one moment (an absent row counts as deleted after two full reads), and a bound is by overlap.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, func, inspect, literal, make_url, or_, select
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.sql import Select, TableClause, false, text
from sqlalchemy.types import NullType

from connectors.batches import ROWS, text_batches, text_schema
from connectors.bounds import Bound, Horizon, bound, start
from connectors.guard import Guard
from connectors.interface import Closing, Part, Probe, Reading, SourceColumn
from connectors.pace import paced
from connectors.paths import held
from connectors.sql.address import check_database
from connectors.sql.faults import told
from connectors.sql.literals import written
from schemas.contract import Column, Source
from schemas.errors import ContractInvalid, Problem, SourceMissing

EXPERIMENTAL = {
    "oracle": ("oracle+oracledb", 1521),
    "mssql": ("mssql+pymssql", 1433),
    "dm": ("dm+dmPython", 5236),
    "opengauss": ("opengauss+psycopg2", 5432),
    "duckdb": ("duckdb", 0),
}
"""Backends, the driver that opens each, and the port; a driver of the URL's choosing could be told anything by it."""
NOTE = "experimental: through SQLAlchemy's dialect, no snapshot, bound by overlap"


class GenericSqlConnector(Closing):
    """One database of an experimental kind."""

    def __init__(
        self, source: Source, *, secret: Callable[[str], str], root: Path, clock: Callable[[], datetime], guard: Guard
    ) -> None:
        self.source = source
        self.url = _address(source, guard)
        self.where = f"{self.url.get_backend_name()}://{self.url.host or ''}/{self.url.database or ''}"
        self.clock = clock
        self._connect: Callable[[], Engine] = lambda: _engine(source, self.url, secret, root, guard)
        self._engine: Engine | None = None
        self._open = ExitStack()

    def __repr__(self) -> str:
        return f"GenericSqlConnector({self.where})"

    @property
    def engine(self) -> Engine:
        """The engine, made when first wanted."""
        if self._engine is None:
            self._engine = self._connect()
        return self._engine

    def probe(self) -> Probe:
        """Connect and list the tables."""
        return Probe(self.where, f"{self.url.get_backend_name()} (experimental)", self.tables(), NOTE)

    def tables(self) -> tuple[str, ...]:
        """Tables and views of the default schema."""
        with told(self.where, self.engine), self.engine.connect() as connection:
            found = inspect(connection)
            return tuple(sorted({*found.get_table_names(), *found.get_view_names()}))

    def describe(self, table: str) -> tuple[SourceColumn, ...]:
        """The table's columns: as the dialect tells them, else their names and the driver's words for their types."""
        with told(self.where, self.engine), self.engine.connect() as connection:
            return self._columns(connection, table)

    def sample(self, table: str, n: int) -> pa.Table:
        """The first `n` rows that the database gives."""
        with told(self.where, self.engine), self.engine.connect() as connection:
            columns = self._columns(connection, table)
            query = self._select(table, columns).limit(n)
            schema = text_schema([c.name for c in columns], [c.type for c in columns])
            return pa.Table.from_batches(text_batches(_rows(connection, query), schema), schema)

    def read(self, columns: Sequence[Column], watermark: str | None) -> Reading:
        """Take the bound, then stream the rows when the part is consumed."""
        table = self.source.table
        with told(self.where, self.engine), ExitStack() as stack:
            connection = stack.enter_context(self.engine.connect())
            there = self._columns(connection, table)
            self._check(there, columns)
            cursor = self._cursor(columns)
            last = Bound.from_json(watermark) if watermark and cursor else None
            newest = (
                connection.execute(select(func.max(sql_column(cursor))).select_from(self._table(table))).scalar()
                if cursor
                else None
            )
            release = stack.pop_all().close
        self._open.callback(release)
        query = self._select(table, there)
        if cursor and last and newest is not None:
            since = literal(_alike(start(last, self.source.lag), newest), NullType())
            query = query.where(or_(sql_column(cursor) >= since, sql_column(cursor).is_(None)))
        schema = text_schema([c.name for c in there], [c.type for c in there])
        return Reading(
            lambda _: iter([Part(table, "arrows", batches=self._stream(connection, query, schema), schema=schema)]),
            complete=last is None and self.source.sync != "append",
            consistent=False,
            mark=self._bound(newest).to_json() if newest is not None else watermark if cursor else None,
            note=NOTE,
            release=release,
        )

    def close(self) -> None:
        """End every session."""
        self._open.close()
        if self._engine is not None:
            self._engine.dispose()

    def _stream(
        self, connection: Connection, query: Select[*tuple[Any, ...]], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        with told(self.where, self.engine):
            yield from paced(text_batches(_rows(connection, query), schema), self.source.rows_per_second)

    def _bound(self, newest: Any) -> Bound:
        numeric = isinstance(newest, int | float | Decimal)
        value = newest if isinstance(newest, int) else str(written(newest, ""))
        return bound(value, Horizon(self.clock(), sure=False), self.source.timezone, numeric=numeric)

    def _columns(self, connection: Connection, table: str) -> tuple[SourceColumn, ...]:
        there = set(self.tables())
        if table not in there and "." not in table:
            raise SourceMissing(
                f"{self.where} has no table {table} (it has: {', '.join(sorted(there)[:20]) or 'none that the account may see'})",
                todo="correct the table's physicalName in the contract, or the account's rights",
            )
        try:
            found, key = (
                inspect(connection).get_columns(table),
                inspect(connection).get_pk_constraint(table)["constrained_columns"],
            )
        except SQLAlchemyError:
            connection.rollback()
            with connection.execute(select(text("*")).select_from(self._table(table)).where(false())) as empty:
                described = empty.cursor.description if empty.cursor else ()
                return tuple(SourceColumn(c[0], str(c[1])) for c in described)
        return tuple(
            SourceColumn(
                c["name"], str(c["type"]), bool(c["nullable"]), key.index(c["name"]) + 1 if c["name"] in key else 0
            )
            for c in found
        )

    def _table(self, name: str) -> TableClause:
        schema, dot, rest = name.partition(".")
        return sql_table(rest, schema=schema) if dot and name not in self.tables() else sql_table(name)

    def _select(self, table: str, columns: Sequence[SourceColumn]) -> Select[*tuple[Any, ...]]:
        return select(*[sql_column(c.name) for c in columns]).select_from(self._table(table))

    def _check(self, there: Sequence[SourceColumn], columns: Sequence[Column]) -> None:
        names = [c.name for c in there]
        gone = [c.source for c in columns if c.source not in names]
        if gone:
            raise SourceMissing(
                f"{self.where}: table {self.source.table} has no column {', '.join(gone)} (it has: {', '.join(names)})",
                todo="correct physicalName in the contract, or ask the department what became of it",
            )

    def _cursor(self, columns: Sequence[Column]) -> str | None:
        if self.source.cursor is None or self.source.sync == "snapshot":
            return None
        return next((c.source for c in columns if c.name == self.source.cursor), self.source.cursor)


def _rows(connection: Connection, query: Select[*tuple[Any, ...]]) -> Iterator[list[str | None]]:
    result = connection.execution_options(stream_results=True, yield_per=ROWS).execute(query)
    names = list(result.keys())
    for row in result:
        yield [written(value, name) for name, value in zip(names, row, strict=True)]


def _alike(value: str | int, newest: Any) -> Any:
    """A bound's text as a value of the cursor column's own type, as a driver wants it."""
    if isinstance(newest, datetime):
        return datetime.fromisoformat(str(value))
    if isinstance(newest, date):
        return date.fromisoformat(str(value)[:10])
    return Decimal(value) if isinstance(newest, float | Decimal) else type(newest)(value)


def _address(source: Source, guard: Guard) -> URL:
    try:
        url = make_url(source.url)
    except (ArgumentError, ValueError):
        raise _invalid("is no database URL") from None
    if url.username or url.password:
        raise _invalid("the URL holds credentials; a secret is named, never held: secretRef: env:NAME")
    if url.query:
        raise _invalid(f"driver options {sorted(url.query)} are not allowed")
    driver, port = EXPERIMENTAL[url.drivername.partition("+")[0]]
    if port:
        guard.check(url.host)
        check_database(url.database)
    return url.set(drivername=driver)


def _engine(source: Source, url: URL, secret: Callable[[str], str], root: Path, guard: Guard) -> Engine:
    arguments: dict[str, Any] = {}
    port = EXPERIMENTAL[url.get_backend_name()][1]
    if port:
        url = url.set(host=guard.address(url.host or "", url.port or port))
    else:
        url = url.set(database=str(_file(root, url.database or "")))
        arguments = {"read_only": True, "config": {"enable_external_access": False}}
    if source.secret:
        user, _, password = secret(source.secret).partition(":")
        url = url.set(username=user, password=password)
    try:
        return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    except (NoSuchModuleError, ModuleNotFoundError):
        name = url.drivername
        raise SourceMissing(
            f"the driver {name} is not installed", todo=f"install SQLAlchemy's dialect for {name}"
        ) from None


def _file(root: Path, path: str) -> Path:
    file = held(root, path)
    if not path or path.startswith(":") or not file.is_file():
        raise SourceMissing(f"database file {path} is not there", todo="correct the url, or ask for the file")
    return file


def _invalid(wrong: str) -> ContractInvalid:
    return ContractInvalid([Problem("servers[0].customProperties.url", wrong, "oracle://db.example:1521/civil")])
