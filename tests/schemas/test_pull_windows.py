"""Hours in which a department lets its system be pulled, and how hard."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas import odcs
from schemas.errors import ContractInvalid
from schemas.windows import opens, window

CITY = ZoneInfo("Asia/Shanghai")
PEOPLE = Path(__file__).parents[1] / "faults" / "people.odcs.yaml"


def at(hour: int, minute: int = 0, zone: ZoneInfo = CITY) -> datetime:
    return datetime(2026, 5, 1, hour, minute, tzinfo=zone)


@pytest.mark.parametrize("now", [at(22), at(23, 59), at(0), at(5, 59), at(14, 0, ZoneInfo("UTC"))])
def test_a_window_over_midnight_is_open_on_both_sides_of_it_in_the_citys_own_time(now: datetime) -> None:
    assert opens(["22:00-06:00"], now, CITY) is None


@pytest.mark.parametrize(
    ("now", "opening"),
    [(at(6), at(12)), (at(12, 30), None), (at(13), at(22)), (at(21, 59), at(22)), (at(3, 0, ZoneInfo("UTC")), at(12))],
)
def test_outside_every_window_the_next_opening_is_named(now: datetime, opening: datetime | None) -> None:
    assert opens(["22:00-06:00", "12:00-13:00"], now, CITY) == opening


def test_the_next_opening_may_be_tomorrow() -> None:
    assert opens(["01:00-02:00"], at(2), CITY) == datetime(2026, 5, 2, 1, tzinfo=CITY)
    assert opens(["20:00-24:00"], at(23, 59), CITY) is None


@pytest.mark.parametrize("text", ["9-17", "25:00-26:00", "22:00", "08:00-08:00", "", "08:00-24:30"])
def test_what_is_no_span_of_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no span of hours"):
        window(text)


def with_server_properties(text: str) -> str:
    return PEOPLE.read_text(encoding="utf-8").replace("customProperties:\n", f"customProperties:\n{text}\n", 1)


def test_a_contract_states_its_windows_pace_and_longest_statement(tmp_path: Path) -> None:
    text = with_server_properties(
        """      - {property: pullWindows, value: ["22:00-06:00"], vendor: cityhub}
      - {property: rowsPerSecond, value: 5000, vendor: cityhub}
      - {property: statementSeconds, value: 600, vendor: cityhub}"""
    )
    source = odcs.load(PEOPLE, text).source
    assert (source.windows, source.rows_per_second, source.statement_seconds) == (("22:00-06:00",), 5000, 600)
    plain = odcs.load(PEOPLE).source
    assert (plain.windows, plain.rows_per_second, plain.statement_seconds) == ((), None, 7200)


@pytest.mark.parametrize(
    ("name", "value"), [("pullWindows", '["late"]'), ("rowsPerSecond", "0"), ("statementSeconds", "true")]
)
def test_a_limit_that_says_nothing_is_a_fault_of_the_contract(name: str, value: str) -> None:
    text = with_server_properties(f"      - {{property: {name}, value: {value}, vendor: cityhub}}")
    with pytest.raises(ContractInvalid, match=name):
        odcs.load(PEOPLE, text)
