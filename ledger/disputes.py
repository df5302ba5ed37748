"""Disputes (异议核实): tickets about a value that somebody says is wrong, from their opening to the pull that brought the change.

    opened ──▶ accepted ──▶ corrected ──▶ closed     closed by the load in which the value changed,
       ├──────────┴────────────┴────▶ rejected       from any state before; rejected with a reason

A row tells dataset, column, department, states and days, and nothing of the record: that is a keyed pseudonym, which only says that two
tickets are about the same one. What the department needs (the record's key, the value held, the value claimed, texts) is sealed by
`hub.repair.disputes` before it comes here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    true,
    update,
)

from ledger.database import Database, Moment, ledger_tables
from ledger.outbox import Message, queue
from schemas.errors import Conflict, NotFound

State = Literal["opened", "accepted", "corrected", "rejected", "closed"]
Move = Literal["accept", "correct", "reject", "close"]
OPEN: tuple[State, ...] = ("opened", "accepted", "corrected")
MOVES: dict[Move, tuple[tuple[State, ...], State]] = {
    "accept": (("opened",), "accepted"),
    "correct": (("opened", "accepted"), "corrected"),
    "reject": (OPEN, "rejected"),
    "close": (OPEN, "closed"),
}
"""From which states each move leads where."""

disputes = Table(
    "disputes",
    ledger_tables,
    Column("id", String(16), primary_key=True),
    Column("dataset", String(63), nullable=False, index=True),
    Column("column", String(100), nullable=False),
    Column("provider", String(200), nullable=False),
    Column("provider_code", String(18), nullable=False),
    Column("client", String(64), nullable=False),
    Column("citizen", Integer, nullable=False),
    Column("record", String(32), nullable=False, index=True),
    Column("state", String(10), nullable=False),
    Column("days", Integer, nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("moved_at", Moment, nullable=False),
    Column("overdue_at", Moment),
    Column("checked_load", Integer, nullable=False),
    Column("closed_load", Integer),
    Column("sealed", LargeBinary, nullable=False),
    Column("answer", LargeBinary),
)


@dataclass(frozen=True)
class Dispute:
    """One ticket. `opened_on` is the city's day, `days` the working days allowed from then; `overdue_at` when that was told.

    `client` opened it, for a `citizen` or for itself. `checked_load`: the last load that was looked through for a change, `closed_load` the
    one that brought it. `sealed` and `answer` (the reason of a rejection) are ciphertext.
    """

    id: str
    dataset: str
    column: str
    provider: str
    provider_code: str
    client: str
    citizen: bool
    record: str
    state: State
    days: int
    opened_on: date
    opened_at: datetime
    moved_at: datetime
    checked_load: int
    sealed: bytes = field(repr=False)
    overdue_at: datetime | None = None
    closed_load: int | None = None
    answer: bytes | None = field(default=None, repr=False)


def open_(db: Database, dispute: Dispute, messages: Sequence[Message]) -> Dispute:
    """Record a new ticket and queue its messages; the client's open ticket about the same value is given back instead."""
    c = disputes.c
    same = (c.client == dispute.client) & (c.dataset == dispute.dataset) & (c.column == dispute.column)
    with db.write(alone=f"dispute {dispute.record}") as connection:
        known = select(disputes).where(same, c.record == dispute.record, c.state.in_(OPEN))
        row = connection.execute(known).first()
        if row is not None:
            return _dispute(row)
        connection.execute(insert(disputes).values({**dispute.__dict__, "citizen": int(dispute.citizen)}))
        queue(connection, messages, dispute.opened_at)
    return dispute


def move(
    db: Database, dispute: Dispute, how: Move, now: datetime, messages: Sequence[Message], **values: Any
) -> Dispute:
    """The ticket after a move, recorded together with its messages.

    Raises:
        Conflict: its state allows no such move, now or because somebody else was first.
    """
    before, after = MOVES[how]
    with db.write() as connection:
        changed = update(disputes).where(disputes.c.id == dispute.id, disputes.c.state.in_(before))
        if not connection.execute(changed.values(state=after, moved_at=now, **values)).rowcount:
            state = _one(connection, disputes.c.id == dispute.id, dispute.id).state
            raise Conflict(f"dispute {dispute.id} is {state}: it cannot {how}", todo=f"hub dispute show {dispute.id}")
        queue(connection, messages, now)
        return _one(connection, disputes.c.id == dispute.id, dispute.id)


def mark_overdue(db: Database, dispute: Dispute, now: datetime, messages: Sequence[Message]) -> bool:
    """Record that a ticket's time has run out, with its messages; False if that was told before or it has ended."""
    c = disputes.c
    with db.write() as connection:
        late = update(disputes).where(c.id == dispute.id, c.overdue_at.is_(None), c.state.in_(OPEN))
        if not connection.execute(late.values(overdue_at=now)).rowcount:
            return False
        queue(connection, messages, now)
    return True


def mark_checked(db: Database, ids: Collection[str], load: int) -> None:
    """Record that loads up to `load` were looked through for these tickets."""
    c = disputes.c
    with db.write() as connection:
        connection.execute(update(disputes).where(c.id.in_(ids), c.checked_load < load).values(checked_load=load))


def find(db: Database, dispute_id: str) -> Dispute:
    """The ticket with this number; NotFound if there is none."""
    with db.read() as connection:
        return _one(connection, disputes.c.id == dispute_id, dispute_id)


def listed(
    db: Database, *, dataset: str = "", provider_code: str = "", client: str = "", only_open: bool = False, datasets: Collection[str] | None = None
) -> tuple[Dispute, ...]:  # fmt: skip
    """Tickets, oldest first: of a dataset, of a department, of whoever opened them, of several datasets."""
    c = disputes.c
    wanted = {c.dataset: dataset, c.provider_code: provider_code, c.client: client}
    query = select(disputes).where(true(), *(column == value for column, value in wanted.items() if value))
    if only_open:
        query = query.where(c.state.in_(OPEN))
    if datasets is not None:
        query = query.where(c.dataset.in_(datasets))
    with db.read() as connection:
        return tuple(map(_dispute, connection.execute(query.order_by(c.opened_at, c.id))))


def waiting(db: Database, client: str) -> int:
    """How many tickets of a client are open."""
    c = disputes.c
    with db.read() as connection:
        query = select(func.count()).select_from(disputes).where(c.client == client, c.state.in_(OPEN))
        return int(connection.execute(query).scalar_one())


def remove(db: Database, ids: Collection[str]) -> None:
    """Delete tickets; for the erasure of whom they are about alone."""
    with db.write() as connection:
        connection.execute(delete(disputes).where(disputes.c.id.in_(ids)))


def _one(connection: Connection, which: ColumnElement[bool], dispute_id: str) -> Dispute:
    row = connection.execute(select(disputes).where(which)).first()
    if row is None:
        raise NotFound(f"there is no dispute {dispute_id!r}", todo="hub dispute list")
    return _dispute(row)


def _dispute(row: Any) -> Dispute:
    return Dispute(**{**row._mapping, "citizen": bool(row.citizen)})
