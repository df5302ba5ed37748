import dataclasses
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import duckdb
import pytest
from lake_builders import Desk, contract

from lake import changes, durable, history, upkeep
from lake.history import History
from schemas.contract import Column
from schemas.errors import DeliveryHeld, Stop, Superseded


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "lake", tmp_path / "work", contract())


def bytes_of(desk: Desk) -> dict[str, int]:
    folder = history.folder(desk.lake, "people")
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("*.parquet")}


def test_a_load_adds_only_what_changed(desk: Desk) -> None:
    desk.deliver([("1", "甲"), ("2", "乙"), ("3", "丙")])
    second = desk.deliver([("1", "甲"), ("2", "乙二"), ("3", "丙"), ("4", "丁")], landing=2)
    assert second.counts == {"new": 1, "updated": 1, "unchanged": 2, "outdated": 0, "deleted": 0}
    assert second.changed == 2
    assert desk.now() == {"1": "甲", "2": "乙二", "3": "丙", "4": "丁"}


def test_an_unchanged_delivery_appends_no_file_but_is_a_load(desk: Desk) -> None:
    rows = [("1", "甲"), ("2", "乙")]
    desk.deliver(rows)
    before = bytes_of(desk)
    again = desk.deliver(rows, landing=2)
    assert again.changed == 0
    assert bytes_of(desk) == before
    assert History(desk.lake, "people").number == 2


def test_current_can_be_read_as_of_any_load(desk: Desk) -> None:
    desk.deliver([("1", "甲")])
    desk.deliver([("1", "甲二")], landing=2)
    assert [desk.now(0), desk.now(1), desk.now(2)] == [{}, {"1": "甲"}, {"1": "甲二"}]


def many(gone: int) -> list[tuple[str, str]]:
    return [(str(i), "x") for i in range(100 - gone)]


def test_a_key_missing_from_a_full_delivery_is_deleted(desk: Desk) -> None:
    desk.deliver(many(0))
    done = desk.deliver(many(5), landing=2)
    assert done.counts["deleted"] == 5
    assert (done.rows, len(desk.now())) == (95, 95)


def test_a_key_missing_from_a_partial_delivery_stays(desk: Desk) -> None:
    desk.deliver(many(0))
    assert desk.deliver(many(5), landing=2, complete=False).counts["deleted"] == 0


def test_a_quarantined_key_keeps_its_last_good_version(desk: Desk) -> None:
    desk.deliver(many(0))
    done = desk.deliver(many(3), bad=[("97", "坏"), ("98", "坏"), ("99", "坏")], landing=2)
    assert done.counts["deleted"] == 0
    assert desk.now()["99"] == "x"


def test_a_row_without_a_key_suspends_deletions(desk: Desk) -> None:
    desk.deliver(many(0))
    assert desk.deliver(many(5), landing=2, unkeyable=1).counts["deleted"] == 0


def test_without_a_snapshot_a_key_must_be_absent_twice(desk: Desk) -> None:
    desk.deliver(many(0), consistent=False)
    assert desk.deliver(many(5), consistent=False, landing=2).counts["deleted"] == 0
    assert desk.deliver(many(4), consistent=False, landing=3).counts["deleted"] == 4


def test_too_many_deletions_hold_the_load_until_they_are_accepted(desk: Desk) -> None:
    desk.deliver(many(0))
    with pytest.raises(DeliveryHeld, match="lacks 11 of 100"):
        desk.deliver(many(11), landing=2)
    assert History(desk.lake, "people").number == 1
    assert desk.deliver(many(11), landing=3, accept=True).counts["deleted"] == 11


def test_a_deleted_key_can_come_back(desk: Desk) -> None:
    desk.deliver(many(0))
    desk.deliver(many(1), landing=2)
    assert desk.deliver(many(0), landing=3).counts["new"] == 1
    assert len(desk.now()) == 100


def test_an_older_row_never_replaces_a_newer_one(desk: Desk) -> None:
    desk.deliver([("1", "new")], landing=9)
    assert desk.deliver([("1", "old")], landing=3).counts["outdated"] == 1
    assert desk.now() == {"1": "new"}


def test_a_load_number_cannot_be_published_twice(desk: Desk) -> None:
    desk.deliver([("1", "甲")])
    with pytest.raises(Superseded, match="load 1 cannot follow load 1"):
        desk.deliver([("1", "zombie")], landing=2, load=1)
    assert desk.now() == {"1": "甲"}


def test_a_load_number_cannot_be_skipped(desk: Desk) -> None:
    desk.deliver([("1", "甲")])
    with pytest.raises(Superseded):
        desk.deliver([("1", "乙")], landing=2, load=3)


def race(lake: str, work: str, writer: int) -> str:
    desk = Desk(Path(lake), Path(f"{work}-{writer}"), contract())
    try:
        desk.deliver([(str(writer), "x")], landing=writer + 1, complete=False, load=2, run=f"w{writer}")
    except Superseded:
        return "superseded"
    return "published"


def test_of_racing_writers_exactly_one_publishes(desk: Desk) -> None:
    desk.deliver([("0", "x")])
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        outcomes = list(pool.map(race, [str(desk.lake)] * 4, [str(desk.work)] * 4, range(1, 5)))
    assert sorted(outcomes) == ["published", "superseded", "superseded", "superseded"]
    assert len(desk.now()) == 2
    assert History(desk.lake, "people").number == 2


def test_the_commit_tells_the_whole_story_back(desk: Desk) -> None:
    told = desk.deliver([("1", "甲")])
    assert History(desk.lake, "people").loads() == (told,)
    assert History(desk.lake, "people").find("run1") == told
    assert History(desk.lake, "people").find("nobody") is None


def test_data_is_on_the_disk_before_the_commit_and_the_log_after(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.deliver([("0", "x")])
    seen: list[tuple[str, int]] = []
    real = os.fsync

    def watch(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        logged = len(list((history.folder(desk.lake, "people") / "_delta_log").glob("*.json")))
        seen.append((path, logged))
        real(descriptor)

    monkeypatch.setattr(durable.os, "fsync", watch)
    desk.deliver([("1", "x")], landing=2, complete=False)
    table = str(history.folder(desk.lake, "people"))
    data = [logged for path, logged in seen if path.startswith(f"{table}/load-000000002")]
    log = [logged for path, logged in seen if path.endswith("00000000000000000002.json")]
    folder = [logged for path, logged in seen if path == f"{table}/_delta_log"]
    assert data == [2], "the data file is synced while the log still has two entries"
    assert log == [3]
    assert folder[-1] == 3


def test_a_rollback_restates_an_older_load_as_a_new_one(desk: Desk) -> None:
    import duckdb

    desk.deliver([("1", "甲"), ("2", "乙")])
    desk.deliver([("1", "甲二"), ("3", "丙")], landing=2, accept=True)
    table = History(desk.lake, "people")
    with duckdb.connect() as con:
        found = changes.restore(con, desk.lake, desk.contract, to=1, load=3, run="back", first_seq=3 << 32)
    desk.commit(table, found, 3, "back", 3)
    assert found.counts == {"new": 1, "updated": 1, "deleted": 1}
    assert desk.now() == {"1": "甲", "2": "乙"}
    assert desk.now(2) == {"1": "甲二", "3": "丙"}


def test_a_base_changes_what_is_read_not_what_is_seen(desk: Desk) -> None:
    desk.deliver(many(0))
    desk.deliver([(str(i), "y") for i in range(100)], landing=2)
    assert upkeep.refresh_base(desk.lake, desk.contract) == 2
    with_base = desk.now()
    desk.deliver([("7", "z"), *[(str(i), "y") for i in range(8, 100)]], landing=3)
    assert desk.now() == {"7": "z", **{str(i): "y" for i in range(8, 100)}}
    assert desk.now(2) == with_base
    assert desk.now(1)["0"] == "x"


def test_the_keys_of_a_partial_delivery_are_looked_up_in_a_base_and_what_came_since(desk: Desk) -> None:
    desk.deliver(many(0))
    desk.deliver([("5", "y")], landing=2, complete=False)
    assert upkeep.refresh_base(desk.lake, desk.contract) == 2
    found = desk.deliver([("5", "y"), ("7", "z")], landing=3, complete=False)
    assert (found.counts["updated"], found.counts["unchanged"]) == (1, 1)
    found = desk.deliver([("7", "z"), ("8", "w"), ("new", "n")], landing=4, complete=False)
    assert (found.counts["new"], found.counts["updated"], found.counts["unchanged"]) == (1, 1, 1)
    assert desk.now() == {**{str(i): "x" for i in range(100)}, "5": "y", "7": "z", "8": "w", "new": "n"}


def test_a_new_column_is_added_and_is_empty_in_old_rows(desk: Desk) -> None:
    desk.deliver([("1", "甲")])
    wider = dataclasses.replace(desk, contract=contract(Column("手机", "手机", "手机")))
    wider.deliver([("1", "甲"), ("2", "乙")], landing=2)
    assert wider.now() == {"1": "甲", "2": "乙"}


def test_a_changed_key_is_refused_in_words(desk: Desk) -> None:
    desk.deliver([("1", "甲")])
    other = dataclasses.replace(
        desk.contract,
        columns=tuple(dataclasses.replace(c, key_position=int(c.name == "姓名")) for c in desk.contract.columns),
    )
    with pytest.raises(Stop, match="primary key changed from id to 姓名"):
        History(desk.lake, "people").prepare(other)


def test_quarantine_opens_once_and_closes_when_the_key_comes_back_right(desk: Desk) -> None:
    desk.reject([("1", "坏"), ("2", "坏")], landing=1)
    desk.deliver([("9", "x")], landing=1)
    assert desk.quarantined() == ['["1"]', '["2"]']
    desk.reject([("2", "坏")], landing=2, keys=["1"])
    desk.deliver([("9", "x"), ("1", "好")], landing=2)
    assert desk.quarantined() == ['["2"]']


def test_quarantine_of_a_run_that_never_ended_does_not_count(desk: Desk) -> None:
    desk.reject([("1", "坏")], landing=1)
    assert desk.quarantined() == []
    desk.reject([("1", "坏")], landing=2, held=True)
    assert desk.quarantined() == ['["1"]']


def test_quarantine_closes_nothing_when_the_load_is_held(desk: Desk) -> None:
    desk.reject([("1", "坏")], landing=1)
    desk.deliver([("9", "x")], landing=1)
    desk.reject([], landing=2, held=True)
    assert desk.quarantined() == ['["1"]']


def test_a_zombie_cannot_write_quarantine_behind_a_later_run(desk: Desk) -> None:
    desk.reject([("1", "坏")], landing=5)
    with pytest.raises(Superseded):
        desk.reject([("2", "坏")], landing=4)


def test_a_run_judged_otherwise_when_tried_again_sets_aside_what_it_finds_then(desk: Desk) -> None:
    desk.reject([("1", "坏"), ("2", "坏")], landing=1)
    desk.reject([("2", "坏"), ("3", "坏")], landing=1, keys=["1"])
    desk.deliver([("1", "好")], landing=1)
    assert desk.quarantined() == ['["2"]', '["3"]']


def test_a_task_tried_again_beside_its_zombie_writes_a_file_of_its_own(desk: Desk) -> None:
    prepared = desk.prepare([("1", "甲")])
    History(desk.lake, "people").prepare(desk.contract)
    with duckdb.connect() as con:
        delivered = changes.Delivered(*prepared, complete=True, consistent=True, unkeyable=0, next_seq=9 << 32)
        tries = [changes.find(con, desk.lake, desk.contract, delivered, load=1, run="same").file for _ in range(2)]
    assert len({file for file in tries if file is not None and file.exists()}) == 2


def test_a_lake_may_lie_in_a_folder_of_any_script(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "城市 [数据]", tmp_path / "work", contract())
    desk.reject([("1", "坏")], landing=1)
    desk.deliver([("9", "x")])
    assert (desk.now(), desk.quarantined()) == ({"9": "x"}, ['["1"]'])


def test_the_landing_of_a_run_that_begins_during_upkeep_stays(desk: Desk) -> None:
    for run in ("dead", "alive"):
        (desk.lake / "landing" / "people" / run).mkdir(parents=True)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert upkeep.clean_landing(desk.lake, desk.contract, now=now, running=lambda: frozenset({"alive"})) == 1
    assert [p.name for p in (desk.lake / "landing" / "people").iterdir()] == ["alive"]


def test_a_checkpoint_of_the_log_is_forced_to_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["00099.json", "00100.json", "00099.checkpoint.parquet", "_last_checkpoint"]
    for name in names:
        (tmp_path / name).touch()
    synced: list[str] = []
    monkeypatch.setattr(durable, "sync_file", lambda path: synced.append(path.name))
    durable.sync_log(tmp_path)
    assert sorted(synced[:-2]) == sorted(names)
    assert synced[-2:] == [tmp_path.name, tmp_path.parent.name]
