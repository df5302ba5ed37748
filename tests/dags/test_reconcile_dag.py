"""The timer's reconciliation: what is due is compared with its source in a mapped task, and a finding becomes an incident."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from city_bench import CITY, City

from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import registry
from ledger import incidents, runs

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]
PEOPLE = Path(__file__).parents[1] / "faults" / "people.odcs.yaml"
WEEKLY = "customProperties:\n  - {property: reconcile, value: weekly, vendor: cityhub}\n"
IDS = ("110101199003074610", "440308199901101512")


@pytest.fixture
def hub(tmp_path: Path, airflow_city: City, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub of its own under the folder's one Airflow, whose dataset was pulled."""
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HUB_DECLARATIONS", str(CITY))
    monkeypatch.setenv("HUB_JUDGE_MEMORY_MB", "512")
    made = Hub()
    made.settings.drops.mkdir(parents=True)
    with sqlite3.connect(made.settings.drops / "people.db") as db:
        db.execute('CREATE TABLE "人口" ("身份证号" TEXT, "姓名" TEXT, n INTEGER)')
        db.executemany('INSERT INTO "人口" VALUES (?, ?, 1)', [(IDS[0], "张三"), (IDS[1], "李四")])
    db.close()
    text = PEOPLE.read_text(encoding="utf-8")
    head, mark, rest = text.rpartition("\ncustomProperties:\n")
    assert mark
    file = tmp_path / "people.odcs.yaml"
    file.write_text(f"{head}\n{WEEKLY}{rest}", encoding="utf-8")
    registry.apply(made, (file,))
    pipeline.pull(made, "people", owner="by hand")
    return made


def test_the_timer_compares_what_is_due_and_only_that(hub: Hub) -> None:
    from airflow.dag_processing.dagbag import DagBag

    folder = Path(__file__).parents[2] / "dags"
    bag = DagBag(str(folder / "catalog_dags.py"), bundle_name="test", collect_dags=True)
    dag: Any = bag.dags["reconcile"]
    assert str(dag.test().state) == "success"
    done = [run for run in runs.recent(hub.ledger, "people") if run.phase == "reconciled"]
    assert [run.facts["counts"]["source"] for run in done] == [2]
    assert done[0].owner.startswith("airflow:reconcile:")
    with hub.ledger.read() as connection:
        assert connection.execute(incidents.incidents.select()).fetchall() == []
    assert str(dag.test().state) == "success"
    assert len([run for run in runs.recent(hub.ledger, "people") if run.phase == "reconciled"]) == 1, (
        "a week has to pass"
    )
