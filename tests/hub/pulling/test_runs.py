"""A run that ended stays ended, one that was overtaken stays behind, and an unforeseen fault tells nobody's data."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
from city_bench import hub_at
from sqlalchemy.exc import SQLAlchemyError

from hub import maintenance
from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import registry
from lake import landing
from lake.history import History
from ledger import incidents, loads, runs
from ledger.database import Database, ledger_tables
from schemas.errors import Busy, DeliveryHeld, Retry, SourceMissing, Superseded

CONTRACT = Path(__file__).parents[2] / "faults" / "people.odcs.yaml"
T = TypeVar("T")
ID = "110101199003074610"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    made = hub_at(tmp_path / "home")
    made.settings.drops.mkdir(parents=True)
    registry.apply(made, (CONTRACT,))
    return made


def source(hub: Hub, *rows: tuple[str, str, int]) -> None:
    with sqlite3.connect(hub.settings.drops / "people.db") as db:
        db.execute('DROP TABLE IF EXISTS "人口"')
        db.execute('CREATE TABLE "人口" ("身份证号" TEXT, "姓名" TEXT, n INTEGER)')
        db.executemany('INSERT INTO "人口" VALUES (?, ?, ?)', rows)


def test_a_failed_run_that_was_overtaken_is_not_taken_up_again(hub: Hub) -> None:
    with pytest.raises(SourceMissing):
        pipeline.pull(hub, "people", owner="airflow:1")
    source(hub, (ID, "张三", 1))
    pipeline.pull(hub, "people", owner="by hand")
    source(hub, (ID, "张三", 2))
    with pytest.raises(Superseded):  # its rows would count as older than those by hand, and be passed over
        pipeline.pull(hub, "people", owner="airflow:1")
    assert pipeline.pull(hub, "people", owner="airflow:2").facts["counts"]["updated"] == 1


def test_clearing_a_published_run_changes_nothing_of_what_came_after(hub: Hub) -> None:
    source(hub, (ID, "张三", 1))
    first = pipeline.pull(hub, "people", owner="airflow:1")
    source(hub)
    with pytest.raises(DeliveryHeld):
        pipeline.pull(hub, "people", owner="airflow:2")
    again = pipeline.pull(hub, "people", owner="airflow:1")
    assert (again.run, again.phase) == (first.run, "published")
    assert loads.conditions(hub.ledger)["people"][0] == "held"


def test_no_personal_data_stays_in_the_work_folder_of_a_run_that_ended_badly(hub: Hub) -> None:
    source(hub, (ID, None, 1))
    with pytest.raises(DeliveryHeld):
        pipeline.pull(hub, "people", owner="1")
    assert list(hub.settings.work.rglob("*.parquet")) == []


def test_an_unforeseen_fault_is_told_without_its_message(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(f"cannot write {ID}")

    source(hub, (ID, "张三", 1))
    monkeypatch.setattr(History, "commit", broken)
    with pytest.raises(Retry, match="OSError inside the hub at") as told:
        pipeline.pull(hub, "people", owner="1")
    assert ID not in str(told.value)
    assert ID not in runs.recent(hub.ledger)[0].reason


def test_upkeep_leaves_the_landing_and_the_work_of_a_run_at_work(hub: Hub) -> None:
    source(hub, (ID, "张三", 1))
    run = pipeline.judge(hub, pipeline.read(hub, pipeline.claim(hub, "people", "1").run).run)
    ttl = timedelta(seconds=1)
    for number in range(60):
        other = runs.claim(hub.ledger, f"d{number}", "x", load=1, landing_floor=0, now=hub.clock(), ttl=ttl)
        runs.close(hub.ledger, other.run, "published", now=hub.clock())
    maintenance.upkeep(hub)
    assert landing.manifest(hub.lake, "people", run.run) is not None
    assert pipeline.publish(hub, run.run).phase == "published"
    (hub.settings.work / "people" / "killed").mkdir(parents=True)
    maintenance.upkeep(hub)
    assert list((hub.settings.work / "people").iterdir()) == []


def test_a_database_error_does_not_show_what_was_written(hub: Hub) -> None:
    with pytest.raises(SQLAlchemyError) as told, hub.ledger.write() as connection:
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (?)", (ID,))
    assert ID not in str(told.value)


def first_start(home: Path) -> bytes:
    hub = hub_at(home)
    for database in (hub.ledger, hub.subjects, hub.audit):
        database.dispose()
    return hub.key("subject")


def test_processes_that_start_a_new_hub_at_once_share_its_tables_and_its_key(tmp_path: Path) -> None:
    with get_context("spawn").Pool(4) as pool:
        pool.map(first_start, [tmp_path / f"warm{n}" for n in range(4)], chunksize=1)
        for n in range(3):
            assert len(set(pool.map(first_start, [tmp_path / f"new{n}"] * 4, chunksize=1))) == 1


def at_once(step: Callable[[int], T], times: int = 6) -> list[T]:
    """What each of several threads got that began together."""
    ready = Barrier(times)

    def begin(number: int) -> T:
        ready.wait()
        return step(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(begin, range(times)))


def test_on_postgres_one_of_many_claims_a_dataset_and_trouble_is_told_once(hub: Hub, postgres_url: str) -> None:
    db, now = Database(postgres_url, ledger_tables), hub.clock()

    def create(_: int) -> None:
        other = Database(postgres_url, ledger_tables)
        other.create()
        other.dispose()

    def claim(number: int) -> bool:
        try:
            runs.claim(db, dataset, str(number), load=1, landing_floor=0, now=now, ttl=timedelta(minutes=1))
        except Busy:
            return False
        return True

    at_once(create)
    for dataset in ("a", "b", "c"):
        load = loads.Load(dataset, 1, "run", now, 1)
        assert sum(at_once(claim)) == 1
        at_once(lambda _, load=load: loads.tell(db, load))
        at_once(lambda _, name=dataset: loads.set_state(db, name, "ok", "", now))
        told = at_once(lambda _, name=dataset: incidents.begin(db, name, "failed", "why", now=now))
        assert sum(told) == 1
    db.dispose()
