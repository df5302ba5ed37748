"""Who wants to be told of what happens to a dataset, or to all: a name, an address and the kinds of event for each subscription."""

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from sqlalchemy import JSON, Column, ColumnElement, DateTime, String, Table, Text, delete, insert, select, true

from ledger.database import Database, ledger_tables
from schemas.contract import Contact
from schemas.errors import NotFound

EVERY = "*"
OF_CONTRACTS = ("contract.*",)
_CLIENT = "client:"

subscriptions = Table(
    "subscriptions",
    ledger_tables,
    Column("dataset", String(63), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("url", Text, nullable=False),
    Column("format", String(16), nullable=False),
    Column("types", JSON, nullable=False),
    Column("secret", String(200)),
    Column("subscribed_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class Subscription:
    """One subscriber of one dataset (`*`: of every one), and where its messages go; a client's own is named `client:CLIENT/NUMBER`.

    `types` are patterns of event types (`dispute.*`); `secret` names the key that what is sent is signed with.
    """

    dataset: str
    name: str
    contact: Contact
    subscribed_at: datetime
    types: tuple[str, ...] = OF_CONTRACTS
    secret: str | None = None

    @property
    def client(self) -> str:
        """The client that subscribed for itself, "" if the data office did."""
        owner, _, _ = self.name.partition("/")
        return owner.removeprefix(_CLIENT) if owner.startswith(_CLIENT) else ""

    @property
    def number(self) -> str:
        """How the client calls its subscription."""
        return self.name.partition("/")[2]

    def wants(self, kind: str) -> bool:
        """Whether events of this type are asked for."""
        return any(fnmatchcase(kind, pattern) for pattern in self.types)


def subscribe(db: Database, subscription: Subscription) -> None:
    """Record the subscription; one of the same name is replaced."""
    values = {
        "url": subscription.contact.url,
        "format": subscription.contact.format,
        "types": list(subscription.types),
        "secret": subscription.secret,
        "subscribed_at": subscription.subscribed_at,
    }
    with db.write(alone="subscriptions") as connection:
        connection.execute(delete(subscriptions).where(*_is(subscription.dataset, subscription.name)))
        connection.execute(insert(subscriptions).values(dataset=subscription.dataset, name=subscription.name, **values))


def unsubscribe(db: Database, dataset: str, name: str) -> None:
    """Remove a subscription; NotFound if there is none of this name."""
    with db.write() as connection:
        if not connection.execute(delete(subscriptions).where(*_is(dataset, name))).rowcount:
            raise NotFound(f"{name!r} does not subscribe to {dataset}", todo="hub event list")


def of(db: Database, dataset: str) -> tuple[Subscription, ...]:
    """The dataset's subscriptions by name, those to every dataset among them."""
    return _found(db, subscriptions.c.dataset.in_((dataset, EVERY)))


def everyone(db: Database) -> tuple[Subscription, ...]:
    """All subscriptions by dataset and name."""
    return _found(db, true())


def of_client(db: Database, client: str) -> tuple[Subscription, ...]:
    """A client's own subscriptions."""
    return _found(db, subscriptions.c.name.startswith(name_of(client, ""), autoescape=True))


def name_of(client: str, number: str) -> str:
    """What a client's own subscription is called."""
    return f"{_CLIENT}{client}/{number}"


def _found(db: Database, which: ColumnElement[bool]) -> tuple[Subscription, ...]:
    c = subscriptions.c
    with db.read() as connection:
        return tuple(
            Subscription(r.dataset, r.name, Contact(r.url, r.format), r.subscribed_at, tuple(r.types), r.secret)
            for r in connection.execute(select(subscriptions).where(which).order_by(c.dataset, c.name))
        )


def _is(dataset: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return subscriptions.c.dataset == dataset, subscriptions.c.name == name
