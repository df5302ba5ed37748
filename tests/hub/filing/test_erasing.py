"""Somebody who is erased is in no file of the hub any more, the others are as they were, and the audit says who asked for it."""

import gzip
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from city_bench import City, city

from access.audit import Entry
from access.audit_trail import uses
from hub import trail
from hub.filing import erasing, subject_files
from hub.repair import disputes
from hub.repair.disputes import Claim
from ledger import disputes as tickets
from ledger import runs, subject_merges
from ledger.subject_merges import Decision
from schemas.errors import Busy, NotFound

WHY = "request 2026-0417"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A small city's people after two days; its departments' own files lie outside the hub's home."""
    home, drops = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("departments")
    with city(home, 120, drop_root=drops) as made:
        for dataset in ("residents", "marriages"):
            made.pull(dataset)
        made.next_day()
        made.pull("residents")
        subject_files.build_all(made.hub)
        yield made


def file_of(hub: Any, identifier: str) -> dict[str, Any] | None:
    found = subject_files.subject(hub, "person", identifier)
    return None if found is None else found.body


def text(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, default=str)


def named_in(home: Path, *names: str) -> list[str]:
    """Every file below the hub's home that names the subject: in its bytes, or in a cell of a Parquet file."""
    found = []
    for file in filter(Path.is_file, home.rglob("*")):
        cells = text(pq.read_table(file).to_pydict()) if file.suffix == ".parquet" else ""
        if any(name in cells or name.encode() in file.read_bytes() for name in names):
            found.append(str(file.relative_to(home)))
    return found


def test_an_erased_person_is_in_no_file_and_everybody_else_is_as_before(lived: City) -> None:
    hub, home = lived.hub, lived.hub.settings.home
    people = [row["citizen_id"] for row in pairs(lived)]
    spouse = {row["citizen_id"]: row["spouse"] for row in pairs(lived)}
    gone, widow = next((a, b) for a, b in spouse.items() if b in people)
    before = {one: file_of(hub, one) for one in people}
    assert gone in text(before[widow])
    claim = Claim("residents", "portal", column="name", key={"citizen_id": gone}, claimed="另一姓名", citizen=True)
    disputes.open_dispute(hub, claim)
    assert {Path(f).parts[1] for f in named_in(home, gone) if f.startswith("lake")} >= {
        "history",
        "landing",
        "subjects",
    }

    sealed = row_of(hub, gone)
    assert all(part in stored(home) for part in sealed)

    done = erasing.erase(hub, "person", gone, by="officer", why=WHY)

    assert [part in stored(home) for part in sealed] == [False, False]
    assert done["still named in"] == []
    assert named_in(home, gone) == []
    assert {"residents", "marriages", "files", "tickets"} <= set(done["erased"])  # type: ignore[call-overload]
    assert file_of(hub, gone) is None
    assert gone not in text(file_of(hub, widow))
    assert tickets.listed(hub.ledger) == ()
    for one in people:
        if one != gone and gone not in text(before[one]):
            assert file_of(hub, one) == before[one]


def row_of(hub: Any, identifier: str) -> list[bytes]:
    """Where in the store the subject's file is, and a piece of what stands there, both as the file on the disk has them."""
    place = subject_files.keys(hub).current.lookup("person", identifier)
    with hub.subjects.read() as connection:
        [(body,)] = connection.exec_driver_sql("SELECT body FROM subject_files WHERE subject_key = ?", (place,))
    return [place, bytes(body)[:64]]


def stored(home: Path) -> bytes:
    """The bytes of the store."""
    return b"".join(file.read_bytes() for file in home.glob("subjects.db*"))


def pairs(lived: City) -> list[dict[str, str]]:
    """Married people, each with the spouse, as published."""
    contract = lived.hub.contract("marriages")
    names = [c.name for c in contract.columns]
    holders = [i for i, c in enumerate(contract.columns) if c.element == "DE01001"]
    rows = [row[-len(names) :] for row in lived.current("marriages").values()]
    married = [[str(row[i]) for i in holders if row[i]] for row in rows]
    both = [pair for pair in married if len(pair) == 2]
    return [{"citizen_id": a, "spouse": b} for x, y in both for a, b in ((x, y), (y, x))]


def test_the_erasure_is_in_the_audit_from_its_beginning_and_nothing_else_of_the_subject_is_lost_there(
    lived: City,
) -> None:
    hub = lived.hub
    gone = next(row["citizen_id"] for row in pairs(lived))
    subject = trail.called(hub, "person", gone)
    with trail.open_log(hub, "test") as log:
        log.write(Entry("portal", "renewal", "f", ("name",), subject, "answered"))
    done = erasing.erase(hub, "person", gone, by="officer", why=WHY)
    assert done["subject"] == subject
    found = [(u.body["result"], u.body.get("who"), u.body.get("evidence")) for u in uses(hub.audit, subjects=[subject])]
    assert found == [("erased", "officer", WHY), ("begun", "officer", WHY), ("answered", None, None)]
    assert trail.verify(hub).ok
    assert erasing.erase(hub, "person", gone, by="officer", why=WHY)["erased"] == {}


def test_the_hub_works_on_afterwards_and_a_department_that_still_holds_the_person_brings_them_back(lived: City) -> None:
    hub = lived.hub
    gone = next(row["citizen_id"] for row in pairs(lived))
    erasing.erase(hub, "person", gone, by="officer", why=WHY)
    assert gone not in lived.current("residents")
    assert lived.pull("residents", full=True).phase == "published"
    assert gone in lived.current("residents")
    subject_files.build_all(hub)
    assert file_of(hub, gone) is not None
    erasing.erase(hub, "person", gone, by="officer", why=WHY)
    assert named_in(hub.settings.home, gone) == []


def test_former_identifiers_go_with_the_present_one(lived: City) -> None:
    hub = lived.hub
    first, second = (row["citizen_id"] for row in pairs(lived)[-2:])
    subject_merges.decide(
        hub.subjects, subject_files.keys(hub),
        Decision(0, "person", "duplicate", None, first, second, "same card twice", "officer", hub.clock()), lambda _told: None,
    )  # fmt: skip
    subject_files.build_all(hub)
    erasing.erase(hub, "person", second, by="officer", why=WHY)
    assert named_in(hub.settings.home, first, second) == []


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ".damaged.xlsx"])
def test_a_file_that_waits_for_its_registration_goes_if_it_names_the_subject(lived: City, suffix: str) -> None:
    hub = lived.hub
    gone, other = (row["citizen_id"] for row in pairs(lived)[:2])
    kept = {one: hub.settings.staging / one / f"file{suffix}" for one in (gone, other)}
    for one, path in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        upload(path, [("姓名", "身份证号"), ("某某", one)])
    done = erasing.erase(hub, "person", gone, by="officer", why=WHY)
    unread = "damaged" in suffix
    assert done["erased"]["uploads"] == {"removed": 1 + unread}  # type: ignore[index]
    assert (kept[gone].exists(), kept[other].exists()) == (False, not unread)
    kept[other].unlink(missing_ok=True)


def upload(path: Path, rows: list[tuple[str, str]]) -> None:
    """A department's file of these rows."""
    if "damaged" in path.name:
        path.write_bytes(b"PK half a workbook")
    elif path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({name: [value] for name, value in zip(*rows, strict=True)}), path, compression="zstd")
    else:
        path.write_text("\n".join(map(",".join, rows)), encoding="utf-8")


def test_while_a_run_is_under_way_nobody_is_erased(lived: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "unfinished", lambda _db: frozenset({"run"}))
    with pytest.raises(Busy):
        erasing.erase(lived.hub, "person", "x", by="officer", why=WHY)
    monkeypatch.undo()
    with pytest.raises(NotFound):
        erasing.erase(lived.hub, "ghost", "x", by="officer", why=WHY)


NAMED = "440308199901101512"


def kept(folder: Path, name: str, whose: str) -> None:
    """A file that somebody left in the hub's home: in it a name, where a plain search through bytes does not see it."""
    path = folder / name
    match name:
        case "note.txt":
            path.write_bytes(b"." * (1 << 20) + whose.encode("utf-16-le"))
        case "nested.parquet":
            rows = [[{"told": ["x", f"of {whose}"]}], None]
            pq.write_table(pa.table({"n": [1, 2], "rows": rows}), path, compression="zstd", use_dictionary=False)
        case "number.parquet":
            pq.write_table(pa.table({"n": pa.array([7, int(whose)], pa.int64())}), path, compression="zstd")
        case "bytes.parquet":
            pq.write_table(pa.table({"n": [b"x", f"[{whose}]".encode()]}), path, compression="zstd")
        case "categories.parquet":
            values = pa.array(["x", whose]).dictionary_encode()
            pq.write_table(pa.table({"n": values}), path, compression="zstd")
        case "old.csv.gz":
            path.write_bytes(gzip.compress(b"name,id\n" * 1000 + f"x,{whose}".encode()))
        case _:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a/people.csv", "name,id\n" * 1000 + f"x,{whose}")


FORMS = ("note.txt", "nested.parquet", "number.parquet", "bytes.parquet", "categories.parquet", "old.csv.gz", "old.zip")


def test_what_still_names_the_subject_is_told_however_it_is_packed_and_what_cannot_be_read_as_well(
    lived: City,
) -> None:
    home = lived.hub.settings.home
    mine, others = home / "left", home / "others"
    for folder, whose in ((mine, NAMED), (others, "440308199901101520")):
        folder.mkdir()
        for name in FORMS:
            kept(folder, name, whose)
    (mine / "torn.parquet").write_bytes(b"PAR1 half a file")
    try:
        done = erasing.erase(lived.hub, "person", NAMED, by="officer", why=WHY)
        assert done["still named in"] == sorted(f"left/{name}" for name in (*FORMS, "torn.parquet"))
    finally:
        shutil.rmtree(mine)
        shutil.rmtree(others)
