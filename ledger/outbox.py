"""The outbox: messages that are written with the fact they tell of, and wait until they were delivered.

1. `queue` is called inside the transaction that records the fact: neither happens without the other. An event goes to one address
   under one key once.
2. `due` lists what may be sent now; `claim` takes one message for a while, so that two senders do not both send it.
3. A message that failed is due again later, or dead after too many tries: dead ones are kept, listed and can be revived.

Delivery is at least once: whoever is killed between sending and `sent` sends again, under the same event id.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from ledger.database import Database, Moment, ledger_tables

outbox = Table(
    "outbox",
    ledger_tables,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("event", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("format", String(16), nullable=False),
    Column("secret", String(200)),
    Column("body", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("sent_at", Moment),
    Column("dead_at", Moment),
    Column("error", String(200), nullable=False, default=""),
    UniqueConstraint("event", "url", "secret"),
)


@dataclass(frozen=True)
class Message:
    """One message to one address, an http(s) or `mailto:` URL. `event` is its event's id, made up where there is none.

    `secret` names the key it is signed with; `error` is why the last try failed.
    """

    id: int
    url: str
    body: dict[str, Any]
    tries: int
    event: str = ""
    format: str = "plain"
    secret: str | None = None
    error: str = ""


def queue(connection: Connection, messages: Iterable[Message], now: datetime) -> None:
    """Put messages into the outbox as part of a transaction; one whose event was queued for its address before stays as it is."""
    for message in messages:
        event = message.event or uuid.uuid4().hex
        same_key = outbox.c.secret.is_(None) if message.secret is None else outbox.c.secret == message.secret
        known = select(outbox.c.id).where(outbox.c.event == event, outbox.c.url == message.url, same_key)
        if connection.execute(known).first() is None:
            values = {"url": message.url, "format": message.format, "secret": message.secret, "body": message.body}
            connection.execute(insert(outbox).values(event=event, created_at=now, due_at=now, tries=0, **values))


def queued(connection: Connection, url: str, events: Sequence[str]) -> frozenset[str]:
    """Which of these events were queued for the address, sent or not."""
    query = select(outbox.c.event).where(outbox.c.url == url, outbox.c.event.in_(events))
    return frozenset(connection.execute(query).scalars())


def due(db: Database, now: datetime) -> tuple[Message, ...]:
    """Messages that may be sent now, oldest first."""
    return _messages(db, select(outbox).where(_waiting(), outbox.c.due_at <= now))


def unsent(db: Database) -> tuple[Message, ...]:
    """Messages that were not delivered and are not given up, oldest first."""
    return _messages(db, select(outbox).where(_waiting()))


def dead(db: Database) -> tuple[Message, ...]:
    """Messages that were given up, oldest first."""
    return _messages(db, select(outbox).where(outbox.c.dead_at.is_not(None)))


def claim(db: Database, message: Message, *, until: datetime) -> bool:
    """Take a message for sending; False if somebody else has. If the sender dies it is due again at `until`."""
    mine = (outbox.c.id == message.id) & (outbox.c.tries == message.tries) & _waiting()
    with db.write() as connection:
        return (
            connection.execute(update(outbox).where(mine).values(tries=message.tries + 1, due_at=until)).rowcount == 1
        )


def sent(db: Database, message: Message, at: datetime) -> None:
    """Record that a message arrived."""
    _record(db, message, sent_at=at, error="")


def failed(db: Database, message: Message, error: str, *, again_at: datetime | None, now: datetime) -> None:
    """Record a try that failed, and when the next is due; None gives the message up."""
    _record(db, message, error=error[:200], **({"due_at": again_at} if again_at else {"dead_at": now}))


def revive(db: Database, now: datetime) -> int:
    """Make every message that was given up due now, as if never tried; how many there were."""
    with db.write() as connection:
        values = {"dead_at": None, "tries": 0, "due_at": now}
        return connection.execute(update(outbox).where(outbox.c.dead_at.is_not(None)).values(values)).rowcount


def clean(db: Database, before: datetime) -> int:
    """Remove messages that arrived before then; how many there were."""
    with db.write() as connection:
        return connection.execute(delete(outbox).where(outbox.c.sent_at < before)).rowcount


def _waiting() -> ColumnElement[bool]:
    return outbox.c.sent_at.is_(None) & outbox.c.dead_at.is_(None)


def _record(db: Database, message: Message, **values: Any) -> None:
    with db.write() as connection:
        connection.execute(update(outbox).where(outbox.c.id == message.id).values(values))


def _messages(db: Database, query: Select[Any]) -> tuple[Message, ...]:
    with db.read() as connection:
        return tuple(
            Message(r.id, r.url, dict(r.body), r.tries, r.event, r.format, r.secret, r.error)
            for r in connection.execute(query.order_by(outbox.c.id))
        )
