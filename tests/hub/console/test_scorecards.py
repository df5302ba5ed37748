"""Scorecards from real publications: what quarantine found, by command and over HTTP, and no value in any of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from modes_bench import Bench, sieve_alone

from hub.console import scorecards
from hub.core import Hub
from quality import cards
from schemas.errors import NotFound

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
CANARY = "金丝雀甲"


class Daily(Bench):
    """A bench whose contract promises new data every day."""

    def _document(self) -> dict[str, Any]:
        return {**super()._document(), "slaProperties": [{"property": "frequency", "value": 1, "unit": "d"}]}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One publication; no test changes it."""
    made = Daily(tmp_path_factory.mktemp("scorecards"), options={"name": {"maxLength": 3}})
    made.hub = replace(made.hub, clock=lambda: NOW)
    made.apply()
    made.source([(f"k{n}", CANARY if n == 1 else "张三", "有效", n, "2026-01-01") for n in range(4)])
    with pytest.MonkeyPatch.context() as quick:
        sieve_alone(quick)
        made.pull()
    return made


def at(bench: Bench, **later: float) -> Hub:
    return replace(bench.hub, clock=lambda: NOW + timedelta(**later))


def test_a_rule_that_a_row_broke_lowers_its_dimension_and_is_named(bench: Bench) -> None:
    score = scorecards.card(bench.hub, "things").today
    assert score.dimensions["completeness"] == 100
    assert score.dimensions["validity"] is not None
    assert 80 < score.dimensions["validity"] < 100
    assert [(r.code, r.rules) for r in score.reasons] == [("values-invalid", ("name.length",))]
    (worst, *_) = score.rules
    assert (worst.id, worst.checked, worst.unexpected) == ("name.length", 4, 1)


def test_the_trend_has_a_score_for_each_day_and_ages_without_a_pull(bench: Bench) -> None:
    trend = scorecards.card(at(bench, days=3), "things", 5).trend
    assert [s.day.day for s in trend] == [1, 2, 3, 4, 5]
    assert trend[0].overall is None
    fresh = [s.dimensions["timeliness"] for s in trend[1:]]
    assert fresh[0] == 100
    assert fresh[1] is not None
    assert 0 < fresh[1] < 100
    assert fresh[2:] == [0, 0]
    assert [s.dimensions["completeness"] for s in trend[1:]] == [100] * 4


def test_departments_come_to_the_mean_of_their_datasets(bench: Bench) -> None:
    (department,) = scorecards.departments(bench.hub)
    value = cards.of_department(department)
    assert (value["code"], value["zh"]) == ("11310000002420886W", "市局")
    assert value["overall"] == value["datasets"][0]["overall"]
    assert scorecards.departments(bench.hub, only="市局") == (department,)
    with pytest.raises(NotFound):
        scorecards.departments(bench.hub, only="别的局")


def test_no_value_is_in_a_card(bench: Bench) -> None:
    assert CANARY not in json.dumps(cards.to_json(scorecards.card(bench.hub, "things")), ensure_ascii=False)


def test_the_command_shows_all_one_and_one_department(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    from hub import cli
    from hub.commands import scorecard

    monkeypatch.setattr(scorecard, "hub", lambda: bench.hub)

    def typed(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["hub", "scorecard", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return code, capsys.readouterr().out

    assert json.loads(typed("--json")[1])[0]["datasets"][0]["dataset"] == "things"
    assert json.loads(typed("things", "--days", "2", "--json")[1])["trend"][1]["day"] == "2026-03-02"
    assert "name.length" in typed("things")[1]
    assert typed("--department", "市局")[0] == 0
    assert typed("--department", "nobody")[0] == 3
    assert typed("nothing")[0] == 3
