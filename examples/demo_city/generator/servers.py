"""The demo city's databases on real servers: the same tables, copied, so that only a contract's server block changes.

`load_into("postgresql+psycopg://user:password@host/police", root / "police/police.db")` puts the police's tables into
PostgreSQL, and any other SQLAlchemy URL serves alike (`mysql+pymysql://…` for the market's). `examples/demo_city/servers/` holds
the server blocks, and `on_server` puts one into a contract. Columns are text as they are in the files, times excepted: real
servers know their type, and an incremental read compares it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import yaml
from sqlalchemy import Column, DateTime, Engine, MetaData, Table, Text, create_engine

STAMPS: Final = ("更新时间", "updated_at")
"""The columns that are timestamps on a server."""
CHUNK: Final = 5_000


def load_into(url: str, database: Path) -> tuple[str, ...]:
    """Replaces the tables of the SQLite file `database` on the server at `url`, in one transaction; gives their names.

    On MariaDB dropping a table ends the transaction, so a reader may see an empty table there; rows still arrive at once.
    """
    engine = create_engine(url)
    try:
        with closing(sqlite3.connect(database)) as source:
            names = [
                row[0] for row in source.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            ]
            _copy(engine, source, names)
        return tuple(names)
    finally:
        engine.dispose()


def on_server(contract: str, server: dict[str, Any]) -> str:
    """The contract's text with its server block replaced; the block's synchronisation properties stay as they were."""
    document = yaml.safe_load(contract)
    kept = [p for p in document["servers"][0].get("customProperties", ()) if p["property"] != "url"]
    added = server.get("customProperties", [])
    document["servers"] = [{**server, "customProperties": [*kept, *added]}]
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False)


def _copy(engine: Engine, source: sqlite3.Connection, names: list[str]) -> None:
    metadata = MetaData()
    with engine.begin() as target:
        for name in names:
            columns = [row[1] for row in source.execute(f'PRAGMA table_info("{name}")')]
            table = Table(
                name,
                metadata,
                *(Column(c, DateTime() if c in STAMPS else Text()) for c in columns),
                mysql_charset="utf8mb4",
            )
            table.drop(target, checkfirst=True)
            table.create(target)
            rows = (
                dict(zip(columns, map(_typed, columns, row), strict=True))
                for row in source.execute(f'SELECT * FROM "{name}"')
            )
            for chunk in _chunks(rows):
                target.execute(table.insert(), chunk)


def _typed(column: str, value: str | None) -> str | datetime | None:
    return datetime.fromisoformat(value) if value and column in STAMPS else value


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
