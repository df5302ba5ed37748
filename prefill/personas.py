"""Personas: fictitious subjects for testers, for every subject kind one in each state a field can be in, and one with all of them.

They are made from the declarations, so that every form of this hub finds in them what it asks for: each field and list of the kind is given
sample values by its data element, each list a row for every condition that a form states. A persona brings the state of its sources along.
Nothing real is read for it, and its identifier cannot be anybody's: no region has the code 99.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import cycle
from typing import Any, assert_never

from msgspec import structs

from prefill.answer import Asked
from prefill.envelope import State
from prefill.forms import Form
from prefill.paths import LatestPath, RowsPath
from prefill.sources import SourceState
from prefill.world import World
from schemas.codes import code_list
from schemas.contract import Column, Contract
from schemas.elements import ELEMENTS
from schemas.identifiers import citizen_check, organisation_check, uscc_check
from subjects.file import SubjectFile, Value
from subjects.kinds import Field, Kind, ListOf

PERSON, ENTERPRISE = "DE01001", "DE02001"
_BIRTH = "DE01006"
_FACTS = {"load": 1, "run": "persona", "as_of": "2026-01-01T00:00:00Z", "verdict": "passed"}
_ENDED, _ENDS = "2000-12-31", "2099-12-31"
_STORIES: tuple[tuple[State | None, str, str, str], ...] = (
    ("fresh", "甄常新", "一切齐全", "everything is there and current"),
    ("stale", "甄陈旧", "来源逾期未更新", "the sources are late"),
    ("expired", "甄过期", "有效期均已过", "every validity has ended"),
    ("unavailable", "甄断线", "来源不可用，稍后恢复", "the sources are down, and asked again later"),
    ("withheld", "甄保密", "字段不在授权范围内", "the fields are outside the grant"),
    ("not_held", "甄白卷", "来源中没有记录", "no source holds anything"),
    ("conflicting", "甄两说", "部门记录不一致", "departments disagree"),
    (None, "甄百态", "各种状态俱全", "all states in one form"),
)
_ALL: tuple[State, ...] = ("fresh", "expired", "conflicting", "not_held", "withheld", "stale", "unavailable")
_TEXT = "SHILI YANGBEN"
_BY_READING: Mapping[str, str] = {
    "address": "示例市样板路1号", "org_name": "示例市样板有限公司", "mobile": "13800000000", "phone": "010-88888888",
    "email": "sample@example.com", "postcode": "100000", "region": "110101", "licence_type": "示例证照", "text": _TEXT,
}  # fmt: skip


@dataclass(frozen=True)
class Persona:
    """One fictitious subject. `state` is what its fields are in, None for all in turn; `name` and the label say so to people."""

    kind: str
    identifier: str
    state: State | None
    name: str
    label: str
    label_en: str
    file: SubjectFile
    sources: Mapping[str, tuple[SourceState, timedelta, timedelta | None]] = field(repr=False)
    withheld: frozenset[str] = frozenset()

    def in_world(self, world: World) -> World:
        """The moment as it is for this persona: its own sources, none of the hub's."""
        at = {
            dataset: replace(source, as_of=world.now - age, available_at=None if back is None else world.now + back)
            for dataset, (source, age, back) in self.sources.items()
        }
        return structs.replace(world, datasets=at, sandbox=True, frames={})

    def asked(self, asked: Asked) -> Asked:
        """What is asked, without the fields that are withheld of this persona."""
        return structs.replace(asked, withheld={*asked.withheld, *self.withheld})


def build(kind: Kind, forms: Iterable[Form], contracts: Mapping[str, Contract]) -> list[Persona]:
    """The personas of a kind; none for a kind that is named neither by citizen ID nor by credit code."""
    if kind.key_element not in (PERSON, ENTERPRISE):
        return []
    mine = [form for form in forms if form.subject == kind.name]
    return [_Maker(kind, mine, contracts, number, story).persona() for number, story in enumerate(_STORIES, 1)]


def identifier(element: str, number: int) -> str:
    """The identifier of the n-th persona: valid by its check characters, and nobody's.

    >>> identifier(PERSON, 1), identifier(ENTERPRISE, 1)
    ('990000190001010016', '91990000XX00000197')
    """
    if element == PERSON:
        first = f"99000019000101{number:03d}"
        return first + citizen_check(first)
    organisation = f"XX{number:06d}"
    first = f"91990000{organisation}{organisation_check(organisation)}"
    return first + uscc_check(first)


@dataclass(frozen=True)
class _Maker:
    kind: Kind
    forms: list[Form]
    contracts: Mapping[str, Contract]
    number: int
    story: tuple[State | None, str, str, str]

    def persona(self) -> Persona:
        state, name, label, label_en = self.story
        key = identifier(self.kind.key_element or "", self.number)
        file = SubjectFile(self.kind.name, self.body(key))
        return Persona(
            self.kind.name, key, state, name, label, label_en, file, dict(self.sources()), frozenset(self.withheld())
        )  # fmt: skip

    def body(self, key: str) -> dict[str, Any]:
        datasets = {name: self.names(self.contracts[name]) for name in self.kind.datasets}
        states = self.states([f.name for f in self.kind.fields])
        fields = {f.name: self.value(f, states[f.name], key) for f in self.kind.fields}
        lists = {x.name: self.rows(x, key) for x in self.kind.lists}
        sources = {name: {"dataset": name, **_FACTS} for name in self.kind.datasets}
        return {
            "kind": self.kind.name,
            "id": key,
            "fields": fields,
            "lists": lists,
            "datasets": datasets,
            "sources": sources,
        }

    def states(self, names: Iterable[str]) -> dict[str, State]:
        """The state that each is to be in."""
        return dict(zip(names, cycle(_ALL) if self.story[0] is None else cycle([self.story[0]]), strict=False))

    def withheld(self) -> Iterator[str]:
        """All that the forms take from a source, or of the persona with every state the last of it."""
        for form in self.forms:
            if self.story[0] in ("withheld", None):
                yield from form.bound if self.story[0] else form.bound[-1:]

    def moods(self) -> dict[str, State]:
        """The state that each source is to be in."""
        turns: tuple[State, ...] = ("fresh", "stale", "unavailable") if self.story[0] is None else (self.story[0],)
        return dict(zip(self.kind.datasets, cycle(turns), strict=False))

    def value(self, of: Field, state: State, key: str) -> dict[str, Any] | None:
        first = of.candidates[0]
        if "unavailable" in (state, self.moods()[first.pick.dataset]) or state == "not_held":
            return None
        column = self.contracts[first.pick.dataset].column(first.column)
        value = self.sample(column, of.element, key)
        said = {
            "source": first.pick.dataset,
            "column": first.column,
            "valid_until": _ENDED if state == "expired" else None,
        }
        other = self.other(value, column)
        others = [{**said, "source": self.kind.datasets[-1], "value": other}] if state == "conflicting" else []
        return {**said, "value": value, "conflict": bool(others), "others": others}

    def rows(self, of: ListOf, key: str) -> list[dict[str, Any]]:
        if self.story[0] == "not_held" or self.moods()[of.dataset] == "unavailable":
            return []
        contract = self.contracts[of.dataset]
        columns = {name: contract.column(of.source(name)) for name in of.names}
        plain = {name: self.sample(column, column.element, key) for name, column in columns.items()}
        until = _ENDED if self.story[0] == "expired" else _ENDS
        if of.valid_until in plain:
            plain[of.valid_until] = until
        ends = until if of.valid_until else None
        wheres = list(dict.fromkeys(self.conditions(of.name))) or [()]
        return [{"values": {**plain, **dict(where)}, "valid_until": ends, **_FACTS} for where in wheres]

    def conditions(self, name: str) -> Iterator[tuple[tuple[str, str], ...]]:
        """What the forms ask of the list's entries."""
        for form in self.forms:
            for asked in form.fields:
                for path in (*asked.paths, asked.rows):
                    if isinstance(path, LatestPath | RowsPath) and path.list == name:
                        yield path.where

    def sources(self) -> Iterator[tuple[str, tuple[SourceState, timedelta, timedelta | None]]]:
        for dataset, state in self.moods().items():
            contract, late = self.contracts[dataset], state in ("stale", "unavailable")
            down = state == "unavailable" or (late and contract.latency_hours is None)
            source = SourceState(
                dataset, contract.title, contract.title_en, contract.provider, contract.provider_en,
                None if contract.latency_hours is None else timedelta(hours=contract.latency_hours),
                "failed" if down else "ok", "", None, 1,
            )  # fmt: skip
            age = (source.latency or timedelta(days=30)) + timedelta(days=1) if late else timedelta(0)
            yield dataset, (source, age, timedelta(hours=6) if late else None)

    def sample(self, column: Column, element: str | None, key: str) -> Value:
        """A value of the column's meaning."""
        known = ELEMENTS.get(element or "")
        allowed = column.enum or (tuple(code_list(known.codes).current) if known and known.codes else ())
        if element == self.kind.key_element:
            return key
        if known and known.reading in ("citizen_id", "uscc"):
            return identifier(PERSON if known.reading == "citizen_id" else ENTERPRISE, self.number)
        if known and known.reading == "person_name":
            return self.story[1]
        if element == _BIRTH and self.kind.key_element == PERSON:
            return f"{key[6:10]}-{key[10:12]}-{key[12:14]}"
        if column.type == "string":
            return allowed[0] if allowed else _BY_READING.get(known.reading if known else "text", _TEXT)
        return _plain(column)

    def other(self, value: Value, column: Column) -> Value:
        """A value that says something else."""
        return f"{value}（另一说）" if column.type == "string" else "1999-09-09" if column.type == "date" else "9"

    @staticmethod
    def names(contract: Contract) -> dict[str, str]:
        return {
            "title": contract.title, "title_en": contract.title_en, "department": contract.provider,
            "department_en": contract.provider_en,
        }  # fmt: skip


def _plain(column: Column) -> Value:
    match column.type:
        case "string":
            return _TEXT
        case "integer":
            return 1
        case "number":
            return 1.5
        case "decimal":
            return "100.0000"
        case "date":
            return "1990-01-01"
        case "timestamp":
            return "2026-01-01T00:00:00Z"
        case "boolean":
            return True
        case _:
            assert_never(column.type)
