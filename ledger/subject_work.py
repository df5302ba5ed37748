"""How far subject files are built: per kind and dataset the load whose changes are in the store.

`pending` compares that with the newest loads and says what to build; `mark` is called only after the store has committed. A build killed
between the two is planned again, and building again gives the same files. Losing this table costs one full rebuild.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, DateTime, Integer, String, Table, delete, insert, select

from ledger.database import Database, ledger_tables

watermarks = Table(
    "subject_watermarks",
    ledger_tables,
    Column("kind", String(32), primary_key=True),
    Column("dataset", String(63), primary_key=True),
    Column("load", Integer, nullable=False),
    Column("declaration", String(32), nullable=False),
    Column("done_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class Wanted:
    """What a kind's files are made of: its datasets, and a digest that changes when they are to be made differently."""

    datasets: tuple[str, ...]
    declaration: str


@dataclass(frozen=True)
class Pending:
    """Work to do: rebuild `kind` from the loads `upto`; of what changed after `since`, or of everybody where that is None."""

    kind: str
    upto: dict[str, int]
    since: dict[str, int] | None
    declaration: str


def pending(db: Database, latest: Mapping[str, int], wanted: Mapping[str, Wanted]) -> list[Pending]:
    """The kinds whose files lag behind the newest load of a dataset; `latest` is each dataset's newest published load.

    Everybody is rebuilt where nothing was built before, the declaration changed, or a dataset's history began anew.
    """
    done = _all(db)
    return [work for kind, want in sorted(wanted.items()) if (work := _pending(kind, want, latest, done.get(kind, {})))]


def mark(db: Database, work: Pending, at: datetime) -> None:
    """Remember that the work is done; only after every one of its files has been committed to the store."""
    rows = [
        {"kind": work.kind, "dataset": dataset, "load": load, "declaration": work.declaration, "done_at": at}
        for dataset, load in sorted(work.upto.items())
    ]
    with db.write() as connection:
        connection.execute(delete(watermarks).where(watermarks.c.kind == work.kind))
        connection.execute(insert(watermarks), rows)


def built(db: Database) -> dict[str, dict[str, int]]:
    """For every kind, the load of each dataset up to which its files are built."""
    return {kind: {dataset: load for dataset, (load, _) in loads.items()} for kind, loads in _all(db).items()}


def _all(db: Database) -> dict[str, dict[str, tuple[int, str]]]:
    found: dict[str, dict[str, tuple[int, str]]] = {}
    with db.read() as connection:
        for row in connection.execute(select(watermarks)):
            found.setdefault(row.kind, {})[row.dataset] = (row.load, row.declaration)
    return found


def _pending(kind: str, want: Wanted, latest: Mapping[str, int], done: Mapping[str, tuple[int, str]]) -> Pending | None:
    upto = {dataset: latest.get(dataset, 0) for dataset in want.datasets}
    since = {dataset: done[dataset][0] for dataset in want.datasets if dataset in done}
    same = {declaration for _, declaration in done.values()} == {want.declaration} and since.keys() == upto.keys()
    if same and since == upto:
        return None
    anew = not same or any(since[dataset] > load for dataset, load in upto.items())
    if not done and not any(upto.values()):
        return None
    return Pending(kind, upto, None if anew else since, want.declaration)
