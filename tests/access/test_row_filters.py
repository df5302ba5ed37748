"""Row filters: what is one, what is not and where the fault is told, and that the same filter is the same text."""

import json
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.rows import OPS, Condition, RowFilter, parse
from schemas.contract import Column, Contract, Source
from schemas.errors import Invalid

COLUMNS = (
    Column("code", "code", "", key_position=1),
    Column("floors", "floors", "", type="integer"),
    Column("share", "share", "", type="number"),
    Column("fee", "fee", "", type="decimal", precision=38, scale=4),
    Column("built", "built", "", type="date"),
    Column("seen", "seen", "", type="timestamp"),
    Column("listed", "listed", "", type="boolean"),
)
HOUSES = Contract("houses", *[""] * 9, 1, "", (), COLUMNS, Source("csv", "", ""))


def condition(column: str, op: str, *value: Any) -> str:
    return json.dumps([{"column": column, "op": op, **({"value": value[0]} if value else {})}])


def test_values_are_read_as_their_columns_hold_them() -> None:
    text = json.dumps(
        [
            {"column": "code", "op": "prefix", "value": "4403"},
            {"column": "floors", "op": "in", "value": [7, "3", 7]},
            {"column": "share", "op": "lt", "value": 1},
            {"column": "fee", "op": "eq", "value": "1234567890123456789012345678901234.5"},
            {"column": "built", "op": "ge", "value": "2001-02-28"},
            {"column": "seen", "op": "le", "value": "2026-03-02T16:00:00+08:00"},
            {"column": "listed", "op": "ne", "value": False},
            {"column": "code", "op": "not_null"},
        ]
    )
    found = {(c.column, c.op): c.values for c in parse(text, HOUSES).conditions}
    assert found == {
        ("code", "prefix"): ("4403",),
        ("floors", "in"): (3, 7),
        ("share", "lt"): (1.0,),
        ("fee", "eq"): (Decimal("1234567890123456789012345678901234.5000"),),
        ("built", "ge"): (date(2001, 2, 28),),
        ("seen", "le"): (datetime(2026, 3, 2, 8, tzinfo=UTC),),
        ("listed", "ne"): (False,),
        ("code", "not_null"): (),
    }
    assert [type(found["share", "lt"][0]), type(found["listed", "ne"][0])] == [float, bool]


def test_filters_that_say_the_same_are_the_same_text() -> None:
    one = '[{"column": "fee", "op": "eq", "value": 2.50}, {"op": "in", "column": "code", "value": ["b", "a", "b"]}]'
    fee = '{"column": "fee", "op": "eq", "value": "2.5"}'
    other = f'[{{"value": ["a", "b"], "column": "code", "op": "in"}}, {fee}, {fee.replace("2.5", "2.5000")}]'
    assert str(parse(one, HOUSES)) == str(parse(other, HOUSES))
    assert [str(parse(text, HOUSES)) for text in ("", "  ", "[]")] == ["", "", ""]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("code = 1", "row_filter"),
        ("[" * 100_000, "row_filter"),
        ('{"column": "code", "op": "null"}', "row_filter"),
        (json.dumps([{"column": "code", "op": "null"}] * 51), "row_filter"),
        ("[7]", "row_filter[0]"),
        ('[{"column": "code"}]', "row_filter[0]"),
        ('[{"column": "code", "op": "null", "or": []}]', "row_filter[0]"),
        (condition("salary", "null"), "row_filter[0].column"),
        ('[{"column": ["code"], "op": "null"}]', "row_filter[0].column"),
        (condition("_load", "eq", "1"), "row_filter[0].column"),
        (condition("code", "like", "4%"), "row_filter[0].op"),
        ('[{"column": "code", "op": ["eq"], "value": 1}]', "row_filter[0].op"),
        (condition("floors", "prefix", "1"), "row_filter[0].op"),
        (condition("listed", "lt", True), "row_filter[0].op"),
        (condition("code", "eq"), "row_filter[0].value"),
        (condition("code", "null", "x"), "row_filter[0].value"),
        (condition("code", "eq", None), "row_filter[0].value"),
        (condition("code", "eq", 440305), "row_filter[0].value"),
        (condition("code", "eq", "x" * 1001), "row_filter[0].value"),
        (condition("code", "eq", "a\0b"), "row_filter[0].value"),
        ('[{"column": "code", "op": "eq", "value": "\\ud800"}]', "row_filter[0].value"),
        (condition("code", "in", "440305"), "row_filter[0].value"),
        (condition("code", "in", []), "row_filter[0].value"),
        (condition("code", "in", ["1"] * 1001), "row_filter[0].value"),
        (condition("code", "in", ["440305", 7]), "row_filter[0].value[1]"),
        (condition("floors", "eq", 2**63), "row_filter[0].value"),
        (condition("floors", "eq", "9" * 5000), "row_filter[0].value"),
        (condition("floors", "eq", 7.0), "row_filter[0].value"),
        (condition("floors", "eq", True), "row_filter[0].value"),
        ('[{"column": "share", "op": "eq", "value": 1e999}]', "row_filter[0].value"),
        ('[{"column": "share", "op": "eq", "value": NaN}]', "row_filter[0].value"),
        (condition("fee", "eq", "0.00001"), "row_filter[0].value"),
        (condition("fee", "eq", "1e34"), "row_filter[0].value"),
        (condition("fee", "eq", "1e999999999"), "row_filter[0].value"),
        (condition("built", "eq", "20260101"), "row_filter[0].value"),
        (condition("built", "eq", "2026-02-30"), "row_filter[0].value"),
        (condition("built", "eq", 7), "row_filter[0].value"),
        (condition("seen", "eq", "2026-03-02T16:00:00"), "row_filter[0].value"),
        (condition("seen", "eq", "0001-01-01T00:00:00+08:00"), "row_filter[0].value"),
        (condition("listed", "eq", 1), "row_filter[0].value"),
        (condition("listed", "eq", []), "row_filter[0].value"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place_and_without_its_value(text: str, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(text, HOUSES)
    assert refusal.value.facts["field"] == field
    assert refusal.value.todo
    assert "salary" not in refusal.value.what


VALUES = {
    "code": st.text(max_size=9).filter(lambda t: "\0" not in t),
    "floors": st.integers(-(2**63), 2**63 - 1),
    "share": st.floats(allow_nan=False, allow_infinity=False),
    "fee": st.decimals(-(10**20), 10**20, places=4),
    "built": st.dates(),
    "seen": st.datetimes(timezones=st.just(UTC)),
    "listed": st.booleans(),
}


@st.composite
def filters(draw: st.DrawFn) -> RowFilter:
    conditions = []
    for _ in range(draw(st.integers(0, 4))):
        column = draw(st.sampled_from(COLUMNS))
        ops = ("eq", "ne", "in", "null", "not_null") if column.type != "string" else OPS
        op = draw(st.sampled_from(ops))
        count = {"null": 0, "not_null": 0, "in": draw(st.integers(1, 3))}.get(op, 1)
        conditions.append(Condition(column.name, op, tuple(draw(VALUES[column.name]) for _ in range(count))))
    return RowFilter(tuple(conditions))


@settings(max_examples=150, deadline=None)
@given(filters())
def test_any_filter_comes_back_from_its_canonical_text(rows: RowFilter) -> None:
    canonical = parse(str(rows), HOUSES)
    assert parse(str(canonical), HOUSES) == canonical
    assert canonical.columns == rows.columns
    assert {(c.column, c.op, frozenset(c.values)) for c in canonical.conditions} == {
        (c.column, c.op, frozenset(c.values)) for c in rows.conditions
    }


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda s: (
            st.lists(s, max_size=3) | st.dictionaries(st.sampled_from(["column", "op", "value", "x"]), s, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_whatever_json_comes_is_a_filter_or_invalid(value: Any) -> None:
    with suppress(Invalid):
        parse(json.dumps([value]), HOUSES)
