"""Rules over the table as a whole, limits and thresholds, and what is told of published rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from gate_builders import Outcome, Row, contract, judged, sieved, view
from modes_bench import sieve_alone

from quality.rules import rules
from quality.table_rules import Past
from schemas.contract import Check, Column, Contract, Judging, Limits, Threshold
from schemas.errors import ContractInvalid, JudgeFailed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEX, AGE = Column("sex", "性别", "性别"), Column("age", "年龄", "年龄", type="integer")
SEEN, DAY = Column("seen", "时间", "时间", type="timestamp"), Column("day", "日期", "日期", type="date")
LESS = "mustBeLessThan"


def held(work: Path, declared: Contract, rows: list[Row], **more: Any) -> list[str]:
    """The codes of the reasons to hold, as the sieve alone finds them."""
    with pytest.MonkeyPatch.context() as patched:
        sieve_alone(patched)
        return [r.code for r in judged(work, declared, rows, **more).verdict.reasons]


def measure(kind: str, bound: float, percent: bool = False, **arguments: Any) -> Check:
    return Check("c", kind, "", arguments, (LESS, bound), percent=percent)


def past(*loads: tuple[int, int]) -> Past:
    return Past(NOW, loads)


def people(*sexes: str) -> list[Row]:
    return [(f"k{i}", sex) for i, sex in enumerate(sexes)]


@pytest.mark.parametrize(
    ("check", "rows", "loads", "expected"),
    [
        (measure("rowCountChange", 0.4, loads=3), 10, ((10, 10), (12, 9), (9, 9), (100, 1)), []),
        (measure("rowCountChange", 0.4, loads=3), 5, ((10, 10), (12, 9), (9, 9)), ["c"]),
        (measure("rowCountChange", 0.4, loads=3), 15, ((10, 10), (12, 9), (9, 9)), ["c"]),
        (measure("rowCountChange", 40, percent=True), 5, ((10, 10),), ["c"]),
        (measure("rowCountChange", 40, percent=True), 7, ((10, 10),), []),
        (measure("rowCountChange", 0.4, of="delivery"), 5, ((5, 10),), ["c"]),
        (measure("rowCountChange", 0.4), 5, (), []),
    ],
)
def test_a_number_of_rows_unlike_that_of_earlier_loads_holds(
    tmp_path: Path, check: Check, rows: int, loads: tuple[tuple[int, int], ...], expected: list[str]
) -> None:
    declared = contract(SEX, checks=[check])
    assert held(tmp_path, declared, people(*["1"] * rows), past=past(*loads)) == expected


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (SEEN, "2026-02-28 20:30:00", []),  # Shanghai: 23.5 hours ago
        (SEEN, "2026-02-28 19:30:00", ["c"]),
        (DAY, "2026-02-28", []),  # a day lasts to its end
        (DAY, "2026-02-27", ["c"]),
        (DAY, None, []),
    ],
)
def test_a_source_whose_newest_value_is_old_holds(
    tmp_path: Path, column: Column, value: str | None, expected: list[str]
) -> None:
    declared = contract(column, checks=[measure("freshness", 24, column=column.name)])
    assert (
        held(tmp_path, declared, [("a", value), ("b", "2020-01-01 00:00:00")][: 2 if value else 1], past=past())
        == expected
    )


@pytest.mark.parametrize(
    ("sexes", "expected"),
    [
        (["1", "2"] * 5, []),
        (["1"] * 4 + ["2"] * 6, []),
        (["1"] * 9 + ["2"], ["c"]),
        (["1", "2"] * 3 + [""] * 4, ["c"]),
        (["9"] * 10, ["c"]),
    ],
)
def test_a_distribution_that_moved_holds(tmp_path: Path, sexes: list[str], expected: list[str]) -> None:
    declared = contract(SEX, sync="snapshot", checks=[measure("distribution", 0.2, column="sex")])
    before = people(*["1", "2"] * 5)
    assert held(tmp_path, declared, people(*sexes), current=before, past=past()) == expected


def test_a_first_load_has_no_distribution_to_keep(tmp_path: Path) -> None:
    declared = contract(SEX, checks=[measure("distribution", 0.2, column="sex")])
    with sieved(tmp_path, declared, people("1", "1"), past=past()) as (_, sifted):
        assert sifted.measures == {"c": None}


@pytest.mark.parametrize(("shift", "expected"), [(0, []), (5, []), (60, ["c"])])
def test_numbers_are_compared_by_published_deciles(tmp_path: Path, shift: int, expected: list[str]) -> None:
    declared = contract(AGE, sync="snapshot", checks=[measure("distribution", 0.2, column="age")])
    before: list[Row] = [(f"k{i}", i) for i in range(100)]
    rows: list[Row] = [(f"k{i}", str(i + shift)) for i in range(100)]
    assert held(tmp_path, declared, rows, current=before, past=past()) == expected


def test_judge_and_sieve_agree_on_measures_and_a_plain_expectation_is_judged_by_great_expectations(
    tmp_path: Path, gx: object
) -> None:
    plain = {"type": "expect_column_mean_to_be_between", "arguments": {"column": "age", "min_value": 1, "max_value": 2}}
    declared = contract(SEX, AGE, SEEN, sync="snapshot", checks=[
        replace(measure("rowCountChange", 0.9), id="size"), replace(measure("freshness", 24, column="seen"), id="fresh"),
        replace(measure("distribution", 0.2, column="sex"), id="shape"), Check("rows", "rowCount", "", {}, ("mustBe", 3)),
        Check("mean", "expectation", "", plain),
    ])  # fmt: skip
    rows: list[Row] = [("a", "1", "1", "2026-03-01 10:00:00"), ("b", "2", "1", None), ("c", "2", "9", None)]
    before: list[Row] = [("a", "1", 1, None), ("b", "2", 1, None)]
    found = judged(tmp_path, declared, rows, current=before, past=past((2, 2)))
    assert {r.id: (r.measured, r.passed) for r in found.verdict.rules if r.measured is not None} == {
        "size": (0.5, True), "fresh": (10.0, True), "shape": (pytest.approx(1 / 6), True), "rows": (3.0, True),
    }  # fmt: skip
    assert [r.code for r in found.verdict.reasons] == ["mean"]
    assert (found.rule("mean").unexpected, found.rule("mean").checked, found.verdict.counts.passed) == (1, 1, 3)
    told = {r["expectation_config"]["meta"]["rule"]: r for r in found.json("gx.json")["results"]}
    assert told["mean"]["success"] is False
    assert "observed_value" not in told["mean"]["result"], "a mean of few rows may be somebody's value"
    assert told["size"]["result"]["observed_value"] == 0.5


def test_an_expectation_that_raises_stops_the_gate(tmp_path: Path, gx: object) -> None:
    plain = {"type": "expect_column_mean_to_be_between", "arguments": {"column": "nowhere", "max_value": 2}}
    with pytest.raises(JudgeFailed, match=r"rule mean: its expectation expect_column_mean_to_be_between raised"):
        judged(tmp_path, contract(AGE, checks=[Check("mean", "expectation", "", plain)]), [("a", "1")])
    assert not (tmp_path / "verdict.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        {"type": "expect_the_moon", "arguments": {}},
        {"type": "expect_column_mean_to_be_between", "arguments": {"column": "age", "row_condition": "1=1"}},
        {"type": "expect_column_values_to_be_in_set", "arguments": {"value_set": ["1"]}},
        {"type": "unexpected_rows_expectation", "arguments": {"unexpected_rows_query": "SELECT 1"}},
        {},
    ],
)
def test_an_expectation_that_great_expectations_does_not_take_is_refused_with_the_contract(
    arguments: dict[str, Any], gx: object
) -> None:
    with pytest.raises(ContractInvalid, match=r"quality\.mean"):
        rules(contract(AGE, checks=[Check("mean", "expectation", "", arguments)]), today=NOW.date())


@pytest.mark.parametrize("kind", ["rowCountChange", "distribution", "freshness"])
def test_a_measure_wants_a_bound(kind: str) -> None:
    with pytest.raises(ContractInvalid, match="mustBeLessThan"):
        rules(contract(SEEN, checks=[Check("c", kind, "", {"column": "seen"})]), today=NOW.date())


def limited(limit: tuple[str, float], *, percent: bool) -> Contract:
    return contract(SEX, checks=[Check("c", "invalidValues", "sex", {"validValues": ["1"]}, limit, percent=percent)])


@pytest.mark.parametrize(("bad", "expected"), [(1, []), (2, ["c"])])
def test_a_limit_in_percent_is_of_the_rows_that_the_rule_speaks_of(
    tmp_path: Path, bad: int, expected: list[str]
) -> None:
    rows = people(*["9"] * bad, *["1"] * (10 - bad), *[""] * 90)
    assert held(tmp_path, limited((LESS, 20), percent=True), rows) == expected


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (Threshold(2), []),
        (Threshold(1), ["sex.enum"]),
        (Threshold(20, percent=True), []),
        (Threshold(19, percent=True), ["sex.enum"]),
    ],
)
def test_a_threshold_holds_what_breaks_a_rule_too_often_and_rows_are_set_aside_all_the_same(
    tmp_path: Path, threshold: Threshold, expected: list[str]
) -> None:
    declared = replace(contract(replace(SEX, enum=("1",))), judging={"sex.enum": Judging(threshold=threshold)})
    assert held(tmp_path, declared, people(*["9"] * 2, *["1"] * 8)) == expected
    with sieved(tmp_path, declared, people(*["9"] * 2, *["1"] * 8)) as (_, sifted):
        assert sifted.counts.rejected == 2


def test_a_rule_can_be_given_another_severity_by_its_id(tmp_path: Path) -> None:
    declared = replace(contract(replace(SEX, enum=("1",))), judging={"sex.enum": Judging("warning", Threshold(1))})
    with sieved(tmp_path, declared, people("9", "9", "1")) as (_, sifted):
        assert (sifted.counts.passed, sifted.unexpected["sex.enum"]) == (3, 2)
    assert held(tmp_path, declared, people("9", "9", "1")) == ["sex.enum"], (
        "a warning too often holds, if a threshold says so"
    )


def test_a_rule_that_is_not_there_cannot_be_given_a_severity() -> None:
    declared = replace(contract(SEX), judging={"sex.moon": Judging("warning")})
    with pytest.raises(ContractInvalid, match=r"rules\.sex\.moon: there is no such rule"):
        rules(declared, today=NOW.date())


@pytest.mark.parametrize(("most", "expected"), [(2, []), (1, ["rejected"])])
def test_a_number_of_rejected_rows_may_hold_whatever_their_share(
    tmp_path: Path, most: int, expected: list[str]
) -> None:
    declared = replace(contract(replace(SEX, enum=("1",))), limits=Limits(rejected=1.0, rejected_rows=most))
    assert held(tmp_path, declared, people(*["9"] * 2, *["1"] * 98)) == expected


@pytest.mark.parametrize(
    ("text", "rounded"),
    [
        ("9.95", 0),
        ("9.950", 0),
        ("9.955", 1),
        ("1,234.5", 0),
        ("９．９９９", 1),
        ("", 0),
        ("x", 0),
        ("-0.001", 1),
        ("1e-3", 1),
    ],
)
def test_a_decimal_finer_than_its_column_is_a_warning(tmp_path: Path, text: str, rounded: int) -> None:
    declared = contract(Column("fee", "费用", "费用", type="decimal", precision=12, scale=2))
    with sieved(tmp_path, declared, [("a", text)]) as (_, sifted):
        assert sifted.unexpected["fee.scale"] == rounded
        assert sifted.counts.rejected == sifted.unexpected["fee.type"]


KNOWN = Check("known", "reference", "", {"columns": ["sex"], "dataset": "codes", "to": "id"})


def test_published_rows_whose_reference_is_gone_are_counted_and_stay(tmp_path: Path, gx: object) -> None:
    declared = contract(SEX, checks=[KNOWN])
    codes = {"codes": view(contract(), [("1",), ("2",)])}
    before: list[Row] = [("x", "9"), ("y", "9"), ("k0", "9"), ("z", "1")]  # k0 is replaced
    found: Outcome = judged(tmp_path, declared, people("1", "7"), current=before, references=codes)
    rule = found.rule("known")
    assert (rule.unexpected, rule.checked, rule.standing) == (1, 2, 2)
    assert [r["_key"] for r in found.rows("rejects")] == ['["k1"]']
    assert found.verdict.outcome == "publish"


def test_hours_are_told_from_the_clock_given(tmp_path: Path) -> None:
    declared = contract(SEEN, checks=[measure("freshness", 24, column="seen")])
    rows: list[Row] = [("a", "2026-03-01 20:00:00")]
    for hours in (0, 5):
        with sieved(tmp_path / str(hours), declared, rows, past=Past(NOW + timedelta(hours=hours))) as (_, sifted):
            assert sifted.measures["c"] == hours
