"""Data files of tries that were never committed go; whatever a commit names, or may yet name, stays."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lake_builders import Desk, contract

from lake.changes import absences
from lake.history import History, folder
from lake.upkeep import clean_history

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def left_over(lake: Path, name: str, age: timedelta = timedelta(days=3)) -> Path:
    path = folder(lake, "people") / name
    path.write_bytes(b"nobody's")
    at = (NOW - age).timestamp()
    os.utime(path, (at, at))
    return path


def test_only_files_that_no_commit_can_name_any_more_are_removed(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "lake", tmp_path / "work", contract())
    desk.deliver([("1", "甲")])
    desk.deliver([("1", "乙")], landing=2)
    committed = [f.path for f in History(desk.lake, "people").files()]
    for path in committed:
        os.utime(path, (0, 0))
    dead = left_over(desk.lake, "load-000000002-run9-abcd1234.parquet")
    fresh = left_over(desk.lake, "load-000000001-run9-abcd1234.parquet", timedelta(hours=1))
    next_load = left_over(desk.lake, "load-000000003-run9-abcd1234.parquet")
    foreign = left_over(desk.lake, "notes.parquet")
    assert clean_history(desk.lake, "people", now=NOW) == 1
    assert not dead.exists()
    assert all(path.exists() for path in (*committed, fresh, next_load, foreign))
    desk.deliver([("1", "丙")], landing=3)
    assert clean_history(desk.lake, "people", now=NOW) == 1
    assert not next_load.exists()
    assert History(desk.lake, "people").number == 3


def test_a_dataset_that_was_never_published_has_nothing_to_clean(tmp_path: Path) -> None:
    assert clean_history(tmp_path, "people", now=NOW) == 0
    assert not absences(tmp_path, "people").exists()
