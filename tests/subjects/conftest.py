from collections.abc import Iterator
from pathlib import Path

import pytest
from small_city import CONTRACTS, ENTERPRISE, PERSON, declare

from ledger.database import Database, ledger_tables, subject_tables
from ledger.subject_store import SubjectKey, SubjectStore
from subjects import declare as declaring
from subjects.kinds import Kind


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    folder: Path = declare(tmp_path_factory.mktemp("kinds"), PERSON, ENTERPRISE)
    return declaring.load(folder, CONTRACTS)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Database]:
    db = Database(f"sqlite:///{tmp_path / 'ledger.db'}", ledger_tables)
    db.create()
    yield db
    db.dispose()


@pytest.fixture
def subject_db(tmp_path: Path) -> Iterator[Database]:
    db = Database(f"sqlite:///{tmp_path / 'subjects.db'}", subject_tables)
    db.create()
    yield db
    db.dispose()


@pytest.fixture
def store(subject_db: Database) -> SubjectStore:
    return SubjectStore(subject_db, SubjectKey("k1", b"k" * 32))
