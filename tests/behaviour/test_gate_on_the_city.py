"""The gate over the demo city: each fault of a whole delivery holds it, references are sought again, suites and results are there to be used,
and nobody's data is told anywhere."""

import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from city_bench import CITY, City, city
from fastapi.testclient import TestClient

from hub import cli
from hub.pulling import judging, pipeline
from hub.registration import registry
from hub.web import application
from lake.history import History
from ledger import incidents
from schemas.errors import DeliveryHeld

RULES = """
      - {id: size, type: custom, engine: cityhub, implementation: {check: rowCountChange, mustBeLessThan: 0.3}}
      - {id: fresh, type: custom, engine: cityhub, implementation: {check: freshness, column: updated_at, mustBeLessThan: 48}}
      - {id: shape, type: custom, engine: cityhub, implementation: {check: distribution, column: hukou_region, mustBeLessThan: 0.2}}
"""
LIMITS = "customProperties:\n  - {property: limits, value: {deleted: 1, rejected: 1}, vendor: cityhub}\n  - {property: resourceCode,"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A city whose residents are judged as a whole as well; residents, companies and licences are pulled."""
    with city(tmp_path_factory.mktemp("judged"), residents=400) as found:
        file = found.hub.settings.home / "contracts" / "residents.odcs.yaml"
        text = file.read_text(encoding="utf-8").replace("version: 1.0.0", "version: 1.1.0")
        text = text.replace("\nslaProperties:", f"{RULES}slaProperties:").replace(
            "customProperties:\n  - {property: resourceCode,", LIMITS
        )
        file.write_text(text, encoding="utf-8")
        registry.apply(found.hub, (file,))
        with police(found) as db:
            (newest,) = db.execute('SELECT max("更新时间") FROM 人口基本信息').fetchone()
        at = datetime.fromisoformat(newest).replace(tzinfo=UTC)
        found.hub = replace(found.hub, clock=lambda: at)
        for dataset in ("residents", "companies", "food_licences"):
            found.pull(dataset)
        yield found


def police(found: City) -> sqlite3.Connection:
    return sqlite3.connect(found.drop / "police" / "police.db")


@pytest.mark.parametrize(
    ("fault", "days", "code"),
    [
        ("DELETE FROM 人口基本信息", 0, "empty delivery of a source that had rows"),
        ("DELETE FROM 人口基本信息 WHERE rowid % 2 = 0", 0, "the change of the number of records is out of bounds"),
        ("SELECT 1", 9, "hours since the newest updated_at is out of bounds"),
        (
            "UPDATE 人口基本信息 SET 户籍地区划 = '310101'",
            0,
            "the shift of hukou_region's distribution is out of bounds",
        ),
    ],
    ids=["empty pull", "halved row count", "stale source", "drifted distribution"],
)
def test_a_fault_of_the_whole_delivery_holds_the_load_and_the_last_good_one_stays(
    made: City, fault: str, days: int, code: str
) -> None:
    file = made.drop / "police" / "police.db"
    good, loads, hub = file.read_bytes(), History(made.hub.lake, "residents").number, made.hub
    with police(made) as db:
        db.execute(fault)
    made.hub = replace(hub, clock=lambda: hub.clock() + timedelta(days=days))
    try:
        with pytest.raises(DeliveryHeld, match=re.escape(code)):
            made.pull("residents")
    finally:
        file.write_bytes(good)
        made.hub = hub
    assert History(made.hub.lake, "residents").number == loads
    assert made.pull("residents").phase == "published", "as it was, it is published"


def test_no_delivered_value_is_in_pages_results_ledger_or_logs(made: City, caplog: pytest.LogCaptureFixture) -> None:
    with police(made) as db:
        people = db.execute("SELECT 公民身份号码, 姓名, 联系电话, 现住址 FROM 人口基本信息").fetchall()
    values = {str(v) for row in people for v in row if v and len(str(v).strip()) > 2}
    assert len(values) > 1000
    home = made.hub.settings.home
    made.hub.ledger.dispose()
    files = [f for f in (*(home / "docs").rglob("*"), *home.glob("ledger.db*")) if f.is_file()]
    texts = [f.read_bytes().decode("utf-8", "replace") for f in files]
    told = "\n".join([*texts, caplog.text])
    assert "citizen_id.checksum" in told
    assert [v for v in values if v in told] == []


def test_rows_that_only_lacked_a_reference_come_when_it_comes_and_those_left_behind_are_counted(made: City) -> None:
    hub, name = made.hub, "food_licences"
    judging.seek_references(hub, name, owner="seek 0")
    before = made.current(name)
    assert judging.due(hub) == ()
    waiting = made.expected_quarantine(name)
    made.next_day()
    made.pull("companies")
    assert judging.due(hub) == (name,)
    found = judging.seek_references(hub, name, owner="seek 1")
    corrected = {
        r["key"][0] for r in made.truth("truth_day1.jsonl") if r["expected"] == "corrected" and r["dataset"] == name
    }
    released = made.current(name).keys() - before.keys()
    assert found.released == len(released) > 0
    assert released <= corrected
    assert {key for key, _ in made.quarantined(name)} == {key for key, _ in waiting} - released
    assert (found.dangling, judging.due(hub)) == ({"company_known": 0}, ())

    pipeline.rollback(hub, "companies", to=1, reason="a test", owner="undo")
    gone = judging.seek_references(hub, name, owner="seek 3")
    assert (gone.released, gone.dangling) == (0, {"company_known": found.released})
    assert made.current(name).keys() >= released, "they stay published"
    assert opened(made) == [("dangling", True)]
    made.pull("companies")
    assert judging.seek_references(hub, name, owner="seek 4").dangling == {"company_known": 0}
    assert opened(made) == [("dangling", False)]


def opened(made: City) -> list[tuple[str, bool]]:
    with made.hub.ledger.read() as connection:
        rows = connection.execute(incidents.incidents.select().where(incidents.incidents.c.kind == "dangling"))
        return [(row.kind, row.closed_at is None) for row in rows]


def test_the_verdict_names_the_load_that_references_were_sought_in(made: City) -> None:
    first = History(made.hub.lake, "food_licences").loads()[0]
    assert first.verdict["references"] == {"companies": 1}


@pytest.fixture
def run(made: City, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("HUB_HOME", str(made.hub.settings.home))
    monkeypatch.setenv("HUB_DECLARATIONS", str(CITY))

    def words(*given: str) -> str:
        monkeypatch.setattr(sys, "argv", ["hub", *given])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        return capsys.readouterr().out

    return words


def test_suites_are_listed_and_a_suite_can_be_taken_elsewhere(run: Any) -> None:
    listed = {line["suite"]: line for line in json.loads(run("quality", "suites", "--json"))}
    assert listed["residents"]["outcome"] == "publish"
    assert listed["residents"]["expectations"] > 20
    assert listed["marriages"]["outcome"] == "", "it was never pulled"
    taken = json.loads(run("quality", "suite", "residents", "--json"))
    import great_expectations as gx

    suite = gx.ExpectationSuite(**taken)
    kinds = {e.expectation_type for e in suite.expectations}
    assert {
        "expect_column_values_to_not_be_null",
        "expect_values_of_data_element",
        "expect_measure_to_be_between",
    } <= kinds
    checksum = next(e for e in suite.expectations if e.meta["rule"] == "citizen_id.checksum")
    assert (checksum.element, checksum.finding) == ("DE01001", "checksum")
    assert re.match("不得:公民身份号码 .+ · never: citizen_id .+", checksum.description)
    assert "citizen_id.checksum" in run("quality", "suite", "residents")


def test_the_newest_results_are_great_expectations_own(run: Any, made: City) -> None:
    file = made.drop / "police" / "police.db"
    good = file.read_bytes()
    with police(made) as db:  # faults of its own: other tests' next day mends the planted ones
        db.execute(
            "UPDATE 人口基本信息 SET 公民身份号码 = substr(公民身份号码, 1, 17) || iif(substr(公民身份号码, 18) = '0', '1', '0') "
            "WHERE rowid IN (SELECT rowid FROM 人口基本信息 WHERE length(公民身份号码) = 18 LIMIT 5)"
        )
    for later in (made.hub.settings.docs / "residents" / "results").glob("*.json"):
        later.unlink()  # other tests judge days ahead
    try:
        made.pull("residents", full=True)
    finally:
        file.write_bytes(good)
    found = json.loads(run("quality", "results", "residents", "--json"))
    by_rule = {one["expectation_config"]["meta"]["rule"]: one for one in found["results"]}
    assert by_rule["citizen_id.checksum"]["result"]["unexpected_count"] > 0
    assert found["statistics"]["evaluated_expectations"] == len(by_rule)
    assert "size" in run("quality", "results", "residents")
    assert str(made.hub.settings.docs) in run("quality", "docs").replace("\n", "")


def test_data_docs_are_served_and_nothing_else_that_lies_there(made: City) -> None:
    with TestClient(application(made.hub)) as client:
        assert "residents/index.html" in client.get("/quality").text
        page = client.get("/quality/residents/index.html")
        assert (page.status_code, "目录 · Contents" in page.text) == (200, True)
        assert "script" not in page.headers["content-security-policy"]
        assert client.get("/quality/docs.css").headers["content-type"].startswith("text/css")
        results = next((made.hub.settings.docs / "residents" / "results").glob("*.json"))
        for path in (
            "residents/judged.json",
            f"residents/results/{results.name}",
            "..%2Fledger.db",
            "%2Fetc%2Fpasswd",
            "nobody/index.html",
        ):
            assert client.get(f"/quality/{path}").status_code == 404, path
