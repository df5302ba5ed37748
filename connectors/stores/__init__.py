"""Where a department's files are: below the drop root, on an SFTP server, in an S3 bucket, or behind a web address.

Enters: a `Source` whose `url` says where. Leaves: a `Store` that finds files by a pattern, says what state they are in, and gives
their bytes. Must not know: formats, archives, watermarks.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from connectors.guard import Guard
from connectors.stores.local import LocalStore
from connectors.stores.store import State, Store
from connectors.stores.web import WebStore
from schemas.contract import Source
from schemas.errors import ContractInvalid, Problem

__all__ = ["State", "Store", "open_store"]


def open_store(
    source: Source, *, secret: Callable[[str], str], root: Path, clock: Callable[[], datetime], guard: Guard
) -> Store:
    """The store of a source, not yet connected. Raises ContractInvalid for an address that has none, or that may not be reached."""
    match urlsplit(source.url).scheme:
        case "file" | "" if source.url in ("", "file://"):
            return LocalStore(root)
        case "sftp":
            from connectors.stores.sftp import SftpStore

            return SftpStore(source, secret=secret, guard=guard)
        case "s3":
            from connectors.stores.s3 import S3Store

            return S3Store(source, secret=secret, root=root, guard=guard)
        case "http" | "https":
            return WebStore(source, secret=secret, root=root, clock=clock, guard=guard)
        case _:
            raise ContractInvalid(
                [
                    Problem(
                        "servers[0]",
                        f"no files are read from {source.url.partition('?')[0]!r}",
                        "type: local with a path below the drop root, sftp://…, s3://… or https://…",
                    )
                ]
            )
