"""Who wants to be told before a dataset changes: a name and a webhook for each subscription."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, ColumnElement, DateTime, String, Table, Text, delete, insert, select

from ledger.database import Database, ledger_tables
from schemas.contract import Contact
from schemas.errors import NotFound

subscriptions = Table(
    "subscriptions",
    ledger_tables,
    Column("dataset", String(63), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("url", Text, nullable=False),
    Column("format", String(16), nullable=False),
    Column("subscribed_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class Subscription:
    """One subscriber of one dataset, and where its notices go."""

    dataset: str
    name: str
    contact: Contact
    subscribed_at: datetime


def subscribe(db: Database, subscription: Subscription) -> None:
    """Record the subscription; one of the same name is replaced."""
    values = {
        "url": subscription.contact.url,
        "format": subscription.contact.format,
        "subscribed_at": subscription.subscribed_at,
    }
    with db.write(alone="subscriptions") as connection:
        connection.execute(delete(subscriptions).where(*_is(subscription.dataset, subscription.name)))
        connection.execute(insert(subscriptions).values(dataset=subscription.dataset, name=subscription.name, **values))


def unsubscribe(db: Database, dataset: str, name: str) -> None:
    """Remove a subscription; NotFound if there is none of this name."""
    with db.write() as connection:
        if not connection.execute(delete(subscriptions).where(*_is(dataset, name))).rowcount:
            raise NotFound(f"{name!r} does not subscribe to {dataset}", todo=f"hub contract subscribers {dataset}")


def of(db: Database, dataset: str) -> tuple[Subscription, ...]:
    """The dataset's subscriptions by name."""
    query = select(subscriptions).where(subscriptions.c.dataset == dataset).order_by(subscriptions.c.name)
    with db.read() as connection:
        return tuple(
            Subscription(r.dataset, r.name, Contact(r.url, r.format), r.subscribed_at)
            for r in connection.execute(query)
        )


def _is(dataset: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return subscriptions.c.dataset == dataset, subscriptions.c.name == name
