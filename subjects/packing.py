"""A subject file as the online store keeps it, and back: a JSON array of cells for each class of sensitivity.

1. `Layout` says which cells there are, in which class's array each stands, and what they mean. It is stored once a build, so a file holds
   values and load numbers alone: a third of the bytes, and nothing to compress.
2. `sections` is the SQL that packs rows of the lake's files; DuckDB does it beside the thread that encrypts.
3. `Packed.canonical` is the file of the arrays as its readers see it, what two builds are compared by. Most values are plain: from their
   field's first source, without an end, with nobody who objects. Whoever is in a hurry reads those where they stand (`Layout.field`, `newest`).
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Any

from msgspec import Struct
from msgspec.json import decode

from schemas.contract import Contract
from schemas.struct import Quick
from subjects.kinds import Kind
from subjects.layout import load_name, plain
from subjects.statement import json_value, quote

CLASSES = ("L2", "L3", "L4")
"""Classes that have a key of their own. What is public (L1) goes with L2: which companies a store tells of is nobody's business either."""
_IDENTITY = 3
"""The cells that say who it is: identifier, former ones, what it is called after."""
_LOAD_AND_UNTIL = 2
"""The cells of the first class that go before an entry's own."""
Facts = Mapping[tuple[str, int], Mapping[str, Any]]
"""Of each (dataset, load): run, as_of, verdict."""


Cells = Mapping[str, list[Any]]
"""The array of each class."""
Read = Callable[[Cells], Any]


@dataclass(frozen=True, eq=False)
class Origin:
    """Where plain values of a file are from: the row of one dataset, or the newest entry of one list.

    `load` reads the number of the load that brought them, None where the file has nothing from there; `until` the end of their validity.
    """

    dataset: str
    load: Read
    until: Read


class Plain(Struct, frozen=True):
    """Where a plain value stands: at `place` in the array of a class, or in the newest entry of the list that stands at `entries` in it."""

    origin: Origin
    column: str
    of: str
    place: int
    entries: int | None = None


@dataclass(frozen=True, eq=False)
class Layout:
    """The cells of a kind's files, as plain JSON values, so that it travels with them."""

    value: Mapping[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the kind's values are of; the first also holds the load numbers."""
        return tuple(self.value["classes"])

    @cached_property
    def loads(self) -> slice:
        """Where in the first class's array the load numbers stand: after the identity, where that is of this class."""
        return slice(self.heads["L2"] - len(self.value["picks"]), self.heads["L2"])

    @cached_property
    def cells(self) -> Sequence[tuple[Mapping[str, Any], str, int, Mapping[str, Any]]]:
        """Each field, its class, its place in that array, and what is held of a value that its first source gave for good."""
        used, found = Counter(self.heads), []
        for field in self.value["fields"]:
            alone = {**_other(field["sources"], [None, 0, None]), "conflict": False, "others": []}
            found.append((field, field["class"], used[field["class"]], alone))
            used[field["class"]] += 1
        return found

    @cached_property
    def heads(self) -> Mapping[str, int]:
        """How many cells of each array go before its fields: the identity, the load numbers."""
        heads = dict.fromkeys(self.classes, 0)
        heads[self.value["identity"]] += _IDENTITY
        heads["L2"] += len(self.value["picks"])
        return heads

    @cached_property
    def ends(self) -> Mapping[str, int]:
        """How many cells of each array go before its lists."""
        fields = Counter(field["class"] for field in self.value["fields"])
        return {name: head + fields[name] for name, head in self.heads.items()}

    @cached_property
    def told(self) -> dict[tuple[str, int], Mapping[str, Any]]:
        """What is told of every value that came with a load; kept from the first file that needs it."""
        return {}

    @cached_property
    def origins(self) -> Mapping[str, Origin]:
        """Where plain values may be from, by pick."""
        picks = enumerate(self.value["picks"], self.loads.start)
        return {name: Origin(dataset, _cell("L2", place), _none) for place, (name, dataset) in picks}

    @cached_property
    def lists(self) -> Mapping[str, tuple[Origin, Mapping[str, int], Mapping[str, tuple[str, int]]]]:
        """By list where its newest entry is from, the list's place in each class's array, and the class and place in an entry of each column."""
        places, found = dict(self.ends), {}
        for item in self.value["lists"]:
            held = {c: places[c] for c in _held(item, self.classes)}
            used = Counter({"L2": _LOAD_AND_UNTIL})
            columns = {}
            for name, of in zip(item["names"], item["classes"], strict=True):
                columns[name] = of, used[of]
                used[of] += 1
            origin = Origin(item["dataset"], _newest("L2", held["L2"], 0), _newest("L2", held["L2"], 1))
            found[item["name"]] = origin, held, columns
            places.update({c: place + 1 for c, place in held.items()})
        return found

    def field(self, name: str) -> Plain:
        """A field's plain value."""
        field, of, place, _ = next(cell for cell in self.cells if cell[0]["name"] == name)
        pick, column = field["sources"][0]
        return Plain(self.origins[pick], column, of, place)

    def newest(self, name: str, column: str, source: str) -> Plain:
        """A value of a list's newest entry; `source`: what its dataset calls the column."""
        origin, places, columns = self.lists[name]
        of, place = columns[column]
        return Plain(origin, source, of, place, places[of])


class Packed(Quick, frozen=True):
    """A file as it is stored, deciphered."""

    made: Layout
    cells: Cells
    facts: Facts

    @staticmethod
    def of(made: Layout, arrays: Mapping[str, bytes], facts: Facts) -> "Packed":
        """The file of its arrays, by class."""
        return Packed(made, {name: decode(text) for name, text in arrays.items()}, facts)

    @property
    def identifier(self) -> str:
        """Whose file it is."""
        return str(self.cells[self.made.value["identity"]][0])

    def told(self, dataset: str, load: int) -> Mapping[str, Any]:
        """What is told of every value that came with a load."""
        found = self.made.told.get((dataset, load))
        if found is None:
            found = self.made.told[dataset, load] = {"dataset": dataset, "load": load, **self.facts[dataset, load]}
        return found

    def canonical(self) -> dict[str, Any]:
        """The file as its readers see it."""
        made, cells, facts = self.made, self.cells, self.facts
        value = made.value
        identifier, former, called = cells[value["identity"]][:_IDENTITY]
        sources = {
            name: None if load is None else self.told(dataset, load)
            for (name, dataset), load in zip(value["picks"], cells["L2"][made.loads], strict=True)
        }
        fields, disputed = {}, {}
        for field, of, place, alone in made.cells:
            cell = cells[of][place]
            if not isinstance(cell, list):
                fields[field["name"]] = None if cell is None else {**alone, "value": cell}
                continue
            fields[field["name"]] = _survivor(field["sources"], cell)
            if cell[0] is None and cell[3]:
                disputed[field["name"]] = [_other(field["sources"], other) for other in cell[3]]
        rest = {name: iter(array[made.ends[name] :]) for name, array in cells.items()}
        lists = {item["name"]: list(_items(item, made.classes, rest, facts)) for item in value["lists"]}
        known = {"former": former, "called": called or identifier} if former else {}
        return {
            "kind": value["kind"], "id": identifier, **known, "fields": fields, "disputed": disputed, "lists": lists,
            "datasets": value["datasets"], "sources": sources,
        }  # fmt: skip


def together(plains: Sequence[Plain]) -> Callable[[Cells], Sequence[Any]]:
    """Reads values of one array, or of one list's newest entry: None where there is none, a list where it is not plain."""
    of, entries, places = plains[0].of, plains[0].entries, [plain.place for plain in plains]
    pick = itemgetter(*places, places[0])  # of one place alone it would give the bare value
    nothing = (None,) * (len(places) + 1)

    def read(cells: Cells) -> Sequence[Any]:
        cell: Any = cells[of] if entries is None else cells[of][entries]
        found: Sequence[Any] = pick(cell if entries is None else cell[0]) if cell else nothing
        return found

    return read


def layout(kind: Kind, contracts: Mapping[str, Contract]) -> Layout:
    """The layout of a kind's files."""
    fields = [
        {
            "name": f.name,
            "class": max(_class(contracts[c.pick.dataset], c.column) for c in f.candidates),
            "sources": [[c.pick.name, c.column] for c in f.candidates],
        }
        for f in kind.fields
    ]
    lists = [
        {
            "name": x.name,
            "dataset": x.dataset,
            "names": list(x.names),
            "classes": [_class(contracts[x.dataset], x.source(n)) for n in x.names],
        }
        for x in kind.lists
    ]
    identity = max((_class(contracts[dataset], by) for dataset, by in kind.links), default=CLASSES[-1])
    used = {"L2", identity, *(f["class"] for f in fields), *(c for x in lists for c in x["classes"])}
    return Layout(
        {
            "kind": kind.name,
            "identity": identity,
            "classes": [c for c in CLASSES if c in used],
            "picks": [[p.name, p.dataset] for p in kind.picks],
            "fields": fields,
            "lists": lists,
            "datasets": {d: _described(contracts[d]) for d in kind.datasets},
        }
    )


def sections(kind: Kind, contracts: Mapping[str, Contract], made: Layout) -> list[str]:
    """One SQL expression over a file's row for each class: its JSON array as text."""
    cells: dict[str, list[str]] = {c: [] for c in made.classes}
    cells[made.value["identity"]] += ["_id", "_former", "_called"]
    cells["L2"] += [quote(load_name(p.name)) for p in kind.picks]
    for field, cell in zip(kind.fields, made.value["fields"], strict=True):
        column = contracts[field.candidates[0].pick.dataset].column(field.candidates[0].column)
        cells[cell["class"]].append(_field(field.name, lambda x, c=column: json_value(c, x), alone=plain(field)))
    for item, cell in zip(kind.lists, made.value["lists"], strict=True):
        for name in made.classes:
            wanted = [n for n, c in zip(item.names, cell["classes"], strict=True) if c == name]
            values = [json_value(contracts[item.dataset].column(item.source(n)), f"x.{quote(n)}") for n in wanted]
            own = ["x._load", "x._until"] if name == "L2" else []
            if own or values:
                cells[name].append(
                    f"list_transform({quote(item.name)}, lambda x: json_array({', '.join([*own, *values])}))"
                )
    return [f"CAST(json_array({', '.join(cells[c])}) AS VARCHAR)" for c in made.classes]


def identifier_of(made: Mapping[str, Any], texts: Mapping[str, bytes]) -> str:
    """Whose file it is, from its layout and its arrays."""
    return str(json.loads(texts[made["identity"]])[0])


def _cell(of: str, place: int) -> Read:
    """Reads a cell that holds nothing but a value; what else is to be said of one stands in a list."""

    def read(cells: Cells) -> Any:
        cell = cells[of][place]
        return None if cell.__class__ is list else cell

    return read


def _newest(of: str, place: int, within: int) -> Read:
    """Reads a cell of a list's newest entry."""

    def read(cells: Cells) -> Any:
        entries = cells[of][place]
        return entries[0][within] if entries else None

    return read


def _none(_cells: Cells) -> None:
    """What is not there."""


def _field(name: str, spelled: Any, *, alone: bool) -> str:
    value, source, until, others = (quote(f"{prefix}{name}") for prefix in ("", "_from_", "_until_", "_others_"))
    if alone:
        return str(spelled(value))
    other = f'json_array({spelled("o.value")}, o."from", o.until)'
    whole = f"json_array({spelled(value)}, {source}, {until}, list_transform({others}, lambda o: {other}))"
    return f"CASE WHEN {source} = 0 AND {until} IS NULL AND {others} IS NULL THEN to_json({spelled(value)}) ELSE {whole} END"


def _survivor(sources: Sequence[Sequence[str]], cell: Sequence[Any]) -> dict[str, Any] | None:
    if cell[0] is None:
        return None
    others = [_other(sources, other) for other in cell[3] or ()]
    return {**_other(sources, cell), "conflict": bool(others), "others": others}


def _other(sources: Sequence[Sequence[str]], cell: Sequence[Any]) -> dict[str, Any]:
    pick, column = sources[cell[1]]
    return {"value": cell[0], "source": pick, "column": column, "valid_until": cell[2]}


def _items(
    item: Mapping[str, Any], classes: Sequence[str], cells: Mapping[str, Iterator[Any]], facts: Facts
) -> Iterator[dict[str, Any]]:
    held = _held(item, classes)
    for parts in zip(*(next(cells[c]) or () for c in held), strict=True):
        load, until = parts[0][0], parts[0][1]
        values = {c: iter(part[_LOAD_AND_UNTIL:] if c == "L2" else part) for c, part in zip(held, parts, strict=True)}
        yield {
            "values": {name: next(values[c]) for name, c in zip(item["names"], item["classes"], strict=True)},
            "valid_until": until,
            "load": load,
            **facts[item["dataset"], load],
        }


def _held(item: Mapping[str, Any], classes: Sequence[str]) -> list[str]:
    """The classes whose arrays hold something of a list: the first always its entries' loads and ends."""
    return [c for c in classes if c == "L2" or c in item["classes"]]


def _class(contract: Contract, column: str) -> str:
    return max(contract.column(column).classification, "L2")


def _described(contract: Contract) -> dict[str, str]:
    return {
        "title": contract.title, "title_en": contract.title_en, "department": contract.provider, "department_en": contract.provider_en,
    }  # fmt: skip
