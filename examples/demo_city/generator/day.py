"""A day's work on the tables: what may be touched, and the record of what was.

Only clean rows change, each once a day, so that what is known about the planted errors stays exact; a correction turns a
planted error into a clean row.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from examples.demo_city.generator.faults import share
from examples.demo_city.generator.tables import Change, Expected, Note, Row, Table


@dataclass(slots=True)
class Day:
    """One day's work on all tables: what changed, which errors were corrected, and who may be touched still."""

    number: int
    date: date
    dice: Random
    changes: dict[str, Change] = field(default_factory=dict)
    corrected: list[tuple[str, str, Note]] = field(default_factory=list)
    _touched: set[int] = field(default_factory=set)

    def stamp(self) -> datetime:
        """A moment of the day's office hours, eight to eighteen o'clock."""
        return datetime.combine(self.date, datetime.min.time()) + timedelta(
            seconds=8 * 3600 + self.dice.randrange(36_000)
        )

    def change(self, table: Table) -> Change:
        """The record of what happened to this dataset."""
        return self.changes.setdefault(table.dataset, Change())

    def take(self, table: Table, rate: float, fit: Callable[[Row], bool] = lambda _: True) -> list[Row]:
        """Clean rows, by a rate per 10,000, that nothing else happens to on this day."""
        pool = [row for row in table.clean() if id(row) not in self._touched and fit(row)]
        chosen = self.dice.sample(pool, min(max(2, share(rate, len(table.rows))), len(pool)))
        self._touched.update(map(id, chosen))
        return chosen

    def add(self, table: Table, row: Row) -> None:
        """A record that was not there before."""
        self._touched.add(id(row))
        table.rows.append(row)
        self.change(table).new.append(row.values[0])

    def edit(self, table: Table, row: Row, values: dict[str, object]) -> None:
        """New values in some columns of a published row."""
        for column, value in values.items():
            row.values[table.at(column)] = value
        self.change(table).changed.append(row.values[0])

    def spoil(self, table: Table, row: Row, values: dict[str, object], note: Note) -> None:
        """New values that must not be published; a row that was published keeps its last good version."""
        for column, value in values.items():
            row.values[table.at(column)] = value
        row.note = note

    def remove(self, table: Table, rows: list[Row]) -> None:
        """Rows that the department holds no longer."""
        gone = set(map(id, rows))
        table.rows[:] = [row for row in table.rows if id(row) not in gone]
        self.change(table).deleted += [row.values[0] for row in rows]

    def correct(self, table: Table, row: Row, values: dict[str, object] | None = None) -> None:
        """A planted error set right, so that the row is published for the first time."""
        if row.note is None:
            return
        self.corrected.append((table.dataset, row.values[0], row.note))
        right = {row.note.detail["column"]: row.note.detail["right"]} if "right" in row.note.detail else {}
        for column, value in (right | (values or {})).items():
            row.values[table.at(column)] = value
        row.note = None
        self._touched.add(id(row))
        self.change(table).new.append(row.values[0])

    def note(self, kind: str, rules: tuple[str, ...], column: str, expected: Expected = "quarantined") -> Note:
        """The note of an error that this day planted."""
        return Note(kind, expected, rules, {"column": column}, self.number)
