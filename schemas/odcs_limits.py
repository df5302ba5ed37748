"""What the standard can say and the hub does not do: refused with the reason, so that no part of a contract is read and then ignored.

Words for people (price, team, roles, descriptions, other vendors' custom properties) are kept with the file and change nothing; what is
listed here would change what is delivered or judged.
"""

from collections.abc import Iterator
from typing import Any

from schemas.errors import Problem

_OPTIONS = {
    "exclusiveMinimum": ("bounds are inclusive here", "minimum: 1"),
    "exclusiveMaximum": ("bounds are inclusive here", "maximum: 99"),
    "multipleOf": ("steps are not judged", 'a rule: {check: sql, predicate: "n % 5 = 0"}'),
}
_RULES = {
    "mustBeBetween": (
        "one operator with one bound is wanted",
        "two rules, mustBeGreaterOrEqualTo and mustBeLessOrEqualTo",
    ),
    "mustNotBeBetween": ("one operator with one bound is wanted", "two rules with one bound each"),
}


def problems(document: dict[str, Any]) -> Iterator[Problem]:
    """Each part of a valid ODCS document that the hub would have to ignore."""
    yield from _variables(document.get("servers"), "servers")
    for i, thing in enumerate(document.get("schema") or ()):
        path = f"schema[{i}]"
        yield from _rules(thing, path)
        for j, column in enumerate(thing.get("properties") or ()):
            yield from _column(column, f"{path}.properties[{j}]")


def _column(node: dict[str, Any], path: str) -> Iterator[Problem]:
    meant = node.get("semanticType", "column")
    if meant != "column":
        yield Problem(
            f"{path}.semanticType",
            f"a {meant} is computed, no column of the source",
            "leave it to who reads the dataset",
        )
    for name, (wrong, right) in _OPTIONS.items():
        if name in (node.get("logicalTypeOptions") or {}):
            yield Problem(f"{path}.logicalTypeOptions.{name}", wrong, right)
    yield from _rules(node, path)


def _rules(node: dict[str, Any], path: str) -> Iterator[Problem]:
    for i, rule in enumerate(node.get("quality") or ()):
        here = f"{path}.quality[{i}]"
        for name, (wrong, right) in _RULES.items():
            if name in rule:
                yield Problem(f"{here}.{name}", wrong, right)
        if rule.get("unit") not in (None, "rows", "percent"):
            yield Problem(f"{here}.unit", f"{rule['unit']!r}: limits are numbers of rows or percent", "unit: percent")


def _variables(node: Any, path: str) -> Iterator[Problem]:
    """References like ${DB_HOST}: the hub resolves none, what differs between places is the operator's to keep apart."""
    if isinstance(node, str) and "${" in node:
        yield Problem(path, "variables are not resolved", "the value itself; a password by secretRef: env:NAME")
    for key, value in node.items() if isinstance(node, dict) else ():
        yield from _variables(value, f"{path}.{key}")
    for i, value in enumerate(node) if isinstance(node, list) else ():
        yield from _variables(value, f"{path}[{i}]")
