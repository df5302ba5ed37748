"""A log whose end a power cut tore: readers see the load before, the next load takes the torn one's number."""

from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable
from lake_builders import Desk, contract

from lake import delta_log, history
from lake.history import History

TEARINGS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "zeros": lambda whole: bytes(len(whole)),
    "end in zeros": lambda whole: whole[:-10] + bytes(10),
    "without its last line": lambda whole: whole[: whole.rindex(b"\n")],
    "first line only": lambda whole: whole[: whole.index(b"\n") + 1],
}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "lake", tmp_path / "work", contract())


def log(desk: Desk) -> Path:
    return history.folder(desk.lake, "people") / "_delta_log"


def tear(path: Path, how: str) -> None:
    path.write_bytes(TEARINGS[how](path.read_bytes()))


@pytest.mark.parametrize("how", TEARINGS)
def test_a_torn_commit_counts_for_nothing_and_its_number_is_taken_again(desk: Desk, how: str) -> None:
    desk.deliver([("1", "甲")])
    desk.deliver([("1", "lost")], landing=2)
    tear(log(desk) / f"{2:020d}.json", how)
    assert desk.now() == {"1": "甲"}
    assert [load.load for load in History(desk.lake, "people").loads()] == [1]
    desk.deliver([("1", "乙")], landing=3)
    assert desk.now() == {"1": "乙"}
    assert [load.run for load in History(desk.lake, "people").loads()] == ["run1", "run3"]
    assert len(list(log(desk).glob("*.torn"))) == 1


@pytest.mark.parametrize("how", TEARINGS)
def test_a_table_torn_at_its_creation_is_made_again(desk: Desk, how: str) -> None:
    History(desk.lake, "people").prepare(desk.contract)
    tear(log(desk) / f"{0:020d}.json", how)
    assert History(desk.lake, "people").loads() == ()
    desk.deliver([("1", "甲")])
    assert desk.now() == {"1": "甲"}


@pytest.mark.parametrize("how", TEARINGS)
def test_a_torn_quarantine_commit_counts_for_nothing_and_is_made_again(desk: Desk, how: str) -> None:
    desk.reject([("1", "坏")], landing=1)
    desk.deliver([("9", "x")], landing=1)
    desk.reject([("2", "坏")], landing=2, complete=False)
    torn = max((desk.lake / "quarantine" / "people" / "_delta_log").glob("*.json"))
    tear(torn, how)
    assert desk.quarantined() == ['["1"]']
    desk.reject([("3", "坏")], landing=3, complete=False)
    desk.deliver([("9", "x")], landing=3)
    assert desk.quarantined() == ['["1"]', '["3"]']


@pytest.mark.parametrize("how", ["empty", "half", "zeros", "gone", "hint empty", "hint gone"])
@pytest.mark.parametrize("commit", ["whole", "gone"])
def test_a_torn_checkpoint_is_made_good_from_the_log(desk: Desk, how: str, commit: str) -> None:
    desk.deliver([("1", "甲")])
    desk.deliver([("1", "乙")], landing=2)
    DeltaTable(str(log(desk).parent)).create_checkpoint()
    (checkpoint,) = log(desk).glob("*.checkpoint.parquet")
    match how:
        case "gone":
            checkpoint.unlink()
        case "hint empty":
            (log(desk) / "_last_checkpoint").write_bytes(b"")
        case "hint gone":
            (log(desk) / "_last_checkpoint").unlink()
        case _:
            checkpoint.write_bytes({"empty": b"", "half": checkpoint.read_bytes()[:-9], "zeros": bytes(99)}[how])
    if commit == "gone":
        (log(desk) / f"{2:020d}.json").unlink()
    assert desk.now() == {"1": "甲" if commit == "gone" else "乙"}
    desk.deliver([("1", "丙")], landing=3)
    assert desk.now() == {"1": "丙"}
    runs = ["run1", "run3"] if commit == "gone" else ["run1", "run2", "run3"]
    assert [load.run for load in History(desk.lake, "people").loads()] == runs


def test_a_whole_log_is_left_as_it_is(desk: Desk) -> None:
    desk.deliver([("1", "甲")])
    DeltaTable(str(log(desk).parent)).create_checkpoint()
    before = {p.name: p.read_bytes() for p in log(desk).iterdir()}
    assert not delta_log.mend(log(desk).parent)
    assert {p.name: p.read_bytes() for p in log(desk).iterdir()} == before
