"""Proposals: contracts on their way into the catalog, and every step they took.

    draft → in review → published
      ↑         │ returned, with a reason
      └─────────┘

A dataset has at most one open proposal. What was approved is applied as a contract version (`ledger.contracts`); a proposal changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Column, Connection, Integer, String, Table, Text, delete, insert, select, update

from ledger.database import Database, Moment, ledger_tables
from schemas.errors import Conflict, NotFound

State = Literal["draft", "in review", "published"]
Step = Literal["saved", "submitted", "approved", "returned"]
_AFTER: dict[Step, State] = {"submitted": "in review", "approved": "published", "returned": "draft"}
_BEFORE: dict[Step, State] = {"submitted": "draft", "approved": "in review", "returned": "in review"}

proposals = Table(
    "catalog_proposals",
    ledger_tables,
    Column("dataset", String(63), primary_key=True),
    Column("version", String(40), nullable=False),
    Column("file", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("submitted_by", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
)
review_steps = Table(
    "catalog_review_steps",
    ledger_tables,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("dataset", String(63), nullable=False, index=True),
    Column("version", String(40), nullable=False),
    Column("step", String(10), nullable=False),
    Column("by", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
)


@dataclass(frozen=True)
class Proposal:
    """One contract file on its way; `reason` is why it was returned."""

    dataset: str
    version: str
    file: str
    state: State
    submitted_by: str
    reason: str
    changed_at: datetime


@dataclass(frozen=True)
class ReviewStep:
    """One step of a proposal, and who took it."""

    dataset: str
    version: str
    step: Step
    by: str
    reason: str
    at: datetime


def save(db: Database, dataset: str, version: str, file: str, *, by: str, at: datetime) -> Proposal:
    """Keep a contract file as the dataset's draft; whatever was open before gives way to it."""
    draft = Proposal(dataset, version, file, "draft", by, "", at)
    with db.write(alone=f"review:{dataset}") as connection:
        connection.execute(delete(proposals).where(proposals.c.dataset == dataset))
        connection.execute(insert(proposals).values(**draft.__dict__))
        _log(connection, ReviewStep(dataset, version, "saved", by, "", at))
    return draft


def move(db: Database, dataset: str, step: Step, *, by: str, at: datetime, reason: str = "") -> Proposal:
    """The proposal after a step: submitted, approved (and open no more) or returned.

    Raises:
        NotFound: the dataset has no open proposal.
        Conflict: its state does not allow this step.
    """
    with db.write(alone=f"review:{dataset}") as connection:
        found = _open(connection, dataset)
        if found.state != _BEFORE[step]:
            raise Conflict(f"{dataset} is {found.state}: it cannot be {step}", todo=f"hub catalog reviews {dataset}")
        sender = by if step == "submitted" else found.submitted_by
        moved = replace(found, state=_AFTER[step], submitted_by=sender, reason=reason, changed_at=at)
        if step == "approved":
            connection.execute(delete(proposals).where(proposals.c.dataset == dataset))
        else:
            connection.execute(update(proposals).where(proposals.c.dataset == dataset).values(**moved.__dict__))
        _log(connection, ReviewStep(dataset, found.version, step, by, reason, at))
    return moved


def find(db: Database, dataset: str) -> Proposal:
    """The dataset's open proposal. Raises NotFound."""
    with db.read() as connection:
        return _open(connection, dataset)


def waiting(db: Database) -> tuple[Proposal, ...]:
    """Every open proposal, the longest unchanged first."""
    with db.read() as connection:
        return tuple(Proposal(*row) for row in connection.execute(select(proposals).order_by(proposals.c.changed_at)))


def record(db: Database, dataset: str, version: str, *, by: str, at: datetime, reason: str = "") -> None:
    """Note that the data office approved a version at once, without a proposal."""
    with db.write() as connection:
        _log(connection, ReviewStep(dataset, version, "approved", by, reason, at))


def steps(db: Database, dataset: str) -> tuple[ReviewStep, ...]:
    """Every step that versions of the dataset took, oldest first."""
    t = review_steps.c
    query = select(t.dataset, t.version, t.step, t.by, t.reason, t.at).where(t.dataset == dataset).order_by(t.id)
    with db.read() as connection:
        return tuple(ReviewStep(*row) for row in connection.execute(query))


def _open(connection: Connection, dataset: str) -> Proposal:
    row = connection.execute(select(proposals).where(proposals.c.dataset == dataset)).first()
    if row is None:
        raise NotFound(f"nothing is proposed for {dataset}", todo="hub catalog submit FILE")
    return Proposal(*row)


def _log(connection: Connection, step: ReviewStep) -> None:
    connection.execute(insert(review_steps).values(**step.__dict__))
