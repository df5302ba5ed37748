"""One file checks an exported audit without the hub, and finds every edit, deletion, reordering and truncation."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from access_bench import NOW, SIGNER, Clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access import audit_verifier
from access.audit import ANCHOR_EVERY, AuditLog, Entry
from access.audit_trail import export, head_line, uses
from access.audit_verifier import Head, main, pins_of, read_heads, read_keys, read_links
from access.audit_verify import verify
from ledger import audit as store
from ledger.database import Database, audit_tables

VERIFIER = Path(audit_verifier.__file__)


def entry(number: int = 0, client: str = "portal") -> Entry:
    return Entry(client, "renewal", "f", ("name",), f"s{number}", "answered")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, list[str]]]:
    """Three chains, two of them at work side by side for five minutes; and the anchors that were kept elsewhere."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('audit')}/audit.db", audit_tables)
    database.create()
    clock, anchors = Clock(), list[str]()

    def keep(head: store.Head) -> None:
        anchors.append(head_line(head))

    with AuditLog(database, chain="zero", signer=SIGNER, clock=clock, anchor=keep) as log:
        log.write(entry(99, client="other"))
    with (
        AuditLog(database, chain="one", signer=SIGNER, clock=clock, anchor=keep) as one,
        AuditLog(database, chain="two", signer=SIGNER, clock=clock, anchor=keep) as two,
    ):
        for number in range(12):
            (one, two)[number % 2].write(entry(number))
            clock.now += timedelta(seconds=25)
    yield database, anchors
    database.dispose()


def lines(made: tuple[Database, list[str]]) -> list[str]:
    return [*export(made[0])]


def checked(exported: list[str], anchors: list[str] | None = None) -> audit_verifier.Report:
    keys = read_keys(SIGNER.public_pem)
    return audit_verifier.verify(lambda: read_links(exported), read_heads(exported), keys, read_heads(anchors or []))


def test_it_runs_alone_in_a_folder_of_its_own(made: tuple[Database, list[str]], tmp_path: Path) -> None:
    (tmp_path / "verifier.py").write_bytes(VERIFIER.read_bytes())
    (tmp_path / "audit.jsonl").write_text("".join(lines(made)), encoding="utf-8")
    (tmp_path / "public.pem").write_text(SIGNER.public_pem, encoding="utf-8")
    (tmp_path / "anchors.jsonl").write_text("".join(made[1]), encoding="utf-8")
    call = [sys.executable, "-I", "verifier.py", "audit.jsonl", "--keys", "public.pem", "--anchors", "anchors.jsonl"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "in 3 chains, 0 faults" in done.stdout
    text = (tmp_path / "audit.jsonl").read_text(encoding="utf-8").replace("answered", "no file", 1)
    (tmp_path / "audit.jsonl").write_text(text, encoding="utf-8")
    assert main([str(tmp_path / name) if "." in name else name for name in call[3:]]) == 1


def test_chains_that_work_side_by_side_pin_one_another_every_minute(made: tuple[Database, list[str]]) -> None:
    anchored = [link for link in store.links(made[0]) if '"anchor"' in link.body]
    assert {link.chain for link in anchored} == {"one", "two"}
    assert all(
        {chain for chain, _, _ in pins_of(link.body)} <= {"zero", "one", "two"} - {link.chain} for link in anchored
    )
    assert len(anchored) <= 2 * (12 * 25 // ANCHOR_EVERY.total_seconds())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_edit_deletion_doubling_and_reordering_of_the_lines_is_found(
    made: tuple[Database, list[str]], data: st.DataObject
) -> None:
    exported = lines(made)
    entries = [place for place, line in enumerate(exported) if "body" in json.loads(line)]
    place, other = data.draw(st.sampled_from(entries)), data.draw(st.sampled_from(entries))
    how = data.draw(st.sampled_from(("edit", "delete", "double", "swap", "cut", "rehash")))
    changed = [*exported]
    value = json.loads(exported[place])
    match how:
        case "edit":
            at = data.draw(st.integers(0, len(value["body"]) - 1))
            value["body"] = value["body"][:at] + chr(ord(value["body"][at]) ^ 1) + value["body"][at + 1 :]
            changed[place] = json.dumps(value)
        case "rehash":
            value["hash"] = bytes(b ^ 1 for b in bytes.fromhex(value["hash"])).hex()
            changed[place] = json.dumps(value)
        case "delete":
            del changed[place]
        case "double":
            changed.insert(place, exported[place])
        case "swap" if place != other:
            changed[place], changed[other] = changed[other], changed[place]
        case _:
            chain = value["chain"]
            changed = [
                x
                for p, x in enumerate(exported)
                if p < place or json.loads(x)["chain"] != chain or "body" not in json.loads(x)
            ]
    assert not checked(changed, made[1]).ok
    assert checked(exported, made[1]).ok


@pytest.mark.parametrize("chain", ["zero", "one", "two"])
def test_a_chain_cut_back_to_an_older_signed_head_is_found_by_pins_or_anchors(
    made: tuple[Database, list[str]], chain: str
) -> None:
    heads = [h for h in read_heads(made[1]) if h.chain == chain]
    older, newest = heads[0], heads[-1]
    assert chain == "zero" or older.seq < newest.seq

    def cut(line: str) -> bool:
        value = json.loads(line)
        return value["chain"] == chain and ("signature" in value or value["seq"] > older.seq)

    short = [x for x in lines(made) if not cut(x)] + [
        head_line(store.Head(older.chain, older.seq, older.hash, older.signature))
    ]
    found = checked(short, made[1])
    assert found.ok == (chain == "zero")
    assert all("pinned" in fault.what for fault in found.faults)


def test_a_chain_that_is_gone_whole_is_found(made: tuple[Database, list[str]]) -> None:
    for chain in ("zero", "one", "two"):
        assert not checked([x for x in lines(made) if json.loads(x)["chain"] != chain], made[1]).ok
    headless = [x for x in lines(made) if json.loads(x)["chain"] != "one" or "body" in json.loads(x)]
    assert any("head is gone" in str(fault) for fault in checked(headless).faults)


def test_a_head_and_an_anchor_of_somebody_elses_key_do_not_count(made: tuple[Database, list[str]]) -> None:
    forged = Head("one", 1, b"x" * 32, b"y" * 64)
    line = head_line(store.Head(forged.chain, forged.seq, forged.hash, forged.signature))
    assert any("anchor was not signed" in fault.what for fault in checked(lines(made), [line]).faults)
    with pytest.raises(ValueError, match="Ed25519"):
        read_keys("no key")


def test_a_key_that_was_rotated_still_vouches_for_what_it_signed(tmp_path: Path) -> None:
    from access.audit_seal import Signer

    old, new = Signer(b"o" * 32), Signer(b"n" * 32)
    database = Database(f"sqlite:///{tmp_path}/audit.db", audit_tables)
    database.create()
    for name, signer in (("before", old), ("after", new)):
        with AuditLog(database, chain=name, signer=signer, clock=Clock()) as log:
            log.write(entry())
    assert verify(database, [new.public_pem, old.public_pem]).ok
    assert {fault.chain for fault in verify(database, [new.public_pem]).faults} == {"before"}
    database.dispose()


def test_an_entry_filed_under_another_subject_or_moment_is_found(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/audit.db", audit_tables)
    database.create()
    with AuditLog(database, chain="one", signer=SIGNER, clock=Clock()) as log:
        log.write(entry(1))
        log.write(entry(2))
    assert verify(database, [SIGNER.public_pem]).ok
    for column, value in (("subject", "nobody"), ("at", "2020-01-01 00:00:00.000000")):
        with database.write() as connection:
            connection.exec_driver_sql(f"UPDATE audit_entry SET {column}='{value}' WHERE seq=1")
        found = verify(database, [SIGNER.public_pem])
        assert [(fault.seq, "found" in fault.what) for fault in found.faults] == [(1, True)]
    database.dispose()


@pytest.mark.parametrize(
    ("asked", "subjects"),
    [
        ({"subjects": ["s3"]}, ["s3"]),
        ({"subjects": {"s3", "s7", "s99"}, "client": "portal"}, ["s7", "s3"]),
        ({"client": "other"}, ["s99"]),
        ({"purpose": "nothing"}, []),
        ({"result": "answered", "most": 2}, ["s11", "s10"]),
        ({"since": NOW + timedelta(seconds=250)}, ["s11", "s10"]),
        ({"until": NOW + timedelta(seconds=25), "client": "portal"}, ["s0"]),
    ],
)
def test_the_audit_is_searched_by_subject_client_purpose_result_and_time(
    made: tuple[Database, list[str]], asked: dict[str, str], subjects: list[str]
) -> None:
    assert [use.body["subject"] for use in uses(made[0], **asked)] == subjects  # type: ignore[arg-type]


def test_an_anchor_that_cannot_be_kept_keeps_the_answer_back(tmp_path: Path) -> None:
    from schemas.errors import AuditUnavailable

    def full(_head: store.Head) -> None:
        raise OSError("no space left on device")

    database = Database(f"sqlite:///{tmp_path}/audit.db", audit_tables)
    database.create()
    log = AuditLog(database, chain="one", signer=SIGNER, clock=Clock(), anchor=full)
    with pytest.raises(AuditUnavailable):
        log.write(entry())
    log.close()
    database.dispose()


def test_what_is_written_while_the_verifier_reads_is_no_fault_and_what_nobody_signed_is(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/audit.db", audit_tables)
    database.create()
    with AuditLog(database, chain="one", signer=SIGNER, clock=Clock()) as log:
        log.write(entry(1))

        def meanwhile() -> Iterator[Head]:
            log.write(entry(2))
            with AuditLog(database, chain="new", signer=SIGNER, clock=Clock()) as another:
                another.write(entry(3))
            yield from ()

        report = verify(database, [SIGNER.public_pem], meanwhile())
        assert (report.faults, report.entries) == ((), 2)
        assert verify(database, [SIGNER.public_pem]).entries == 5
    with database.quick() as plain:
        added = store.Link("one", 3, "{}", bytes(32), NOW)
        store.append(plain, [added], next(h for h in store.heads(database).values() if h.chain == "one"))
    assert not verify(database, [SIGNER.public_pem]).ok
    database.dispose()
