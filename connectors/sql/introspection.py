"""Names from the database itself: the only ones that are ever put into SQL, and always quoted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, Inspector, inspect
from sqlalchemy.exc import CompileError
from sqlalchemy.types import TypeEngine

from connectors.interface import SourceColumn
from connectors.sql.faults import told
from schemas.errors import SourceMissing

_SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")


@dataclass(frozen=True)
class Table:
    """A table or view: its names, its quoted form, its columns in order."""

    schema: str | None
    name: str
    quoted: str
    columns: tuple[SourceColumn, ...]


def tables(engine: Engine, where: str) -> tuple[str, ...]:
    """Tables and views of the default schema by name, those of PostgreSQL's other schemas as `schema.table`."""
    with _inspector(engine, where) as inspector:
        names = _names(inspector, None)
        if engine.dialect.name == "postgresql":
            for schema in _schemas(inspector):
                if schema != inspector.default_schema_name:
                    names |= {f"{schema}.{name}" for name in _names(inspector, schema)}
        return tuple(sorted(names))


def table(engine: Engine, where: str, wanted: str) -> Table:
    """The table that `wanted` (`name` or `schema.name`) means; SourceMissing lists those that exist."""
    with _inspector(engine, where) as inspector:
        schema, name = _resolve(inspector, wanted)
        if name:
            return Table(schema, name, _quoted(engine, schema, name), _columns(inspector, engine, name, schema))
    there = tables(engine, where)
    raise SourceMissing(
        f"{where} has no table {wanted} (it has: {', '.join(there[:20]) or 'none that the account may see'})",
        todo="correct the table's physicalName in the contract, or the account's rights",
    )


def quoted(engine: Engine, where: str, names: Sequence[str]) -> dict[str, str]:
    """The quoted form of tables by the names that `tables` gave, whether or not their columns can be told."""
    with _inspector(engine, where) as inspector:
        return {name: _quoted(engine, *_resolve(inspector, name)) for name in names}


def _quoted(engine: Engine, schema: str | None, name: str) -> str:
    return f"{quote(engine, schema)}.{quote(engine, name)}" if schema else quote(engine, name)


def quote(engine: Engine, name: str) -> str:
    """The name as the dialect quotes it, without the `%%` that SQLAlchemy writes for drivers that mark parameters with `%s`."""
    quoted = engine.dialect.identifier_preparer.quote_identifier(name)
    return quoted.replace("%%", "%") if engine.dialect.paramstyle in ("format", "pyformat") else quoted


def _resolve(inspector: Inspector, wanted: str) -> tuple[str | None, str]:
    if wanted in _names(inspector, None):
        return None, wanted
    schema, dot, name = wanted.partition(".")
    if dot and schema in _schemas(inspector) and name in _names(inspector, schema):
        return schema, name
    return None, ""


def _names(inspector: Inspector, schema: str | None) -> set[str]:
    names = {*inspector.get_table_names(schema), *inspector.get_view_names(schema)}
    if inspector.dialect.name == "postgresql":
        names |= {*inspector.get_materialized_view_names(schema), *inspector.get_foreign_table_names(schema)}  # type: ignore[attr-defined]
    return names


def _schemas(inspector: Inspector) -> list[str]:
    return [s for s in inspector.get_schema_names() if s not in _SYSTEM and not s.startswith("pg_")]


def _columns(inspector: Inspector, engine: Engine, name: str, schema: str | None) -> tuple[SourceColumn, ...]:
    key = inspector.get_pk_constraint(name, schema)["constrained_columns"]
    return tuple(
        SourceColumn(
            name=_plain(column["name"], engine),
            type=_type(column["type"], engine),
            nullable=bool(column["nullable"]),
            key=key.index(column["name"]) + 1 if column["name"] in key else 0,
            comment=column.get("comment") or "",
        )
        for column in inspector.get_columns(name, schema)
    )


def _plain(name: str, engine: Engine) -> str:
    """The column's name; SQLAlchemy leaves a backtick in a MySQL one doubled, as SHOW CREATE TABLE writes it."""
    return name.replace("``", "`") if engine.dialect.name == "mysql" else name


def _type(declared: TypeEngine[object], engine: Engine) -> str:
    try:
        return declared.compile(dialect=engine.dialect)
    except CompileError:
        return ""


@contextmanager
def _inspector(engine: Engine, where: str) -> Iterator[Inspector]:
    with told(where, engine), engine.connect() as connection:
        yield inspect(connection)
