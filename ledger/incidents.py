"""Incidents: a dataset's trouble from its first failed, held or late hour to its recovery. The owner is told once at each end.

`open` and `close` answer whether this call changed anything, so that the teller is told to speak exactly once; the message itself
waits in the outbox until it was delivered.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Integer, String, Table, Text, insert, select, update

from ledger.database import Database, ledger_tables

incidents = Table(
    "incidents",
    ledger_tables,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("dataset", String(63), nullable=False, index=True),
    Column("kind", String(10), nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
)
outbox = Table(
    "outbox",
    ledger_tables,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("url", Text, nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("sent_at", DateTime(timezone=True)),
)


@dataclass(frozen=True)
class Message:
    """One message that waits to be sent."""

    id: int
    url: str
    body: dict[str, Any]
    tries: int


def begin(db: Database, dataset: str, kind: str, reason: str, *, now: datetime, message: Message | None) -> bool:
    """Open an incident and queue its message in one transaction; False if one is open already."""
    with db.write(alone=dataset) as connection:
        still = select(incidents.c.id).where(incidents.c.dataset == dataset, incidents.c.closed_at.is_(None))
        if connection.execute(still).first() is not None:
            return False
        connection.execute(insert(incidents).values(dataset=dataset, kind=kind, reason=reason, opened_at=now))
        _queue(connection, message, now)
    return True


def finish(db: Database, dataset: str, *, now: datetime, message: Message | None) -> bool:
    """Close the dataset's open incident and queue the news of its recovery; False if none was open."""
    with db.write() as connection:
        still = (incidents.c.dataset == dataset) & incidents.c.closed_at.is_(None)
        if not connection.execute(update(incidents).where(still).values(closed_at=now)).rowcount:
            return False
        _queue(connection, message, now)
    return True


def unsent(db: Database) -> tuple[Message, ...]:
    """Messages that were not delivered yet, oldest first."""
    query = select(outbox).where(outbox.c.sent_at.is_(None)).order_by(outbox.c.id)
    with db.read() as connection:
        return tuple(Message(r.id, r.url, dict(r.body), r.tries) for r in connection.execute(query))


def tried(db: Database, message: Message, *, sent_at: datetime | None) -> None:
    """Record one try to send, and when it succeeded."""
    with db.write() as connection:
        connection.execute(
            update(outbox).where(outbox.c.id == message.id).values(tries=message.tries + 1, sent_at=sent_at)
        )


def _queue(connection: Any, message: Message | None, now: datetime) -> None:
    if message is not None:
        connection.execute(insert(outbox).values(url=message.url, body=message.body, created_at=now, tries=0))
