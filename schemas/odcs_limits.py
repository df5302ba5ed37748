"""What the standard can say and the hub does not do: refused with the reason, so that no part of a contract is read and then ignored.

Words for people (price, team, roles, descriptions, other vendors' custom properties) are kept with the file and change nothing; what is
listed here would change what is delivered or judged.
"""

from collections.abc import Iterator
from typing import Any

from schemas.errors import Problem

_OPTIONS = {
    "exclusiveMinimum": ("bounds are inclusive here", "minimum: the least value that is right"),
    "exclusiveMaximum": ("bounds are inclusive here", "maximum: the greatest value that is right"),
    "multipleOf": ("steps are not judged", 'a rule: {check: sql, predicate: "n % 5 = 0"}'),
}
_MOMENTS, _ISO = ("date", "timestamp"), "yyyy-mm-dd"
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
    options = node.get("logicalTypeOptions") or {}
    for name, (wrong, right) in _OPTIONS.items():
        if name in options:
            yield Problem(f"{path}.logicalTypeOptions.{name}", wrong, right)
    if node.get("logicalType") in _MOMENTS and str(options.get("format") or _ISO)[:10].lower() != _ISO:
        yield Problem(
            f"{path}.logicalTypeOptions.format",
            f"{options['format']!r}: a {node['logicalType']} is ISO 8601 here; how the source writes it is said apart",
            'customProperties: [{property: sourceFormat, value: "%d.%m.%Y", vendor: cityhub}]',
        )
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
