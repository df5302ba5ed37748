"""The `sql` kind: introspect, open the snapshot, take the bound in it, stream the rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import pyarrow as pa
from sqlalchemy import Engine

from connectors.batches import text_schema
from connectors.bounds import Bound, Horizon, Value, bound, start
from connectors.guard import Guard
from connectors.interface import Closing, Part, Probe, Reading, SourceColumn
from connectors.pace import paced
from connectors.sql import introspection
from connectors.sql.address import address, engine, shown
from connectors.sql.conversion import placed
from connectors.sql.dialect import Dialect, numeric, typed
from connectors.sql.faults import told
from connectors.sql.sessions import session
from connectors.sql.sizes import sizes
from schemas.contract import Column, Source
from schemas.errors import SourceMissing


class SqlConnector(Closing):
    """One department's database; connects, and resolves its secret, at the first question."""

    def __init__(
        self, source: Source, *, secret: Callable[[str], str], root: Path, clock: Callable[[], datetime], guard: Guard
    ) -> None:
        self.source = source
        self.guard = guard
        self.url = address(source, guard)
        self.where = shown(self.url)
        self.clock = clock
        self._secret = secret
        self._root = root
        self._engine: Engine | None = None
        self._known: dict[str, introspection.Table] = {}
        self._open = ExitStack()

    def __repr__(self) -> str:
        return f"SqlConnector({self.where})"

    @property
    def engine(self) -> Engine:
        """The engine, made when first wanted."""
        if self._engine is None:
            self._engine = engine(self.source, self.url, self._secret, self._root, self.guard)
        return self._engine

    def probe(self) -> Probe:
        """Connect, list the tables, and see whether a sure bound can be had."""
        there = self.tables()
        with told(self.where, self.engine), closing(session(self.engine, self.clock)) as dialect:
            note = dialect.horizon().remark(self.clock()) if self.source.sync == "incremental" else ""
        version = ".".join(map(str, getattr(self.engine.dialect, "server_version_info", None) or ()))
        rows = sizes(self.engine, self.where, there)
        return Probe(self.where, f"{self.engine.dialect.name} {version}".strip(), there, note, rows)

    def tables(self) -> tuple[str, ...]:
        """Tables and views of the default schema by name, those of PostgreSQL's other schemas as `schema.table`."""
        return introspection.tables(self.engine, self.where)

    def describe(self, table: str) -> tuple[SourceColumn, ...]:
        """The table's columns; SourceMissing lists the tables that exist."""
        return self._table(table).columns

    def sample(self, table: str, n: int) -> pa.Table:
        """The first `n` rows that the database gives."""
        found = self._table(table)
        with told(self.where, self.engine), closing(session(self.engine, self.clock)) as dialect:
            sql, schema = self._select(dialect, found)
            return pa.Table.from_batches(dialect.rows(f"{sql} LIMIT {int(n)}", (), schema), schema)

    def read(self, columns: Sequence[Column], watermark: str | None) -> Reading:
        """Open the snapshot and take the bound; rows stream when the part is consumed."""
        target = self._table(self.source.table)
        self._check(target, columns)
        cursor = self._cursor(target, columns)
        last = Bound.from_json(watermark) if watermark and cursor else None
        with told(self.where, self.engine), ExitStack() as stack:
            dialect = stack.enter_context(closing(session(self.engine, self.clock)))
            horizon = dialect.horizon() if cursor else None
            dialect.begin()
            newest = self._bound(dialect, target, cursor, horizon) if cursor and horizon else None
            consistent = dialect.consistent(target.schema, target.name)
            release = stack.pop_all().close
        self._open.callback(release)
        return Reading(
            lambda _: self._parts(dialect, target, columns, cursor, last),
            complete=last is None and self.source.sync != "append",
            consistent=consistent,
            mark=newest.to_json() if newest else watermark if cursor else None,
            note=horizon.remark(self.clock()) if horizon else "",
            release=release,
        )

    def close(self) -> None:
        """End every session."""
        self._open.close()
        if self._engine is not None:
            self._engine.dispose()

    def _table(self, name: str) -> introspection.Table:
        """The table as it was when it was first asked for; a server is asked once in an opening."""
        if name not in self._known:
            self._known[name] = introspection.table(self.engine, self.where, name)
        return self._known[name]

    def _parts(
        self,
        dialect: Dialect,
        target: introspection.Table,
        columns: Sequence[Column],
        cursor: SourceColumn | None,
        last: Bound | None,
    ) -> Iterator[Part]:
        """One part, or a further one from the batch on whose values ask for another schema; all bear the table's name."""
        sql, schema = self._select(dialect, target, columns)
        parameters: tuple[Value, ...] = ()
        if cursor and last:
            plain = sql, self._quote(cursor)
            sql, by = (text.replace("%", "%%") for text in plain) if dialect.mark == "%s" else plain
            sql = dialect.since(sql, cursor, by)
            parameters = (start(last, self.source.lag),)
        none = True
        zones = {c.name: dialect.zone(c, self.source.timezone) for c in target.columns}
        rows = placed(self._stream(dialect, sql, parameters, schema), zones)
        for shape, batches in groupby(rows, attrgetter("schema")):
            none = False
            yield Part(target.name, "arrows", batches=batches, schema=shape)
        if none:
            yield Part(target.name, "arrows", batches=iter(()), schema=schema)

    def _stream(
        self, dialect: Dialect, sql: str, parameters: tuple[Value, ...], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        with told(self.where, self.engine):
            yield from paced(dialect.rows(sql, parameters, schema), self.source.rows_per_second)

    def _bound(
        self, dialect: Dialect, target: introspection.Table, cursor: SourceColumn, horizon: Horizon
    ) -> Bound | None:
        newest = dialect.newest(cursor, self._quote(cursor), target.quoted)
        if newest is None:
            return None
        return bound(newest, horizon, dialect.zone(cursor, self.source.timezone), numeric=numeric(cursor))

    def _select(
        self, dialect: Dialect, target: introspection.Table, wanted: Sequence[Column] = ()
    ) -> tuple[str, pa.Schema]:
        plain = text_schema([c.name for c in target.columns], [c.type for c in target.columns])
        schema = typed(plain, dialect, target.columns, wanted)
        shown_as = [
            f"{dialect.expression(c, self._quote(c), field.type)} AS {self._quote(c)}"
            for c, field in zip(target.columns, schema, strict=True)
        ]
        return f"SELECT {', '.join(shown_as)} FROM {target.quoted}", schema

    def _check(self, target: introspection.Table, columns: Sequence[Column]) -> None:
        there = [c.name for c in target.columns]
        gone = [c.source for c in columns if c.source not in there]
        if gone:
            raise SourceMissing(
                f"{self.where}: table {target.name} has no column {', '.join(gone)} (it has: {', '.join(there)})",
                todo="correct physicalName in the contract, or ask the department what became of it",
            )

    def _cursor(self, target: introspection.Table, columns: Sequence[Column]) -> SourceColumn | None:
        """The source column of the contract's cursor; a snapshot needs none."""
        if self.source.cursor is None or self.source.sync == "snapshot":
            return None
        name = next((c.source for c in columns if c.name == self.source.cursor), self.source.cursor)
        for column in target.columns:
            if column.name == name:
                return column
        raise SourceMissing(
            f"{self.where}: table {target.name} has no cursor column {name}", todo="correct cursor in the contract"
        )

    def _quote(self, column: SourceColumn) -> str:
        return introspection.quote(self.engine, column.name)
