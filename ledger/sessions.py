"""Sessions of the console, kept here and not in the browser: it holds a random number, the ledger that number's hash.

So whoever reads the ledger can enter nowhere, and a session that ends, ends everywhere at once.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, String, Table, delete, insert, or_, select, update

from ledger.database import Database, Moment, ledger_tables

session_table = Table(
    "console_session",
    ledger_tables,
    Column("hash", String(64), primary_key=True),
    Column("account", String(320), nullable=False, index=True),
    Column("begun_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
)


@dataclass(frozen=True)
class Session:
    """One sign-in of an account: when it began, and when a request last came under it."""

    hash: str
    account: str
    begun_at: datetime
    seen_at: datetime


def begin(db: Database, session: Session, *, begun_before: datetime, seen_before: datetime) -> None:
    """Record a new session; those that began or were last seen before these moments are deleted."""
    c = session_table.c
    with db.write() as connection:
        connection.execute(delete(session_table).where(or_(c.begun_at < begun_before, c.seen_at < seen_before)))
        connection.execute(insert(session_table).values(session.__dict__))


def find(db: Database, hash_: str) -> Session | None:
    """The session of this hash; None if there is none."""
    with db.read() as connection:
        row = connection.execute(select(session_table).where(session_table.c.hash == hash_)).first()
    return None if row is None else Session(*row)


def see(db: Database, hash_: str, at: datetime) -> None:
    """Note that a request came under the session."""
    with db.write() as connection:
        connection.execute(update(session_table).where(session_table.c.hash == hash_).values(seen_at=at))


def end(db: Database, hash_: str) -> None:
    """End the session, if it is there."""
    with db.write() as connection:
        connection.execute(delete(session_table).where(session_table.c.hash == hash_))


def end_all(connection: Connection, account: str, keep: str = "") -> None:
    """End every session of the account, as part of a transaction, but for the one of the hash `keep`."""
    c = session_table.c
    connection.execute(delete(session_table).where(c.account == account, c.hash != keep))
