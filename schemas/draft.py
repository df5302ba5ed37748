"""A first contract for a live source: its columns described, their data elements guessed, everything else marked `# TODO`.

The text passes `schemas.odcs.load` as it is: what only a person can know stands there as a placeholder of the right form with a
comment, so that the draft can be applied to a test hub at once and read line by line before it is applied to a real one.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import yaml

from schemas.elements import ELEMENTS, Element
from schemas.masking import mask
from schemas.suggest import ENOUGH, Suggestion, suggest

PLACEHOLDER_PROVIDER = "11310000002420886W"
_FORMATS = ("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d-%b-%Y")
_TYPES = (
    (r"bool", "boolean"),
    (r"timestamp|datetime", "timestamp"),
    (r"date", "date"),
    (r"(big|small|medium|tiny)?int(eger)?(\d+)?\b|serial", "integer"),
    (r"decimal|numeric|number|money|double|float|real", "number"),
)


@dataclass(frozen=True)
class Described:
    """A source's column: its name, its type in the source's words, its place in the primary key (0: none), sample values."""

    name: str
    type: str = "text"
    nullable: bool = True
    key: int = 0
    values: Sequence[object] = field(default=(), repr=False)
    comment: str = ""


@dataclass(frozen=True)
class _Property:
    column: Described
    name: str
    type: str
    suggestion: Suggestion | None
    format: str | None
    key: int

    @property
    def element(self) -> Element | None:
        return ELEMENTS[self.suggestion.element] if self.suggestion else None


def draft_yaml(
    dataset: str,
    server: dict[str, Any],
    columns: Sequence[Described],
    *,
    table: str = "",
    title: str = "",
    provider: str = "",
) -> str:
    """The contract's text (ODCS 3.2).

    `server` is the ODCS server block as it shall stand (type, host, path, customProperties), `table` the source's table, file
    pattern or path, `dataset` the hub's name for it.
    """
    properties = _properties(columns)
    parts = [
        _dump({"apiVersion": "v3.2.0", "kind": "DataContract", "id": dataset}),
        _todo("name", title or table or dataset, "数据资源名称 the resource's name (not a system's)"),
        _dump({"version": "0.1.0", "status": "draft"}),
        _todo("tenant", provider or "市某部门", "提供方 the providing department"),
        "description:\n  " + _todo("purpose", f"{title or dataset}", "摘要 what the data are and are for"),
        _dump({"servers": [_with_sync(server)]}),
        _schema(dataset, table, title, properties),
        "slaProperties:\n",
        "  - {property: frequency, value: 1, unit: d}  # TODO 更新周期 how often the source changes\n",
        "  - {property: latency, value: 48, unit: h}  # TODO 时效 the age from which values are stale\n",
        "customProperties:\n",
        *_customs(server),
    ]
    return "".join(parts)


@dataclass(frozen=True)
class Seen:
    """What a look at one column gave: the source's words for it, the element that it seems to hold with the evidence, values masked."""

    name: str
    type: str
    key: int
    element: str
    zh: str
    en: str
    masked: tuple[str, ...] = ()


def seen(columns: Sequence[Described], examples: int = 3) -> list[Seen]:
    """Each column with its guess; a few different values, masked as the element asks."""
    found = []
    for column in columns:
        guess = _guess(column)
        values = list(dict.fromkeys(str(v).strip() for v in column.values if v is not None and str(v).strip()))
        masked = [mask(guess.element if guess else None, v)[:60] for v in values[:examples]]
        element, zh, en = (guess.element, guess.zh, guess.evidence) if guess else ("", "", "")
        found.append(Seen(column.name, column.type, column.key, element, zh, en, tuple(dict.fromkeys(masked))))
    return found


def hub_names(sources: Sequence[str], english: Sequence[str | None]) -> list[str]:
    """One hub name for each column, none twice: the source's own where ASCII, else the element's, else its place.

    >>> hub_names(["姓名", "性别", "Total (%)", "total", "2024"], ["person_name", None, None, None, None])
    ['person_name', 'col_2', 'total', 'total_2', 'col_2024']
    """
    names: list[str] = []
    for place, (source, english_name) in enumerate(zip(sources, english, strict=True), 1):
        slug = re.sub(r"[^a-z0-9]+", "_", source.lower()).strip("_") if source.isascii() else ""
        base = slug[:56].rstrip("_") or english_name or f"col_{place}"
        names.append(_free(f"col_{base}" if base[0].isdigit() else base, names))
    return names


def _free(base: str, taken: Sequence[str]) -> str:
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _properties(columns: Sequence[Described]) -> list[_Property]:
    guesses = [_guess(c) for c in columns]
    names = hub_names([c.name for c in columns], [ELEMENTS[g.element].en if g else None for g in guesses])
    keys = _keys(columns)
    found = []
    for column, guess, name, key in zip(columns, guesses, names, keys, strict=True):
        kind = ELEMENTS[guess.element].logical_types[0] if guess else _logical(column.type)
        pattern = _source_format(column.values) if guess is None and kind == "string" else None
        found.append(_Property(column, name, "date" if pattern else kind, guess, pattern, key))
    return found


def _guess(column: Described) -> Suggestion | None:
    """The best suggestion that the column's own type does not forbid."""
    native = _logical(column.type)
    for suggestion in suggest(column.values, name=f"{column.name} {column.comment}".strip()):
        fits = ELEMENTS[suggestion.element].logical_types
        if native in ("string", "integer") or native in fits or (native == "number" and "decimal" in fits):
            return suggestion
    return None


def _logical(sql_type: str) -> str:
    return next((kind for pattern, kind in _TYPES if re.match(pattern, sql_type.lower())), "string")


def _keys(columns: Sequence[Described]) -> list[int]:
    """The declared key; without one, the first column whose sample repeats nothing and lacks nothing, else the first column."""
    if any(c.key for c in columns):
        return [c.key for c in columns]
    unique = [c for c in columns if c.values and None not in c.values and len(set(map(str, c.values))) == len(c.values)]
    chosen = (unique or list(columns))[0]
    return [1 if c is chosen else 0 for c in columns]


def _source_format(values: Iterable[object]) -> str | None:
    """The strptime pattern that fits the sample, if the usual readings of dates do not and exactly one or the first does."""
    sample = [str(v).strip() for v in values if v is not None and str(v).strip()]
    for pattern in _FORMATS:
        if sample and sum(_fits(v, pattern) for v in sample) / len(sample) >= ENOUGH:
            return pattern
    return None


def _fits(value: str, pattern: str) -> bool:
    try:
        datetime.strptime(value, pattern)  # noqa: DTZ007 (only whether it parses)
    except ValueError:
        return False
    return True


def _schema(dataset: str, table: str, title: str, properties: Sequence[_Property]) -> str:
    head: dict[str, Any] = {
        "name": dataset,
        "physicalName": table or dataset,
        "logicalType": "object",
        "businessName": title or dataset,
    }
    text = "schema:\n" + _indented(_dump([head]), 2) + "    properties:\n"
    declared = any(p.column.key for p in properties)
    for one in properties:
        text += _comment(one, declared) + _indented(_dump([_node(one)]), 6)
    return text


def _comment(one: _Property, declared: bool) -> str:
    notes = []
    if one.suggestion and one.element:
        notes.append(f"{one.element.id} {one.element.zh} {one.element.en}: {one.suggestion.evidence}")
    if one.key and not declared:
        notes.append("TODO 主键 the source declares no key; check that this one is")
    return "".join(f"      # {note}\n" for note in notes)


def _node(one: _Property) -> dict[str, Any]:
    element, column = one.element, one.column
    node: dict[str, Any] = {"name": one.name, "physicalName": column.name}
    node["businessName"] = column.comment or (column.name if not column.name.isascii() or not element else element.zh)
    node["logicalType"] = "number" if one.type == "decimal" else one.type
    node["physicalType"] = "decimal(18,4)" if one.type == "decimal" else column.type or "text"
    if one.key:
        node |= {"primaryKey": True, "primaryKeyPosition": one.key}
    if one.key or not column.nullable:
        node["required"] = True
    if element:
        node["classification"] = element.sensitivity
    customs: dict[str, Any] = {
        "dataElementId": element.id if element else None,
        "sourceFormat": one.format,
        "codeMap": one.suggestion.codes if one.suggestion else None,
    }
    listed = [{"property": k, "value": v, "vendor": "cityhub"} for k, v in customs.items() if v]
    return node | ({"customProperties": listed} if listed else {})


def _with_sync(server: dict[str, Any]) -> dict[str, Any]:
    given = list(server.get("customProperties") or ())
    if not any(p.get("property") == "syncMode" for p in given):
        given.append({"property": "syncMode", "value": "snapshot", "vendor": "cityhub"})
    return {"server": "source", **server, "customProperties": given}


def _customs(server: dict[str, Any]) -> list[str]:
    mode = "[file, api]" if server.get("format") else "[database, api]"
    rows = (
        ("resourceCode", '"300000/1"', "资源代码: class, item, detail / sequence"),
        ("shareType", "2", "共享类型: 1 无条件, 2 有条件, 3 不予"),
        ("shareCondition", "限依法履职使用", "共享条件: the condition, or the law"),
        ("shareMode", mode, "共享方式, as fits the format"),
        ("providerCode", PLACEHOLDER_PROVIDER, "提供方代码: the department's USCC"),
    )
    return [f"  - {{property: {k}, value: {v}, vendor: cityhub}}  # TODO {note}\n" for k, v, note in rows]


def _todo(key: str, value: str, note: str) -> str:
    return f"{_dump({key: value}).rstrip()}  # TODO {note}\n"


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=10_000)


def _indented(text: str, spaces: int) -> str:
    return "".join(f"{' ' * spaces}{line}\n" for line in text.splitlines())


def property_nodes(columns: Sequence[Described], taken: Sequence[str]) -> list[dict[str, Any]]:
    """ODCS properties for columns that a contract does not name yet; none gets a hub name that is `taken`, none is required or a key."""
    names, found = list(taken), []
    for one in _properties(columns):
        names.append(_free(one.name, names))
        free = replace(one, name=names[-1], key=0, column=replace(one.column, nullable=True, key=0))
        found.append(_node(free))
    return found
