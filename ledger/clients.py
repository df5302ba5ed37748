"""Clients of the hub's interface, remembered.

A client is a system (a department's portal), not a person. A push right lets it send one dataset's records; what it may ask is in
`ledger.grants`. Secrets never come here: only their hash, made and compared in `access.clients`.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from ledger import access_revision
from ledger.database import Database, ledger_tables
from schemas.errors import NotFound

client_table = Table(
    "client",
    ledger_tables,
    Column("id", String(64), primary_key=True),
    Column("name_zh", String(200), nullable=False),
    Column("name_en", String(200), nullable=False),
    Column("secret_hash", String(400), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

push_table = Table(
    "client_push",
    ledger_tables,
    Column("client", String(64), ForeignKey("client.id"), primary_key=True),
    Column("dataset", String(63), primary_key=True),
    Column("granted_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class Client:
    """A system that may call the hub while it is `active`; `secret_hash` is opaque here."""

    id: str
    name_zh: str
    name_en: str
    secret_hash: str = field(repr=False)
    active: bool = True


def put(db: Database, client: Client, at: datetime) -> None:
    """Add the client, or replace names, secret hash and activity of the one with this id; grants stay."""
    values = {
        "name_zh": client.name_zh,
        "name_en": client.name_en,
        "secret_hash": client.secret_hash,
        "active": client.active,
    }
    with db.write() as connection:
        changed = connection.execute(update(client_table).where(client_table.c.id == client.id).values(values))
        if not changed.rowcount:
            connection.execute(insert(client_table).values(id=client.id, created_at=at, **values))
        access_revision.bump(connection)


def find(db: Database, client_id: str) -> Client | None:
    """The client with this id, active or not; None if there is none."""
    with db.read() as connection:
        row = connection.execute(select(client_table).where(client_table.c.id == client_id)).one_or_none()
    return None if row is None else Client(row.id, row.name_zh, row.name_en, row.secret_hash, row.active)


def everyone(db: Database) -> tuple[Client, ...]:
    """All clients by id."""
    with db.read() as connection:
        rows = connection.execute(select(client_table).order_by(client_table.c.id)).all()
    return tuple(Client(row.id, row.name_zh, row.name_en, row.secret_hash, row.active) for row in rows)


def set_active(db: Database, client_id: str, active: bool) -> None:
    """Let the client in or keep it out from its next call on; NotFound if there is no such client."""
    with db.write() as connection:
        changed = connection.execute(update(client_table).where(client_table.c.id == client_id).values(active=active))
        if not changed.rowcount:
            raise NotFound(f"there is no client {client_id!r}", todo="see the list of clients")
        access_revision.bump(connection)


def allow_push(db: Database, client_id: str, dataset: str, at: datetime) -> None:
    """Let the client send the dataset's records; a right that is there already stays as it is."""
    with db.write() as connection:
        if dataset not in _pushes(connection, client_id):
            connection.execute(insert(push_table).values(client=client_id, dataset=dataset, granted_at=at))


def withdraw_push(db: Database, client_id: str, dataset: str) -> None:
    """Take the right away, if it is there."""
    c = push_table.c
    with db.write() as connection:
        connection.execute(delete(push_table).where(c.client == client_id, c.dataset == dataset))


def pushes(db: Database, client_id: str) -> frozenset[str]:
    """The datasets whose records the client may send: none while it is not active."""
    with db.read() as connection:
        return _pushes(connection, client_id, active=True)


def _pushes(connection: Connection, client_id: str, *, active: bool = False) -> frozenset[str]:
    query = select(push_table.c.dataset).where(push_table.c.client == client_id)
    if active:
        query = query.join(client_table, client_table.c.id == push_table.c.client).where(client_table.c.active)
    return frozenset(connection.execute(query).scalars())
