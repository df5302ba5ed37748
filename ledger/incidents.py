"""Incidents: a dataset's trouble from its first failed, held or late hour to its recovery. The owner is told once at each end.

A source that drifted (`drift`) or differs from what is published (`differs`) is trouble of its own: a pull that ends well does not end it.

`open` and `close` answer whether this call changed anything, so that the teller is told to speak exactly once; the message itself
waits in the outbox until it was delivered.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ColumnElement, DateTime, Integer, String, Table, Text, and_, insert, select, update

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


OF_RUNS = ("failed", "held", "late")
"""Kinds of one incident: what began as one and goes on as another is not told anew."""


@dataclass(frozen=True)
class Message:
    """One message that waits to be sent."""

    id: int
    url: str
    body: dict[str, Any]
    tries: int


def begin(db: Database, dataset: str, kind: str, reason: str, *, now: datetime, message: Message | None) -> bool:
    """Open an incident and queue its message in one transaction; False if one of its like is open already."""
    with db.write(alone=dataset) as connection:
        if connection.execute(select(incidents.c.id).where(_open(dataset, kind))).first() is not None:
            return False
        connection.execute(insert(incidents).values(dataset=dataset, kind=kind, reason=reason, opened_at=now))
        queue(connection, message, now)
    return True


def finish(db: Database, dataset: str, kind: str, *, now: datetime, message: Message | None) -> bool:
    """Close the dataset's open incident of this kind or its like and queue the news; False if none was open."""
    with db.write() as connection:
        closing = update(incidents).where(_open(dataset, kind)).values(closed_at=now)
        if not connection.execute(closing).rowcount:
            return False
        queue(connection, message, now)
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


def _open(dataset: str, kind: str) -> ColumnElement[bool]:
    alike = OF_RUNS if kind in OF_RUNS else (kind,)
    return and_(incidents.c.dataset == dataset, incidents.c.kind.in_(alike), incidents.c.closed_at.is_(None))


def queue(connection: Any, message: Message | None, now: datetime) -> None:
    """Put a message, if there is one, into the outbox as part of a transaction."""
    if message is not None:
        connection.execute(insert(outbox).values(url=message.url, body=message.body, created_at=now, tries=0))
