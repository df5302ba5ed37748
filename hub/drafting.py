"""Drafting a contract from a live source: connect, look at columns and a sample, guess the data elements, write ODCS."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connectors.interface import SourceColumn
from hub.core import Hub
from schemas.contract import Source
from schemas.draft import Described, draft_yaml
from schemas.errors import Invalid, SourceDamaged

SAMPLE_ROWS = 2000
_FILES = {".csv": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".json": "jsonl", ".jsonl": "jsonl", ".parquet": "parquet"}
_SERVERS = {
    "postgresql": ("postgres", "postgresql+psycopg"),
    "postgres": ("postgres", "postgresql+psycopg"),
    "mysql": ("mysql", "mysql+pymysql"),
    "mariadb": ("mysql", "mysql+pymysql"),
}


def draft(hub: Hub, address: str, table: str, *, dataset: str, secret: str | None) -> str:
    """The drafted contract's text: for a database URL and a table, or for a file.

    Raises:
        Invalid: the address is neither, holds a password, or no table was named; the tables that exist are listed.
    """
    source, server, root = _source(hub, address, table, secret)
    if source.kind == "sql" and not table:
        with hub.open_source(source, root) as opened:
            raise Invalid("which table?", todo=f"--table with one of: {', '.join(opened.tables())}")
    columns, server = _look(hub, source, server, root)
    name = dataset or re.sub(r"[^a-z0-9]+", "_", Path(source.table).stem.lower()).strip("_") or "dataset"
    return draft_yaml(
        name if name[0].isalpha() else f"d_{name}",
        server,
        columns,
        table=source.table,
        title=Path(table or source.table).stem,
    )


def _look(hub: Hub, source: Source, server: dict[str, Any], root: Path) -> tuple[list[Described], dict[str, Any]]:
    """Columns with sample values; a file that is not UTF-8 is looked at as GB 18030, and the draft says so."""
    try:
        return _columns(hub, source, root), server
    except SourceDamaged:
        if source.kind != "csv" or source.encoding:
            raise
        source = Source(source.kind, source.url, source.table, encoding="gb18030")
        custom = {"property": "encoding", "value": "gb18030", "vendor": "cityhub"}
        return _columns(hub, source, root), {
            **server,
            "customProperties": [*server.get("customProperties", ()), custom],
        }


def _columns(hub: Hub, source: Source, root: Path) -> list[Described]:
    with hub.open_source(source, root) as opened:
        described = opened.describe(source.table)
        sample = opened.sample(source.table, SAMPLE_ROWS)
    return [_described(column, sample.column(column.name).to_pylist()) for column in described]


def _described(column: SourceColumn, values: list[object]) -> Described:
    return Described(column.name, column.type, column.nullable, column.key, values, column.comment)


def _source(hub: Hub, address: str, table: str, secret: str | None) -> tuple[Source, dict[str, Any], Path]:
    """How to connect, the ODCS server block that says the same, and the folder that file paths are relative to."""
    parts = urlsplit(address)
    root = hub.settings.drops
    if parts.password:
        raise Invalid("the URL holds a password", todo="leave it out and name it: --secret env:NAME")
    if parts.scheme == "sqlite":
        property_ = {"property": "url", "value": address, "vendor": "cityhub"}
        return Source("sql", address, table), {"type": "custom", "customProperties": [property_]}, root
    if parts.scheme.partition("+")[0] in _SERVERS:
        kind, dialect = _SERVERS[parts.scheme.partition("+")[0]]
        port = f":{parts.port}" if parts.port else ""
        server: dict[str, Any] = {
            "type": kind,
            "host": parts.hostname,
            "port": parts.port,
            "database": parts.path.lstrip("/"),
        }
        if secret:
            server["customProperties"] = [{"property": "secretRef", "value": secret, "vendor": "cityhub"}]
        if kind == "postgres":
            server["schema"] = table.rpartition(".")[0] or "public"
        url = f"{dialect}://{parts.hostname}{port}{parts.path}"
        return Source("sql", url, table, secret=secret), {k: v for k, v in server.items() if v}, root
    file = Path(address).absolute()
    if file.suffix.lower() not in _FILES or not file.is_file():
        raise Invalid(
            f"{address} is no file that can be read, and no database URL",
            todo="give a .csv, .tsv, .xlsx, .json or .jsonl file, or sqlite:///…, postgresql://host/db, mysql://host/db",
        )
    inside = file.relative_to(root) if file.is_relative_to(root) else Path(file.name)
    kind = _FILES[file.suffix.lower()]
    block = {
        "type": "local",
        "path": str(inside),
        "format": "json" if kind == "jsonl" else file.suffix.lower().lstrip("."),
    }
    return Source(kind, "file://", str(inside)), block, root if file.is_relative_to(root) else file.parent
