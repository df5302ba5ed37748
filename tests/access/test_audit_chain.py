"""An audit entry is durable before its writer goes on, and nothing written can be changed unseen."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from access.audit import AuditLog, Entry, chained, pseudonym
from access.audit_seal import Signer
from access.audit_verify import verify
from ledger import audit as store
from ledger.database import Database, audit_tables
from schemas.errors import AuditUnavailable

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
SIGNER = Signer(b"s" * 32)
CHECKER = [SIGNER.public_pem]


def entry(number: int = 0) -> Entry:
    return Entry("portal", "办理换发", "travel_permit_renewal", ("name", "birth_date"), f"subject-{number}", "answered")


def log(db: Database, chain: str = "first") -> AuditLog:
    return AuditLog(db, chain=chain, signer=SIGNER, clock=lambda: AT)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/audit.db", audit_tables)
    database.create()
    yield database
    database.dispose()


@pytest.fixture
def filled(db: Database) -> Database:
    """Two chains, the second begun after the first had five entries."""
    with log(db) as first:
        for number in range(5):
            first.write(entry(number))
    with log(db, "second") as second:
        second.write(entry(9))
    return db


def tamper(db: Database, *statements: str) -> None:
    assert db.engine.url.database is not None
    with sqlite3.connect(db.engine.url.database) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount, statement
    connection.close()


def test_an_entry_is_on_disk_when_write_returns(db: Database) -> None:
    with log(db) as audit:
        audit.write(entry())
        written = [json.loads(link.body) for link in store.links(db)]
    assert [body["kind"] for body in written] == ["open", "entry"]
    assert written[1] == {
        "kind": "entry",
        "chain": "first",
        "seq": 1,
        "at": "2026-03-01T08:00:00.000000+00:00",
        "client": "portal",
        "purpose": "办理换发",
        "form": "travel_permit_renewal",
        "fields": ["name", "birth_date"],
        "subject": "subject-0",
        "result": "answered",
    }


def test_many_callers_at_once_make_one_unbroken_chain_in_fewer_transactions(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions: list[int] = []
    append = store.append
    monkeypatch.setattr(
        store, "append", lambda plain, links, head: (transactions.append(len(links)), append(plain, links, head))
    )
    with log(db) as audit, ThreadPoolExecutor(16) as pool:
        list(pool.map(audit.write, [entry(n) for n in range(300)]))
    report = verify(db, CHECKER)
    assert (report.ok, report.chains, report.entries) == (True, 1, 301)
    subjects = {json.loads(link.body).get("subject") for link in store.links(db)}
    assert subjects == {None, *(f"subject-{n}" for n in range(300))}
    assert sum(transactions) == 301
    assert len(transactions) < 300


def test_a_caller_that_gave_up_waiting_before_or_while_its_entry_is_written_stops_nobody(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()

    def slowly() -> datetime:
        begun.set()
        assert go.wait(10)
        return AT

    with AuditLog(db, chain="first", signer=SIGNER, clock=slowly) as audit:
        with monkeypatch.context() as patched:
            patched.setattr("access.audit.PATIENCE_SECONDS", 0.01)
            with pytest.raises(AuditUnavailable):  # it is taken up, and will be written
                audit.write(entry(0))
            assert begun.wait(10)
            with pytest.raises(AuditUnavailable):
                audit.write(entry(1))
        go.set()
        audit.write(entry(2))
    subjects = [json.loads(link.body).get("subject") for link in store.links(db)]
    assert subjects == [None, "subject-0", "subject-2"]


def test_a_restarted_process_opens_a_chain_of_its_own_and_both_verify(filled: Database) -> None:
    report = verify(filled, CHECKER)
    assert (report.ok, report.chains, report.entries) == (True, 2, 8)


def test_a_chain_can_be_taken_up_again_after_a_fault_of_the_database(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("disk full")

    with log(db) as audit:
        audit.write(entry(1))
        with monkeypatch.context() as patch:
            patch.setattr(store, "append", broken)
            with pytest.raises(AuditUnavailable) as refused:
                audit.write(entry(2))
        audit.write(entry(3))
    assert refused.value.status == 503
    assert "disk full" not in str(refused.value)
    assert [json.loads(link.body).get("subject") for link in store.links(db)] == [None, "subject-1", "subject-3"]
    assert verify(db, CHECKER).ok


def test_two_writers_of_one_chain_cannot_fork_it(db: Database) -> None:
    with log(db) as audit, log(db) as twin:
        audit.write(entry(1))
        twin.write(entry(2))
        with pytest.raises(AuditUnavailable):
            audit.write(entry(3))
        audit.write(entry(4))
    assert verify(db, CHECKER).ok


def test_a_closed_log_takes_no_entries(db: Database) -> None:
    audit = log(db)
    audit.close()
    with pytest.raises(AuditUnavailable):
        audit.write(entry())


def _forge(db: Database) -> None:
    """An attacker who can write the file rewrites entry 3 and every hash after it."""
    before = b""
    for link in [link for link in store.links(db) if link.chain == "second"]:
        body = link.body.replace("subject-9", "subject-8")
        before = chained(before or bytes(32), body)
        tamper(
            db,
            f"UPDATE audit_entry SET body='{body}', hash=x'{before.hex()}' WHERE chain='second' AND seq={link.seq}",
            f"UPDATE audit_head SET hash=x'{before.hex()}' WHERE chain='second'",
        )


FIRST = "WHERE chain='first' AND seq"
TAMPERINGS: dict[str, tuple[str, ...] | Callable[[Database], None]] = {
    "an edited entry": (f"UPDATE audit_entry SET body=replace(body, 'answered', 'forbidden') {FIRST}=2",),
    "an entry made unreadable": (f"UPDATE audit_entry SET body='[' {FIRST}=2",),
    "a first entry made unreadable": ("UPDATE audit_entry SET body='7' WHERE chain='second' AND seq=0",),
    "a deleted entry": (f"DELETE FROM audit_entry {FIRST}=3",),
    "a deleted first entry": (f"DELETE FROM audit_entry {FIRST}=0",),
    "two entries swapped": (
        f"UPDATE audit_entry SET seq=99 {FIRST}=2",
        f"UPDATE audit_entry SET seq=2 {FIRST}=3",
        f"UPDATE audit_entry SET seq=3 {FIRST}=99",
    ),
    "the end cut off": (f"DELETE FROM audit_entry {FIRST}>=4",),
    "the end cut off with its head": (
        f"DELETE FROM audit_entry {FIRST}>=4",
        "DELETE FROM audit_head WHERE chain='first'",
    ),
    "a whole chain dropped": (
        "DELETE FROM audit_entry WHERE chain='first'",
        "DELETE FROM audit_head WHERE chain='first'",
    ),
    "an entry moved to another chain": (f"UPDATE audit_entry SET chain='second', seq=2 {FIRST}=5",),
    "an entry edited and every hash made anew": _forge,
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(filled: Database, name: str) -> None:
    assert verify(filled, CHECKER).ok
    how = TAMPERINGS[name]
    if callable(how):
        how(filled)
    else:
        tamper(filled, *how)
    assert not verify(filled, CHECKER).ok


def test_the_first_edited_entry_is_named(filled: Database) -> None:
    tamper(filled, f"UPDATE audit_entry SET body=replace(body, 'answered', 'forbidden') {FIRST}=2")
    assert [(fault.chain, fault.seq) for fault in verify(filled, CHECKER).faults] == [("first", 2)]


def test_a_head_rolled_back_to_an_older_signed_copy_is_found_once_a_later_chain_began(db: Database) -> None:
    with log(db) as first:
        first.write(entry(1))
        older = store.heads(db)["first"]
        first.write(entry(2))
    with log(db, "second") as second:
        second.write(entry(3))
    tamper(
        db,
        "DELETE FROM audit_entry WHERE chain='first' AND seq=2",
        f"UPDATE audit_head SET seq={older.seq}, hash=x'{older.hash.hex()}', signature=x'{older.signature.hex()}'"
        " WHERE chain='first'",
    )
    faults = verify(db, CHECKER).faults
    assert [(fault.chain, fault.seq) for fault in faults] == [("first", 2)]
    assert "pinned" in faults[0].what


def test_another_hubs_signature_does_not_fit(filled: Database) -> None:
    stranger = [Signer(b"t" * 32).public_pem]
    assert {fault.chain for fault in verify(filled, stranger).faults} == {"first", "second"}


def test_a_pseudonym_is_steady_under_one_key_and_tells_nothing_under_another() -> None:
    mine = pseudonym(b"k" * 32, "person", "11010119900307803X")
    assert mine == pseudonym(b"k" * 32, "person", " 11010119900307803x")
    assert mine != pseudonym(b"x" * 32, "person", "11010119900307803X")
    assert mine != pseudonym(b"k" * 32, "enterprise", "11010119900307803X")
    assert "19900307" not in mine
