"""Runs and leases: who is working on which dataset, how far, and how it ended.

1. `claim` takes the dataset's lease and gives the run its landing number, which only ever grows. A run claimed before under the same
   owner (an Airflow task tried again) is given back as it is.
   A failed run that a later one has overtaken is not: its landing number, hence its rows, would count as older than what is published.
2. `renew` keeps the lease while a task works; a lease that ran out may be taken. The lease saves work, nothing more: what may be
   published is decided by the lake's commit.
3. `advance` and `close` record phases and the outcome.
"""

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    DateTime,
    Integer,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from ledger.database import Database, ledger_tables
from schemas.errors import Busy, NotFound, Superseded

ENDED = ("published", "held", "failed", "superseded", "dry", "reconciled")

runs = Table(
    "runs",
    ledger_tables,
    Column("run", String(36), primary_key=True),
    Column("dataset", String(63), nullable=False, index=True),
    Column("owner", String(250), nullable=False, index=True),
    Column("landing", BigInteger, nullable=False),
    Column("load", Integer, nullable=False),
    Column("phase", String(20), nullable=False),
    Column("full", Integer, nullable=False, default=0),
    Column("facts", JSON, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
)
leases = Table(
    "leases",
    ledger_tables,
    Column("dataset", String(63), primary_key=True),
    Column("run", String(36), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class Run:
    """One try to bring a dataset up to date. `load` is the number it will publish under, `landing` grows with every run."""

    run: str
    dataset: str
    owner: str
    landing: int
    load: int
    phase: str
    full: bool
    started_at: datetime
    ended_at: datetime | None = None
    reason: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def claim(
    db: Database,
    dataset: str,
    owner: str,
    *,
    load: int,
    landing_floor: int,
    now: datetime,
    ttl: timedelta,
    full: bool = False,
) -> Run:
    """The lease on a dataset and a run to go with it; `load` is the lake's head plus one, `landing_floor` the greatest landing it knows.

    Raises:
        Busy: another run holds a lease that has not run out.
        Superseded: this owner's run failed, and a later one has published or been held since.
    """
    with db.write(alone=dataset) as connection:
        mine = connection.execute(select(runs).where(runs.c.owner == owner, runs.c.dataset == dataset)).first()
        run = _run(mine) if mine is not None else None
        if run is not None and run.phase in ENDED and run.phase != "failed":
            return run
        if run is not None and run.landing < landing_floor:
            raise Superseded(f"{dataset}: a later run was judged after run {run.run}", todo=f"hub pull {dataset}")
        _take(connection, dataset, run.run if run else None, now)
        if run is None:
            known = connection.execute(select(func.max(runs.c.landing)).where(runs.c.dataset == dataset)).scalar() or 0
            run = Run(str(uuid.uuid4()), dataset, owner, max(int(known), landing_floor) + 1, load, "claimed", full, now)
            connection.execute(insert(runs).values(**_values(run)))
        elif run.phase == "failed":
            run = replace(run, phase="claimed", reason="", ended_at=None, load=load)
            connection.execute(update(runs).where(runs.c.run == run.run).values(**_values(run)))
        connection.execute(insert(leases).values(dataset=dataset, run=run.run, expires_at=now + ttl))
        left = (runs.c.dataset == dataset) & (runs.c.run != run.run) & runs.c.phase.not_in(ENDED)
        connection.execute(update(runs).where(left).values(phase="failed", reason="interrupted", ended_at=now))
    return run


def renew(db: Database, run: Run, *, now: datetime, ttl: timedelta) -> bool:
    """Prolong the run's lease; False if another run has taken it."""
    with db.write() as connection:
        held = leases.c.dataset == run.dataset
        done = connection.execute(update(leases).where(held, leases.c.run == run.run).values(expires_at=now + ttl))
        return done.rowcount == 1


def find(db: Database, run: str) -> Run:
    """The run with this id, or with an id that begins like this if there is just one. Raises NotFound."""
    with db.read() as connection:
        found = connection.execute(select(runs).where(runs.c.run.startswith(run, autoescape=True)).limit(2)).all()
    if len(found) != 1:
        raise NotFound(f"{'no run' if not found else 'more than one run begins with'} {run}", todo="hub runs list")
    return _run(found[0])


def recent(db: Database, dataset: str | None = None, limit: int = 50) -> tuple[Run, ...]:
    """Runs, newest first."""
    query = select(runs).order_by(runs.c.started_at.desc()).limit(limit)
    with db.read() as connection:
        rows = connection.execute(query if dataset is None else query.where(runs.c.dataset == dataset)).all()
    return tuple(_run(r) for r in rows)


def last_ended(db: Database, phase: str) -> dict[str, datetime]:
    """When each dataset's newest run that ended so did, by dataset."""
    query = select(runs.c.dataset, func.max(runs.c.ended_at)).where(runs.c.phase == phase).group_by(runs.c.dataset)
    with db.read() as connection:
        return {dataset: _utc(at) for dataset, at in connection.execute(query)}


def unfinished(db: Database) -> frozenset[str]:
    """The ids of all runs that have not ended."""
    with db.read() as connection:
        return frozenset(connection.execute(select(runs.c.run).where(runs.c.phase.not_in(ENDED))).scalars())


def advance(db: Database, run: Run, phase: str, **facts: Any) -> Run:
    """The run in its next phase, with facts added."""
    with db.write() as connection:
        known = connection.execute(select(runs.c.facts).where(runs.c.run == run.run)).scalar() or {}
        changed = replace(run, phase=phase, facts={**known, **facts})
        connection.execute(update(runs).where(runs.c.run == run.run).values(phase=phase, facts=changed.facts))
    return changed


def remark(db: Database, run: str, **facts: Any) -> None:
    """Add facts to a run, whatever its phase; a mapping is added to the one that is there."""
    with db.write() as connection:
        known = connection.execute(select(runs.c.facts).where(runs.c.run == run)).scalar()
        if known is not None:
            merged = {k: {**known.get(k, {}), **v} if isinstance(v, dict) else v for k, v in facts.items()}
            connection.execute(update(runs).where(runs.c.run == run).values(facts={**known, **merged}))


def close(db: Database, run: str, phase: str, *, now: datetime, reason: str = "", **facts: Any) -> bool:
    """End a run as published, held, failed, superseded, dry or reconciled, and give up its lease.

    False if there was nothing to end: the ledger does not know the run, or it is published.
    """
    with db.write() as connection:
        row = connection.execute(select(runs).where(runs.c.run == run)).first()
        if row is None or row.phase == "published":
            return False
        known = {**row.facts, **facts}
        values = {"phase": phase, "reason": reason, "ended_at": now, "facts": known}
        connection.execute(update(runs).where(runs.c.run == run).values(**values))
        connection.execute(leases.delete().where(leases.c.run == run))
        return True


def forget(db: Database) -> None:
    """Empty runs and leases; what was published stays known to the lake."""
    with db.write() as connection:
        connection.execute(leases.delete())
        connection.execute(runs.delete())


def _take(connection: Connection, dataset: str, run: str | None, now: datetime) -> None:
    lease = connection.execute(select(leases).where(leases.c.dataset == dataset)).first()
    if lease is not None and lease.run != run and _utc(lease.expires_at) > now:
        raise Busy(
            f"{dataset}: run {lease.run} is at work until {_utc(lease.expires_at):%H:%M:%S} UTC",
            todo="wait, or see: hub runs list",
        )
    connection.execute(leases.delete().where(leases.c.dataset == dataset))


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _values(run: Run) -> dict[str, Any]:
    return {**{f: getattr(run, f) for f in Run.__dataclass_fields__}, "full": int(run.full)}


def _run(row: Any) -> Run:
    return Run(
        run=row.run, dataset=row.dataset, owner=row.owner, landing=row.landing, load=row.load, phase=row.phase,
        full=bool(row.full), started_at=_utc(row.started_at), ended_at=row.ended_at and _utc(row.ended_at),
        reason=row.reason or "", facts=dict(row.facts),
    )  # fmt: skip
