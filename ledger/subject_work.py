"""How far subject files are in use: per kind and dataset the load whose changes are in the store.

`mark` is called only after the store has committed; killed between the two, it is called again. Nothing hangs on this table but how old
an answer says it is: the lake knows how far files are built, the store how far they are loaded.
"""

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
_REVISION = "SELECT (SELECT max(serial) FROM catalog_changes), (SELECT max(done_at) FROM subject_watermarks)"


@dataclass(frozen=True)
class Pending:
    """Work to do: rebuild `kind` from the loads `upto`; of what changed after `since`, or of everybody where that is None."""

    kind: str
    upto: dict[str, int]
    since: dict[str, int] | None
    declaration: str


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
    """For every kind, the load of each dataset up to which the store's files are built."""
    found: dict[str, dict[str, int]] = {}
    with db.read() as connection:
        for row in connection.execute(select(watermarks)):
            found.setdefault(row.kind, {})[row.dataset] = row.load
    return found


def revision(db: Database) -> object:
    """A value that changes with every load, run, contract and build: whatever the state of sources follows from. A single read past SQLAlchemy."""
    return db.points.rows(_REVISION, ())
