"""Registrations of sources on their way to a proposal: what a department's people said so far, step by step.

A registration belongs to its department. Every change bears the number of the version that it was made from, so of two people who change
the same one the second is told. Nothing of a record stands here: uploaded files and samples lie in the hub's staging folder.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, Column, Integer, String, Table, Text, delete, insert, select, update

from ledger.database import Database, Moment, ledger_tables
from ledger.reviews import ReviewStep
from schemas.errors import Conflict, NotFound

Way = Literal["connect", "upload", "template"]
State = Literal["draft", "in review", "returned", "published"]

registrations = Table(
    "registrations",
    ledger_tables,
    Column("id", String(16), primary_key=True),
    Column("department", String(18), nullable=False, index=True),
    Column("owner", String(200), nullable=False),
    Column("way", String(10), nullable=False),
    Column("dataset", String(63), nullable=False, index=True),
    Column("drafted", Text, nullable=False),
    Column("fixes", JSON, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("submitted", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("changed_by", String(200), nullable=False),
    Column("changed_at", Moment, nullable=False),
)


@dataclass(frozen=True)
class Registration:
    """One source being registered.

    `drafted` is the contract's text as the hub drafted it or a workbook gave it, empty until a table is chosen. `fixes` are the answers that
    people gave over it, by sheet; `facts` what was found out of the source (tables, its columns, the file's form). `submitted` is how often
    it was sent to the data office; `number` counts up with every change.
    """

    id: str
    department: str
    owner: str
    way: Way
    changed_by: str
    changed_at: datetime
    dataset: str = ""
    drafted: str = ""
    fixes: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    submitted: int = 0
    number: int = 1


@dataclass(frozen=True)
class Followed:
    """How a registration stands, the reason for which it was returned, the steps that it took.

    `has_dag`: the dataset is in the compiled index. `run` and `rows` are of its newest run, once there is one.
    """

    state: State
    reason: str = ""
    steps: tuple[ReviewStep, ...] = ()
    has_dag: bool = False
    run: str = ""
    rows: int | None = None


def begin(db: Database, registration: Registration) -> None:
    """Keep a new registration."""
    with db.write() as connection:
        connection.execute(insert(registrations).values(**registration.__dict__))


def save(db: Database, registration: Registration, *, by: str, at: datetime, **changes: Any) -> Registration:
    """The registration with these changes, made from the version that it bears.

    Raises:
        Conflict: somebody else changed it meanwhile, or it is gone.
    """
    t = registrations.c
    after = replace(registration, **changes, number=registration.number + 1, changed_by=by, changed_at=at)
    same = (t.id == registration.id) & (t.number == registration.number)
    with db.write() as connection:
        if not connection.execute(update(registrations).where(same).values(**after.__dict__)).rowcount:
            row = connection.execute(select(t.changed_by).where(t.id == registration.id)).first()
            who = row.changed_by if row else "somebody who discarded it"
            raise Conflict(
                f"this registration was changed meanwhile by {who}",
                todo="look at it again, then send your changes",
                by=who,
            )
    return after


def find(db: Database, id_: str, department: str) -> Registration:
    """A department's registration. Raises NotFound for another's as for none."""
    t = registrations.c
    found = _rows(db, (t.id == id_) & (t.department == department))
    if not found:
        raise NotFound("your department has no such registration", todo="see the list of your registrations")
    return found[0]


def of_department(db: Database, department: str) -> tuple[Registration, ...]:
    """A department's registrations, the newest change first."""
    return _rows(db, registrations.c.department == department)


def of_dataset(db: Database, dataset: str) -> tuple[Registration, ...]:
    """Every registration of a dataset's name, whoever's, the newest change first."""
    return _rows(db, registrations.c.dataset == dataset) if dataset else ()


def unchanged_since(db: Database, moment: datetime) -> tuple[Registration, ...]:
    """Registrations that nobody changed after a moment."""
    return _rows(db, registrations.c.changed_at < moment)


def remove(db: Database, id_: str) -> None:
    """Forget a registration."""
    with db.write() as connection:
        connection.execute(delete(registrations).where(registrations.c.id == id_))


def _rows(db: Database, wanted: Any) -> tuple[Registration, ...]:
    query = select(registrations).where(wanted).order_by(registrations.c.changed_at.desc())
    with db.read() as connection:
        return tuple(Registration(**row._mapping) for row in connection.execute(query))
