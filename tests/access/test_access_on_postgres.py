"""Clients, grants and the audit chain on the production database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import servers
from access_bench import grant
from sqlalchemy import delete, update

from access import clients
from access.audit import AuditLog, Entry
from access.audit_seal import Signer
from access.audit_verify import verify
from ledger import access_revision, credentials, grants
from ledger.audit import entry_table
from ledger.database import Database, audit_tables, ledger_tables
from schemas.errors import AuditUnavailable, NotFound

pytestmark = pytest.mark.needs_postgres
AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
SIGNER = Signer(b"s" * 32)


@pytest.fixture(scope="module")
def url(postgres_url: str) -> Iterator[str]:
    with servers.database(postgres_url, "access") as url:
        yield url


def entry(number: int) -> Entry:
    return Entry("portal", "办理换发", "renewal", ("name",), f"subject-{number}", "answered")


def test_grants_hold_on_postgresql(url: str) -> None:
    db = Database(url, ledger_tables)
    db.create()
    clients.register(db, "portal", "市民门户", "Portal", "a secret of fair length", salt=b"s" * 16, at=AT)
    assert clients.authenticate(db, "portal", "a secret of fair length").name_zh == "市民门户"
    before = access_revision.current(db)
    granted = grant(fields=frozenset({"name", "姓名"}), ends=AT, quota=3, legal="条例第十二条")
    assert grants.allow(db, granted, AT) == grants.allow(db, granted, AT)
    assert grants.standing(db, "portal") == (granted,)
    grants.revoke(db, granted.id, AT, by="office", why="misuse")
    with pytest.raises(NotFound):
        grants.revoke(db, granted.id, AT, by="office", why="misuse")
    assert grants.standing(db) == ()
    assert access_revision.current(db) == before + 2
    assert credentials.use_up(db, "portal", "a1", AT, now=AT)
    assert not credentials.use_up(db, "portal", "a1", AT, now=AT)
    credentials.revoke(db, "t1", AT, now=AT)
    credentials.revoke(db, "t1", AT, now=AT)
    assert credentials.revoked(db) == {"t1"}
    db.dispose()


def test_connections_that_the_server_ended_cost_no_entry_and_no_look_up(postgres_url: str) -> None:
    with servers.database(postgres_url, "ended") as url:
        _end_and_go_on(url)


def _end_and_go_on(url: str) -> None:
    db = Database(url, audit_tables)
    db.create()
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    chain = "SELECT chain FROM audit_entry WHERE chain = ? AND seq = ?"
    with AuditLog(db, chain="ended", signer=SIGNER, clock=lambda: AT) as audit:
        audit.write(entry(1))
        assert db.points.rows(chain, ("ended", 1)) == [("ended",)]
        servers.execute(url, end)
        audit.write(entry(2))
        assert db.points.rows(chain, ("ended", 2)) == [("ended",)]
    db.dispose()


def test_the_audit_chain_holds_on_postgresql(url: str) -> None:
    db = Database(url, audit_tables)
    db.create()
    with AuditLog(db, chain="one", signer=SIGNER, clock=lambda: AT) as log, ThreadPoolExecutor(8) as pool:
        list(pool.map(log.write, [entry(n) for n in range(100)]))
    with AuditLog(db, chain="two", signer=SIGNER, clock=lambda: AT) as log:
        log.write(entry(100))
        with AuditLog(db, chain="two", signer=SIGNER, clock=lambda: AT) as twin:
            twin.write(entry(101))
        with pytest.raises(AuditUnavailable):
            log.write(entry(102))
        log.write(entry(103))
    checker = [SIGNER.public_pem]
    report = verify(db, checker)
    assert (report.ok, report.chains, report.entries) == (True, 2, 106)

    edited = (entry_table.c.chain == "one") & (entry_table.c.seq == 50)
    with db.write() as connection:
        connection.execute(update(entry_table).where(edited).values(body="{}"))
    assert [(fault.chain, fault.seq) for fault in verify(db, checker).faults] == [("one", 50)]
    with db.write() as connection:
        connection.execute(delete(entry_table).where(edited))
    assert [fault.what for fault in verify(db, checker).faults] == ["entries are missing or out of order"]
    db.dispose()
