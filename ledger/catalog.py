"""What the catalog keeps in the ledger: resource codes that were given out, and which datasets changed since when.

A change gets the next serial number inside the transaction that makes it, and of two transactions that do so the second waits for the
first: whoever has seen serial n has missed nothing before it. So a reader's index follows the ledger at the cost of what changed.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from ledger.database import Database, Moment, ledger_tables
from schemas.errors import Invalid

changes = Table(
    "catalog_changes",
    ledger_tables,
    Column("dataset", String(63), primary_key=True),
    Column("serial", Integer, nullable=False, index=True),
)
codes = Table(
    "resource_codes",
    ledger_tables,
    Column("class", String(20), primary_key=True, key="prefix"),
    Column("sequence", Integer, primary_key=True),
    Column("dataset", String(63), index=True),
    Column("allocated_at", Moment, nullable=False),
)


def touch(connection: Connection, dataset: str) -> None:
    """Say, as the last act of a transaction, that the dataset's entry changed."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("catalog", 0))))
    serial = (connection.execute(select(func.max(changes.c.serial))).scalar() or 0) + 1
    connection.execute(delete(changes).where(changes.c.dataset == dataset))
    connection.execute(insert(changes).values(dataset=dataset, serial=serial))


def newest(db: Database) -> int:
    """The serial number of the newest change, 0 if there is none."""
    with db.read() as connection:
        return int(connection.execute(select(func.max(changes.c.serial))).scalar() or 0)


def changed(db: Database, since: int) -> dict[str, int]:
    """The datasets whose entries changed after serial `since`, each with its serial, in that order."""
    query = select(changes.c.dataset, changes.c.serial).where(changes.c.serial > since).order_by(changes.c.serial)
    with db.read() as connection:
        return {row.dataset: row.serial for row in connection.execute(query)}


def allocate(db: Database, prefix: str, at: datetime) -> str:
    """The next free resource code of a class (its digits before the slash), reserved; no code is ever given twice."""
    with db.write(alone=f"codes:{prefix}") as connection:
        last = connection.execute(select(func.max(codes.c.sequence)).where(codes.c.prefix == prefix)).scalar() or 0
        connection.execute(insert(codes).values(prefix=prefix, sequence=last + 1, allocated_at=at))
    return f"{prefix}/{last + 1:06d}"


def holders(db: Database, wanted: Collection[str]) -> dict[str, str]:
    """Of these resource codes those that a dataset bears, with its name."""
    split = {_split(code): code for code in wanted}
    query = select(codes).where(tuple_(codes.c.prefix, codes.c.sequence).in_(list(split)), codes.c.dataset.is_not(None))
    with db.read() as connection:
        return {split[row.prefix, row.sequence]: row.dataset for row in connection.execute(query)} if split else {}


def bind(connection: Connection, code: str, dataset: str, at: datetime) -> None:
    """Give the code to the dataset, as part of a transaction; a dataset that takes another keeps its old one from others.

    Raises:
        Invalid: it is another's.
    """
    prefix, sequence = _split(code)
    this = (codes.c.prefix == prefix) & (codes.c.sequence == sequence)
    row = connection.execute(select(codes).where(this)).first()
    if row is None:
        connection.execute(insert(codes).values(prefix=prefix, sequence=sequence, dataset=dataset, allocated_at=at))
    elif row.dataset is None:
        connection.execute(update(codes).where(this).values(dataset=dataset))
    elif row.dataset != dataset:
        raise Invalid(f"resource code {code} is {row.dataset}'s", todo=f"take the next: hub catalog code {prefix}")


def _split(code: str) -> tuple[str, int]:
    prefix, _, sequence = code.partition("/")
    return prefix, int(sequence or 0)
