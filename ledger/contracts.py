"""Applied contracts, every version kept. Files are how contracts travel; the newest version here is the truth."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Integer, String, Table, Text, insert, select

from ledger.database import Database, ledger_tables
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
    Column("applied_at", DateTime(timezone=True), nullable=False),
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


def applied(db: Database) -> dict[str, Contract]:
    """The contract in force for each dataset, by dataset name."""
    return {name: versions[-1].contract for name, versions in _all(db).items()}


def versions(db: Database, dataset: str) -> tuple[Version, ...]:
    """Every applied version of a dataset's contract, oldest first; empty if it was never applied."""
    return _all(db, dataset).get(dataset, ())


def add(
    db: Database, contract: Contract, text: str, sha256: str, *, at: datetime, because: str | None
) -> Version | None:
    """Apply a version; None if the newest one is the very same file."""
    known = versions(db, contract.dataset)
    if known and known[-1].sha256 == sha256:
        return None
    version = Version(contract.dataset, len(known) + 1, contract.version, sha256, text, contract, at, because)
    with db.write() as connection:
        connection.execute(
            insert(contract_versions).values(
                dataset=version.dataset,
                number=version.number,
                version=version.version,
                sha256=sha256,
                file=text,
                compiled=contract.to_json(),
                applied_at=at,
                forced_because=because,
            )
        )
    return version


def _all(db: Database, dataset: str | None = None) -> dict[str, tuple[Version, ...]]:
    query = select(contract_versions).order_by(contract_versions.c.dataset, contract_versions.c.number)
    if dataset is not None:
        query = query.where(contract_versions.c.dataset == dataset)
    found: dict[str, tuple[Version, ...]] = {}
    with db.read() as connection:
        for row in connection.execute(query):
            found[row.dataset] = (*found.get(row.dataset, ()), _version(row))
    return found


def _version(row: Any) -> Version:
    contract = Contract.from_json(row.compiled)
    return Version(
        row.dataset, row.number, row.version, row.sha256, row.file, contract, row.applied_at, row.forced_because
    )
