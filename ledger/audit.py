"""The audit tables: chains of entries and the signed head of each, in a database of their own.

Every process that writes has one chain, so that writers never wait for each other. An entry's `body` is the canonical
text that was hashed; what it means, how it is hashed and who signs is `access.audit`'s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, String, Table, Text, insert, select, update

from ledger.database import Database, audit_tables

entry_table = Table(
    "audit_entry",
    audit_tables,
    Column("chain", String(64), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

head_table = Table(
    "audit_head",
    audit_tables,
    Column("chain", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
)


@dataclass(frozen=True)
class Link:
    """One entry of a chain: its place, the canonical text, and sha256 over the hash before it and that text."""

    chain: str
    seq: int
    body: str
    hash: bytes


@dataclass(frozen=True)
class Head:
    """The newest entry of a chain, as its writer signed it."""

    chain: str
    seq: int
    hash: bytes
    signature: bytes


def append(connection: Connection, links: Sequence[Link], head: Head) -> None:
    """Add the links and move the chain's head, in the caller's durable transaction: all or nothing.

    A second writer of the same chain, or a repeated link, breaks the primary key and nothing is written.
    """
    values = {"seq": head.seq, "hash": head.hash, "signature": head.signature}
    connection.execute(
        insert(entry_table), [{"chain": x.chain, "seq": x.seq, "body": x.body, "hash": x.hash} for x in links]
    )
    if not connection.execute(update(head_table).where(head_table.c.chain == head.chain).values(values)).rowcount:
        connection.execute(insert(head_table).values(chain=head.chain, **values))


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
    with db.read() as connection:
        for row in connection.execution_options(yield_per=1000).execute(query):
            yield Link(row.chain, row.seq, row.body, row.hash)
