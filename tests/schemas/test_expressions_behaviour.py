"""What the SQL text does with raw values of every native type, and which checks a column gets."""

from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from schemas.contract import Column
from schemas.elements import ELEMENTS
from schemas.expressions import checks, normalise

TODAY = date(2025, 6, 30)


def column(element: str | None = None, kind: str = "string", **more: Any) -> Column:
    return Column("v", "v", "v", type=kind, element=element, **more)  # type: ignore[arg-type]


def value(col: Column, raw: str, timezone: str = "Asia/Shanghai") -> Any:
    expression = normalise(col, raw, timezone=timezone)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")
    row = connection.execute(f"SELECT typeof({expression}), {expression}::VARCHAR").fetchone()
    assert row is not None
    sql_type = "TIMESTAMP WITH TIME ZONE" if col.sql_type == "TIMESTAMPTZ" else col.sql_type
    assert row[0] == sql_type
    return row[1]


def failing(col: Column, standard: str) -> set[str]:
    rules = checks(col, "v", today=TODAY)
    row = duckdb.execute(f"SELECT {', '.join(r.ok for r in rules)} FROM (SELECT {standard} AS v)").fetchone()
    assert row is not None
    return {r.code for r, ok in zip(rules, row, strict=True) if not ok}


@pytest.mark.parametrize(
    ("col", "raw", "want"),
    [
        (column("DE01001"), "440308199901101512::BIGINT", "440308199901101512"),
        (column("DE01001"), "'４４０３０８１９９９０１１０１５１２'", "440308199901101512"),
        (column("DE01006", "date"), "DATE '1999-01-10'", "1999-01-10"),
        (column("DE01006", "date"), "19990110::BIGINT", "1999-01-10"),
        (column("DE01006", "date"), "TIMESTAMP '1999-01-10 00:00:00'", "1999-01-10"),
        (column("DE01006", "date"), "'1999年1月10日'", "1999-01-10"),
        (column("DE01006", "date"), "'0000-00-00'", None),
        (column("DE01006", "date"), "'1999-02-30'", None),
        (column("DE03010", "date"), "'长期'", "9999-12-31"),
        (column("DE01006", "date"), "'长期'", None),
        (column(kind="date", format="%m/%d/%Y"), "'12/30/1899'", "1899-12-30"),
        (column(kind="date", format="%m/%d/%Y"), "'1899-12-30'", None),
        (column("DE03010", "date", format="%d.%m.%Y"), "'永久有效'", "9999-12-31"),
        (column(kind="date"), "TIMESTAMPTZ '2024-01-01 23:00:00+00'", "2024-01-02"),
        (column(kind="timestamp"), "TIMESTAMP '2024-01-01 08:00:00'", "2023-12-31 19:00:00-05"),
        (column(kind="timestamp"), "'2024-01-01T00:00:00Z'", "2023-12-31 19:00:00-05"),
        (column(kind="timestamp"), "'20240101080000'", "2023-12-31 19:00:00-05"),
        (column(kind="timestamp", format="%d/%m/%Y %H:%M"), "'01/01/2024 08:00'", "2023-12-31 19:00:00-05"),
        (column(kind="timestamp", format="%d/%m/%Y %H:%M %z"), "'01/01/2024 00:00 +0000'", "2023-12-31 19:00:00-05"),
        (column(kind="integer"), "'1,234'", "1234"),
        (column(kind="integer"), "'1.5'", None),
        (column(kind="integer"), "5.0::DOUBLE", "5"),
        (column(kind="integer"), "'9223372036854775808'", None),
        (column(kind="number"), "'NaN'", None),
        (column(kind="decimal", precision=12, scale=2), "1234.5::DOUBLE", "1234.50"),
        (column("DE02007", "decimal"), "'500万人民币'", "500.0000"),
        (column("DE02007", "decimal"), "500.25::DECIMAL(18,4)", "500.2500"),
        (column(kind="boolean"), "'是'", "true"),
        (column(kind="boolean"), "'0'", "false"),
        (column(kind="boolean"), "true", "true"),
        (column(kind="boolean"), "'也许'", None),
        (column(kind="boolean", codes={"有": "true", "无": "false"}), "'有'", "true"),
        (column(), "'a''b'", "a'b"),
        (column(), "NULL::INTEGER", None),
    ],
)
def test_raw_values_of_any_type_become_the_columns_type(col: Column, raw: str, want: str | None) -> None:
    assert value(col, raw) == want


def test_a_value_with_a_nul_is_kept_whole_and_found() -> None:
    standard = value(column("DE01002"), "'张' || chr(0) || 'é三'")
    assert standard == "张\0é三"
    assert failing(column("DE01002"), "'张' || chr(0) || '三'") == {"control"}


def test_an_unknown_code_stays_as_it_is_and_fails() -> None:
    col = column("DE01005", codes={"男": "1", "女": "2"})
    assert value(col, "'男'") == "1"
    assert value(col, "'2'") == "2"
    assert value(col, "'未知'") == "未知"
    assert failing(col, "'未知'") == {"code"}


def test_an_unknown_code_of_a_department_that_reuses_standard_codes_never_passes_for_one() -> None:
    col = column("DE01005", codes={"0": "1", "1": "2"})
    assert [value(col, f"'{raw}'") for raw in "012"] == ["1", "2", "?2"]
    assert failing(col, "'?2'") == {"code"}


def test_a_code_map_without_an_element_admits_its_targets_only() -> None:
    col = column(codes={"S.F.": "San Francisco"})
    assert value(col, "' S.F. '") == "San Francisco"
    assert failing(col, "'San Francisco'") == set()
    assert failing(col, "'Oakland'") == {"code"}


@pytest.mark.parametrize(
    ("element", "good", "bad", "code"),
    [
        ("DE01012", "13800138000", "02112345678", "format"),
        ("DE01013", "li@example.cn", "li@@example", "format"),
        ("DE04004", "200000", "000000", "format"),
        ("DE01002", "阿不都·热合曼", "张3", "format"),
        ("DE01004", "H0123456(7)", "12", "format"),
        ("DE01007", "56", "57", "code"),
        ("DE01008", "CHN", "XXX", "code"),
        ("DE01011", "310115", "310199", "code"),
        ("DE01011", "310115", "310103", "retired"),
        ("DE01015", "021-62345678", "62345678", "format"),
        ("DE02005", "91", "94", "code"),
        ("DE02006", "C1311", "A1311", "code"),
        ("DE04002", "310115001", "310199001", "code"),
        ("DE04005", "121.473700,31.230400", "31.230400,121.473700", "format"),
    ],
)
def test_each_reading_accepts_the_good_and_names_the_bad(element: str, good: str, bad: str, code: str) -> None:
    assert failing(column(element), f"'{good}'") == set()
    assert failing(column(element), f"'{bad}'") == {code}


@pytest.mark.parametrize("element", ["DE01006", "DE02008", "DE03008"])
def test_some_dates_cannot_lie_in_the_future(element: str) -> None:
    assert failing(column(element, "date"), "DATE '2025-06-30'") == set()
    assert failing(column(element, "date"), "DATE '2025-07-01'") == {"future"}


def test_dates_of_validity_may_lie_in_the_future() -> None:
    assert checks(column("DE03010", "date"), "v", today=TODAY) == ()


def test_negative_capital_is_out_of_range_unless_the_contract_states_a_bound() -> None:
    assert failing(column("DE02007", "decimal"), f"{Decimal(-1)}::DECIMAL(18,4)") == {"range"}
    assert checks(column("DE02007", "decimal", minimum="1"), "v", today=TODAY) == ()


def test_an_unknown_or_retired_region_and_a_licences_check_character_are_warnings() -> None:
    elements = ("DE01001", "DE03001", "DE04001")
    severities = {(e, c.code): c.severity for e in elements for c in checks(column(e), "v", today=TODAY)}
    warnings = {("DE01001", "region"), ("DE03001", "checksum"), ("DE04001", "retired")}
    assert {k for k, s in severities.items() if s == "warning"} == warnings


def test_no_predicate_has_a_colon_that_would_read_as_a_bind_parameter() -> None:
    import re

    for element in ELEMENTS.values():
        for check in checks(column(element.id, element.logical_types[0]), "v", today=TODAY):
            assert not re.search(r"(?<![:\w\\]):\w+(?!:)", check.ok), (element.id, check.code)
