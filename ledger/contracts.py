"""Applied contracts, every version kept. Files are how contracts travel; the newest version here is the truth."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, Integer, String, Table, Text, func, insert, select

from ledger import authorities, catalog
from ledger.database import Database, Moment, ledger_tables
from ledger.outbox import Message, queue
from schemas.contract import Contract

contract_versions = Table(
    "contract_versions",
    ledger_tables,
    Column("dataset", String(63), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("version", String(40), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("file", Text, nullable=False),
    Column("compiled", JSON, nullable=False),
    Column("applied_at", Moment, nullable=False),
    Column("forced_because", Text),
)


@dataclass(frozen=True)
class Version:
    """One applied version: `number` counts up from 1, `text` is the file as it was applied."""

    dataset: str
    number: int
    version: str
    sha256: str
    text: str
    contract: Contract
    applied_at: datetime
    forced_because: str | None


def applied(db: Database, datasets: Collection[str] | None = None) -> dict[str, Contract]:
    """The contract in force for each dataset, or for each of `datasets` that has one, by dataset name."""
    return {name: version.contract for name, version in newest(db, datasets).items()}


def newest(db: Database, datasets: Collection[str] | None = None) -> dict[str, Version]:
    """The newest version for each dataset, or for each of `datasets` that has one, by dataset name."""
    t = contract_versions.c
    last = select(t.dataset, func.max(t.number).label("number")).group_by(t.dataset)
    if datasets is not None:
        last = last.where(t.dataset.in_(datasets))
    found = last.subquery()
    query = (
        select(contract_versions)
        .join(found, (found.c.dataset == t.dataset) & (found.c.number == t.number))
        .order_by(t.dataset)
    )
    with db.read() as connection:
        return {row.dataset: _version(row) for row in connection.execute(query)}


def count(db: Database) -> int:
    """How many datasets have a contract."""
    with db.read() as connection:
        return int(connection.execute(select(func.count(contract_versions.c.dataset.distinct()))).scalar() or 0)


def versions(db: Database, dataset: str) -> tuple[Version, ...]:
    """Every applied version of a dataset's contract, oldest first; empty if it was never applied."""
    with db.read() as connection:
        return _all(connection, dataset)


@dataclass(frozen=True)
class Application:
    """One file to apply: its contract, text and digest, why a breaking change was forced, and the notices it gives rise to."""

    contract: Contract
    text: str
    sha256: str
    because: str | None = None
    notices: tuple[Message, ...] = ()


def apply(db: Database, files: Sequence[Application], *, at: datetime) -> tuple[Version | None, ...]:
    """Apply files in one transaction: versions, authoritative sources and notices; None for a file that is the newest version already.

    Raises:
        Invalid: a contract claims a data element or a resource code that another dataset holds; nothing is applied.
    """
    with db.write(alone=authorities.LOCK) as connection:
        authorities.settle(connection, [f.contract for f in files], at)
        return tuple(_apply(connection, file, at) for file in files)


def _apply(connection: Connection, file: Application, at: datetime) -> Version | None:
    contract = file.contract
    known = _all(connection, contract.dataset)
    if known and known[-1].sha256 == file.sha256:
        return None
    number = len(known) + 1
    connection.execute(
        insert(contract_versions).values(
            dataset=contract.dataset,
            number=number,
            version=contract.version,
            sha256=file.sha256,
            file=file.text,
            compiled=contract.to_json(),
            applied_at=at,
            forced_because=file.because,
        )
    )
    catalog.bind(connection, contract.resource_code, contract.dataset, at)
    catalog.touch(connection, contract.dataset)
    queue(connection, file.notices, at)
    return Version(contract.dataset, number, contract.version, file.sha256, file.text, contract, at, file.because)


def _all(connection: Connection, dataset: str) -> tuple[Version, ...]:
    t = contract_versions.c
    query = select(contract_versions).where(t.dataset == dataset).order_by(t.number)
    return tuple(_version(row) for row in connection.execute(query))


def _version(row: Any) -> Version:
    contract = Contract.from_json(row.compiled)
    return Version(
        row.dataset, row.number, row.version, row.sha256, row.file, contract, row.applied_at, row.forced_because
    )
