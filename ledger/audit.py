"""The audit tables: chains of entries and the signed head of each, in a database of their own.

Every process that writes has one chain, so that writers never wait for each other. An entry's `body` is the canonical
text that was hashed; what it means, how it is hashed and who signs is `access.audit`'s.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, LargeBinary, Select, String, Table, Text, select

from ledger.database import Database, Moment, Plain, audit_tables
from schemas.struct import Quick

entry_table = Table(
    "audit_entry",
    audit_tables,
    Column("chain", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Column("subject", String(64), nullable=False, index=True),
)

head_table = Table(
    "audit_head",
    audit_tables,
    Column("chain", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
)


_ADD = "audit_entry (chain, seq, body, hash, at, subject)"
_MOVE = "audit_head (chain, seq, hash, signature)"
_MOVED = "ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, signature = excluded.signature"


class Link(Quick, frozen=True):
    """One entry of a chain: its place, the canonical text, and sha256 over the hash before it and that text.

    `at` and `subject` stand in the text as well; here they are only to be found by.
    """

    chain: str
    seq: int
    body: str
    hash: bytes
    at: datetime
    subject: str = ""


class Head(Quick, frozen=True):
    """The newest entry of a chain, as its writer signed it."""

    chain: str
    seq: int
    hash: bytes
    signature: bytes


def append(plain: Plain, links: Sequence[Link], head: Head) -> None:
    """Add the links and move the chain's head, in the caller's durable transaction: all or nothing.

    A second writer of the same chain, or a repeated link, breaks the primary key and nothing is written.
    """
    at = {link.at: plain.moment(link.at) for link in links}
    plain.insert(_ADD, [(x.chain, x.seq, x.body, x.hash, at[x.at], x.subject) for x in links])
    plain.insert(_MOVE, [(head.chain, head.seq, head.hash, head.signature)], _MOVED)


def heads(db: Database) -> dict[str, Head]:
    """The head of every chain."""
    with db.read() as connection:
        rows = connection.execute(select(head_table).order_by(head_table.c.chain)).all()
    return {row.chain: Head(row.chain, row.seq, row.hash, row.signature) for row in rows}


def links(db: Database, *, first_only: bool = False) -> Iterator[Link]:
    """Every link, chain by chain in order, a page in memory at a time; `first_only`: only the first of each."""
    query = select(entry_table).order_by(entry_table.c.chain, entry_table.c.seq)
    if first_only:
        query = query.where(entry_table.c.seq == 0)
    yield from _read(db, query)


def search(
    db: Database,
    *,
    subjects: Collection[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Link]:
    """The links about these subjects (none: about any), from `since` until before `until`, newest first."""
    c = entry_table.c
    query = select(entry_table).order_by(c.at.desc(), c.chain, c.seq.desc())
    if subjects:
        query = query.where(c.subject.in_(subjects))
    if since is not None:
        query = query.where(c.at >= since)
    if until is not None:
        query = query.where(c.at < until)
    yield from _read(db, query)


def _read(db: Database, query: Select[Any]) -> Iterator[Link]:
    with db.read() as connection:
        for row in connection.execution_options(yield_per=1000).execute(query):
            yield Link(row.chain, row.seq, row.body, row.hash, row.at, row.subject)
