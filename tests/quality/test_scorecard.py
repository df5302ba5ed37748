"""Scores: what the formulas say on figures done by hand, the day a verdict is of, lateness by the hour, reasons with their rules."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality import cards, scorecard
from quality.cards import Card
from quality.scorecard import DIMENSIONS, OF_RULES, REASONS, Published, RuleScore, Score

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
NOON = MIDNIGHT + timedelta(days=1, hours=12)
TODAY = NOON.date()


def rule(name: str, dimension: Any, checked: int, unexpected: int, severity: str = "error") -> RuleScore:
    return RuleScore(name, "", dimension, severity, checked, unexpected, "中文", "English")


def score(*published: Published, promise: float | None = 24, day: date = TODAY, now: datetime = NOON) -> Score:
    return scorecard.days(published, [day], promise, now)[0]


def load(number: int, hours_ago: float, *rules: RuleScore) -> Published:
    return Published(number, NOON - timedelta(hours=hours_ago), rules)


def test_a_dimension_is_the_share_of_checks_that_held_with_warnings_at_half_weight() -> None:
    rules = (
        rule("a.required", "completeness", 100, 10),
        rule("b.required", "completeness", 100, 0),
        rule("c.checksum", "validity", 100, 10),
        rule("c.retired", "validity", 100, 40, "warning"),
        rule("key.duplicate", "uniqueness", 0, 0),
    )
    found = score(load(1, 1, *rules))
    assert found.dimensions["completeness"] == 95
    assert found.dimensions["validity"] == pytest.approx(100 * (1 - (10 + 20) / (100 + 50)))
    assert (found.dimensions["uniqueness"], found.dimensions["consistency"]) == (None, None)
    assert found.overall == pytest.approx((95 + 80 + 100) / 3)


def test_several_loads_of_a_day_count_together_and_yesterdays_do_not() -> None:
    broken = rule("a.required", "completeness", 100, 100)
    today = [
        load(2, 6, rule("a.required", "completeness", 10, 1)),
        load(3, 2, rule("a.required", "completeness", 30, 1)),
    ]
    found = score(load(1, 20, broken), *today)
    assert found.dimensions["completeness"] == 95
    assert (found.loads, found.verdict_of) == (2, TODAY)


def test_a_day_without_a_judged_row_keeps_the_last_verdict_and_says_of_which_day() -> None:
    found = score(
        load(1, 20, rule("a.required", "completeness", 10, 1)), load(2, 1, rule("a.required", "completeness", 0, 0))
    )
    assert found.dimensions["completeness"] == 90
    assert (found.loads, found.verdict_of) == (1, date(2026, 3, 1))


def test_a_check_of_the_whole_table_alone_does_not_hide_the_last_verdict_over_rows() -> None:
    size = RuleScore("rows", "", "completeness", "error", 1, 1, whole=True)
    found = score(load(1, 20, rule("c.enum", "validity", 10, 1), replace(size, unexpected=0)), load(2, 1, size))
    assert (found.dimensions["validity"], found.dimensions["completeness"], found.verdict_of) == (
        90,
        0,
        date(2026, 3, 1),
    )


def test_timeliness_is_the_share_of_the_day_in_which_the_promise_was_kept() -> None:
    # Published 32.4 hours ago with a promise of 24 hours and its tenth: fresh until 6 hours ago, so for 6 of today's 12.
    assert score(load(1, 32.4), promise=24).dimensions["timeliness"] == pytest.approx(50)
    assert score(load(1, 32.4), load(2, 6), promise=24).dimensions["timeliness"] == pytest.approx(100)
    assert score(load(1, 32.4), load(2, 3), promise=24).dimensions["timeliness"] == pytest.approx(75)
    assert score(load(1, 500), promise=24).dimensions["timeliness"] == 0
    assert score(load(1, 500), promise=None).dimensions["timeliness"] is None
    assert score(load(1, 1), promise=24).dimensions["timeliness"] == 100, "the day begins with the first load"


def test_a_rule_about_age_lowers_timeliness_and_never_raises_it() -> None:
    old = rule("updated.freshness", "timeliness", 1, 1)
    assert score(load(1, 1, old)).dimensions["timeliness"] == 0
    fine = rule("updated.freshness", "timeliness", 1, 0)
    assert score(load(1, 32.4, fine)).dimensions["timeliness"] == pytest.approx(50)


def test_reasons_are_plain_and_lead_to_their_rules_worst_first() -> None:
    rules = (
        rule("a.required", "completeness", 10, 1),
        rule("b.required", "completeness", 10, 5),
        rule("c.enum", "validity", 10, 0),
    )
    (reason, late) = score(load(1, 30, *rules)).reasons
    assert (reason.code, reason.dimension, reason.rules) == (
        "values-missing",
        "completeness",
        ("b.required", "a.required"),
    )
    assert late.code == "published-late"
    assert [r.code for r in score().reasons] == ["never-published"]
    assert "nothing-judged" in [r.code for r in score(load(1, 1)).reasons]


def test_a_dataset_without_a_load_has_no_score() -> None:
    assert score().overall is None
    assert set(score().dimensions.values()) == {None}


def test_the_rules_of_a_commit_are_read_and_a_rule_over_the_whole_is_one_check() -> None:
    common = {"severity": "error", "zh": "中", "en": "e", "column": ""}
    verdict = {
        "rules": [
            {"id": "rows", "kind": "rowCount", "dimension": "completeness", "checked": 20_000, "unexpected": 0, "passed": False, **common},
            {"id": "a.enum", "kind": "enum", "dimension": "conformity", "checked": 7, "unexpected": 2, "passed": False, **common},
        ]
    }  # fmt: skip
    whole, enum = scorecard.rules_of(verdict)
    assert (whole.dimension, whole.checked, whole.unexpected, whole.held) == ("completeness", 1, 1, 0)
    assert (enum.dimension, enum.checked, enum.unexpected) == ("validity", 7, 2)
    assert scorecard.rules_of({"outcome": "rollback"}) == ()


def test_the_page_lists_every_dimension_and_reason_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "scorecards.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| `([a-z-]+)`", page, re.MULTILINE)) == (*DIMENSIONS, *REASONS)


def test_every_dimension_that_a_contract_may_name_is_counted_somewhere() -> None:
    odcs = {"accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness"}
    assert set(OF_RULES) == odcs
    assert set(OF_RULES.values()) == set(DIMENSIONS)


@given(
    st.lists(st.tuples(st.floats(0, 400), st.sampled_from(sorted(OF_RULES.values())), st.integers(0, 50), st.integers(0, 80)), max_size=6),
    st.none() | st.floats(0.5, 300),
)  # fmt: skip
def test_scores_lie_between_0_and_100_and_every_lost_point_has_a_reason(
    loads: list[Any], promise: float | None
) -> None:
    ordered = sorted(loads, key=lambda one: -one[0])
    published = [
        load(n, age, rule(f"r{n}", dimension, checked, broken))
        for n, (age, dimension, checked, broken) in enumerate(ordered)
    ]
    for found in scorecard.days(published, [TODAY - timedelta(days=n) for n in range(4)], promise, NOON):
        known = {name: value for name, value in found.dimensions.items() if value is not None}
        assert all(0 <= value <= 100 for value in known.values())
        lost = {name for name, value in known.items() if value < 100 - 1e-9}
        assert lost <= {reason.dimension for reason in found.reasons}
        assert {reason.code for reason in found.reasons} <= set(REASONS)


def test_a_card_travels_as_json_with_trend_and_drill_down() -> None:
    published = [
        load(1, 30, rule("a.required", "completeness", 3, 1)),
        load(2, 1, rule("a.required", "completeness", 3, 0)),
    ]
    trend = scorecard.days(published, [TODAY, TODAY - timedelta(days=1)], 24, NOON)
    value = cards.to_json(Card("things", "登记", "Things", "市局", "Bureau", "11310000002420886W", trend))
    assert (value["day"], value["verdict_of"], value["dimensions"]["completeness"]) == ("2026-03-02", "2026-03-02", 100)
    assert [t["completeness"] for t in value["trend"]] == [66.7, 100]
    assert value["rules"][0]["held"] == 100
