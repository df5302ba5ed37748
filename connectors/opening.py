"""From a contract's `Source` to the connector that reads it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from connectors.guard import ANYWHERE, Guard
from connectors.interface import Connector
from connectors.options import options
from schemas.contract import Source
from schemas.errors import ContractInvalid, Problem

KINDS = ("sql", "csv", "xlsx", "jsonl", "parquet", "rest", "push")


def utc_now() -> datetime:
    """The host's clock: the cap of a bound where the source has no better one."""
    return datetime.now(UTC)


def open_source(
    source: Source,
    *,
    secret: Callable[[str], str],
    root: Path,
    clock: Callable[[], datetime] = utc_now,
    guard: Guard = ANYWHERE,
    inbox: Path | None = None,
) -> Connector:
    """The connector of a source, not yet connected; a context manager.

    `secret` resolves `source.secret` to "user:password" or a token, at the first use. `root` holds every file path, `guard`
    every network address: its form here, what it resolves to when the source is connected to.
    `inbox` is where pushed batches are, a folder for each dataset.
    Raises ContractInvalid for a kind or an address that has no connector. Only the kind that is wanted is imported.
    """
    match source.kind:
        case "sql":
            from connectors.sql import SqlConnector
            from connectors.sql.generic import EXPERIMENTAL, GenericSqlConnector

            options(source)
            experimental = source.url.partition(":")[0].partition("+")[0] in EXPERIMENTAL
            opened = GenericSqlConnector if experimental else SqlConnector
            return opened(source, secret=secret, root=root, clock=clock, guard=guard)
        case "csv" | "xlsx" | "jsonl" | "parquet":
            from connectors.files import FileConnector

            return FileConnector(source, secret=secret, root=root, clock=clock, guard=guard)
        case "rest":
            from connectors.rest import RestConnector

            return RestConnector(source, secret=secret, root=root, clock=clock, guard=guard)
        case "push" if inbox is not None:
            from connectors.push import PushConnector

            return PushConnector(source, root=inbox)
        case other:
            raise ContractInvalid([Problem("servers[0].type", f"{other!r} has no connector", ", ".join(KINDS))])
