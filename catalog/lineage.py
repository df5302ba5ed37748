"""Where every column comes from and goes to: source table → dataset → subject file → form field.

Nothing is traced and nothing is guessed: contracts say which source column a column is read from, subject kinds which columns make a
field or a list, form bindings which of those fill a form's field. `flow` puts one dataset's three declarations side by side.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from schemas.contract import Contract
from subjects.kinds import Kind

Stage = Literal["source", "dataset", "subject", "form"]


@dataclass(frozen=True)
class Binding:
    """One form field that is filled from a subject file: `part` is a field of the kind, `id`, or `LIST.COLUMN`."""

    form: str
    form_zh: str
    form_en: str
    department: str
    department_en: str
    subject: str
    field: str
    zh: str
    en: str
    part: str


@dataclass(frozen=True)
class Port:
    """One column, field or form field: `id` is unique in the flow, `name` its technical name."""

    id: str
    name: str
    zh: str
    en: str


@dataclass(frozen=True)
class Box:
    """One table, subject file or form, with those of its parts that take part."""

    id: str
    stage: Stage
    zh: str
    en: str
    note: str
    ports: tuple[Port, ...]


@dataclass(frozen=True)
class Flow:
    """A dataset's lineage: boxes by stage, and edges between port ids."""

    boxes: tuple[Box, ...]
    edges: tuple[tuple[str, str], ...]

    def of(self, stage: Stage) -> tuple[Box, ...]:
        """The boxes of one stage."""
        return tuple(box for box in self.boxes if box.stage == stage)

    def onward(self, port: str) -> tuple[str, ...]:
        """The ports that a port leads to."""
        return tuple(to for from_, to in self.edges if from_ == port)

    def to_json(self) -> dict[str, Any]:
        """The flow as plain JSON values."""
        boxes = [
            {"id": b.id, "stage": b.stage, "title": {"zh": b.zh, "en": b.en}, "ports": [p.id for p in b.ports]}
            for b in self.boxes
        ]
        return {"boxes": boxes, "edges": [list(edge) for edge in self.edges]}


def flow(contract: Contract, kinds: Mapping[str, Kind], bindings: Iterable[Binding]) -> Flow:
    """The lineage of one dataset, at column level."""
    source, columns = _source(contract)
    boxes, edges = [source, _dataset(contract)], columns
    reached: set[str] = set()
    for kind in kinds.values():
        parts = _parts(contract, kind)
        if parts:
            boxes.append(_subject(kind, parts))
            edges += [(f"dataset:{column}", f"subject:{kind.name}.{part}") for part, column, _ in parts]
            reached |= {f"{kind.name}.{part}" for part, _, _ in parts}
    forms: dict[str, list[Binding]] = {}
    for binding in bindings:
        if f"{binding.subject}.{binding.part}" in reached:
            forms.setdefault(binding.form, []).append(binding)
            edges.append((f"subject:{binding.subject}.{binding.part}", f"form:{binding.form}.{binding.field}"))
    boxes += [_form(name, filled) for name, filled in sorted(forms.items())]
    return Flow(tuple(boxes), tuple(dict.fromkeys(edges)))


def source_of(contract: Contract) -> tuple[str, str]:
    """Namespace and name of the source after OpenLineage's naming, without credentials: `postgres://db:5432`, `civil.public.people`."""
    source = contract.source
    if source.kind == "push":
        return f"push://{contract.provider_code}", contract.dataset
    address = urlsplit(source.url)
    scheme = address.scheme.partition("+")[0].replace("postgresql", "postgres") or "file"
    where = f"{address.hostname or ''}{f':{address.port}' if address.port else ''}"
    path = address.path.strip("/")
    if source.kind == "sql":
        return f"{scheme}://{where}", ".".join(part for part in (path, source.table) if part)
    return f"{scheme}://{where}", "/".join(part for part in (path, source.table.lstrip("/")) if part)


def parts_from(kind: Kind, dataset: str) -> Iterator[str]:
    """The parts of a subject file that a dataset may fill."""
    yield from (f.name for f in kind.fields if any(c.pick.dataset == dataset for c in f.candidates))
    for item in kind.lists:
        if item.dataset == dataset:
            yield from (f"{item.name}.{name}" for name in item.names)


def _source(contract: Contract) -> tuple[Box, list[tuple[str, str]]]:
    ports = tuple(Port(f"source:{c.source}", c.source, c.source, c.source) for c in contract.columns)
    title = contract.source.table or contract.dataset
    box = Box("source", "source", title, title, contract.provider, ports)
    return box, [(f"source:{c.source}", f"dataset:{c.name}") for c in contract.columns]


def _dataset(contract: Contract) -> Box:
    ports = tuple(Port(f"dataset:{c.name}", c.name, c.title, c.name) for c in contract.columns)
    return Box("dataset", "dataset", contract.title, contract.title_en or contract.title, contract.dataset, ports)


def _parts(contract: Contract, kind: Kind) -> list[tuple[str, str, tuple[str, str]]]:
    """Part of the subject file, the dataset's column behind it, and its names."""
    titles = {c.name: (c.title, c.name) for c in contract.columns}
    found = [
        ("id", column, (kind.key_title, kind.key_title_en))
        for dataset, column in kind.links
        if dataset == contract.dataset
    ]
    found += [
        (field.name, candidate.column, (field.title, field.title_en))
        for field in kind.fields
        for candidate in field.candidates
        if candidate.pick.dataset == contract.dataset
    ]
    for item in kind.lists:
        if item.dataset == contract.dataset:
            found += [
                (f"{item.name}.{name}", item.source(name), titles.get(item.source(name), (name, name)))
                for name in item.names
            ]
    return list(dict.fromkeys(found))


def _subject(kind: Kind, parts: Iterable[tuple[str, str, tuple[str, str]]]) -> Box:
    named = {part: names for part, _, names in parts}
    ports = tuple(Port(f"subject:{kind.name}.{part}", part, zh, en) for part, (zh, en) in named.items())
    return Box(f"subject:{kind.name}", "subject", kind.title, kind.title_en, kind.name, ports)


def _form(name: str, filled: list[Binding]) -> Box:
    ports = {b.field: Port(f"form:{name}.{b.field}", b.field, b.zh, b.en) for b in filled}
    first = filled[0]
    return Box(f"form:{name}", "form", first.form_zh, first.form_en, name, tuple(ports.values()))
