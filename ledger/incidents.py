"""Incidents: a dataset's trouble from its first failed, held or late hour to its recovery. The owner is told once at each end.

A source that drifted (`drift`) or differs from what is published (`differs`) is trouble of its own: a pull that ends well does not end it.

`begin` and `finish` answer whether this call changed anything, so that the teller is told to speak exactly once; the messages themselves
wait in the outbox until they were delivered.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Column, ColumnElement, DateTime, Integer, String, Table, Text, and_, insert, select, update

from ledger.database import Database, ledger_tables
from ledger.outbox import Message, queue

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

OF_RUNS = ("failed", "held", "late")
"""Kinds of one incident: what began as one and goes on as another is not told anew."""


def begin(
    db: Database, dataset: str, kind: str, reason: str, *, now: datetime, messages: Sequence[Message] = ()
) -> bool:
    """Open an incident and queue its messages in one transaction; False if one of its like is open already."""
    with db.write(alone=dataset) as connection:
        if connection.execute(select(incidents.c.id).where(_open(dataset, kind))).first() is not None:
            return False
        connection.execute(insert(incidents).values(dataset=dataset, kind=kind, reason=reason, opened_at=now))
        queue(connection, messages, now)
    return True


def finish(db: Database, dataset: str, kind: str, *, now: datetime, messages: Sequence[Message] = ()) -> bool:
    """Close the dataset's open incident of this kind or its like and queue the news; False if none was open."""
    with db.write() as connection:
        closing = update(incidents).where(_open(dataset, kind)).values(closed_at=now)
        if not connection.execute(closing).rowcount:
            return False
        queue(connection, messages, now)
    return True


def _open(dataset: str, kind: str) -> ColumnElement[bool]:
    alike = OF_RUNS if kind in OF_RUNS else (kind,)
    return and_(incidents.c.dataset == dataset, incidents.c.kind.in_(alike), incidents.c.closed_at.is_(None))
