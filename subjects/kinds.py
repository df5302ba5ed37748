"""Subject kinds as values: what `subjects.declare` makes of a YAML file and every other module reads instead of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Conflict = Literal["authority", "newest", "none"]
"""Whose value stands where sources disagree: the first that holds one, the one read last, or nobody's until they agree."""


@dataclass(frozen=True)
class Pick:
    """One row of one dataset for a subject: the one named by column `by`, of several the one with the greatest `latest`.

    `filter` is an SQL predicate over the contract's columns that a row must meet. `name` is unique within the kind.
    """

    name: str
    dataset: str
    by: str
    latest: str | None = None
    filter: str | None = None


@dataclass(frozen=True)
class Candidate:
    """Where a field's value may come from: a pick, its column, and the column that says until when the value is valid."""

    pick: Pick
    column: str
    valid_until: str | None = None


@dataclass(frozen=True)
class Field:
    """One value of a subject. The first candidate is the authoritative source (数源), the others are fallbacks in order.

    `links` are the kinds of subject that the value names (an employer's credit code: enterprise).
    """

    name: str
    title: str
    title_en: str
    element: str | None
    candidates: tuple[Candidate, ...]
    conflict: Conflict = "authority"
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class Branch:
    """Rows of a list that name the subject in column `by`; `extra` are columns under other names (a spouse's name)."""

    by: str
    extra: Mapping[str, str]


@dataclass(frozen=True)
class ListOf:
    """A subject's rows of one dataset, newest first by the date column `order`, then by the contract's key.

    `valid_until` is a date column; `filter` an SQL predicate; `since_latest` names another list: only rows that are not
    older than that list's newest stay (open violations are those of the latest inspection). `links` tells which values name
    subjects, and of which kinds (a spouse's ID: person).
    """

    name: str
    title: str
    title_en: str
    dataset: str
    branches: tuple[Branch, ...]
    columns: tuple[str, ...]
    order: str
    valid_until: str | None = None
    filter: str | None = None
    since_latest: str | None = None
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of an item's values."""
        return (*self.columns, *self.branches[0].extra)

    def source(self, name: str) -> str:
        """The dataset's column behind an item's value; KeyError if there is none."""
        return name if name in self.columns else self.branches[0].extra[name]


@dataclass(frozen=True)
class DueRule:
    """Rows of a list that expire: column `until`, the form that renews them, and the values that a row must hold (`where`).

    Of the rows with equal values in the `per` columns only the newest counts, as it has replaced the others.
    """

    list: str
    until: str
    form: str
    where: Mapping[str, str]
    per: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A subject kind. Only an identifier of the form `pattern` (whole match, RE2) makes a file.

    Where one column names subjects of several kinds, an identifier that fits two of them is nobody's, unless one kind
    `yields_to` the other.
    """

    name: str
    title: str
    title_en: str
    key_title: str
    key_title_en: str
    key_element: str | None
    pattern: str
    fields: tuple[Field, ...]
    lists: tuple[ListOf, ...]
    due: tuple[DueRule, ...] = ()
    yields_to: tuple[str, ...] = ()

    def field(self, name: str) -> Field | None:
        """The field of this name, or None."""
        return next((f for f in self.fields if f.name == name), None)

    def list_of(self, name: str) -> ListOf | None:
        """The list of this name, or None."""
        return next((x for x in self.lists if x.name == name), None)

    @property
    def picks(self) -> tuple[Pick, ...]:
        """Every pick of the fields, each once, in order of declaration."""
        return tuple(dict.fromkeys(c.pick for f in self.fields for c in f.candidates))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Every dataset that the kind's files are made of, in order of declaration."""
        return tuple(dict.fromkeys([*(p.dataset for p in self.picks), *(x.dataset for x in self.lists)]))

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Every (dataset, column) that names subjects of this kind, in order of declaration."""
        of_lists = [(x.dataset, b.by) for x in self.lists for b in x.branches]
        return tuple(dict.fromkeys([*((p.dataset, p.by) for p in self.picks), *of_lists]))


Kinds = Mapping[str, Kind]


def sharing(kind: Kind, kinds: Kinds, link: tuple[str, str]) -> tuple[Kind, ...]:
    """The other kinds that the same column names subjects of (a meter's holder may be a person or an enterprise)."""
    return tuple(k for k in kinds.values() if k.name != kind.name and link in k.links)
