"""Published loads and the state of each dataset, as the rest of the hub reads them.

The truth of a load is its Delta commit; these tables repeat it, and can be dropped and told again (`tell` is idempotent).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Integer, String, Table, Text, delete, func, insert, select

from ledger.catalog import touch
from ledger.database import Database, ledger_tables
from ledger.outbox import Message, queue

_NEVER = datetime.min.replace(tzinfo=UTC)

loads = Table(
    "loads",
    ledger_tables,
    Column("dataset", String(63), primary_key=True),
    Column("load", Integer, primary_key=True),
    Column("run", String(36), nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("facts", JSON, nullable=False),
)
states = Table(
    "dataset_states",
    ledger_tables,
    Column("dataset", String(63), primary_key=True),
    Column("status", String(10), nullable=False),
    Column("reason", Text, nullable=False),
    Column("checked_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class Load:
    """One published load. `status` is the dataset's now: ok, held or failed, with `status_reason`; `checked_at` its last ended run.

    `facts` is the commit's whole metadata (`lake.history.Load`).
    """

    dataset: str
    load: int
    run: str
    published_at: datetime
    rows: int
    counts: dict[str, int] = field(default_factory=dict)
    status: str = "ok"
    status_reason: str = ""
    checked_at: datetime = _NEVER
    facts: dict[str, Any] = field(default_factory=dict)


def tell(db: Database, load: Load, messages: Sequence[Message] = ()) -> None:
    """Record a published load and queue the news of it; telling it twice changes nothing."""
    with db.write(alone=load.dataset) as connection:
        same = delete(loads).where(loads.c.dataset == load.dataset, loads.c.load == load.load)
        told_before = connection.execute(same).rowcount
        connection.execute(
            insert(loads).values(
                dataset=load.dataset,
                load=load.load,
                run=load.run,
                published_at=load.published_at,
                rows=load.rows,
                counts=load.counts,
                facts=load.facts,
            )
        )
        touch(connection, load.dataset)
        queue(connection, () if told_before else messages, load.published_at)


def set_state(db: Database, dataset: str, status: str, reason: str, at: datetime) -> None:
    """Record how the dataset's last run ended."""
    with db.write(alone=dataset) as connection:
        connection.execute(delete(states).where(states.c.dataset == dataset))
        connection.execute(insert(states).values(dataset=dataset, status=status, reason=reason, checked_at=at))
        touch(connection, dataset)


def known(db: Database, dataset: str) -> int:
    """The last load of a dataset that the ledger has been told of, 0 if none."""
    with db.read() as connection:
        return int(connection.execute(select(func.max(loads.c.load)).where(loads.c.dataset == dataset)).scalar() or 0)


def published_at(db: Database, dataset: str, load: int) -> datetime | None:
    """When a load was published; None if the ledger knows of none."""
    query = select(loads.c.published_at).where(loads.c.dataset == dataset, loads.c.load == load)
    with db.read() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else _utc(found)


def latest(db: Database, datasets: Collection[str] | None = None) -> dict[str, Load]:
    """The newest load of every dataset, or of each of `datasets`, by dataset."""
    last = select(loads.c.dataset, func.max(loads.c.load).label("load")).group_by(loads.c.dataset)
    newest = (last if datasets is None else last.where(loads.c.dataset.in_(datasets))).subquery()
    query = (
        select(loads, states.c.status, states.c.reason, states.c.checked_at)
        .join(newest, (loads.c.dataset == newest.c.dataset) & (loads.c.load == newest.c.load))
        .outerjoin(states, states.c.dataset == loads.c.dataset)
    )
    with db.read() as connection:
        return {row.dataset: _load(row) for row in connection.execute(query)}


def history(db: Database, dataset: str, limit: int | None = None) -> list[Load]:
    """Every load of a dataset, or the last `limit`, newest first."""
    query = (
        select(loads, states.c.status, states.c.reason, states.c.checked_at)
        .outerjoin(states, states.c.dataset == loads.c.dataset)
        .where(loads.c.dataset == dataset)
        .order_by(loads.c.load.desc())
        .limit(limit)
    )
    with db.read() as connection:
        return [_load(row) for row in connection.execute(query)]


def conditions(db: Database, datasets: Collection[str] | None = None) -> dict[str, tuple[str, str, datetime]]:
    """Status, reason and hour of the last ended run of every dataset, or of each of `datasets`, published before or not."""
    query = select(states) if datasets is None else select(states).where(states.c.dataset.in_(datasets))
    with db.read() as connection:
        return {r.dataset: (r.status, r.reason, _utc(r.checked_at)) for r in connection.execute(query)}


def forget(db: Database) -> None:
    """Empty both tables, before they are told again from the lake."""
    with db.write() as connection:
        connection.execute(delete(loads))
        connection.execute(delete(states))


def _load(row: Any) -> Load:
    published = _utc(row.published_at)
    return Load(
        dataset=row.dataset, load=row.load, run=row.run, published_at=published, rows=row.rows, counts=dict(row.counts),
        status=row.status or "ok", status_reason=row.reason or "", checked_at=_utc(row.checked_at) if row.checked_at else published,
        facts=dict(row.facts),
    )  # fmt: skip


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
