"""A department's table as it is delivered, and what is known about each row of it.

A row is a list of values under the table's own column names. A row without a `Note` is clean: the hub must publish it as it
is. Everything else has a note: which error was planted, and what must become of the row.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Expected = Literal["quarantined", "standardised", "warning", "duplicate", "superseded", "conflict", "late"]


@dataclass(frozen=True, slots=True)
class Note:
    """What was planted in a row. `rules` are exactly those the row must be caught by; `detail` says more by kind."""

    kind: str
    expected: Expected
    rules: tuple[str, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)
    since: int = 0


@dataclass(slots=True, eq=False)
class Row:
    """One delivered record; `file` names the drop it is in, for departments that deliver several."""

    values: list[Any]
    note: Note | None = None
    file: str = ""


@dataclass(slots=True)
class Table:
    """All rows that a department holds of one dataset, under its own column names; the first column is the key.

    `twinned` are keys that stand in more than one row.
    """

    dataset: str
    columns: tuple[str, ...]
    rows: list[Row]
    twinned: set[Any] = field(default_factory=set)

    def at(self, column: str) -> int:
        """Position of a column by the department's name."""
        return self.columns.index(column)

    def clean(self) -> Iterator[Row]:
        """Rows in which nothing was planted, and whose key no other row has."""
        return (row for row in self.rows if row.note is None and row.values[0] not in self.twinned)


@dataclass(slots=True)
class Change:
    """What a day did to one dataset, by key: `unseen` are changes that an incremental pull cannot notice."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
