"""An erased subject is in no file of the lake any more, and everybody else is where they were."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_builders import Desk, contract

import connectors
from connectors.inbox import body, sealed
from connectors.interface import Media, Part, Reading
from lake import erase, inbox, landing, upkeep
from lake.history import History

AT = datetime(2026, 3, 1, tzinfo=UTC)
NAME = "林小满"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "lake", tmp_path / "work", contract())


def erased(desk: Desk, *names: str) -> dict[str, int]:
    with duckdb.connect() as con:
        return erase.erase(con, desk.lake, desk.contract, names, at=AT)


def named_in(folder: Path, *names: str) -> list[str]:
    """Files that name the subject: as plain bytes, or in a cell of a Parquet file."""
    found = []
    for file in filter(Path.is_file, folder.rglob("*")):
        cells = (
            json.dumps(pq.read_table(file).to_pydict(), default=str, ensure_ascii=False)
            if file.suffix == ".parquet"
            else ""
        )
        if any(name in cells or name.encode() in file.read_bytes() for name in names):
            found.append(str(file.relative_to(folder)))
    return found


def test_every_row_that_names_the_subject_goes_from_every_load_and_from_the_base(desk: Desk) -> None:
    desk.deliver([("1", NAME), ("2", "b")], landing=1)
    desk.deliver([("1", "renamed"), ("2", "b"), ("3", NAME)], landing=2)
    desk.deliver([("1", "renamed"), ("2", "B")], landing=3, accept=True)
    upkeep.refresh_base(desk.lake, desk.contract, always=True)
    assert named_in(desk.lake, NAME)
    assert erased(desk, NAME)["history"] == 3
    assert named_in(desk.lake, NAME) == []
    assert desk.now() == {"1": "renamed", "2": "B"}
    assert desk.now(2) == {"1": "renamed", "2": "b"}
    assert desk.now(1) == {"2": "b"}
    assert History(desk.lake, "people").number == 3
    assert erased(desk, NAME)["history"] == 0
    desk.deliver([("1", "renamed"), ("2", "B"), ("4", "d")], landing=4)
    assert desk.now() == {"1": "renamed", "2": "B", "4": "d"}


def test_a_record_that_was_somebody_elses_before_does_not_fall_back_to_them(desk: Desk) -> None:
    desk.deliver([("1", "earlier holder"), ("2", "b")], landing=1)
    desk.deliver([("1", NAME), ("2", "b")], landing=2)
    erased(desk, NAME)
    assert desk.now() == {"2": "b"}
    assert desk.now(1) == {"1": "earlier holder", "2": "b"}


def test_a_key_that_is_the_subjects_own_identifier_goes_with_its_deletions(desk: Desk) -> None:
    desk.deliver([("ID7", "a"), ("2", "b")], landing=1)
    desk.deliver([("2", "b")], landing=2, accept=True)
    assert erased(desk, "ID7")["history"] == 2
    assert named_in(desk.lake, "ID7") == []
    assert desk.now() == {"2": "b"}


def test_old_files_that_a_kill_left_behind_go_with_the_next_call(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.deliver([("1", NAME), ("2", "b")], landing=1)
    with monkeypatch.context() as patch:
        patch.setattr(erase, "_sweep", lambda _path: None)
        erased(desk, NAME)
    assert named_in(desk.lake, NAME)
    assert erased(desk, NAME)["history"] == 0
    assert named_in(desk.lake, NAME) == []
    assert desk.now() == {"2": "b"}


def test_quarantine_loses_the_subjects_rows_and_keeps_the_others(desk: Desk) -> None:
    desk.reject([("ID7", "x"), ("8", "y")], landing=1, held=True)
    desk.reject([("8", "y")], landing=2, held=True)
    assert erased(desk, "ID7")["quarantine"] == 1
    assert desk.quarantined() == ['["8"]']
    assert named_in(desk.lake, "ID7") == []


def test_a_key_that_was_absent_once_is_forgotten(desk: Desk) -> None:
    desk.deliver([("ID7", "a"), ("2", "b"), ("3", "c")], landing=1)
    desk.deliver([("2", "b")], landing=2, consistent=False, accept=True)
    assert erased(desk, "ID7")["absent"] == 1
    assert named_in(desk.lake, "ID7") == []
    desk.deliver([("2", "b")], landing=3, consistent=False, accept=True)
    assert desk.now() == {"2": "b"}


HISTORIES = st.lists(
    st.dictionaries(st.sampled_from("1234"), st.sampled_from((NAME, "a", "b")), max_size=4), min_size=1, max_size=4
)


@settings(max_examples=6, deadline=None)
@given(HISTORIES)
def test_of_any_history_the_others_stay_as_they_were(deliveries: list[dict[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder) / "lake", Path(folder) / "work", contract())
        for number, rows in enumerate(deliveries, 1):
            desk.deliver([*rows.items()], landing=number, accept=True)
        before = {n: desk.now(n) for n in range(1, len(deliveries) + 1)}
        erased(desk, NAME)
        for number, rows in before.items():
            assert desk.now(number) == {k: v for k, v in rows.items() if v != NAME}
        assert named_in(desk.lake, NAME) == []


def csv_bytes() -> bytes:
    return f"编号,姓名\n1,{NAME}\n2,b\n".encode()


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.csv", csv_bytes())
        archive.writestr("b.csv", "编号,姓名\n3,c\n")
    return sink.getvalue()


def parquet_bytes() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"编号": ["1", "2"], "姓名": [f" {NAME} ", "b"]}), sink)
    return sink.getvalue()


BODIES: dict[Media, Callable[[], bytes]] = {"csv": csv_bytes, "zip": zipped, "parquet": parquet_bytes}


@pytest.mark.parametrize("media", BODIES)
def test_a_landed_file_keeps_its_other_records_and_can_be_read_again(desk: Desk, media: Media) -> None:
    def parts(_reading: Reading) -> Iterator[Part]:
        yield Part(f"people.{media}", media, chunks=iter([BODIES[media]()]))
        yield Part("others.csv", "csv", chunks=iter(["编号,姓名\n9,z\n".encode()]))

    landing.land(desk.lake, "people", "run1", Reading(parts, True, True), landed_at=AT.isoformat())
    assert erased(desk, NAME)["landing"] == 1
    assert named_in(desk.lake, NAME) == []
    manifest = landing.manifest(desk.lake, "people", "run1")
    assert manifest is not None
    records = [
        tuple(row[name] for name in ("编号", "姓名"))
        for landed, path in landing.files(desk.lake, manifest)
        for _, batches in connectors.deliveries(path, landed.media, desk.contract.source, name=landed.source)
        for batch in batches
        for row in batch.to_pylist()
    ]
    assert records == [("2", "b"), *([("3", "c")] if media == "zip" else []), ("9", "z")]
    assert erased(desk, NAME)["landing"] == 0


def test_a_landing_that_cannot_be_read_or_was_never_sealed_is_removed(desk: Desk) -> None:
    def parts(_reading: Reading) -> Iterator[Part]:
        yield Part("people.zip", "zip", chunks=iter([b"no archive at all"]))

    landing.land(desk.lake, "people", "run1", Reading(parts, True, True), landed_at=AT.isoformat())
    (landing.folder(desk.lake, "people", "run2")).mkdir()
    assert erased(desk, NAME)["landing"] == 2
    assert landing.manifest(desk.lake, "people", "run1") is None


@pytest.mark.parametrize("media", ["jsonl", "arrow"])
def test_a_pushed_batch_loses_the_subjects_records_and_one_that_holds_no_other_goes(desk: Desk, media: str) -> None:
    door = inbox.Door(desk.lake, "people", "client", "incremental", 1 << 20, lambda: AT)

    def pushed(key: str, *names: str) -> None:
        rows = [{"编号": str(n), "姓名": name} for n, name in enumerate(names)]
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        if media == "arrow":
            sink = pa.BufferOutputStream()
            table = pa.Table.from_pylist(rows)
            with pa.ipc.new_stream(sink, table.schema) as out:
                out.write_table(table)
            content = sink.getvalue().to_pybytes()
        with door.open(key, media, complete=False) as arrival:  # type: ignore[arg-type]
            arrival.write(content)
            arrival.seal(lambda _receipt: None)

    pushed("k1", NAME, "b")
    pushed("k2", NAME)
    pushed("k3", "c")
    assert erased(desk, NAME)["inbox"] == 2
    assert named_in(desk.lake, NAME) == []
    place = inbox.folder(desk.lake, "people")
    receipts = sealed(place)
    assert [receipt.records for receipt in receipts] == [1, 1]
    for receipt in receipts:
        assert hashlib.sha256(body(place, receipt).read_bytes()).hexdigest() == receipt.sha256
