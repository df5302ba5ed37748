"""The web application over a small city, anew for each test; its databases are copies of a pair made once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_city import SIGNER, City, Clock, compose, fill_ledger

from access.audit import AuditLog
from ledger.database import Database, audit_tables, ledger_tables


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two databases, clients and grants in them."""
    folder = tmp_path_factory.mktemp("serving")
    ledger = Database(f"sqlite:///{folder}/ledger.db", ledger_tables)
    audit = Database(f"sqlite:///{folder}/audit.db", audit_tables)
    ledger.create()
    audit.create()
    fill_ledger(ledger)
    ledger.dispose()
    audit.dispose()
    return folder


@pytest.fixture
def city(made: Path, tmp_path: Path) -> Iterator[City]:
    for name in ("ledger.db", "audit.db"):
        shutil.copy(made / name, tmp_path / name)
    ledger = Database(f"sqlite:///{tmp_path}/ledger.db", ledger_tables)
    audit = Database(f"sqlite:///{tmp_path}/audit.db", audit_tables)
    clock = Clock()
    with AuditLog(audit, chain="test", signer=SIGNER, clock=clock) as log:
        yield compose(ledger, audit, log, clock, tmp_path / "lake")
    ledger.dispose()
    audit.dispose()
