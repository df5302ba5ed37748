"""Answers to `schemas.questions` in and out of an ODCS document, as texts that people write.

1. `answer` reads one answer from a document's node, `put` writes one into it; what was written is read again as it was meant.
2. `sheets` and `document` do so for a whole contract: resource, source, items, rules.
3. `faults` says for each problem of a contract which question it is about, in both languages, so that a page shows it at the field and a
   workbook at the cell.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.answer_values import WrongAnswer, number_of, text_of, value_of
from schemas.errors import Problem
from schemas.messages import in_chinese
from schemas.odcs_walk import VENDOR, custom
from schemas.questions import ITEM, QUESTIONS, RESOURCE, RULE, SOURCE, Question, Sheet, question

Answers = dict[str, str]
LIBRARY = ("nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount")
"""The standard's own rules; all others are the hub's."""
_SKELETON: dict[str, Any] = {
    "apiVersion": "v3.2.0", "kind": "DataContract", "version": "1.0.0", "status": "active",
}  # fmt: skip
_OPERATORS = tuple(c.value for c in question("rules", "operator").choices)


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer: its sheet, its place among the items or rules from 0, its question ("" if it is of the whole), in words."""

    sheet: Sheet
    place: int
    question: str
    zh: str
    en: str


@dataclass(frozen=True)
class Refused:
    """Nothing was kept: what is wrong, each at its question."""

    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Misfilled:
    """What is wrong with one cell of a workbook, or with a whole sheet (row 0)."""

    sheet: str
    row: int
    column: str
    zh: str
    en: str

    @property
    def place(self) -> str:
        """The cell as spreadsheet programs write it."""
        return f"{self.sheet}!{self.column}{self.row}" if self.row else self.sheet


def answer(asked: Question, node: Mapping[str, Any]) -> str:
    """The answer that stands in the document, as a person writes it; empty if there is none."""
    return text_of(asked, _find(node, asked.path.split("/")))


def put(asked: Question, node: dict[str, Any], text: str) -> None:
    """Write an answer into the document's node; an empty one takes what was there away.

    Raises:
        WrongAnswer: it is not what the question wants; nothing is changed.
    """
    text = text.strip()
    value = value_of(asked, text) if text else None
    path = asked.path.split("/")
    match asked.kind:
        case "hours" if asked.name == "cycle_hours" and value is None:
            return
        case "hours" | "days" | "date" | "cycle":
            found = _find(node, path) or {}
            kept = (
                {k: v for k, v in found.items() if k in ("property", "customProperties")}
                if asked.kind == "hours"
                else {}
            )
            _set(node, path, None if value is None else {**kept, **value})
        case "key":
            _set(node, ["primaryKey"], True if value else None)
            _set(node, path, value)
        case _:
            _set(node, path, value)


def sheets(document: Mapping[str, Any]) -> tuple[Answers, Answers, list[Answers], list[Answers]]:
    """A contract's document as answers: of the resource, the source, each item, each rule."""
    resource = {q.name: answer(q, document) for q in RESOURCE}
    source = {q.name: answer(q, document) for q in SOURCE}
    source["encoding"] = source["encoding"] or str((document.get("servers") or [{}])[0].get("encoding") or "")
    thing = (document.get("schema") or [{}])[0]
    items, rules = [], []
    for node in thing.get("properties") or ():
        named = {"physicalName": node.get("name"), "businessName": node.get("name"), "logicalType": "string", **node}
        items.append({q.name: answer(q, named) for q in ITEM})
        rules += [_rule(rule, node["name"], i) for i, rule in enumerate(node.get("quality") or ())]
    rules += [_rule(rule, "", i) for i, rule in enumerate(thing.get("quality") or ())]
    return resource, source, items, [r for r in rules if r["check"]]


def document(
    resource: Mapping[str, str], source: Mapping[str, str], items: Sequence[Mapping[str, str]], rules: Sequence[Mapping[str, str]]
) -> tuple[dict[str, Any], list[Fault]]:  # fmt: skip
    """The inverse of `sheets`, and the answers that are not what their question wants."""
    found: dict[str, Any] = {**_SKELETON}
    faults = [*amend(found, RESOURCE, resource, "resource"), *amend(found, SOURCE, source, "source")]
    server, thing = _made(found, "servers"), _made(found, "schema")
    server["server"] = "source"
    name = str(found.get("id") or "dataset")
    thing |= {"name": name, "physicalName": thing.get("physicalName") or name, "logicalType": "object"}
    thing["businessName"] = found.get("name") or name
    if found.get("support"):
        found["support"][0].setdefault("channel", "contact")
    nodes: list[dict[str, Any]] = []
    for place, one in enumerate(items):
        nodes.append({})
        faults += amend(nodes[-1], ITEM, one, "items", place)
    thing["properties"] = nodes
    for place, one in enumerate(rules):
        faults += _put_rule(thing, one, place)
    return found, faults


def amend(
    node: dict[str, Any], questions: Sequence[Question], answers: Mapping[str, str], sheet: Sheet, place: int = 0
) -> list[Fault]:
    """Write the answers given into a node; those that a question cannot take are faults and change nothing."""
    faults = []
    for asked in questions:
        if asked.name not in answers or not asked.path:
            continue
        try:
            put(asked, node, answers[asked.name])
        except WrongAnswer:
            faults.append(wrong(sheet, place, asked))
        else:
            if asked.needed and not answers[asked.name].strip():
                faults.append(missing(sheet, place, asked))
    return faults + (_bounds(node, place) if sheet == "items" else [])


def wrong(sheet: Sheet, place: int, asked: Question, detail: str = "") -> Fault:
    """The answer is not what the question wants."""
    zh = f"“{asked.zh}”填写有误：{in_chinese(detail) or asked.help_zh or '请改正'}"
    help_en = detail or asked.help_en or "please correct it"
    return Fault(sheet, place, asked.name, zh, f"“{asked.en}” is not right: {help_en}")


def missing(sheet: Sheet, place: int, asked: Question) -> Fault:
    """A needed answer was not given."""
    zh, en = (f"：{asked.help_zh}", f": {asked.help_en}") if asked.help_zh else ("", "")
    return Fault(sheet, place, asked.name, f"“{asked.zh}”未填写{zh}", f"“{asked.en}” is missing{en}")


def is_class(code: str) -> bool:
    """Whether a resource code is a class alone, whose sequence the catalog will add."""
    return bool(re.fullmatch(r"[123]\d{5}\d*", code))


def faults(problems: Sequence[Problem], document: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Each problem of a contract's document at the question that it is about; each question once."""
    found: dict[tuple[str, int, str], Fault] = {}
    for problem in problems:
        sheet, place, asked = _located(problem.path, document)
        said = f"{problem.wrong} — right: {problem.example}" if problem.example else problem.wrong
        of_whole = Fault(sheet, place, "", f"契约有误（{problem.path}）：{in_chinese(said)}", f"{problem.path}: {said}")
        fault = wrong(sheet, place, asked, said) if asked else of_whole
        found.setdefault((sheet, place, fault.question or problem.path), fault)
    return tuple(found.values())


def _located(path: str, document: Mapping[str, Any]) -> tuple[Sheet, int, Question | None]:
    item = re.match(r"schema\[0\]\.properties\[(\d+)\]\.?(.*)", path)
    _, _, _, rules = sheets(document)
    if found := re.match(r"quality\.(.+)", path):
        place = next((i for i, r in enumerate(rules) if r["id"] == found[1]), 0)
        return "rules", place, question("rules", "arguments")
    if item and not item[2].startswith("quality"):
        node = document["schema"][0]["properties"][int(item[1])]
        return "items", int(item[1]), _nearest(ITEM, item[2], node)
    if "quality" in path:
        return "rules", _place_of_rule(path, document, rules), None
    if path == "servers[0]":  # an address that may not be reached
        server = document["servers"][0] if document.get("servers") else {}
        return "source", 0, question("source", next((n for n in ("host", "location") if server.get(n)), "url"))
    for sheet in ("resource", "source"):
        asked = _nearest(QUESTIONS[sheet], path, document)
        if asked is not None:
            return sheet, 0, asked
    return ("items" if path.startswith("schema") else "source" if path.startswith("servers") else "resource"), 0, None


def _place_of_rule(path: str, document: Mapping[str, Any], rules: Sequence[Answers]) -> int:
    """The place among all rules of the one at a path of the document."""
    item, number = re.search(r"properties\[(\d+)\]", path), re.search(r"quality\[(\d+)\]", path)
    name = document["schema"][0]["properties"][int(item[1])].get("name", "") if item else ""
    own = [i for i, rule in enumerate(rules) if rule["item"] == name]
    at = int(number[1]) if number else 0
    return own[at] if at < len(own) else 0


def _nearest(questions: Sequence[Question], path: str, node: Mapping[str, Any]) -> Question | None:
    """The question whose place in the document is the path, or lies on it."""
    path = re.sub(r"(customProperties|slaProperties)\[(\d+)\](\.value)?", lambda m: _named(m, path, node), path)
    fitting = [
        (len(_where(q)), q) for q in questions if q.path and f"{path}.".startswith((f"{_where(q)}.", f"{_where(q)}["))
    ]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _named(found: "re.Match[str]", path: str, node: Mapping[str, Any]) -> str:
    """`customProperties[3]` by the name of the property that stands there."""
    holder = node["servers"][0] if path.startswith("servers") else node
    listed = holder.get(found[1]) or ()
    place = int(found[2])
    return f"{found[1]}.{listed[place].get('property') if place < len(listed) else ''}"


def _where(asked: Question) -> str:
    """A question's place as problems write it.

    >>> _where(next(q for q in SOURCE if q.name == "secret"))
    'servers[0].customProperties.secretRef'
    """
    text = ""
    for part in asked.path.split("/"):
        if part.isdigit():
            text += f"[{part}]"
            continue
        kind, _, name = part.partition(":")
        word = {"custom": f"customProperties.{name}", "sla": f"slaProperties.{name}"}.get(kind, part)
        text += f".{word}" if text else word
    return text


def _rule(node: Mapping[str, Any], item: str, place: int) -> Answers:
    """One rule's answers."""
    own = node.get("implementation") if node.get("type") == "custom" else None
    given = dict(own) if isinstance(own, dict) else dict(node.get("arguments") or {})
    kind = str(given.pop("check", "") if own is not None else node.get("metric") or node.get("type") or "")
    stated = {**node, **{name: given.pop(name) for name in _OPERATORS if name in given}}
    operator = next((name for name in _OPERATORS if name in stated), "")
    flat = {
        **node, "id": node.get("id") or f"{item + '_' if item else ''}{kind}_{place}", "check": "" if kind == "text" else kind,
        "arguments": given, "operator": operator or None, "bound": stated.get(operator),
    }  # fmt: skip
    return {**{q.name: answer(q, flat) for q in RULE if q.path}, "item": item}


def _put_rule(thing: dict[str, Any], one: Mapping[str, str], place: int) -> list[Fault]:
    flat: dict[str, Any] = {}
    found = amend(flat, RULE, one, "rules", place)
    kind, given, operator, bound = (flat.pop(name, None) for name in ("check", "arguments", "operator", "bound"))
    stated = {operator: bound} if operator else {}
    if kind in LIBRARY:
        flat |= {"metric": kind, **({"arguments": given} if given else {}), **stated}
    else:
        flat |= {"type": "custom", "engine": VENDOR, "implementation": {"check": kind, **(given or {}), **stated}}
    holder = next((n for n in thing["properties"] if n.get("name") == one.get("item", "").strip()), None)
    if one.get("item", "").strip() and holder is None:
        return [*found, wrong("rules", place, question("rules", "item"))]
    (thing if holder is None else holder).setdefault("quality", []).append(flat)
    return found


def _bounds(node: dict[str, Any], place: int) -> list[Fault]:
    """Least and most in the item's own type: the standard wants numbers of a number."""
    options = node.get("logicalTypeOptions") or {}
    found = []
    for name in ("minimum", "maximum"):
        if name in options and node.get("logicalType") in ("integer", "number"):
            try:
                options[name] = number_of(str(options[name]))
            except WrongAnswer:
                found.append(wrong("items", place, question("items", name)))
    return found


def _made(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document.setdefault(name, [{}])[0]
    return found


def _find(node: Any, path: Sequence[str]) -> Any:
    for part in path:
        if not node and not isinstance(node, bool | int):
            return None
        kind, _, name = part.partition(":")
        if kind == "custom":
            node = custom(node, name)
        elif kind == "sla":
            node = next((n for n in node.get("slaProperties") or () if n.get("property") == name), None)
        elif part.isdigit():
            node = node[int(part)] if int(part) < len(node) else None
        else:
            node = node.get(part)
    return node


def _set(node: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Write a value, None takes it away; lists that a property or a level stands in are made, and taken away once empty."""
    part, rest = path[0], path[1:]
    if rest and rest[0].isdigit():
        if value is not None or _find(node, path[:2]):
            _set(_made(node, part), path[2:], value)
        return
    if rest:
        inner = node.setdefault(part, {})
        _set(inner, rest, value)
        if not inner:
            del node[part]
        return
    kind, _, name = part.partition(":")
    if kind in ("custom", "sla"):
        _listed(node, "customProperties" if kind == "custom" else "slaProperties", kind, name, value)
    elif value is None:
        node.pop(part, None)
    else:
        node[part] = value


def _listed(node: dict[str, Any], key: str, kind: str, name: str, value: Any) -> None:
    listed = node.get(key) or []
    made = {"property": name, "value": value, "vendor": VENDOR} if kind == "custom" else value
    places = [i for i, n in enumerate(listed) if n.get("property") == name]
    if value is None:
        node[key] = [n for n in listed if n.get("property") != name]
    elif places:
        listed[places[0]] = made
    else:
        node[key] = [*listed, made]
    if not node.get(key):
        node.pop(key, None)
