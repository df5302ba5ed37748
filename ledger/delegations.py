"""Delegations: whom a department lets decide on requests for its data, until when. One is revoked, never changed or deleted."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Column, Date, String, Table, insert, select, update

from ledger.database import Database, Moment, ledger_tables
from schemas.errors import NotFound

delegation_table = Table(
    "access_delegation",
    ledger_tables,
    Column("id", String(32), primary_key=True),
    Column("department", String(18), nullable=False, index=True),
    Column("person", String(320), nullable=False),
    Column("to_department", String(18), nullable=False),
    Column("until", Date, nullable=False),
    Column("why", String(400), nullable=False),
    Column("by", String(320), nullable=False),
    Column("at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("revoked_by", String(320), nullable=False, server_default=""),
)


@dataclass(frozen=True)
class Delegation:
    """One delegation: of `department` ("" the data office) to a `person` or to `to_department`'s approvers, up to and with the day `until`."""

    id: str
    department: str
    person: str
    to_department: str
    until: date
    why: str
    by: str
    at: datetime


def put(db: Database, delegation: Delegation) -> Delegation:
    """Record a delegation."""
    with db.write() as connection:
        connection.execute(insert(delegation_table).values(delegation.__dict__))
    return delegation


def revoke(db: Database, delegation_id: str, at: datetime, *, by: str) -> None:
    """End a delegation now. Raises NotFound where none of this id stands."""
    c = delegation_table.c
    ended = update(delegation_table).where(c.id == delegation_id, c.revoked_at.is_(None))
    with db.write() as connection:
        if not connection.execute(ended.values(revoked_at=at, revoked_by=by)).rowcount:
            raise NotFound(f"there is no delegation {delegation_id!r} to revoke", todo="hub delegation list")


def standing(db: Database, today: date) -> tuple[Delegation, ...]:
    """The delegations that count on that day, by department and end."""
    c = delegation_table.c
    names = (c.id, c.department, c.person, c.to_department, c.until, c.why, c.by, c.at)
    query = select(*names).where(c.revoked_at.is_(None), c.until >= today).order_by(c.department, c.until, c.id)
    with db.read() as connection:
        return tuple(Delegation(*row) for row in connection.execute(query))
