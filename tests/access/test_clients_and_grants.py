"""A portal gets in with its own secret only, and a switched-off one not at all."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from access_bench import grant

from access import clients
from ledger import clients as store
from ledger import grants
from ledger.database import Database, ledger_tables
from schemas.errors import Invalid, NotFound, Unauthenticated

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
SECRET = "correct horse battery staple"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/ledger.db", ledger_tables)
    database.create()
    clients.register(database, "portal", "市民门户", "Citizen portal", SECRET, salt=b"s" * 16, at=AT)
    yield database
    database.dispose()


def test_a_client_enters_with_its_own_secret(db: Database) -> None:
    client = clients.authenticate(db, "portal", SECRET)
    assert (client.id, client.name_zh, client.name_en) == ("portal", "市民门户", "Citizen portal")


def test_a_wrong_secret_and_an_unknown_client_are_refused_in_the_same_words(db: Database) -> None:
    with pytest.raises(Unauthenticated) as wrong:
        clients.authenticate(db, "portal", SECRET + "!")
    with pytest.raises(Unauthenticated) as unknown:
        clients.authenticate(db, "nobody", SECRET)
    assert wrong.value.problem() == unknown.value.problem()
    assert "client_secret" in wrong.value.todo


def test_a_switched_off_client_stays_out_and_comes_back(db: Database) -> None:
    grants.allow(db, grant(), AT)
    store.set_active(db, "portal", active=False)
    with pytest.raises(Unauthenticated):
        clients.authenticate(db, "portal", SECRET)
    with pytest.raises(Unauthenticated, match="switched off"):
        clients.require_active(db, "portal")
    assert grants.standing(db, "portal") == ()

    store.set_active(db, "portal", active=True)
    assert clients.authenticate(db, "portal", SECRET).active
    assert grants.standing(db, "portal") == (grant(),)


def test_switching_an_unknown_client_is_an_error(db: Database) -> None:
    with pytest.raises(NotFound, match="nobody"):
        store.set_active(db, "nobody", active=False)


def test_registering_again_replaces_the_secret_and_keeps_the_grants(db: Database) -> None:
    grants.allow(db, grant(), AT)
    clients.register(db, "portal", "门户", "Portal", "another secret of fair length", salt=b"t" * 16, at=AT)
    with pytest.raises(Unauthenticated):
        clients.authenticate(db, "portal", SECRET)
    assert clients.authenticate(db, "portal", "another secret of fair length").name_zh == "门户"
    assert grants.standing(db, "portal") == (grant(),)
    assert [client.id for client in store.everyone(db)] == ["portal"]


def test_a_short_secret_is_refused_with_the_line_that_makes_a_good_one(db: Database) -> None:
    with pytest.raises(Invalid, match="token_urlsafe"):
        clients.register(db, "portal", "门户", "Portal", "short", salt=b"t" * 16, at=AT)
    assert clients.authenticate(db, "portal", SECRET)


def test_the_secret_is_stored_nowhere(db: Database, tmp_path: Path) -> None:
    assert SECRET not in repr(store.find(db, "portal"))
    db.dispose()
    assert all(SECRET.encode() not in file.read_bytes() for file in tmp_path.iterdir())
