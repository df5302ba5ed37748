"""A ledger with contracts in force, for tests of the catalog."""

from datetime import UTC, datetime

from ledger import contracts
from ledger.contracts import Application
from ledger.database import Database
from schemas.contract import Contract

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def apply(ledger: Database, *several: Contract, at: datetime = NOW) -> None:
    """Make these the contracts in force, each file another than the last."""
    contracts.apply(ledger, [Application(c, "", f"{hash(repr(c)):x}") for c in several], at=at)
