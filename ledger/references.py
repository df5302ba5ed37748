"""What each dataset's references were last held against: the loads of the datasets referred to, and how many published rows found nothing there."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, String, Table, delete, insert, select

from ledger.database import Database, Moment, ledger_tables

references = Table(
    "reference_checks",
    ledger_tables,
    Column("dataset", String(63), primary_key=True),
    Column("pins", JSON, nullable=False),
    Column("dangling", JSON, nullable=False),
    Column("at", Moment, nullable=False),
)


def remember(db: Database, dataset: str, *, pins: dict[str, int], dangling: dict[str, int], at: datetime) -> None:
    """Record that a dataset's references were judged against these loads, and the rows by rule whose reference is gone."""
    with db.write(alone=dataset) as connection:
        connection.execute(delete(references).where(references.c.dataset == dataset))
        connection.execute(insert(references).values(dataset=dataset, pins=pins, dangling=dangling, at=at))


def last(db: Database) -> dict[str, dict[str, Any]]:
    """The newest record of every dataset: pins, dangling, at."""
    with db.read() as connection:
        return {
            row.dataset: {"pins": row.pins, "dangling": row.dangling, "at": row.at}
            for row in connection.execute(select(references))
        }
