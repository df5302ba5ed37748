"""Form files as values, every field bound to the subject kind: all that an answer needs is looked up here, once.

1. `form.schema.json` settles the shape (editors complete from it; `schema_for` adds the paths that these kinds have).
2. Every path is followed in the subject kind, every element, condition and input is held to the contract's column behind it.
3. All problems of all files are reported at once, each with file, path and an example of right.

Besides the declared forms each subject kind is a form of its own (`of_kind`), for a client that asks for fields and has no form.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import resources
from pathlib import Path as File
from typing import Any, assert_never

from prefill.paths import FieldPath, IdPath, LatestPath, Path, PathInvalid, RowsPath, ValuePath, every, parse
from schemas.codes import REGION, code_list
from schemas.contract import Column, Contract
from schemas.elements import ELEMENTS
from schemas.errors import ContractInvalid, Problem
from subjects import declared_file
from subjects.kinds import Kind, Kinds


@dataclass(frozen=True)
class Option:
    """One choice of a field that the applicant picks."""

    value: str
    label: str
    label_en: str


@dataclass(frozen=True)
class FormField:
    """One field. `paths` is where its value is looked for, in this order; empty where the applicant types it.

    A field of nested rows has `rows` instead, and its `items` are the cells of a row; at most `most` rows are given.
    `suppliers` are the datasets that may hold it, in the same order; `labels` and `labels_en` name the codes it may hold, in Chinese where
    there is no English; `element` is its data element; `decimal` numbers are shown without the zeros behind the point. `private`: that it is
    held at all is nobody's business without a grant, so a field that is not granted is answered as one that nobody holds.
    """

    name: str
    label: str
    label_en: str
    paths: tuple[ValuePath, ...] = ()
    rows: RowsPath | None = None
    items: "tuple[FormField, ...]" = ()
    most: int = 20
    required: bool = True
    locked: bool = False
    private: bool = False
    transform: str | None = None
    input: str = "text"
    options: tuple[Option, ...] = ()
    element: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    labels_en: Mapping[str, str] = field(default_factory=dict)
    suppliers: tuple[str, ...] = ()
    decimal: bool = False

    @cached_property
    def typed(self) -> bool:
        """Whether the form leaves it to the applicant."""
        return not self.paths and self.rows is None

    @cached_property
    def reworded(self) -> bool:
        """Whether people read something else than the value itself."""
        return bool(self.labels or self.labels_en or self.decimal)


@dataclass(frozen=True)
class Form:
    """One form of a department, for one kind of subject."""

    id: str
    version: str
    title: str
    title_en: str
    subject: str
    department: str
    department_en: str
    fields: tuple[FormField, ...]

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """Every dataset that the form may be filled from."""
        return tuple(dict.fromkeys(dataset for f in self.fields for dataset in f.suppliers))

    @cached_property
    def named(self) -> Mapping[str, FormField]:
        """The fields by name."""
        return {f.name: f for f in self.fields}

    @cached_property
    def bound(self) -> tuple[str, ...]:
        """The fields that have a source."""
        return tuple(f.name for f in self.fields if not f.typed)

    @cached_property
    def private(self) -> frozenset[str]:
        """The fields whose being held is private."""
        return frozenset(f.name for f in self.fields if f.private)

    def told_of(self, names: Collection[str]) -> frozenset[tuple[str, str]]:
        """What these fields tell of a list's entries: the list and the column."""
        cells = [cell for name in names for cell in (self.named[name], *self.named[name].items)]
        return frozenset((p.list, p.column) for cell in cells for p in cell.paths if isinstance(p, LatestPath))


def load(folder: File, kinds: Kinds, contracts: Mapping[str, Contract]) -> dict[str, Form]:
    """Every form in the folder's YAML files, by id.

    Raises:
        ContractInvalid: with every problem found, each naming file, path, fault and an example.
        SourceMissing: there is no such folder.
    """
    return check(declared_file.files(folder, "form"), kinds, contracts)


def check(files: list[File], kinds: Kinds, contracts: Mapping[str, Contract]) -> dict[str, Form]:
    """The forms in these files, by id; ContractInvalid as with `load`."""
    forms: dict[str, Form] = {}
    problems: list[Problem] = []
    for path in files:
        try:
            form = read(path, kinds, contracts)
        except ContractInvalid as error:
            problems += error.problems
            continue
        if form.id in forms or form.id in kinds:
            taken = "is a subject kind's name" if form.id in kinds else "is declared in another file as well"
            problems.append(Problem("form", f"{form.id!r} {taken}", "an id of its own", str(path)))
        forms[form.id] = form
    if problems:
        raise ContractInvalid(problems)
    return forms


def read(path: File, kinds: Kinds, contracts: Mapping[str, Contract]) -> Form:
    """The form in one file.

    Raises:
        ContractInvalid: with every problem found.
    """
    document = declared_file.read(path, "prefill", "form.schema.json")
    kind = kinds.get(document["subject"])
    if kind is None:
        known = ", ".join(sorted(kinds)) or "declare a subject kind first"
        raise ContractInvalid(
            [Problem("subject", f"there is no subject kind {document['subject']!r}", f"one of {known}", str(path))]
        )
    reader = _Reader(kind, contracts, [])
    about = {
        name: document[name] for name in ("version", "title", "title_en", "subject", "department", "department_en")
    }
    form = Form(id=document["form"], fields=reader.fields(document["fields"], "fields"), **about)
    if not reader.problems:
        reader.renews(form)
    if reader.problems:
        raise ContractInvalid([Problem(p.path, p.wrong, p.example, str(path)) for p in reader.problems])
    return form


def of_kind(kind: Kind, contracts: Mapping[str, Contract]) -> Form:
    """The subject kind itself as a form, named as the kind: each of its fields and lists that is shared, all locked."""
    reader = _Reader(kind, contracts, [])
    nodes: list[dict[str, Any]] = [
        {"name": f.name, "from": f"{kind.name}.{f.name}", "label": f.title, "label_en": f.title_en}
        for f in kind.fields
        if not any(_closed(contracts[c.pick.dataset], c.column) for c in f.candidates)
    ]
    for x in kind.lists:
        shown = [c for c in x.names if not _closed(contracts[x.dataset], x.source(c))]
        titles = {c: contracts[x.dataset].column(x.source(c)).title for c in shown}
        cells = [{"name": c, "label": titles[c], "label_en": c, "from": c} for c in shown]
        if cells:
            nodes.append({"name": x.name, "from": x.name, "label": x.title, "label_en": x.title_en, "items": cells})
    fields = reader.fields([{**node, "entry": "locked", "required": False} for node in nodes], "fields")
    return Form(kind.name, "1.0.0", kind.title, kind.title_en, kind.name, "", "", fields)


def schema_for(kinds: Kinds) -> dict[str, Any]:
    """The JSON Schema of a form file with the paths, kinds and data elements that this hub has, for an editor to complete from."""
    schema: dict[str, Any] = json.loads(resources.files("prefill").joinpath("form.schema.json").read_text("utf-8"))
    offered = list(dict.fromkeys(path for kind in kinds.values() for path in every(kind)))
    conditioned = {"type": "string", "pattern": r"^\w+\[[^\[\]]+\](\.latest\.\w+)?$"}
    schema["$defs"]["path"] = {"anyOf": [{"enum": offered}, conditioned]}
    schema["$defs"]["element"] = {"enum": list(ELEMENTS)}
    schema["properties"]["subject"]["enum"] = sorted(kinds)
    return schema


@dataclass(frozen=True)
class _Reader:
    """Fields from their nodes; what is wrong is noted."""

    kind: Kind
    contracts: Mapping[str, Contract]
    problems: list[Problem]

    def fields(self, nodes: list[dict[str, Any]], where: str) -> tuple[FormField, ...]:
        found = tuple(self.field(node, f"{where}[{i}]") for i, node in enumerate(nodes))
        names = [f.name for f in found]
        for name in sorted({n for n in names if names.count(n) > 1}):
            self.wrong(where, f"name {name!r} stands twice", "a name of its own for each field")
        return found

    def field(self, node: dict[str, Any], where: str) -> FormField:
        plain = FormField(
            name=node["name"],
            label=node["label"],
            label_en=node["label_en"],
            required=node.get("required", True),
            locked=node.get("entry") == "locked",
            private=node.get("private", False),
            transform=node.get("transform"),
            input=node.get("input", "text"),
            options=tuple(Option(**option) for option in node.get("options") or ()),
            element=node.get("element"),
            most=node.get("most", 20),
        )
        if "from" not in node:
            if plain.locked or plain.transform or "items" in node:
                wrong = "a field that is typed can neither be locked nor transformed, nor have items"
                self.wrong(where, wrong, f"from: {self.kind.name}.id")
            return plain
        given = node["from"] if isinstance(node["from"], list) else [node["from"]]
        several = len(given) > 1
        found = [self.path(text, f"{where}.from[{i}]" if several else f"{where}.from") for i, text in enumerate(given)]
        rows = [path for path in found if isinstance(path, RowsPath)]
        if rows or "items" in node:
            return self.nested(plain, node, rows[0] if len(found) == len(rows) == 1 else None, where)
        return self.bound(plain, tuple(p for p in found if p is not None and not isinstance(p, RowsPath)), where)

    def path(self, text: str, where: str) -> Path | None:
        try:
            path = parse(text, self.kind)
        except PathInvalid as error:
            self.wrong(where, error.wrong, error.example)
            return None
        if isinstance(path, LatestPath | RowsPath):
            self.conditions(path, where)
        return path

    def conditions(self, path: LatestPath | RowsPath, where: str) -> None:
        """A condition on a value that the column never holds would leave the field blank for ever."""
        found = next(x for x in self.kind.lists if x.name == path.list)
        for name, value in path.where:
            column = self.contracts[found.dataset].column(found.source(name))
            allowed = column.enum or tuple(_labels(column.element)[0])
            if allowed and value not in allowed:
                known = ", ".join(allowed[:8])
                self.wrong(where, f"{found.dataset}.{column.name} never holds {value!r}", f"one of {known}")

    def nested(self, plain: FormField, node: dict[str, Any], rows: RowsPath | None, where: str) -> FormField:
        if rows is None or "items" not in node:
            self.wrong(where, "rows of a list and `items` go together", "from: LIST, items: [{name: …, from: COLUMN}]")
            return plain
        cells = []
        for i, cell in enumerate(node["items"]):
            bound = self.field({**cell, "from": f"{rows.list}.latest.{cell['from']}"}, f"{where}.items[{i}]")
            cells.append(bound)
        return replace(plain, rows=rows, items=tuple(cells), suppliers=(rows.dataset,))

    def bound(self, plain: FormField, found: tuple[ValuePath, ...], where: str) -> FormField:
        if not found:
            return plain
        behind = [self.behind(path) for path in found]
        suppliers = tuple(dict.fromkeys(dataset for _, datasets, _ in behind for dataset in datasets))
        element, _, column = behind[0]
        self.agree(plain, element, [c for _, _, c in behind if c is not None], where)
        self.shared(found, where)
        zh, en = _labels(element)
        own = column.labels if column else {}
        chosen, chosen_en = {o.value: o.label for o in plain.options}, {o.value: o.label_en for o in plain.options}
        return replace(
            plain,
            paths=found,
            element=element,
            suppliers=suppliers,
            decimal=column is not None and column.type == "decimal",
            labels={**zh, **own, **chosen},
            labels_en={**en, **chosen_en},
        )

    def behind(self, path: ValuePath) -> tuple[str | None, tuple[str, ...], Column | None]:
        """The data element, the datasets and the contract's column behind a path."""
        match path:
            case IdPath():
                return self.kind.key_element, (), None
            case FieldPath(field=name):
                found = next(f for f in self.kind.fields if f.name == name)
                first = found.candidates[0]
                column = self.contracts[first.pick.dataset].column(first.column)
                return found.element, tuple(dict.fromkeys(c.pick.dataset for c in found.candidates)), column
            case LatestPath(dataset=dataset, source=source):
                column = self.contracts[dataset].column(source)
                return column.element, (dataset,), column
            case _:
                assert_never(path)

    def agree(self, plain: FormField, element: str | None, columns: list[Column], where: str) -> None:
        """The field says of its value what the contract says of the column."""
        if plain.element is not None and plain.element != element:
            self.wrong(f"{where}.element", f"the source holds {element}, not {plain.element}", f"element: {element}")
        for column in columns:
            if plain.input == "date" and column.type not in ("date", "timestamp") and plain.transform is None:
                self.wrong(f"{where}.input", f"column {column.name!r} holds no date", "input: text")

    def shared(self, paths: tuple[ValuePath, ...], where: str) -> None:
        """No value may come from a column that is not shared, be it a field's last fallback."""
        for path in paths:
            columns = [(path.dataset, path.source)] if isinstance(path, LatestPath) else []
            if isinstance(path, FieldPath):
                found = next(f for f in self.kind.fields if f.name == path.field)
                columns = [(c.pick.dataset, c.column) for c in found.candidates]
            for dataset, name in columns:
                if _closed(self.contracts[dataset], name):
                    self.wrong(f"{where}.from", f"column {name!r} is not shared (shareType 3)", "another source")

    def renews(self, form: Form) -> None:
        """A form that renews what falls due tells the key of the record, by which its entry is selected."""
        told = form.told_of(form.bound)
        for rule in (r for r in self.kind.due if r.form == form.id):
            found = next(x for x in self.kind.lists if x.name == rule.list)
            for key in self.contracts[found.dataset].key:
                if (rule.list, key) not in told:
                    wrong = f"it renews what falls due in {rule.list}, and does not show which: {key}"
                    self.wrong("fields", wrong, f"from: {rule.list}.latest.{key}")

    def wrong(self, path: str, wrong: str, example: str) -> None:
        self.problems.append(Problem(path, wrong, example))


def _closed(contract: Contract, name: str) -> bool:
    return contract.column(name) not in contract.shared


def _labels(element: str | None) -> tuple[dict[str, str], dict[str, str]]:
    known = ELEMENTS.get(element or "")
    if known is not None and known.reading == "region":
        return _regions(), {}
    if known is None or known.codes is None:
        return {}, {}
    found = code_list(known.codes)
    return found.values, found.english


@cache
def _regions() -> dict[str, str]:
    """Every region with the names of those it lies in: 110101 is 北京市东城区."""
    names = code_list(REGION).values
    return {code: "".join(_enclosing(code, names)) for code in names}


def _enclosing(code: str, names: Mapping[str, str]) -> list[str]:
    """Province, prefecture and county; the placeholders 市辖区 and 县 between them are left out."""
    codes = dict.fromkeys((f"{code[:2]}0000", f"{code[:4]}00", code))
    return [names[c] for c in codes if c in names and (c == code or names[c] not in {"市辖区", "县"})]
