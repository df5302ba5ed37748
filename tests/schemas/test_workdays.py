"""Working days as the State Council arranged them, years not announced yet as what is sure of them, and a city's own file."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import workdays
from schemas.errors import ContractInvalid

CALENDAR = workdays.load()
# Counted from the published notices by hand: weekdays off, and weekend days worked, of each year.
ARRANGED = {2024: (19, 8), 2025: (18, 5), 2026: (19, 6)}
DAYS = st.dates(date(2023, 6, 1), date(2028, 6, 1))


def days(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(n) for n in range((date(year + 1, 1, 1) - first).days)]


@pytest.mark.parametrize("year", ARRANGED)
def test_each_announced_year_has_its_days_off_and_its_make_up_days(year: int) -> None:
    off = [d for d in days(year) if d.weekday() < 5 and not CALENDAR.is_working(d)]
    made_up = [d for d in days(year) if d.weekday() >= 5 and CALENDAR.is_working(d)]
    assert (len(off), len(made_up)) == ARRANGED[year]
    assert CALENDAR.provisional(days(year)[0], days(year)[-1]) == ()
    assert "国办发明电" in CALENDAR.years[year].source


@pytest.mark.parametrize(
    ("opened", "count", "due"),
    [
        ("2026-02-11", 5, "2026-02-25"),  # over Spring Festival: 12, 13, Saturday 14, then 24 and 25
        ("2026-02-25", 3, "2026-02-28"),  # the make-up Saturday counts
        ("2026-09-30", 1, "2026-10-08"),
        ("2026-09-30", 3, "2026-10-10"),
        ("2025-04-25", 1, "2025-04-27"),  # a make-up Sunday
        ("2024-02-09", 1, "2024-02-18"),
        ("2025-09-30", 10, "2025-10-21"),
    ],
)
def test_a_clock_over_holidays_ends_on_the_day_counted_by_hand(opened: str, count: int, due: str) -> None:
    assert CALENDAR.after(date.fromisoformat(opened), count) == date.fromisoformat(due)


def test_a_year_not_announced_yet_has_statutory_holidays_and_is_said_to_be_provisional() -> None:
    assert not CALENDAR.is_working(date(2027, 2, 8))  # third day of Spring Festival, a Monday
    assert CALENDAR.is_working(date(2027, 2, 9))
    assert not CALENDAR.is_working(date(2027, 2, 13))  # nobody has moved a Saturday yet
    assert CALENDAR.provisional(date(2026, 12, 1), date(2026, 12, 31)) == ()
    assert CALENDAR.provisional(date(2026, 12, 1), date(2028, 1, 2)) == (2027, 2028)


def test_a_year_that_the_file_lacks_keeps_weekends_and_the_fixed_holidays() -> None:
    assert not CALENDAR.is_working(date(2029, 10, 1))
    assert CALENDAR.is_working(date(2029, 10, 4))
    assert CALENDAR.provisional(date(2029, 1, 1), date(2029, 1, 2)) == (2029,)


def test_a_city_adds_a_year_with_a_file_of_its_own_and_keeps_the_others(tmp_path: Path) -> None:
    own = tmp_path / "workdays.csv"
    own.write_text(
        "year,kind,first,last,zh,en,source\n2027,off,2027-02-05,2027-02-11,春节,Spring Festival,通知\n"
        "2027,work,2027-02-13,2027-02-13,春节,Spring Festival,通知\n",
        encoding="utf-8",
    )
    city = workdays.load(own)
    assert not city.is_working(date(2027, 2, 11))
    assert city.is_working(date(2027, 2, 13))
    assert city.provisional(date(2027, 1, 1), date(2027, 12, 31)) == ()
    assert not city.is_working(date(2026, 10, 1))
    assert workdays.load(tmp_path / "none.csv") == CALENDAR


@pytest.mark.parametrize(
    "row", ["2027,free,2027-01-01,2027-01-01,,,", "2027,off,2027-01-02,2027-01-01,,,", "2027,off,then,then,,,", "2026,off,2027-01-01,2027-01-01,,,"]
)  # fmt: skip
def test_a_row_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, row: str) -> None:
    own = tmp_path / "workdays.csv"
    own.write_text(f"year,kind,first,last,zh,en,source\n{row}\n", encoding="utf-8")
    with pytest.raises(ContractInvalid, match=r"workdays\.csv: line 2"):
        workdays.load(own)


@given(DAYS, st.integers(1, 40))
def test_the_nth_working_day_is_one_and_n_lie_between(day: date, count: int) -> None:
    due = CALENDAR.after(day, count)
    assert CALENDAR.is_working(due)
    assert CALENDAR.between(day, due) == count
    assert CALENDAR.between(day, due - timedelta(1)) == count - 1
