"""Each data element gives its types, its standard form, its findings, its mask and a comparison; one value and whole columns agree."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import duckdb
import jsonschema
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import identifiers, types
from schemas.codes import code_list, code_lists
from schemas.elements import ELEMENTS, element
from schemas.expressions import checks, normalise
from schemas.likeness import compare, likeness
from schemas.masking import mask
from schemas.values import check
from schemas.values import normalise as standard

TODAY = date(2025, 6, 30)
ZONE = "Asia/Shanghai"
OLD_CARD = "USA310190010101"
OLD_CARD = OLD_CARD[:14] + identifiers.foreign_check(OLD_CARD[:14])
NEW_CARD = "93184019900101001"
NEW_CARD += identifiers.citizen_check(NEW_CARD)
SEEDS = [
    "440308199901101512", "610104620927690", OLD_CARD, NEW_CARD, "830000199001010010", "91110000600037341L", "91310101132327232U",
    "138-0013-8000", "(021)6234 5678转801", "+86 10 62345678", "阿不都•热合曼", "䶮㛃𬱖", "示例(上海)有限公司", "示例路十二弄三號502室",
    "310103", "310115", "310115001", "310199", "1", "2", "9", "57", "CHN", "C1311", "A1311", "200000", "000000", "121.473700,31.230400",
    "500万人民币", "-1万元", "1.2亿元", "1999-01-10", "20301231", "长期", "2024-01-01 23:30:00", "2024-01-01T00:00:00Z", "2031-01-01 00:00:00",
    "li.si@EXAMPLE.cn", "111", "511", "01", "1.2.156.3005.2.11100000000013127D001.111000000000131270.A1.001.1",
]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(SEEDS),
    st.builds(
        lambda s, at, noise: s[:at] + noise + s[at:],
        st.sampled_from(SEEDS),
        st.integers(0, 18),
        st.sampled_from([" ", "　", "９", "x", "×", "\0", "A"]),
    ),
    st.text(st.sampled_from("0123456789ABCXabcx-/. 年月日万元人民币号路张三·(（"), max_size=20),
)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("SET threads = 1; SET TimeZone = 'America/New_York'")
        yield made


def columns(con: duckdb.DuckDBPyConnection, name: str, values: list[str]) -> list[tuple[Any, list[str]]]:
    """Standard value and finding codes of each text, by the SQL account."""
    col = types.column_of(element(name))
    shown = "epoch_us(n)" if col.type == "timestamp" else "n"
    rules = checks(col, "n", today=TODAY)
    found = ", ".join(["true", *(r.ok for r in rules)])
    rows = f"SELECT {normalise(col, 'v', timezone=ZONE)} AS n, i FROM (SELECT unnest($1::VARCHAR[]) v, unnest(range(len($1))) i)"
    told = con.execute(f"SELECT {shown}, {found} FROM ({rows}) ORDER BY i", [values]).fetchall()
    return [(row[0], [r.code for r, ok in zip(rules, row[2:], strict=True) if not ok]) for row in told]


def one_by_one(name: str, text: str) -> tuple[Any, list[str]]:
    """The same by the scalar account."""
    value = standard(element(name), text)
    codes = [] if value is None else [f.code for f in check(element(name), value, today=TODAY)]
    return (int(value.timestamp() * 1_000_000) if isinstance(value, datetime) else value), codes


@pytest.mark.parametrize("name", sorted(ELEMENTS))
@settings(max_examples=2, deadline=None)
@given(values=st.lists(TEXTS, min_size=10, max_size=40))
@example(values=SEEDS)
def test_columns_and_single_values_agree_for_every_element(
    con: duckdb.DuckDBPyConnection, name: str, values: list[str]
) -> None:
    assert columns(con, name, values) == [one_by_one(name, value) for value in values]


@pytest.mark.parametrize("name", sorted(ELEMENTS))
def test_what_the_two_accounts_say_of_a_fault_is_the_same_sentence(name: str) -> None:
    col = types.column_of(element(name))
    by_sql = {(c.code, c.severity, c.zh, c.en) for c in checks(col, "n", today=TODAY)}
    by_hand = {
        (f.code, f.severity, f.zh, f.en)
        for text in SEEDS
        if (value := standard(element(name), text)) is not None
        for f in check(element(name), value, today=TODAY)
    }
    assert by_hand <= by_sql


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("440308199901101512", "resident"),
        ("830000199001010010", "hong kong, macao, taiwan"),
        (NEW_CARD, "foreign"),
        (OLD_CARD, "foreign, old card"),
    ],
)
def test_every_kind_of_holder_has_a_number_in_order(number: str, kind: str) -> None:
    number = number[:17] + identifiers.citizen_check(number[:17]) if len(number) == 18 else number
    assert identifiers.citizen_faults(number, TODAY) == frozenset()
    assert identifiers.citizen_kind(number) == kind


@pytest.mark.parametrize(
    ("number", "faults"),
    [
        (OLD_CARD[:14] + str((int(OLD_CARD[14]) + 1) % 10), {"checksum"}),
        ("USA31019013010" + identifiers.foreign_check("USA31019013010"), {"date"}),
        ("XYZ31019001010" + identifiers.foreign_check("XYZ31019001010"), {"region"}),
        ("93100019900101001" + identifiers.citizen_check("93100019900101001"), {"region"}),
        (OLD_CARD[:13], {"format"}),
    ],
)
def test_a_fault_in_a_foreign_residents_number_is_named(number: str, faults: set[str]) -> None:
    assert identifiers.citizen_faults(number, TODAY) == faults


def test_an_older_card_tells_no_birth_date_as_its_year_has_two_digits() -> None:
    assert identifiers.citizen_birth(OLD_CARD) is None


def test_each_element_has_a_type_in_every_system() -> None:
    for one in ELEMENTS.values():
        col = types.column_of(one)
        assert isinstance(types.arrow(col), pa.DataType)
        jsonschema.Draft202012Validator.check_schema(types.json_schema(col))
    capital, event = (types.column_of(element(name)) for name in ("DE02007", "DE05004"))
    assert (capital.sql_type, types.arrow(capital)) == ("DECIMAL(18,4)", pa.decimal128(18, 4))
    assert types.arrow(event) == pa.timestamp("us", "UTC")


def test_a_json_schema_admits_what_the_checks_admit() -> None:
    schema = types.json_schema(types.column_of(element("DE01001")))
    for text, good in (("440308199901101512", True), (OLD_CARD, False), ("44030819990110151", False)):
        assert jsonschema.Draft202012Validator(schema).is_valid(text) is good


@pytest.mark.parametrize(
    ("name", "a", "b", "want"),
    [
        ("DE01001", "610104620927690", "６１０１０４196209276908", "same"),
        ("DE01001", "440308199901101512", "440308199901101513", "different"),
        ("DE01002", "阿不都•热合曼", "阿不都·热合曼", "same"),
        ("DE01002", "阿不都热合曼", "阿不都·热合曼", "alike"),
        ("DE02002", "示例(上海)有限公司", "示例上海有限公司", "alike"),
        ("DE02002", "示例(上海)有限公司", "示例（上海）有限公司", "same"),
        ("DE04003", "示例路三十二弄二百零三號", "示例路32弄203号", "alike"),
        ("DE04003", "示例路１２弄３号５０２室", "示例路12弄3号502室", "same"),
        ("DE04003", "示例路12弄", "示例路21弄", "different"),
        ("DE01015", "(021)62345678", "021-6234 5678", "same"),
        ("DE02007", "500万人民币", "5000000元", "same"),
        ("DE02007", "500万", "501万", "different"),
        ("DE01006", "1999年1月10日", "19990110", "same"),
        ("DE01006", "1999-02-30", "19990110", "missing"),
        ("DE01013", "li@EXAMPLE.cn", "Li@example.cn", "alike"),
        ("DE01002", "张三", None, "missing"),
    ],
)
def test_two_spellings_are_compared_by_what_they_mean(name: str, a: str, b: str | None, want: str) -> None:
    assert compare(element(name), a, b) == want


@pytest.mark.parametrize("name", ["DE01001", "DE01002", "DE02002", "DE04003", "DE01015", "DE01013", "DE03004"])
@settings(max_examples=4, deadline=None)
@given(values=st.lists(TEXTS, min_size=2, max_size=20))
def test_columns_are_compared_as_single_values_are(
    con: duckdb.DuckDBPyConnection, name: str, values: list[str]
) -> None:
    pairs = list(pairwise(values))
    expression = normalise(types.column_of(element(name)), "{}", timezone=ZONE)
    a, b = expression.replace("{}", "x"), expression.replace("{}", "y")
    rows = "SELECT unnest($1::VARCHAR[]) x, unnest($2::VARCHAR[]) y, unnest(range(len($1))) i"
    query = f"SELECT {likeness(element(name).reading, 'a', 'b')} FROM (SELECT {a} a, {b} b, i FROM ({rows})) ORDER BY i"
    told = con.execute(query, [[p[0] for p in pairs], [p[1] for p in pairs]]).fetchall()
    assert [row[0] for row in told] == [compare(element(name), *pair) for pair in pairs]


def test_every_element_masks_and_no_sensitive_one_shows_its_value() -> None:
    shown = {name for name in ELEMENTS if mask(name, "440308199901101512") == "440308199901101512"}
    assert {element(name).sensitivity for name in shown} <= {"L1", "L2"}
    assert (mask("DE01011", "310103"), mask("DE01007", "56"), mask("DE02006", "C13")) == ("31****", "**", "C13")


def test_codes_keep_their_months_in_force() -> None:
    regions = code_list("region")
    assert regions.in_force("310103", date(2005, 1, 1))
    assert not regions.in_force("310103", date(2024, 1, 1))
    assert not regions.in_force("310199", date(2024, 1, 1))
    assert code_list("ethnic").in_force("56", TODAY)
    assert all(len(code_list(n).first) in (0, 6) for n in code_lists())
    assert code_list("industry").first == "201710"


def test_a_code_out_of_force_is_a_warning_with_a_name_of_its_own() -> None:
    (finding,) = check(element("DE04001"), "310103", today=TODAY)
    assert (finding.code, finding.severity) == ("retired", "warning")
    assert check(element("DE04001"), "310115", today=TODAY) == ()


def test_values_of_other_types_are_judged_too() -> None:
    assert [f.code for f in check(element("DE02007"), Decimal(-1), today=TODAY)] == ["range"]
    assert [f.code for f in check(element("DE01006"), date(2025, 7, 1), today=TODAY)] == ["future"]
    late = datetime(2025, 6, 30, 16, 0, tzinfo=UTC)
    assert [f.code for f in check(element("DE05004"), late, today=TODAY)] == ["future"]
