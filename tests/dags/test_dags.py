"""The DAGs under real Airflow, in one process: what they are, and that running them publishes what `hub pull` would."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from city_bench import ORDER, ROOT, City

from hub.pulling import judging
from ledger import loads, references, runs

pytestmark = [pytest.mark.airflow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def dags(airflow_city: City) -> dict[str, Any]:
    """Every DAG of the three files, by id."""
    found = {}
    for name in ("dataset_dags", "subject_dags", "catalog_dags"):
        module = importlib.reload(importlib.import_module(f"dags.{name}"))
        found |= {v.dag_id: v for v in vars(module).values() if type(v).__name__ == "DAG"}
    for name in ("subject_dags", "catalog_dags"):  # made by `with`, not bound to a name
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag(str(ROOT / "dags" / f"{name}.py"), bundle_name="test", collect_dags=True)
        assert bag.import_errors == {}
        found |= bag.dags
    return found


def run(dag: Any, **conf: Any) -> Any:
    return dag.test(run_conf=conf)


def test_there_is_a_dag_for_each_contract_and_one_each_for_subjects_catalog_upkeep_events_and_reconciliation(
    dags: dict[str, Any],
) -> None:
    assert set(dags) == {f"dataset.{name}" for name in ORDER} | {
        "subjects",
        "catalog",
        "upkeep",
        "events",
        "reconcile",
        "references",
    }


@pytest.mark.parametrize("dataset", ORDER)
def test_every_dataset_dag_keeps_the_house_rules(dags: dict[str, Any], airflow_city: City, dataset: str) -> None:
    dag, contract = dags[f"dataset.{dataset}"], airflow_city.hub.contract(dataset)
    assert [t.task_id for t in dag.topological_sort()] == ["read", "judge", "publish"]
    assert dag.max_active_runs == 1
    assert dag.catchup is False
    assert {t.pool for t in dag.tasks} == {contract.pool}
    assert all(t.retries == 2 and t.retry_exponential_backoff for t in dag.tasks)
    assert {"full", "dry_run", "accept_deletions", "now_because"} == set(dag.params)
    assert contract.title in dag.doc_md
    assert contract.provider in dag.tags
    outlets = {o.uri.rstrip("/") for t in dag.tasks for o in t.outlets}
    assert outlets == {f"hub://dataset/{dataset}", "hub://published"}


def test_running_a_dag_publishes_and_its_event_carries_the_counts(dags: dict[str, Any], airflow_city: City) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    done = run(dags["dataset.residents"])
    assert done.state == "success"
    truth = airflow_city.truth("truth.json")["residents"]
    published = loads.latest(airflow_city.hub.ledger)["residents"]
    assert published.rows == truth["current"]
    assert runs.find(airflow_city.hub.ledger, published.run).owner.startswith("airflow:")
    with create_session() as session:
        extras = [e.extra for e in session.query(AssetEvent).all() if e.extra.get("delivered")]
    assert extras[-1]["delivered"] == truth["delivered"]
    assert extras[-1]["rejected"] == truth["quarantined"]


def test_a_dry_run_publishes_nothing(dags: dict[str, Any], airflow_city: City) -> None:
    assert run(dags["dataset.travel_permits"], dry_run=True).state == "success"
    assert "travel_permits" not in loads.latest(airflow_city.hub.ledger)
    assert runs.recent(airflow_city.hub.ledger, "travel_permits")[0].phase == "dry"


def test_a_task_of_a_superseded_run_is_refused(dags: dict[str, Any], airflow_city: City) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from dags import calls
    from hub.pulling import pipeline

    stale = pipeline.read(airflow_city.hub, pipeline.claim(airflow_city.hub, "marriages", "airflow:stale").run)
    runs.close(airflow_city.hub.ledger, stale.run, "superseded", now=airflow_city.hub.clock())
    with pytest.raises(AirflowFailException, match="superseded"):
        calls.judge(stale.run)


def test_outside_the_departments_hours_a_task_waits_until_they_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    from dags import calls
    from hub.pulling import pipeline
    from schemas.errors import OutsideHours

    def closed(*_: object, **__: object) -> None:
        raise OutsideHours("people: closed", opens="2026-05-01T22:00:00+08:00")

    monkeypatch.setattr(pipeline, "claim", closed)
    with pytest.raises(AirflowRescheduleException) as waits:
        calls.read("people", "1", full=False)
    assert waits.value.reschedule_date.isoformat() == "2026-05-01T22:00:00+08:00"


def test_a_cleared_task_of_a_held_run_stays_failed(dags: dict[str, Any], airflow_city: City) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from dags import calls
    from hub.pulling import pipeline

    held = pipeline.read(airflow_city.hub, pipeline.claim(airflow_city.hub, "insurance", "airflow:held").run)
    runs.close(airflow_city.hub.ledger, held.run, "held", now=airflow_city.hub.clock(), reason="too few rows")
    with pytest.raises(AirflowFailException, match="too few rows"):
        calls.publish(held.run, dry_run=False, accept_deletions=False)


def test_a_failing_source_fails_the_run_with_its_reason_and_no_personal_data(
    dags: dict[str, Any], airflow_city: City
) -> None:
    file = airflow_city.drop / "utilities" / "accounts.jsonl"
    content = file.read_bytes()
    canaries = {json.loads(line)["holder"]["id"] for line in content.splitlines() if b'"id"' in line} - {"", None}
    file.write_bytes(content[:500] + b"\xff\xfe" + content[500:])
    try:
        assert run(dags["dataset.utility_accounts"]).state == "failed"
    finally:
        file.write_bytes(content)
    failed = runs.recent(airflow_city.hub.ledger, "utility_accounts")[0]
    assert failed.phase == "failed"
    assert "accounts.jsonl" in failed.reason
    assert "→" in failed.reason
    airflow_home = Path(os.environ["AIRFLOW_HOME"])
    kept = b"".join(p.read_bytes() for p in [*airflow_home.glob("airflow.db*"), *airflow_home.rglob("*.log")])
    assert len(kept) > 100_000
    assert len(canaries) > 50
    assert not [c for c in canaries if c.encode() in kept or c in failed.reason]


def test_subjects_and_catalog_follow(dags: dict[str, Any], airflow_city: City) -> None:
    if "residents" not in loads.latest(airflow_city.hub.ledger):
        airflow_city.pull("residents")
    done = run(dags["subjects"])
    assert done.state == "success"
    mapped = {name: {t.map_index for t in done.get_task_instances() if t.task_id == name} for name in ("build", "load")}
    buckets = airflow_city.hub.settings.subject_buckets
    kinds = len(mapped["build"]) // buckets  # those with a load
    assert (buckets > 1, kinds > 0) == (True, True)
    assert mapped == {name: {*range(kinds * buckets)} for name in mapped}, "a task for each bucket of each kind"
    with airflow_city.hub.subjects.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM subject_files").scalar_one() > 250
    assert run(dags["catalog"]).state == "success"
    entries = json.loads((airflow_city.hub.settings.home / "catalog.json").read_text(encoding="utf-8"))
    assert {e["dataset"] for e in entries} == set(ORDER)


def test_upkeep_runs(dags: dict[str, Any]) -> None:
    assert run(dags["upkeep"]).state == "success"


def test_a_running_task_builds_only_its_own_dag_and_parsing_imports_nothing_heavy(airflow_city: City) -> None:
    text = (
        "import sys, airflow.sdk as sdk\n"
        "from types import SimpleNamespace as N\n"
        "sdk.get_parsing_context = lambda: N(dag_id='dataset.residents')\n"
        "import dags.dataset_dags as d\n"
        "print(sorted(k for k in vars(d) if k.startswith('dataset_') and k != 'dataset_dag'))\n"
        "print([m for m in ('great_expectations', 'duckdb', 'deltalake', 'pandas', 'yaml') if m in sys.modules and m != 'yaml'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", text], capture_output=True, text=True, check=True, cwd=ROOT
    )
    lines = done.stdout.splitlines()[-2:]
    assert lines == ["['dataset_residents']", "[]"]


def test_no_dag_file_reads_more_than_the_index() -> None:
    for path in (ROOT / "dags").glob("*_dags.py"):
        text = Path(path).read_text(encoding="utf-8")
        top = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
        assert all(
            line.split()[1].split(".")[0] in {"airflow", "copy", "dags", "datetime", "typing"} for line in top
        ), path.name


def test_the_reconcile_dag_compares_what_is_due(dags: dict[str, Any], airflow_city: City) -> None:
    from dags import calls

    assert run(dags["reconcile"]).state == "success"  # no contract of the city asks for it
    assert calls.due_reconciliations() == []
    assert run(dags["dataset.residents"]).state == "success"
    counts = calls.reconcile_dataset("residents", "by hand")
    assert counts["source"] > 0
    assert (counts["missing"], counts["changed"], counts["gone"]) == (0, 0, 0)


def test_the_references_dag_judges_references_again_once_another_dataset_has_published(
    dags: dict[str, Any], airflow_city: City
) -> None:
    for dataset in ("companies", "food_licences"):
        run(dags[f"dataset.{dataset}"])
    done = run(dags["references"])
    assert done.state == "success"
    assert references.last(airflow_city.hub.ledger)["food_licences"]["pins"]["companies"] > 0
    assert judging.due(airflow_city.hub) == ()
