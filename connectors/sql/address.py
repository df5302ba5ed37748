"""A contract's database URL, checked, led to the address that the guard let through, and completed with its credentials.

No URL carries options: what a driver may be told is `options.sslMode` (`require`, `verify-ca`, `verify-full`) and `sslRootCert`, the
path of a certificate below the drop root. TLS checks the name that the contract gives, though the connection goes to the address.
"""

import sqlite3
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from connectors.guard import Guard
from connectors.options import options
from connectors.paths import certificate, held
from connectors.sql import limits
from connectors.sql.limits import driver_arguments, postgres_statements
from schemas.contract import Source
from schemas.errors import ContractInvalid, Problem, SourceDamaged, SourceMissing

DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
PORTS = {"postgresql": 5432, "mysql": 3306}
TLS = ("require", "verify-ca", "verify-full")
CONNECT_SECONDS = 10


def address(source: Source, guard: Guard) -> URL:
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
    if url.query:
        raise _invalid(f"driver options {sorted(url.query)} are not allowed")
    if backend == "sqlite":
        return url.set(drivername=DRIVERS[backend])
    guard.check(url.host)
    check_database(url.database)
    _check_tls(options(source))
    return url.set(drivername=DRIVERS[backend])


def engine(source: Source, url: URL, secret: Callable[[str], str], root: Path, guard: Guard) -> Engine:
    """An engine that opens one connection at a time and never shows its parameters; SQLite read-only, never creating.

    The host is resolved here, once; every session goes to that address. What else the driver is given stands in the execution
    options `connect_args` and `says_first`, for sessions that do without SQLAlchemy.
    """
    try:
        if url.get_backend_name() == "sqlite":
            path = _sqlite_file(url, root)
            return create_engine("sqlite://", creator=lambda: _open(path), poolclass=NullPool, hide_parameters=True)
        backend, host = url.get_backend_name(), url.host or ""
        checked = guard.address(host, url.port or PORTS[backend])
        if source.secret:
            user, _, password = secret(source.secret).partition(":")
            url = url.set(username=user, password=password)
        arguments: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS, **driver_arguments(backend, source.statement_seconds),
        }  # fmt: skip
        if backend == "postgresql":
            arguments |= {"hostaddr": checked, **_libpq_tls(options(source), root)}
        else:
            url = url.set(host=checked)
            arguments |= _mysql_tls(options(source), root, host)
        return _limited(url, arguments, source.statement_seconds)
    except (NoSuchModuleError, ModuleNotFoundError):
        name = url.get_backend_name()
        raise SourceMissing(f"the driver for {name} is not installed", todo="pip install 'cityhub[drivers]'") from None


def _limited(url: URL, arguments: dict[str, Any], seconds: int) -> Engine:
    says_first = postgres_statements(seconds) if url.get_backend_name() == "postgresql" else ""
    made = create_engine(
        url, poolclass=NullPool, hide_parameters=True, connect_args=arguments,
        execution_options={"connect_args": arguments, "says_first": says_first, "patience": seconds + limits.IDLE_SECONDS},
    )  # fmt: skip
    if says_first:

        @event.listens_for(made, "connect")
        def say(connection: Any, _: object) -> None:
            connection.execute(says_first)
            connection.commit()

    return made


def check_database(name: str | None) -> None:
    """Refuse a database's name that a driver could take for more: `host=…`, a URL, a descriptor in brackets. Raises ContractInvalid."""
    if not name or not name.isprintable() or set(name) & set("=/()"):
        raise _invalid(f"{name!r} is no database's name")


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


def _check_tls(settings: dict[str, Any]) -> None:
    mode, own = settings.get("ssl_mode"), settings.get("ssl_root_cert")
    where = "servers[0].customProperties.options"
    if mode not in (None, *TLS):
        raise ContractInvalid([Problem(f"{where}.sslMode", f"{mode!r} is unknown", ", ".join(TLS))])
    if own and mode not in TLS[1:]:
        wrong = "a certificate is heeded with sslMode verify-ca or verify-full only"
        raise ContractInvalid([Problem(f"{where}.sslRootCert", wrong, "sslMode: verify-full")])


def _libpq_tls(settings: dict[str, Any], root: Path) -> dict[str, str]:
    """What libpq is told; without a certificate of its own, a server is checked against those that the system trusts."""
    mode, own = settings.get("ssl_mode"), settings.get("ssl_root_cert")
    if not mode:
        return {}
    if mode == "require":
        return {"sslmode": mode}
    return {"sslmode": mode, "sslrootcert": certificate(root, str(own)) if own else _system_certificates()}


def _mysql_tls(settings: dict[str, Any], root: Path, host: str) -> dict[str, ssl.SSLContext]:
    mode, own = settings.get("ssl_mode"), settings.get("ssl_root_cert")
    if not mode:
        return {}
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = host
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(certificate(root, str(own)) if own else _system_certificates())
    return {"ssl": context}


class _NamedContext(ssl.SSLContext):
    """Checks a certificate against the registered name, whatever address the driver was given."""

    name = ""

    def wrap_socket(self, *arguments: Any, **given: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*arguments, **{**given, "server_hostname": self.name})


def _system_certificates() -> str:
    return ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=60
    )


def _invalid(wrong: str) -> ContractInvalid:
    return ContractInvalid(
        [Problem("servers[0]", wrong, "type: postgres, host: db.example, port: 5432, database: civil")]
    )
