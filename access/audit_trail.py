"""Reading the audit: who used whose data, when, for what; and taking it out of the hub, for a verifier and for safekeeping."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from access.audit import read
from ledger import audit as store
from ledger.audit import Head
from ledger.database import Database


@dataclass(frozen=True)
class Use:
    """One entry of the audit, read: its place (`chain`, `seq`), moment and body (`access.audit.Entry`'s fields by name)."""

    chain: str
    seq: int
    at: datetime
    body: dict[str, Any]


def uses(
    db: Database, *, subjects: Collection[str] = (), client: str = "", purpose: str = "", result: str = "",
    since: datetime | None = None, until: datetime | None = None, most: int = 1000,
) -> list[Use]:  # fmt: skip
    """The newest `most` entries about a subject (its pseudonyms), of a client, for a purpose, with a result; none for any. Newest first."""
    wanted = {k: v for k, v in (("client", client), ("purpose", purpose), ("result", result)) if v}
    found = []
    for link in store.search(db, subjects=subjects, since=since, until=until):
        body = read(link.body)
        if body.get("kind") == "entry" and wanted.items() <= body.items():
            found.append(Use(link.chain, link.seq, link.at, body))
            if len(found) == most:
                break
    return found


def export(db: Database) -> Iterator[str]:
    """The whole audit as JSON lines: each entry, then each chain's signed head; what `audit_verifier` reads."""
    heads = store.heads(db)  # first: what is written meanwhile then lies beyond the heads, and is left out
    for link in store.links(db):
        if link.chain in heads and link.seq <= heads[link.chain].seq:
            yield _line({"chain": link.chain, "seq": link.seq, "hash": link.hash.hex(), "body": link.body})
    yield from map(head_line, heads.values())


def head_line(head: Head) -> str:
    """A signed head as a line: what the chain was at this moment. Kept elsewhere, it shows that an end was cut off."""
    return _line({"chain": head.chain, "seq": head.seq, "hash": head.hash.hex(), "signature": head.signature.hex()})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
