"""The state of the sources as subject files see them: what the files hold, not what the lake already has."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger import loads, subject_work
from ledger.database import Database, ledger_tables
from ledger.loads import Load
from ledger.subject_work import Pending
from prefill import sources
from schemas.contract import Contract, Source

AT = datetime(2026, 3, 1, tzinfo=UTC)
RESIDENTS = Contract(
    dataset="residents", title="人口", title_en="Residents", version="1", status="active", provider="公安", provider_en="Police",
    provider_code="x", purpose="", resource_code="302001/000001", share_type=2, share_condition="x", share_modes=("api",),
    columns=(), source=Source("csv", "file://", "x"), latency_hours=48,
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Database]:
    db = Database(f"sqlite:///{tmp_path / 'ledger.db'}", ledger_tables)
    db.create()
    yield db
    db.dispose()


def tell(db: Database, number: int, read_at: datetime) -> None:
    loads.tell(
        db,
        Load("residents", number, f"r{number}", read_at + timedelta(hours=1), 1, facts={"as_of": read_at.isoformat()}),
    )


def test_a_dataset_never_loaded_is_so_whatever_its_last_run_did(ledger: Database) -> None:
    assert sources.read(ledger, {"residents": RESIDENTS}, "person")["residents"].status == "never"
    loads.set_state(ledger, "residents", "failed", "no answer", AT)
    found = sources.read(ledger, {"residents": RESIDENTS}, "person")["residents"]
    assert (found.status, found.as_of, found.late(AT)) == ("never", None, True)


def test_as_of_is_when_the_load_that_the_files_hold_was_read(ledger: Database) -> None:
    tell(ledger, 1, AT)
    tell(ledger, 2, AT + timedelta(days=1))
    subject_work.mark(ledger, Pending("person", {"residents": 1}, None, "d"), AT)
    lagging = sources.read(ledger, {"residents": RESIDENTS}, "person")["residents"]
    assert (lagging.load, lagging.as_of, lagging.status) == (1, AT, "ok")
    subject_work.mark(ledger, Pending("person", {"residents": 2}, {"residents": 1}, "d"), AT)
    assert sources.read(ledger, {"residents": RESIDENTS}, "person")["residents"].as_of == AT + timedelta(days=1)


def test_lateness_follows_the_contracts_latency(ledger: Database) -> None:
    tell(ledger, 1, AT)
    found = sources.read(ledger, {"residents": RESIDENTS}, "person")["residents"]
    assert not found.late(AT + timedelta(hours=48))
    assert found.late(AT + timedelta(hours=48, seconds=1))


@pytest.mark.parametrize(("status", "shown"), [("ok", "ok"), ("held", "held"), ("failed", "failed")])
def test_how_the_last_run_ended_is_passed_on_with_its_reason(ledger: Database, status: str, shown: str) -> None:
    tell(ledger, 1, AT)
    loads.set_state(ledger, "residents", status, "why", AT)
    found = sources.read(ledger, {"residents": RESIDENTS}, "person")["residents"]
    assert (found.status, found.reason, found.department_en) == (shown, "why", "Police")
