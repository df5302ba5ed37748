"""Receipts of what was handed out in bulk: how much of which load, its digest, on which grants. Never a value; kept for good."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, String, Table, insert, select

from ledger.database import Database, Moment, ledger_tables

receipt_table = Table(
    "export_receipt",
    ledger_tables,
    Column("id", String(40), primary_key=True),
    Column("client", String(64), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("body", JSON, nullable=False),
)


def keep(db: Database, id_: str, client: str, body: dict[str, Any], at: datetime) -> None:
    """Record a receipt."""
    with db.write() as connection:
        connection.execute(insert(receipt_table).values(id=id_, client=client, body=body, at=at))


def find(db: Database, id_: str, client: str) -> dict[str, Any] | None:
    """A client's own receipt; None if it has none of this id."""
    c = receipt_table.c
    with db.read() as connection:
        found = connection.execute(select(c.body).where(c.id == id_, c.client == client)).scalar()
    return None if found is None else dict(found)
