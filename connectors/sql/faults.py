"""What a database driver raises, as the hub's errors: by code, never by the driver's text, which may quote a row or a DSN."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from schemas.errors import Busy, HubError, SourceDamaged, SourceDenied, SourceMissing, SourceUnreachable

_SECRET = "check secretRef and the account's rights"  # noqa: S105 - advice, not a password
_NETWORK = "check host, port and network; the run tries again by itself"
_TLS = "check host, options.sslMode and sslRootCert, and the server's certificate"
_UNTRUSTED = (
    "CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "server certificate for", "does not support SSL",
    "SSL is required", "root certificate file",
)  # fmt: skip
# MySQL error numbers and SQLSTATE prefixes by what the caller should do.
_DENIED = ("1044", "1045", "1142", "1143", "1227", "1698", "1820", "28", "42501")
_MISSING = ("1049", "1054", "1146", "3D000", "3F000", "42P01", "42703")
_BUSY = ("1205", "1213", "40", "55P03", "SQLITE_BUSY", "SQLITE_LOCKED")
_UNREADABLE = "1366"
_TIMED_OUT = ("57014", "1969", "3024")
_AWAY = ("25P03", "1040", "1053", "1077", "1152", "1158", "1159", "1160", "1161", "20", "53", "57", "08")


@contextmanager
def told(where: str, engine: Engine) -> Iterator[None]:
    """Turn the driver's and SQLAlchemy's errors into ours, without their text."""
    drivers = engine.dialect.loaded_dbapi.Error
    try:
        yield
    except UnicodeDecodeError:
        raise _unreadable(where) from None
    except (SQLAlchemyError, sqlite3.Error, drivers) as error:
        raise fault(error, where) from None


def fault(error: BaseException, where: str) -> HubError:
    """The hub's error for a driver's."""
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if any(words in str(origin) for words in _UNTRUSTED):
        return SourceDenied(f"{where}: no TLS connection that can be trusted", todo=_TLS)
    code = _code(origin)
    if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return SourceDamaged(f"{where} is damaged ({code})", todo="ask the department for the file again")
    if code.startswith(_BUSY):
        return Busy(f"{where} is locked by somebody else ({code})", todo="the run tries again by itself")
    if code.startswith(_DENIED) or code.startswith(
        ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_READONLY")
    ):
        return SourceDenied(f"{where} refused the account ({code})", todo=_SECRET)
    if code == _UNREADABLE:
        return _unreadable(where)
    if code in _TIMED_OUT:
        return SourceDenied(
            f"{where} stopped a statement that took too long ({code})",
            todo="ask for an index on the cursor column, pull at a quieter hour, or raise statementSeconds",
        )
    if code.startswith(_MISSING):
        return SourceMissing(
            f"{where}: no such database, table or column ({code})", todo="correct the contract's server block"
        )
    if not code or code.startswith(_AWAY):
        return SourceUnreachable(f"{where} does not answer or broke off ({code or 'connection'})", todo=_NETWORK)
    return SourceDamaged(
        f"{where} could not be read ({type(origin).__name__} {code})", todo="try the table with the server's own client"
    )


def _unreadable(where: str) -> SourceDamaged:
    return SourceDamaged(
        f"{where}: a text value is not UTF-8, or holds half a character (a lone surrogate)",
        todo="correct the record at the source",
    )


def _code(error: BaseException) -> str:
    """SQLSTATE, MySQL error number or SQLite error name; empty for a connection that failed without one."""
    if error.args and isinstance(error.args[0], int):
        return str(error.args[0])
    state = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    if state:
        return str(state)
    return _refusal(error)


def _refusal(error: BaseException) -> str:
    """The SQLSTATE of a refused PostgreSQL connection, which libpq gives as text only (in the server's language)."""
    text = str(error)
    if "does not exist" in text and "database" in text:
        return "3D000"
    if any(
        words in text
        for words in ("too many", "starting up", "shutting down", "recovery", "remaining connection slots")
    ):
        return "57P03"
    handle = getattr(error, "pgconn", None)
    asked = bool(handle and (handle.needs_password or handle.used_password))
    return "28P01" if asked or "authentication failed" in text or "pg_hba.conf" in text or "no password" in text else ""
