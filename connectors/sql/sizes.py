"""How many rows tables hold: the server's own estimate where there is one and the table is large, else a count that stops early."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from connectors.interface import Rows
from connectors.sql import introspection
from connectors.sql.faults import told

FEW = 10_000
MOST_COUNTED = 50
_ESTIMATES = {
    "postgresql": """
        SELECT CASE WHEN nspname = current_schema() THEN relname ELSE nspname || '.' || relname END, reltuples::bigint
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relkind IN ('r', 'm', 'p', 'f') AND reltuples >= 0
    """,
    "mysql": "SELECT table_name, table_rows FROM information_schema.tables WHERE table_schema = database() AND table_rows >= 0",
}


def sizes(engine: Engine, where: str, tables: Sequence[str]) -> dict[str, Rows]:
    """The rows of each table that the account may read, of the first few dozen where the server has no large estimate."""
    with told(where, engine), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        query = _ESTIMATES.get(engine.dialect.name)
        known = {name: int(rows) for name, rows in connection.exec_driver_sql(query)} if query else {}
        large = {name: Rows(known[name], exact=False) for name in tables if known.get(name, 0) > FEW}
        small = [name for name in tables if name not in large][:MOST_COUNTED]
        quoted = introspection.quoted(engine, where, small)
        counted = {name: _counted(connection, engine, quoted[name], known.get(name, 0)) for name in small}
        return large | {name: rows for name, rows in counted.items() if rows}


def _counted(connection: Connection, engine: Engine, quoted: str, estimate: int) -> Rows | None:
    """An exact count of a small table, or a SQLite file's; of one that turns out large, the estimate or the least that it holds."""
    limit = "" if engine.dialect.name == "sqlite" else f" LIMIT {FEW + 1}"
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {quoted}{limit}) AS counted"
    marked = sql.replace("%", "%%") if engine.dialect.paramstyle in ("format", "pyformat") else sql
    try:
        count = int(connection.exec_driver_sql(marked).scalar() or 0)
    except DBAPIError:  # no right to read it, or a view that takes too long
        return None
    if limit and count > FEW:
        return Rows(max(estimate, count), exact=False)
    return Rows(count)
