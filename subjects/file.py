"""One subject's file as its readers see it: each value with its source, department, load, run and as-of."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any

from msgspec import Struct, field

from ledger.loads import Load
from ledger.subject_store import Opened, StoredFile
from schemas.struct import Quick
from subjects.packing import Layout, Packed

Value = str | int | float | bool


class Provenance(Struct, frozen=True, gc=False):
    """Where a value came from. `as_of` is when the load that brought it as it now is was read (UTC, ISO 8601).

    `verdict` is what the gate said of that load: `passed`, `warned` or `restored`.
    """

    dataset: str
    title: str
    title_en: str
    department: str
    department_en: str
    column: str
    load: int
    run: str | None
    as_of: str | None
    verdict: str | None = None


class Held(Struct, frozen=True, gc=False):
    """A value that the file holds. `others` are what other sources say where they differ: then there is a conflict."""

    value: Value
    valid_until: str | None
    provenance: Provenance
    others: "tuple[Held, ...]" = ()

    def __repr__(self) -> str:
        return f"Held({self.valid_until!r}, {self.provenance!r})"

    @property
    def conflict(self) -> bool:
        """Whether another source holds another value."""
        return bool(self.others)


Origins = dict[tuple[str, str, int], Provenance]


class SubjectFile(Quick, frozen=True, dict=True, gc=True):
    """One subject's file. What it holds it is asked for; a stored one is opened no further than somebody asks.

    `content` is the canonical body, or what the store keeps of it; `named` makes the pseudonym of an identifier. `origins` keeps, by dataset,
    column and load, where values came from: one for all files of a build.
    """

    kind: str
    content: Mapping[str, Any] | Packed
    named: Callable[[str], str] = str
    origins: Origins = field(default_factory=dict)

    @staticmethod
    def of(stored: StoredFile) -> "SubjectFile":
        """The file as stored."""
        made, origins = _opening(stored.about)
        return SubjectFile(stored.kind, Packed.of(made, stored.texts, stored.facts), stored.named, origins)

    @cached_property
    def body(self) -> Mapping[str, Any]:
        """The whole file in its canonical form."""
        return self.content.canonical() if isinstance(self.content, Packed) else self.content

    @property
    def packed(self) -> Packed | None:
        """The file as it is stored, if it is: where plain values can be read at once."""
        return self.content if isinstance(self.content, Packed) else None

    @property
    def identifier(self) -> str:
        """The subject's own identifier."""
        return self.content.identifier if isinstance(self.content, Packed) else str(self.content["id"])

    @property
    def pseudonym(self) -> str:
        """What stands for the subject where its identifier must not: a merged subject keeps the name of who it was first."""
        return self.named(self.body.get("called", self.identifier))

    @property
    def former(self) -> tuple[str, ...]:
        """Other identifiers that were merged into this subject, the first known one first."""
        return tuple(self.body.get("former") or ())

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Every identifier of the subject, its own first."""
        return (self.identifier, *self.former)

    def held(self, name: str) -> Held | None:
        """What the file holds for a field; None where no source holds it, none is to be preferred, or the kind has no such field."""
        entry = self.body["fields"].get(name)
        return None if entry is None else self._held(entry)

    def disputed(self, name: str) -> "tuple[Held, ...]":
        """What each source says of a field whose policy prefers none of them where they differ; empty where there is no dispute."""
        entry = self.body.get("disputed", {}).get(name) or ()
        return tuple(self._held(said) for said in entry)

    def items(self, name: str, where: Mapping[str, str] | None = None) -> "Iterator[Item]":
        """The entries of a list, newest first, whose values equal `where`."""
        for entry in self.body["lists"].get(name) or ():
            if not where or all(_text(entry["values"].get(k)) == v for k, v in where.items()):
                yield Item(self, entry)

    def latest(self, name: str, where: Mapping[str, str] | None = None) -> "Item | None":
        """The newest entry of a list whose values equal `where`; None where there is none."""
        entries = self.body["lists"].get(name)
        if entries and not where:
            return Item(self, entries[0])
        return next(self.items(name, where), None)

    def _held(self, entry: Mapping[str, Any]) -> Held:
        source, said = self.body["sources"][entry["source"]], entry.get("others")
        origin = self.provenance(source, source["dataset"], entry["column"])
        return Held(entry["value"], entry["valid_until"], origin, tuple(map(self._held, said)) if said else ())

    def provenance(self, facts: Mapping[str, Any], dataset: str, column: str) -> Provenance:
        """Load facts as provenance, with the names of dataset and department."""
        known = self.origins.get((dataset, column, facts["load"]))
        if known is None:
            names = self.body["datasets"][dataset]
            known = self.origins[dataset, column, facts["load"]] = Provenance(
                dataset, names["title"], names["title_en"], names["department"], names["department_en"], column,
                facts["load"], facts["run"], facts["as_of"], facts.get("verdict"),
            )  # fmt: skip
        return known


class Item(Quick, frozen=True):
    """One entry of a list."""

    file: SubjectFile
    entry: Mapping[str, Any]

    @property
    def values(self) -> Mapping[str, Value | None]:
        """The entry's values by name."""
        found: Mapping[str, Value | None] = self.entry["values"]
        return found

    def held(self, name: str, dataset: str, column: str) -> Held | None:
        """One value of the entry, which came from that dataset and column; None where it is not held."""
        value = self.entry["values"].get(name)
        if value is None:
            return None
        return Held(value, self.entry["valid_until"], self.file.provenance(self.entry, dataset, column))


def facts_of(load: Load) -> dict[str, Any]:
    """What a value tells of the load that brought it: run, as_of and the gate's verdict."""
    moment = as_of(load).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"run": load.run, "as_of": moment, "verdict": verdict(load)}


def verdict(load: Load) -> str:
    """What the gate said of a load: `passed`; `warned` if a rule was broken that only warns; `restored` of a rollback."""
    said = load.facts.get("verdict") or {}
    if said.get("outcome") == "rollback":
        return "restored"
    return "passed" if all(rule.get("passed", True) for rule in said.get("rules") or ()) else "warned"


def as_of(load: Load) -> datetime:
    """When the records of a load were read from their department."""
    text = load.facts.get("as_of")
    moment = datetime.fromisoformat(text) if isinstance(text, str) else load.published_at
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@lru_cache(maxsize=16)
def _opening(about: Opened) -> tuple[Layout, Origins]:
    """The layout of a build's files, worked out once, and where their values came from."""
    return Layout(about.layout), {}


def _text(value: Value | None) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value)
