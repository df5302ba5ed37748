"""A contract's database URL, checked and completed with its credentials."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from connectors.paths import held
from schemas.contract import Source
from schemas.errors import ContractInvalid, Problem, SourceDamaged, SourceMissing

DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
OPTIONS = frozenset({"sslmode", "sslrootcert"})
CONNECT_SECONDS = 10


def address(source: Source) -> URL:
    """The URL without credentials, its driver named. Raises ContractInvalid for one the hub does not open."""
    try:
        url = make_url(source.url)
    except (ArgumentError, ValueError):
        raise _invalid("is no database URL") from None
    backend = url.drivername.partition("+")[0]
    if backend not in DRIVERS:
        raise _invalid(f"no connector opens {backend!r} databases")
    if url.username or url.password:
        raise _invalid("the URL holds credentials; a secret is named, never held: secretRef: env:NAME")
    if set(url.query) - OPTIONS:
        raise _invalid(f"driver options {sorted(set(url.query) - OPTIONS)} are not allowed")
    return url.set(drivername=DRIVERS[backend])


def engine(source: Source, url: URL, secret: Callable[[str], str], root: Path) -> Engine:
    """An engine that opens one connection at a time and never shows its parameters; SQLite read-only, never creating."""
    try:
        if url.get_backend_name() == "sqlite":
            path = _sqlite_file(url, root)
            return create_engine("sqlite://", creator=lambda: _open(path), poolclass=NullPool, hide_parameters=True)
        if source.secret:
            user, _, password = secret(source.secret).partition(":")
            url = url.set(username=user, password=password)
        arguments = {"connect_timeout": CONNECT_SECONDS}
        return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    except (NoSuchModuleError, ModuleNotFoundError):
        name = url.get_backend_name()
        raise SourceMissing(f"the driver for {name} is not installed", todo="pip install 'cityhub[drivers]'") from None


def shown(url: URL) -> str:
    """The URL for people: no credentials, no driver, no options."""
    host = f"{url.host}:{url.port}" if url.port else url.host or ""
    return f"{url.get_backend_name()}://{host}/{url.database or ''}"


def _sqlite_file(url: URL, root: Path) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise _invalid("a SQLite file is wanted")
    path = held(root, url.database)
    if not path.is_file():
        there = sorted(p.name for p in path.parent.glob("*.db")) if path.parent.is_dir() else []
        raise SourceMissing(
            f"SQLite file {url.database} is not there (databases beside it: {', '.join(there[:20]) or 'none'})",
            todo="correct the url, or ask for the file",
        )
    with path.open("rb") as file:
        head = file.read(16)
    if head != b"SQLite format 3\0":
        raise SourceDamaged(f"{url.database} is no SQLite database", todo="ask for the file again")
    return path


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=60
    )


def _invalid(wrong: str) -> ContractInvalid:
    return ContractInvalid(
        [Problem("servers[0]", wrong, "type: postgres, host: db.example, port: 5432, database: civil")]
    )
