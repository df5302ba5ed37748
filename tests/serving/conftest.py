"""The web application over a small city, once per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_city import SIGNER, City, Clock, compose

from access.audit import AuditLog
from ledger.database import Database, audit_tables, ledger_tables


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    ledger = Database(f"sqlite:///{tmp_path}/ledger.db", ledger_tables)
    audit = Database(f"sqlite:///{tmp_path}/audit.db", audit_tables)
    ledger.create()
    audit.create()
    clock = Clock()
    with AuditLog(audit, chain="test", signer=SIGNER, clock=clock) as log:
        yield compose(tmp_path, ledger, audit, log, clock)
    ledger.dispose()
    audit.dispose()
