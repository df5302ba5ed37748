"""A first form file from a plain JSON Schema: each property becomes a field, bound where the subject kind holds what it seems to ask for.

A property is matched by the data element it names (`x-element`), by its name or title, or by the data element that its title points to. What is
bound by likeness alone is marked `# TODO`; what nothing matches is left to the applicant. An array of objects becomes nested rows.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from schemas.contract import Contract
from schemas.errors import Invalid
from schemas.suggest import suggest
from subjects.kinds import Kind, ListOf

_INPUTS = {"date": "date", "email": "email", "tel": "tel", "phone": "tel"}


@dataclass(frozen=True)
class _Known:
    """Something that the kind holds: its path, and what it is called."""

    path: str
    names: frozenset[str]
    element: str | None


def draft(
    schema: Mapping[str, Any], kind: Kind, contracts: Mapping[str, Contract], *, form: str, department: str = ""
) -> str:
    """The form file's text; it is in order as it stands.

    Raises:
        Invalid: the schema describes no object with properties.
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        raise Invalid(
            "the JSON Schema has no properties", todo='draft from an object: {"type": "object", "properties": {…}}'
        )
    required = schema.get("required") or []
    known = [*_singles(kind), *_cells(kind, contracts)]
    title = str(schema.get("title") or form)
    head = [
        "# yaml-language-server: $schema=form.schema.json  (hub form schema > form.schema.json)",
        f"form: {form}", "version: 0.1.0", _line("title", title), f"{_line('title_en', title)}  # TODO the title in English",
        f"subject: {kind.name}", f"{_line('department', department or '市某部门')}  # TODO 办理部门 the department that asks",
        f"{_line('department_en', department or 'Department')}  # TODO", "fields:",
    ]  # fmt: skip
    names: list[str] = []
    for place, (name, node) in enumerate(properties.items(), 1):
        head += _field(
            _slug(name, place, names), name, node if isinstance(node, dict) else {}, name in required, kind, known
        )
    return "\n".join(head) + "\n"


def _field(
    slug: str, name: str, node: Mapping[str, Any], required: bool, kind: Kind, known: list[_Known]
) -> Iterator[str]:
    label = str(node.get("title") or name)
    field: dict[str, Any] = {"name": slug, "label": label, "label_en": str(node.get("description") or name)}
    note = ""
    rows = _rows(node, label, name, kind)
    if rows is not None:
        field |= rows
    elif (found := _match(name, label, node, known)) is not None:
        field["from"], sure = found
        note = "" if sure else "  # TODO is this what it asks for?"
    field |= _entry(node, bound="from" in field)
    if not required:
        field["required"] = False
    yield f"  - {yaml.safe_dump(field, allow_unicode=True, default_flow_style=True, sort_keys=False, width=10_000).strip()}{note}"


def _entry(node: Mapping[str, Any], *, bound: bool) -> dict[str, Any]:
    """How it is entered: from the schema's own words."""
    kept: dict[str, Any] = {"entry": "locked"} if bound and node.get("readOnly") else {}
    if isinstance(node.get("enum"), list) and not bound:
        options = [{"value": str(v), "label": str(v), "label_en": str(v)} for v in node["enum"]]
        return {**kept, "input": "choice", "options": options}
    kind = _INPUTS.get(str(node.get("format"))) or ("number" if node.get("type") in ("number", "integer") else None)
    return kept if kind is None or (bound and kind in ("date", "number")) else {**kept, "input": kind}


def _match(name: str, label: str, node: Mapping[str, Any], known: list[_Known]) -> tuple[str, bool] | None:
    """The path that holds what is asked for, and whether that is sure: an element or a name that says the same, else a likeness."""
    wanted = node.get("x-element")
    named = next((k for k in known if wanted and k.element == wanted), None)
    named = named or next((k for k in known if {_plain(name), _plain(label)} & k.names), None)
    if named is not None:
        return named.path, True
    for suggestion in suggest((), name=f"{name} {label}"):
        like = next((k for k in known if k.element == suggestion.element), None)
        if like is not None:
            return like.path, False
    return None


def _rows(node: Mapping[str, Any], label: str, name: str, kind: Kind) -> dict[str, Any] | None:
    """An array of objects as the rows of a list of this name or title."""
    items = node.get("items")
    if node.get("type") != "array" or not isinstance(items, dict):
        return None
    found = next((x for x in kind.lists if {_plain(x.name), _plain(x.title)} & {_plain(name), _plain(label)}), None)
    cells = [] if found is None else list(_columns(items, found))
    return {"from": found.name, "items": cells} if found is not None and cells else None


def _columns(items: Mapping[str, Any], found: ListOf) -> Iterator[dict[str, str]]:
    for name, node in (items.get("properties") or {}).items():
        column = next((c for c in found.names if _plain(c) == _plain(name)), None)
        if column is not None:
            label = str(node.get("title") or name) if isinstance(node, dict) else name
            yield {"name": column, "label": label, "label_en": column, "from": column}


def _singles(kind: Kind) -> Iterator[_Known]:
    key = frozenset(map(_plain, (kind.key_title, kind.key_title_en, "id")))
    yield _Known(f"{kind.name}.id", key, kind.key_element)
    for field in kind.fields:
        names = frozenset(map(_plain, (field.name, field.title, field.title_en)))
        yield _Known(f"{kind.name}.{field.name}", names, field.element)


def _cells(kind: Kind, contracts: Mapping[str, Contract]) -> Iterator[_Known]:
    for found in kind.lists:
        for name in found.names:
            column = contracts[found.dataset].column(found.source(name))
            names = frozenset(map(_plain, (name, column.title)))
            yield _Known(f"{found.name}.latest.{name}", names, column.element)


def _plain(text: str) -> str:
    """A name without case, blanks and punctuation.

    >>> _plain("Birth-Date"), _plain("birth_date")
    ('birthdate', 'birthdate')
    """
    return re.sub(r"[\W_]+", "", text).lower()


def _slug(name: str, place: int, taken: list[str]) -> str:
    """A field's name: the property's own where it can be one, none twice."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name) if name.isascii() else ""
    slug = re.sub(r"[^a-z0-9]+", "_", snake.lower()).strip("_")[:56]
    base = slug if re.match("[a-z]", slug) else f"field_{place}"
    found = base if base not in taken else f"{base}_{place}"
    taken.append(found)
    return found


def _line(name: str, value: str) -> str:
    return yaml.safe_dump({name: value}, allow_unicode=True, width=10_000).strip()
