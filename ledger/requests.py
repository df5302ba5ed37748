"""Requests for data (数据共享申请), and every step they took: from the asking to the grant or the refusal.

    requested ──▶ approved ──▶ granted        one approval grants; what is sensitive takes two, and is `approved` after the first
        ├────────────┴───────▶ refused        with a reason
        └────────────┴───────▶ withdrawn      by who asked

What was granted is a grant (`ledger.grants`), written in the same transaction and linked by the request's id: whether it still stands is
said there and nowhere else. Steps are only ever added. Who may take which is decided in `access.approval`.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import (
    Column,
    Connection,
    Date,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from ledger import grants
from ledger.clients import client_table
from ledger.database import Database, Moment, ledger_tables
from ledger.grants import Basis, Grant, Kind
from ledger.loads import loads
from ledger.outbox import Message, queue
from schemas.errors import Conflict, NotFound

State = Literal["requested", "approved", "granted", "refused", "withdrawn"]
Deed = Literal["requested", "extended", "approved", "granted", "refused", "withdrawn"]
Mark = Literal["reminded_at", "overdue_at", "undelivered_at"]
OPEN: tuple[State, ...] = ("requested", "approved")

request_table = Table(
    "access_request",
    ledger_tables,
    Column("id", String(32), primary_key=True),
    Column("client", String(64), ForeignKey("client.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("name", String(64), nullable=False),
    Column("fields", Text, nullable=False),
    Column("purpose", String(200), nullable=False),
    Column("basis", String(16), nullable=False),
    Column("legal", String(400), nullable=False),
    Column("row_filter", Text, nullable=False),
    Column("days", Integer),
    Column("quota", Integer),
    Column("contact", String(200), nullable=False),
    Column("department", String(18), nullable=False, index=True),
    Column("dataset", String(63), nullable=False),
    Column("requested_by", String(320), nullable=False),
    Column("from_department", String(18), nullable=False),
    Column("state", String(10), nullable=False),
    Column("allowed", Integer, nullable=False),
    Column("extension", Integer, nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("moved_at", Moment, nullable=False),
    Column("reminded_at", Moment),
    Column("overdue_at", Moment),
    Column("undelivered_at", Moment),
    Column("steps", Integer, nullable=False),
)
step_table = Table(
    "access_request_steps",
    ledger_tables,
    Column("request", String(32), ForeignKey("access_request.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("deed", String(10), nullable=False),
    Column("by", String(320), nullable=False),
    Column("department", String(18), nullable=False),
    Column("ground", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
)


@dataclass(frozen=True)
class Request:
    """One request: what its grant would say (`ledger.grants.Grant`), for `days` days (None: until revoked), and how far it is.

    `department`: the code of who decides, "" for the data office; `dataset`: the one whose department that is. `requested_by` and
    `from_department`: the person who asked for the client, "" where the client itself did. `contact`: how to reach who asked. `allowed`
    and `extension`: working days from `opened_on`, the city's day. `reminded_at`, `overdue_at`, `undelivered_at`: when that was told.
    `steps`: how many it took.
    """

    id: str
    client: str
    kind: Kind
    name: str
    fields: frozenset[str]
    purpose: str
    basis: Basis
    legal: str
    department: str
    dataset: str
    allowed: int
    opened_on: date
    opened_at: datetime
    moved_at: datetime
    row_filter: str = ""
    days: int | None = None
    quota: int | None = None
    contact: str = ""
    requested_by: str = ""
    from_department: str = ""
    state: State = "requested"
    extension: int = 0
    reminded_at: datetime | None = None
    overdue_at: datetime | None = None
    undelivered_at: datetime | None = None
    steps: int = 0

    @property
    def open(self) -> bool:
        """Whether somebody still has to decide."""
        return self.state in OPEN


@dataclass(frozen=True)
class Step:
    """One step: who took it, of which department, on what ground (`access.approval.Ground`; "" for who asked and for the rules), and why."""

    deed: Deed
    by: str
    at: datetime
    department: str = ""
    ground: str = ""
    reason: str = ""


def open_(
    db: Database, request: Request, steps: Sequence[Step], messages: Sequence[Message], grant: Grant | None = None
) -> Request:
    """Record a request with its first steps, its messages, and its grant if it has one at once.

    The same said again while it is open, or on the same day while its grant stands, gives that one back.

    Raises:
        NotFound: there is no such client.
    """
    with db.write(alone=f"requests {request.client}") as connection:
        if not connection.execute(select(client_table.c.id).where(client_table.c.id == request.client)).first():
            raise NotFound(f"there is no client {request.client!r}", todo="hub client list")
        known = _same(connection, request)
        if known is not None:
            return known
        made = {**_values(request), "state": steps[-1].deed, "steps": len(steps)}
        connection.execute(insert(request_table).values(made))
        _log(connection, request.id, 0, steps)
        _grant(connection, grant, request.opened_at)
        queue(connection, messages, request.opened_at)
        return _one(connection, request.id)


def take(
    db: Database, seen: Request, step: Step, messages: Sequence[Message], grant: Grant | None = None, **values: Any
) -> Request:
    """The request after a step that was decided on what was `seen` of it, with its grant and messages in the same transaction.

    Raises:
        Conflict: it is decided, or took another step meanwhile.
    """
    state = seen.state if step.deed == "extended" else step.deed
    c = request_table.c
    with db.write() as connection:
        unmoved = update(request_table).where(c.id == seen.id, c.steps == seen.steps, c.state.in_(OPEN))
        moved = unmoved.values(state=state, steps=seen.steps + 1, moved_at=step.at, **values)
        if not connection.execute(moved).rowcount:
            now = _one(connection, seen.id)
            raise Conflict(f"request {seen.id} is {now.state} by now", todo=f"look again: hub request show {seen.id}")
        _log(connection, seen.id, seen.steps, [step])
        _grant(connection, grant, step.at)
        queue(connection, messages, step.at)
        return _one(connection, seen.id)


def mark(db: Database, request: Request, what: Mark, now: datetime, messages: Sequence[Message]) -> bool:
    """Record that it was told of a request's time, with the messages; False if that was told before, or it is in another state by now."""
    c = request_table.c
    with db.write() as connection:
        untold = update(request_table).where(c.id == request.id, c[what].is_(None), c.state == request.state)
        if not connection.execute(untold.values({what: now})).rowcount:
            return False
        queue(connection, messages, now)
    return True


def find(db: Database, request_id: str) -> Request:
    """The request with this number; NotFound if there is none."""
    with db.read() as connection:
        return _one(connection, request_id)


def steps(db: Database, request_id: str) -> tuple[Step, ...]:
    """Every step of a request, oldest first."""
    t = step_table.c
    query = select(t.deed, t.by, t.at, t.department, t.ground, t.reason).where(t.request == request_id)
    with db.read() as connection:
        return tuple(Step(*row) for row in connection.execute(query.order_by(t.number)))


def listed(
    db: Database, *, client: str = "", departments: Collection[str] | None = None, asker: tuple[str, str] = ("", ""),
    states: Collection[State] | None = None,
) -> tuple[Request, ...]:  # fmt: skip
    """Requests, oldest first: of a client; of departments (who decides or who asked) and of an asker's name and client; in some states."""
    c = request_table.c
    query = select(request_table).where(c.client == client if client else true())
    if departments is not None:
        person, portal = asker
        asked = or_(
            c.from_department.in_([d for d in departments if d]),
            (c.requested_by == person) & (c.requested_by != ""),
            (c.client == portal),
        )
        query = query.where(or_(c.department.in_(departments), asked))
    if states is not None:
        query = query.where(c.state.in_(states))
    with db.read() as connection:
        return tuple(map(_request, connection.execute(query.order_by(c.opened_at, c.id))))


def undelivered(db: Database) -> tuple[Request, ...]:
    """Requests whose grant stands, for data of which no load was ever published, oldest first."""
    c = request_table.c
    g = grants.grant_table.c
    brought = select(loads.c.load).where(loads.c.dataset == c.dataset).exists()
    stands = select(g.id).where(g.request == c.id, g.revoked_at.is_(None)).exists()
    with db.read() as connection:
        query = select(request_table).where(c.state == "granted", stands, ~brought).order_by(c.opened_at, c.id)
        return tuple(map(_request, connection.execute(query)))


def waiting(db: Database, client: str) -> int:
    """How many requests of a client are undecided."""
    c = request_table.c
    with db.read() as connection:
        query = select(func.count()).select_from(request_table).where(c.client == client, c.state.in_(OPEN))
        return int(connection.execute(query).scalar_one())


def _same(connection: Connection, request: Request) -> Request | None:
    """The request that says the same and still counts."""
    c = request_table.c
    values = _values(request)
    said = ("client", "kind", "name", "fields", "purpose", "basis", "legal", "row_filter", "days", "quota")
    query = select(request_table).where(*(c[name].is_not_distinct_from(values[name]) for name in said))
    for row in connection.execute(query.where(c.state.in_((*OPEN, "granted"))).order_by(c.opened_at.desc())):
        found = _request(row)
        if found.open or (found.opened_on == request.opened_on and grants.stands(connection, found.id)):
            return found
    return None


def _grant(connection: Connection, grant: Grant | None, at: datetime) -> None:
    if grant is not None:
        grants.add(connection, grant, at)


def _log(connection: Connection, request: str, taken: int, steps: Sequence[Step]) -> None:
    rows = [{"request": request, "number": taken + i, **asdict(step)} for i, step in enumerate(steps)]
    connection.execute(insert(step_table), rows)


def _values(request: Request) -> dict[str, Any]:
    return {**request.__dict__, "fields": json.dumps(sorted(request.fields), ensure_ascii=False)}


def _one(connection: Connection, request_id: str) -> Request:
    row = connection.execute(select(request_table).where(request_table.c.id == request_id)).first()
    if row is None:
        raise NotFound(f"there is no request {request_id!r}", todo="hub request list")
    return _request(row)


def _request(row: Any) -> Request:
    return Request(**{**row._mapping, "fields": frozenset(json.loads(row.fields))})
