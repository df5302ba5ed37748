"""A department's hours, and how many pulls it bears at once: held for whoever pulls, and overridden only with a reason that is kept."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from city_bench import hub_at

from hub.core import Hub
from hub.pulling import pipeline
from hub.pulling.reconcile import reconcile
from hub.registration import registry
from ledger import departments, loads, runs
from schemas.errors import Busy, OutsideHours

PEOPLE = Path(__file__).parents[2] / "faults" / "people.odcs.yaml"
NIGHT = '      - {property: pullWindows, value: ["22:00-06:00"], vendor: cityhub}\n'
NOON = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    made = replace(hub_at(tmp_path / "home"), clock=lambda: NOON)
    made.settings.drops.mkdir(parents=True)
    with sqlite3.connect(made.settings.drops / "people.db") as db:
        db.execute('CREATE TABLE "人口" ("身份证号" TEXT, "姓名" TEXT, n INTEGER)')
        db.execute('INSERT INTO "人口" VALUES (?, ?, ?)', ("110101199003074610", "张三", 1))
    contract = tmp_path / "people.odcs.yaml"
    text = PEOPLE.read_text(encoding="utf-8").replace("customProperties:\n", f"customProperties:\n{NIGHT}", 1)
    contract.write_text(text, encoding="utf-8")
    registry.apply(made, (contract,))
    return made


def test_a_pull_at_noon_of_a_source_for_the_night_is_refused_with_the_hour_it_may_begin(hub: Hub) -> None:
    with pytest.raises(OutsideHours, match="2026-05-01 22:00") as refused:
        pipeline.pull(hub, "people", owner="1")
    assert refused.value.facts["opens"] == "2026-05-01T22:00:00+08:00"
    (run,) = runs.recent(hub.ledger)
    assert (run.phase, "22:00-06:00" in run.reason) == ("failed", True)
    assert loads.conditions(hub.ledger) == {}


def test_the_same_owner_pulls_when_the_hour_has_come(hub: Hub) -> None:
    with pytest.raises(OutsideHours):
        pipeline.pull(hub, "people", owner="airflow:1")
    night = replace(hub, clock=lambda: NOON + timedelta(hours=10))
    assert pipeline.pull(night, "people", owner="airflow:1").phase == "published"


def test_a_reason_opens_the_source_at_any_hour_and_stays_with_the_run(hub: Hub) -> None:
    done = pipeline.pull(hub, "people", owner="1", now_because="the mayor asks")
    assert (done.phase, done.facts["now_because"]) == ("published", "the mayor asks")


def test_a_reconciliation_keeps_to_the_hours_too(hub: Hub) -> None:
    pipeline.pull(hub, "people", owner="1", now_because="x")
    with pytest.raises(OutsideHours):
        reconcile(hub, "people", owner="2")
    assert reconcile(hub, "people", owner="3", now_because="the mayor asks").phase == "reconciled"


def other(hub: Hub, dataset: str, department: str) -> runs.Run:
    """A pull of another dataset of the department, under a lease of a minute."""
    ttl = timedelta(minutes=1)
    run = runs.claim(hub.ledger, dataset, dataset, load=1, landing_floor=0, now=hub.clock(), ttl=ttl)
    departments.enter(hub.ledger, run.run, department, limit=2, now=hub.clock())
    return run


def test_a_department_that_bears_two_pulls_is_not_asked_by_a_third(hub: Hub) -> None:
    department = hub.contract("people").provider_code
    others = [other(hub, name, department) for name in ("a", "b")]
    other(hub, "c", "another department")
    with pytest.raises(Busy, match="2 pulls of department"):
        pipeline.pull(hub, "people", owner="1", now_because="x")
    departments.leave(hub.ledger, others[0].run)
    assert pipeline.pull(hub, "people", owner="1", now_because="x").phase == "published"
    other(hub, "d", department)  # the pull gave its place back


def test_a_killed_pull_keeps_its_place_no_longer_than_its_lease(hub: Hub) -> None:
    department = hub.contract("people").provider_code
    for name in ("a", "b"):
        other(hub, name, department)
    later = replace(hub, clock=lambda: NOON + timedelta(minutes=2))
    assert pipeline.pull(later, "people", owner="1", now_because="x").phase == "published"


def test_a_run_keeps_what_each_step_took_and_what_the_read_brought(hub: Hub) -> None:
    facts = pipeline.pull(hub, "people", owner="1", now_because="x").facts
    assert set(facts["seconds"]) == {"read", "judge", "publish"}
    assert (facts["rows"], facts["files"]) == (1, 1)
    assert facts["bytes"] > 0


def test_the_schedule_follows_the_hours_that_the_department_allows(hub: Hub) -> None:
    assert registry.entry(hub.contract("people"), "Asia/Shanghai")["schedule"].split()[1] == "22"
