"""Form files as values, every field bound to the subject kind: all that an answer needs is looked up here, once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, assert_never

from prefill import paths
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
    """One field. `path` is None where the applicant types it; `suppliers` are the datasets that may hold it, the authoritative first.

    `labels` and `labels_en` name the codes it may hold, in Chinese where there is no English; `element` is its data element;
    `decimal` numbers are shown without the zeros behind the point.
    """

    name: str
    label: str
    label_en: str
    path: paths.Path | None = None
    required: bool = True
    locked: bool = False
    transform: str | None = None
    input: str = "text"
    options: tuple[Option, ...] = ()
    element: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    labels_en: Mapping[str, str] = field(default_factory=dict)
    suppliers: tuple[str, ...] = ()
    decimal: bool = False


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

    @property
    def datasets(self) -> tuple[str, ...]:
        """Every dataset that the form may be filled from."""
        return tuple(dict.fromkeys(dataset for f in self.fields for dataset in f.suppliers))


def load(folder: Path, kinds: Kinds, contracts: Mapping[str, Contract]) -> dict[str, Form]:
    """Every form in the folder's YAML files, by id.

    Raises:
        ContractInvalid: with every problem found, each naming file, path, fault and an example.
        SourceMissing: there is no such folder.
    """
    forms: dict[str, Form] = {}
    problems: list[Problem] = []
    for path in declared_file.files(folder, "form"):
        try:
            form = read(path, kinds, contracts)
        except ContractInvalid as error:
            problems += error.problems
            continue
        if form.id in forms:
            problems.append(
                Problem("form", f"{form.id!r} is declared in another file as well", "an id of its own", str(path))
            )
        forms[form.id] = form
    if problems:
        raise ContractInvalid(problems)
    return forms


def read(path: Path, kinds: Kinds, contracts: Mapping[str, Contract]) -> Form:
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
    problems: list[Problem] = []
    fields = tuple(_field(node, f"fields[{i}]", kind, contracts, problems) for i, node in enumerate(document["fields"]))
    names = [f.name for f in fields]
    twice = sorted({n for n in names if names.count(n) > 1})
    problems += [Problem("fields", f"name {n!r} stands twice", "a name of its own for each field") for n in twice]
    if problems:
        raise ContractInvalid([Problem(p.path, p.wrong, p.example, str(path)) for p in problems])
    about = {
        name: document[name] for name in ("version", "title", "title_en", "subject", "department", "department_en")
    }
    return Form(id=document["form"], fields=fields, **about)


def _field(
    node: dict[str, Any], where: str, kind: Kind, contracts: Mapping[str, Contract], problems: list[Problem]
) -> FormField:
    plain = FormField(
        name=node["name"],
        label=node["label"],
        label_en=node["label_en"],
        required=node.get("required", True),
        locked=node.get("entry") == "locked",
        transform=node.get("transform"),
        input=node.get("input", "text"),
        options=tuple(Option(**option) for option in node.get("options") or ()),
    )
    if "from" not in node:
        if plain.locked or plain.transform:
            problems.append(
                Problem(where, "a field that is typed can neither be locked nor transformed", f"from: {kind.name}.id")
            )
        return plain
    try:
        path = paths.parse(node["from"], kind)
    except paths.PathInvalid as error:
        problems.append(Problem(f"{where}.from", error.wrong, error.example))
        return plain
    return _bound(plain, path, kind, contracts)


def _bound(plain: FormField, path: paths.Path, kind: Kind, contracts: Mapping[str, Contract]) -> FormField:
    column: Column | None = None
    suppliers: tuple[str, ...] = ()
    element = kind.key_element
    match path:
        case paths.IdPath():
            pass
        case paths.FieldPath(field=name):
            found = next(f for f in kind.fields if f.name == name)
            suppliers = tuple(dict.fromkeys(c.pick.dataset for c in found.candidates))
            first = found.candidates[0]
            element, column = found.element, contracts[first.pick.dataset].column(first.column)
        case paths.LatestPath(dataset=dataset, source=source):
            column = contracts[dataset].column(source)
            element, suppliers = column.element, (dataset,)
        case _:
            assert_never(path)
    labels = column.labels if column else {}
    zh, en = _labels(element)
    chosen, chosen_en = {o.value: o.label for o in plain.options}, {o.value: o.label_en for o in plain.options}
    decimal = column is not None and column.type == "decimal"
    bound = {"path": path, "element": element, "suppliers": suppliers, "decimal": decimal}
    return FormField(
        **{**plain.__dict__, **bound, "labels": {**zh, **labels, **chosen}, "labels_en": {**en, **chosen_en}}
    )


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
