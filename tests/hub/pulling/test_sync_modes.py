"""Snapshot, incremental, append: what each reads, when deletions count, what an emptied, changed or replaced source leads to."""

from pathlib import Path
from typing import Any

import pytest
import servers
from modes_bench import Bench, sieve_alone

from lake.history import History
from ledger import incidents, loads, runs
from schemas.errors import DeliveryHeld, SourceDamaged, SourceMissing

ROWS: list[tuple[Any, ...]] = [(str(n), "甲", "有效", n, f"2026-03-0{n} 08:00:00") for n in range(1, 5)]
DRIFTED = ("编号", "姓名", "状态", "数", "at", "电话")


@pytest.fixture(autouse=True)
def _sieve_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sieve_alone(monkeypatch)


def counts(run: runs.Run) -> tuple[int, ...]:
    return tuple(run.facts["counts"][n] for n in ("delivered", "new", "updated", "deleted"))


def notes(bench: Bench) -> str:
    return " ".join(runs.recent(bench.hub.ledger)[0].facts.get("notes", []))


def open_incidents(bench: Bench) -> list[str]:
    with bench.hub.ledger.read() as connection:
        query = incidents.incidents.select().where(incidents.incidents.c.closed_at.is_(None))
        return sorted(row.kind for row in connection.execute(query))


def made(root: Path, **given: Any) -> Bench:
    bench = Bench(root, **given)
    bench.apply()
    return bench


def test_a_snapshot_finds_deletions_by_delivered_keys_and_an_append_never_does(tmp_path: Path) -> None:
    for sync, left in (("snapshot", 3), ("append", 4)):
        bench = made(tmp_path / sync, sync=sync)
        bench.source(ROWS)
        bench.pull()
        bench.source([(*ROWS[0][:3], "x", ROWS[0][4]), *ROWS[1:3]])  # 1 is delivered, if wrong; 4 is not
        bench.pull(full=True)
        assert len(bench.current()) == left
        assert bench.current()["1"][-1] == 1


def test_an_incremental_pull_reads_from_the_bound_on(tmp_path: Path) -> None:
    bench = made(tmp_path, sync="incremental")
    bench.source(ROWS)
    assert counts(bench.pull()) == (4, 4, 0, 0)
    bench.source([*ROWS, ("5", "乙", "有效", 5, "2026-03-05 08:00:00")])
    assert counts(bench.pull()) == (2, 1, 0, 0)


@pytest.mark.parametrize("sync", ["incremental", "append"])
def test_rows_that_an_overlap_brings_again_are_not_published_again(tmp_path: Path, sync: str) -> None:
    bench = made(tmp_path, sync=sync)
    bench.source(ROWS)
    bench.pull()
    for day in (5, 6):
        bench.source([*ROWS, *((str(n), "乙", "有效", n, f"2026-03-0{n} 08:00:00") for n in range(5, day + 1))])
        run = bench.pull()
        assert counts(run) == (2, 1, 0, 0)
        assert run.facts["counts"]["unchanged"] == 1
    history = History(bench.hub.lake, "things")
    assert sum(file.rows for file in history.files()) == 6
    assert [load.changed for load in history.loads()] == [4, 1, 1]


@pytest.mark.parametrize("given", [{"sync": "snapshot"}, {"sync": "incremental"}, {"sync": "append"}], ids=str)
def test_a_table_that_was_full_and_is_empty_stops_the_run_in_every_mode(tmp_path: Path, given: dict[str, str]) -> None:
    bench = made(tmp_path, **given)
    bench.source(ROWS)
    bench.pull()
    bench.source([])
    with pytest.raises(DeliveryHeld, match="empty delivery of a source that had rows"):
        bench.pull(accept_deletions=True)
    assert len(bench.current()) == 4


def test_a_file_without_records_stops_a_snapshot_and_a_cleared_folder_is_nothing_new_to_an_append(
    tmp_path: Path,
) -> None:
    bench = made(tmp_path / "s", kind="csv", table="drop")
    bench.file("drop_1.csv", ROWS)
    bench.pull()
    bench.file("drop_2.csv", [])
    with pytest.raises(DeliveryHeld, match="empty delivery"):
        bench.pull()
    other = made(tmp_path / "a", kind="csv", sync="append", table="drop")
    other.file("drop_1.csv", ROWS)
    other.pull()
    (other.drop / "drop_1.csv").unlink()
    assert other.pull().phase == "published"
    assert len(other.current()) == 4


def test_on_postgresql_an_emptied_table_stops_an_incremental_pull(tmp_path: Path, postgres_url: str) -> None:
    with servers.database(postgres_url, "hub_sync") as url:
        bench = made(tmp_path, kind="postgres", url=url, sync="incremental", table="things")
        bench.source(ROWS)
        bench.pull()
        assert bench.pull().phase == "published"
        bench.sql('DELETE FROM "things"')
        with pytest.raises(DeliveryHeld, match="empty delivery"):
            bench.pull()


def test_a_watermark_does_not_outlive_its_cursor_nor_its_table(tmp_path: Path) -> None:
    bench = made(tmp_path, sync="incremental")
    bench.source(ROWS)
    bench.pull()
    bench.cursor = "n"
    bench.apply()
    assert counts(bench.pull())[0] == 4
    assert "belonged to 登记 by at" in notes(bench)
    assert counts(bench.pull())[0] == 1
    assert notes(bench) == ""
    bench.table = "新登记"
    bench.apply()
    bench.source([("9", "丁", "有效", 1, "2020-01-01 00:00:00"), *ROWS])
    assert counts(bench.pull()) == (5, 1, 0, 0)  # below the old bound
    assert "belonged to 登记 by 数" in notes(bench)


def test_a_dry_run_that_is_held_or_fails_is_not_the_datasets_state(tmp_path: Path) -> None:
    bench = made(tmp_path)
    bench.source(ROWS)
    bench.pull()
    bench.source([])
    with pytest.raises(DeliveryHeld):
        bench.pull(dry_run=True)
    bench.sql('DROP TABLE "登记"')
    with pytest.raises(SourceMissing):
        bench.pull(dry_run=True)
    assert loads.conditions(bench.hub.ledger)["things"][0] == "ok"
    assert open_incidents(bench) == []
    with pytest.raises(SourceMissing):
        bench.pull()
    assert loads.conditions(bench.hub.ledger)["things"][0] == "failed"


def other_table(bench: Bench) -> None:
    """The department replaces the table by one with another key; on SQLite and PostgreSQL alike, as a view has none."""
    bench.source(ROWS, key="数")


@pytest.mark.parametrize(
    ("mode", "error"), [("stop", SourceDamaged), ("freeze", DeliveryHeld), ("quarantine", DeliveryHeld)]
)
def test_another_table_in_the_place_of_the_old_one_is_not_published(
    tmp_path: Path, mode: str, error: type[Exception]
) -> None:
    bench = made(tmp_path, sync="incremental", customs={"drift": {"table": mode}})
    bench.source(ROWS)
    bench.pull()
    other_table(bench)
    with pytest.raises(error, match="its primary key was 编号 and is 数"):
        bench.pull()
    read = runs.recent(bench.hub.ledger)[0].facts.get("counts", {}).get("delivered")
    assert read == (4 if mode == "quarantine" else None)
    bench.apply()  # a new version of the contract takes the table as it is
    assert bench.pull().phase == "published"


def test_another_table_is_followed_in_full_in_evolve_mode(tmp_path: Path) -> None:
    bench = made(tmp_path, sync="incremental", customs={"drift": {"table": "evolve"}})
    bench.source(ROWS)
    bench.pull()
    other_table(bench)
    assert counts(bench.pull())[0] == 4
    assert "another table stands at 登记" in notes(bench)


@pytest.mark.parametrize(
    ("mode", "error"),
    [("stop", SourceMissing), ("quarantine", SourceMissing), ("freeze", DeliveryHeld), ("evolve", SourceMissing)],
)
def test_a_table_that_is_gone_ends_the_run_and_evolve_names_the_one_that_looks_alike(
    tmp_path: Path, mode: str, error: type[Exception]
) -> None:
    bench = made(tmp_path, customs={"drift": {"table": mode}})
    bench.source(ROWS)
    bench.pull()
    bench.sql('ALTER TABLE "登记" RENAME TO "登记2026"')
    with pytest.raises(error) as told:
        bench.pull()
    assert ("登记2026" in str(told.value).partition("→")[2]) == (mode == "evolve")
    assert len(bench.current()) == 4


def test_a_file_that_is_gone_is_held_in_freeze_mode(tmp_path: Path) -> None:
    bench = made(tmp_path, kind="csv", table="drop", customs={"drift": {"table": "freeze"}})
    bench.file("drop_1.csv", ROWS)
    bench.pull()
    (bench.drop / "drop_1.csv").unlink()
    with pytest.raises(DeliveryHeld, match="no file"):
        bench.pull()


def drift_of(bench: Bench) -> list[tuple[str, str]]:
    head = History(bench.hub.lake, "things").head()
    assert head is not None
    return [(f["what"], f["name"]) for f in head.verdict["drift"]]


def test_a_database_column_that_comes_or_goes_is_told_once_and_recovers(tmp_path: Path, postgres_url: str) -> None:
    with servers.database(postgres_url, "hub_drift") as url:
        for kind, given in (("sqlite", {}), ("postgres", {"kind": "postgres", "url": url, "table": "things"})):
            bench = made(tmp_path / kind, customs={"drift": {"columns": "freeze"}}, **given)
            bench.source(ROWS)
            bench.pull()
            bench.source([(*row, "555") for row in ROWS], DRIFTED)
            bench.pull()
            assert drift_of(bench) == [("unknown", "电话")]
            assert open_incidents(bench) == ["drift"]
            bench.source([(*row[:1], *row[2:]) for row in ROWS], ("编号", "状态", "数", "at"))
            assert counts(bench.pull()) == (4, 0, 0, 0)
            assert bench.current()["2"][0] == "甲"
            assert drift_of(bench) == [("missing", "姓名")]
            bench.source(ROWS)
            bench.pull()
            assert open_incidents(bench) == []


def test_by_default_a_column_that_comes_or_goes_stops_the_run(tmp_path: Path) -> None:
    bench = made(tmp_path)
    bench.source([(*row, "555") for row in ROWS], DRIFTED)
    with pytest.raises(SourceDamaged, match="unknown column '电话'"):
        bench.pull()
    bench.source([(*row[:1], *row[2:]) for row in ROWS], ("编号", "状态", "数", "at"))
    with pytest.raises(SourceMissing, match="has no column 姓名"):
        bench.pull()
