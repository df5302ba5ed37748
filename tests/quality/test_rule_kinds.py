"""Each kind of rule, both ways: what it lets through and what it sets aside."""

from pathlib import Path

import pytest
from gate_builders import KEY, contract, fates, sieved

from schemas.contract import Check, Column


def col(kind: str = "string", **more: object) -> Column:
    return Column("value", "值", "数值", type=kind, **more)


@pytest.mark.parametrize(
    ("column", "right", "wrong", "rule"),
    [
        (col(required=True), ["x"], [None, "", "  ", "\u3000"], "value.required"),
        (col("integer"), ["12", "-3", "", None], ["x1", "1.5", "9" * 30], "value.type"),
        (col("date"), ["2024-02-29", "20240229", None], ["2023-02-29", "later"], "value.type"),
        (col("decimal", precision=6, scale=2), ["12.50", None], ["12345678.00", "much"], "value.type"),
        (col("boolean"), ["true", "0", None], ["perhaps"], "value.type"),
        (col(min_length=2, max_length=3), ["ab", "三个字", None], ["a", "abcd"], "value.length"),
        (col(pattern="^[A-Z]+$"), ["AB", None], ["ab", "A1"], "value.pattern"),
        (col(enum=("1", "2")), ["1", "2", None], ["3"], "value.enum"),
        (col("integer", minimum="0", maximum="150"), ["0", "150", None], ["-1", "151"], "value.range"),
        (col("date", minimum="2000-01-01"), ["2000-01-01", None], ["1999-12-31"], "value.range"),
        (col("decimal", maximum="9.95"), ["9.95", "-5", None], ["9.96"], "value.range"),
        (
            col("timestamp", minimum="2020-01-01 00:00:00+00"),
            ["2021-01-01 00:00:00"],
            ["2019-01-01 00:00:00"],
            "value.range",
        ),
        (col(element="DE01001"), ["440308199901101512", None], ["440308199901101513"], "value.checksum"),
        (col("date", element="DE01006"), ["2026-03-01", None], ["2026-03-02"], "value.future"),
        (col(element="DE01005"), ["1", None], ["7"], "value.code"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_a_column_rule_sets_aside_what_breaks_it_and_nothing_else(
    tmp_path: Path, column: Column, right: list[str | None], wrong: list[str | None], rule: str
) -> None:
    rows = [(f"k{i}", v) for i, v in enumerate([*right, *wrong])]
    found = fates(tmp_path, contract(column), rows)
    assert found[: len(right)] == ["passed"] * len(right)
    assert all(rule in f.split() for f in found[len(right) :]), found


def test_a_data_element_and_a_contract_may_both_bound_a_value(tmp_path: Path) -> None:
    capital = Column("value", "值", "数值", type="decimal", element="DE02007", maximum="100")
    rows = [("a", "50"), ("b", "101"), ("c", "-1")]
    assert fates(tmp_path, contract(capital), rows) == ["passed", "value.range", "value.range"]


FROM, TO = Column("from_", "起", "起", type="date"), Column("to_", "止", "止", type="date")
PERSON = (Column("pid", "身份号", "身份号"), Column("sex", "性别", "性别"), Column("born", "生日", "生日", type="date"))


@pytest.mark.parametrize(
    ("columns", "check", "right", "wrong"),
    [
        ((FROM, TO), Check("c", "dateOrder", "", {"columns": ["from_", "to_"]}),
         [("2020-01-01", "2020-01-01"), ("2020-01-01", None), (None, None)], [("2020-01-02", "2020-01-01")]),
        (PERSON, Check("c", "idAgrees", "", {"id": "pid", "sex": "sex", "birth": "born"}),
         [("440308199901101512", "1", "1999-01-10"), ("440308199901101512", None, None), ("440308199901101512", "9", None),
          ("P1234567", "2", "1999-01-11"), (None, "2", "1999-01-11")],
         [("440308199901101512", "2", "1999-01-10"), ("440308199901101512", "1", "1999-01-11")]),
        ((FROM, TO), Check("c", "sql", "", {"predicate": "year(from_) = 2020 -- 100% of :x\n OR to_ IS NOT NULL"}),
         [("2020-05-05", None), ("2021-05-05", "2021-05-05"), (None, None)], [("2021-05-05", None)]),
        ((PERSON[1],), Check("c", "nullValues", "sex", {}, ("mustBe", 0)), [("1",)], [(None,)]),
        ((PERSON[1],), Check("c", "missingValues", "sex", {"missingValues": [None, "", "N/A"]}), [("1",)], [(None,), ("N/A",)]),
        ((PERSON[1],), Check("c", "invalidValues", "sex", {"validValues": ["1", "2"]}), [("1",), (None,)], [("3",)]),
        ((PERSON[1],), Check("c", "invalidValues", "sex", {"pattern": "^[12]$"}), [("1",), (None,)], [("3",)]),
        ((PERSON[1],), Check("c", "duplicateValues", "sex"), [("1",), (None,), (None,)], [("3",), ("3",)]),
        (PERSON[:2], Check("c", "duplicateValues", "", {"columns": ["pid", "sex"]}),
         [("a", "1"), ("a", "2"), ("a", None), ("a", None)], [("b", "1"), ("b", "1")]),
    ],
    ids=lambda v: v.kind if isinstance(v, Check) else None,
)  # fmt: skip
def test_a_stated_rule_sets_aside_what_breaks_it_and_nothing_else(
    tmp_path: Path, columns: tuple[Column, ...], check: Check, right: list[tuple], wrong: list[tuple]
) -> None:
    rows = [(f"k{i}", *row) for i, row in enumerate([*right, *wrong])]
    assert fates(tmp_path, contract(*columns, checks=[check]), rows) == ["passed"] * len(right) + ["c"] * len(wrong)


def test_a_warning_is_counted_and_sets_nothing_aside(tmp_path: Path) -> None:
    declared = contract(
        col(), checks=[Check("c", "invalidValues", "value", {"validValues": ["1"]}, severity="warning")]
    )
    with sieved(tmp_path, declared, [("a", "1"), ("b", "2"), ("c", None)]) as (_, sifted):
        assert (sifted.counts.passed, sifted.unexpected["c"], sifted.checked["c"]) == (3, 1, 2)


def test_a_rule_with_a_limit_is_counted_and_sets_nothing_aside(tmp_path: Path) -> None:
    declared = contract(col(), checks=[Check("c", "nullValues", "value", {}, ("mustBeLessThan", 5))])
    with sieved(tmp_path, declared, [("a", None), ("b", "2")]) as (_, sifted):
        assert (sifted.counts.passed, sifted.unexpected["c"]) == (2, 1)


def test_names_in_any_script_and_reserved_words_are_columns_like_others(tmp_path: Path) -> None:
    columns = (
        Column("select", "a\"b';--", "选", max_length=1),
        Column("姓名", "Na me%", "姓名", unique=True),
        Column("1st", "😀", "一"),
    )
    rows = [("k1", "x", "a", "1"), ("k2", "xx", "b", "1"), ("k3", "x", "c", "1"), ("k4", "x", "c", "1")]
    assert fates(tmp_path, contract(*columns), rows) == ["passed", "select.length", "姓名.unique", "姓名.unique"]


def test_every_reason_of_a_row_is_told_in_the_order_of_the_rules(tmp_path: Path) -> None:
    declared = contract(col("integer", minimum="0", required=True), Column("kind", "类", "类", enum=("1",)))
    assert fates(tmp_path, declared, [("", "x", "2")]) == [
        "key.missing id.required value.required value.type kind.enum"
    ]
    assert KEY.required
