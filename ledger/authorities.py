"""Authoritative sources (数源确认): the one dataset whose value of a data element goes before all others, for each subject kind.

A claim stands in a contract (`authoritativeFor`) and is taken when the contract is applied, or is made by the data office. The second
claim of an element is refused with the name of its holder; whoever no longer claims it gives it up.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Column, ColumnElement, Connection, DateTime, String, Table, Text, and_, delete, insert, select

from ledger.database import Database, ledger_tables
from schemas.contract import Claim, Contract
from schemas.elements import ELEMENTS
from schemas.errors import Invalid, NotFound

Origin = Literal["contract", "office"]
LOCK = "authorities"

authorities = Table(
    "authorities",
    ledger_tables,
    Column("subject", String(32), primary_key=True),
    Column("element", String(16), primary_key=True),
    Column("dataset", String(63), nullable=False, index=True),
    Column("provider", Text, nullable=False),
    Column("origin", String(16), nullable=False),
    Column("because", Text, nullable=False),
    Column("claimed_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class Authority:
    """Who holds an element of a subject kind, since when, and whether a contract or the data office said so."""

    subject: str
    element: str
    dataset: str
    provider: str
    origin: Origin
    because: str
    claimed_at: datetime

    def __str__(self) -> str:
        return f"{words(self.subject, self.element)} is {self.dataset}'s ({self.provider})"


def words(subject: str, element: str) -> str:
    """An element of a subject kind in words.

    >>> words("person", "DE01002")
    'DE01002 姓名 person_name of person'
    """
    found = ELEMENTS.get(element)
    return f"{element} {found.zh} {found.en} of {subject}" if found else f"{element} of {subject}"


def held(db: Database, elements: Collection[str] | None = None) -> tuple[Authority, ...]:
    """Every authoritative source, or those of `elements`, by subject kind and element."""
    query = select(authorities).order_by(authorities.c.subject, authorities.c.element)
    if elements is not None:
        query = query.where(authorities.c.element.in_(elements))
    with db.read() as connection:
        return tuple(Authority(*row) for row in connection.execute(query))


def held_by(db: Database, datasets: Collection[str]) -> tuple[Authority, ...]:
    """What these datasets are the authoritative sources of, by subject kind and element."""
    query = select(authorities).where(authorities.c.dataset.in_(datasets))
    with db.read() as connection:
        return tuple(
            Authority(*row) for row in connection.execute(query.order_by(authorities.c.subject, authorities.c.element))
        )


def settle(connection: Connection, contracts: Sequence[Contract], at: datetime) -> None:
    """Make what these contracts claim theirs, and free what they no longer claim; for a transaction alone under `LOCK`.

    Raises:
        Invalid: an element is held by another dataset; its name is told.
    """
    names = [c.dataset for c in contracts]
    stale = and_(authorities.c.dataset.in_(names), authorities.c.origin == "contract")
    connection.execute(delete(authorities).where(stale))
    for contract in contracts:
        for one in contract.claims:
            _take(connection, contract, one, "contract", f"contract {contract.version}", at)


def claim(db: Database, contract: Contract, one: Claim, *, because: str, at: datetime) -> None:
    """Make an element the dataset's on the data office's word.

    Raises:
        Invalid: the dataset has no column of this element or tells of no such subject, or another dataset holds it.
    """
    if one.element not in {c.element for c in contract.columns} or one.subject not in {
        s.kind for s in contract.subjects
    }:
        raise Invalid(
            f"{contract.dataset} has no {words(one.subject, one.element)}", todo="see its elements: hub contract show"
        )
    with db.write(alone=LOCK) as connection:
        _take(connection, contract, one, "office", because, at)


def release(db: Database, one: Claim) -> Authority:
    """Free an element; returns who held it.

    Raises:
        NotFound: nobody did.
    """
    with db.write(alone=LOCK) as connection:
        holder = next(iter(_held(connection, one)), None)
        if holder is None:
            raise NotFound(f"nobody holds {words(one.subject, one.element)}", todo="hub authority list")
        connection.execute(delete(authorities).where(_is(one)))
    return holder


def clashes(holders: Iterable[Authority], contract: Contract, leaving: Collection[str]) -> tuple[Authority, ...]:
    """Who else holds what the contract claims; claims that the contracts of the datasets `leaving` made do not count."""
    claims = {(c.subject, c.element) for c in contract.claims}
    return tuple(
        holder
        for holder in holders
        if (holder.subject, holder.element) in claims
        and holder.dataset != contract.dataset
        and (holder.origin == "office" or holder.dataset not in leaving)
    )


def _take(connection: Connection, contract: Contract, one: Claim, origin: Origin, because: str, at: datetime) -> None:
    holder = next(iter(_held(connection, one)), None)
    if holder is not None and holder.dataset != contract.dataset:
        raise Invalid(
            f"{holder}", todo=f"ask that department to give it up: hub authority release {one.subject} {one.element}"
        )
    if holder is not None:
        return
    values = {
        "subject": one.subject,
        "element": one.element,
        "dataset": contract.dataset,
        "provider": contract.provider,
    }
    connection.execute(insert(authorities).values(**values, origin=origin, because=because, claimed_at=at))


def _held(connection: Connection, one: Claim | None = None) -> list[Authority]:
    query = select(authorities).order_by(authorities.c.subject, authorities.c.element)
    return [Authority(*row) for row in connection.execute(query.where(_is(one)) if one else query)]


def _is(one: Claim) -> ColumnElement[bool]:
    return and_(authorities.c.subject == one.subject, authorities.c.element == one.element)
