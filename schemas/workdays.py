"""Working days in China: weekends, public holidays, and the days off and make-up days that are moved around them (调休).

The State Council announces each year's arrangement in the autumn before; `data/workdays.csv` repeats it with its source (`off`, `work`).
A year that is not announced yet has its `statutory` holidays alone, or the fixed ones (1 January, 1 and 2 May, 1 to 3 October) where the file
has nothing of it: then a count is provisional, and says so. A city can add a year before the next release: `declarations/workdays.csv`
has the same columns and replaces the years that it names.

>>> calendar = load()
>>> str(calendar.after(date(2026, 2, 12), 2)), calendar.after(date(2026, 2, 12), 2).weekday()
('2026-02-14', 5)
>>> calendar.provisional(date(2026, 12, 30), date(2027, 1, 6))
(2027,)
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from pathlib import Path

from schemas.errors import ContractInvalid, Problem

_COLUMNS = ("year", "kind", "first", "last", "zh", "en", "source")
_FIXED = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
_SATURDAY = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Year:
    """One year's days: `off` beside weekends, `work` in spite of them; `announced` is False where only statutory holidays are known."""

    off: frozenset[date]
    work: frozenset[date]
    announced: bool
    source: str


@dataclass(frozen=True)
class Clock:
    """The time that somebody has: the day it is due, whether that day has passed, and years that may still move it."""

    due_on: date
    overdue: bool
    provisional: tuple[int, ...]


@dataclass(frozen=True)
class Calendar:
    """The years that are known; of any other, weekends and the fixed holidays."""

    years: Mapping[int, Year]

    def is_working(self, day: date) -> bool:
        """Whether offices work on that day.

        >>> [load().is_working(date(2025, 1, d)) for d in (25, 26, 27, 28)]
        [False, True, True, False]
        """
        year = self.years.get(day.year)
        if year is None:
            return day.weekday() < _SATURDAY and (day.month, day.day) not in _FIXED
        return day in year.work or (day.weekday() < _SATURDAY and day not in year.off)

    def after(self, day: date, count: int) -> date:
        """The `count`-th working day after `day`, which itself does not count; `day` where count is 0."""
        while count > 0:
            day += _DAY
            count -= self.is_working(day)
        return day

    def between(self, first: date, last: date) -> int:
        """How many working days lie after `first`, up to and with `last`; 0 where `last` is not later."""
        days = (last - first).days
        return sum(self.is_working(first + n * _DAY) for n in range(1, days + 1))

    def provisional(self, first: date, last: date) -> tuple[int, ...]:
        """The years among these days whose arrangement is not announced, so that a count may still move."""
        years = range(first.year, last.year + 1)
        return tuple(y for y in years if y not in self.years or not self.years[y].announced)

    def clock(self, first: date, days: int, today: date, *, running: bool) -> Clock:
        """The time of what began on `first` and is due after so many working days; what is not `running` is never overdue."""
        due = self.after(first, days)
        return Clock(due, running and today > due, self.provisional(first, due))


def load(own: Path | None = None) -> Calendar:
    """The calendar of this release, with a city's `own` file of later years, if it is there.

    Raises:
        ContractInvalid: the file has a row that cannot be read; every such row is named.
    """
    years = dict(_released())
    if own is not None and own.is_file():
        years |= _years(own.read_text(encoding="utf-8-sig"), own.name)
    return Calendar(years)


@cache
def _released() -> Mapping[int, Year]:
    text = resources.files("schemas").joinpath("data", "workdays.csv").read_text(encoding="utf-8")
    return _years(text, "workdays.csv")


def _years(text: str, file: str) -> dict[int, Year]:
    problems: list[Problem] = []
    days: dict[int, dict[str, set[date]]] = {}
    sources: dict[int, str] = {}
    for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
        try:
            year, kind, first, last = (
                int(row["year"]),
                row["kind"],
                *(date.fromisoformat(row[c]) for c in ("first", "last")),
            )
            if kind not in ("off", "work", "statutory") or not first <= last or {first.year, last.year} != {year}:
                raise ValueError
        except (KeyError, TypeError, ValueError):
            example = "2026,off,2026-10-01,2026-10-07,国庆节,National Day,国办发明电〔2025〕7号"
            problems.append(Problem(f"line {number}", f"must have {', '.join(_COLUMNS)}", example, file))
            continue
        days.setdefault(year, {}).setdefault(kind, set()).update(_span(first, last))
        sources.setdefault(year, row.get("source") or file)
    if problems:
        raise ContractInvalid(problems)
    return {year: _year(kinds, sources[year]) for year, kinds in days.items()}


def _year(kinds: dict[str, set[date]], source: str) -> Year:
    announced = "off" in kinds
    off = kinds["off"] if announced else kinds.get("statutory", set())
    return Year(frozenset(off), frozenset(kinds.get("work", ())), announced, source)


def _span(first: date, last: date) -> Iterator[date]:
    return (first + n * _DAY for n in range((last - first).days + 1))
