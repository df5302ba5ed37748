"""Does what a contract says make sense: data elements, code maps, date patterns, rules.

Called by `schemas.odcs` once a file has the right form; every finding is a `Problem` with its path and an example of right.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.codes import code_list
from schemas.contract import Check, Column
from schemas.elements import ELEMENTS
from schemas.errors import Problem

EXAMPLES = {
    "dateOrder": "{check: dateOrder, columns: [valid_from, valid_to]}",
    "idAgrees": "{check: idAgrees, id: citizen_id, sex: sex_code, birth: birth_date}",
    "reference": "{check: reference, columns: [uscc], dataset: companies, to: uscc}",
    "sql": '{type: custom, engine: cityhub, implementation: {check: sql, predicate: "paid >= 0"}}',
    "nullValues": "{metric: nullValues, mustBe: 0}",
    "missingValues": "{metric: missingValues, arguments: {missingValues: ['', 'N/A']}, mustBe: 0}",
    "invalidValues": "{metric: invalidValues, arguments: {validValues: ['1', '2']}, mustBe: 0}",
    "duplicateValues": "{metric: duplicateValues, arguments: {properties: [uscc]}, mustBe: 0}",
    "rowCount": "{metric: rowCount, mustBeGreaterThan: 0}",
    "rowCountChange": "{type: custom, engine: cityhub, implementation: {check: rowCountChange, loads: 5, mustBeLessThan: 0.2}}",
    "freshness": "{type: custom, engine: cityhub, implementation: {check: freshness, column: updated_at, mustBeLessThan: 48}}",
    "distribution": "{type: custom, engine: cityhub, implementation: {check: distribution, column: sex_code, mustBeLessThan: 0.1}}",
    "expectation": "{type: custom, engine: cityhub, implementation: {check: expectation, type: expect_column_mean_to_be_between, "
    "arguments: {column: age, min_value: 20, max_value: 60}}}",
}
_NAMED_COLUMNS = ("id", "sex", "birth", "column")
_DATES = ("date", "timestamp")


def of_column(column: Column, path: str) -> Iterator[Problem]:
    """What is wrong with a column's element, bounds, codes and source format."""
    yield from _element(column, path)
    yield from _bounds(column, f"{path}.logicalTypeOptions")
    yield from _codes(column, f"{path}.customProperties.codeMap")
    if column.format is not None:
        yield from _format(column, f"{path}.customProperties.sourceFormat")


def of_checks(checks: Sequence[Check], columns: Mapping[str, Column]) -> Iterator[Problem]:
    """What is wrong with the rules of all quality sections."""
    for name, times in Counter(c.id for c in checks).items():
        if times > 1:
            yield Problem(
                f"quality.{name}", f"{times} rules have this id", "an id of its own for each, as in id: term_order"
            )
    for check in checks:
        wrong = _check(check, columns)
        if wrong:
            yield Problem(f"quality.{check.id}", wrong, EXAMPLES.get(check.kind, f"one of {', '.join(EXAMPLES)}"))


def _element(column: Column, path: str) -> Iterator[Problem]:
    if column.element is None:
        return
    element = ELEMENTS.get(column.element)
    if element is None:
        like = f"{{property: dataElementId, value: {_nearest(column)}, vendor: cityhub}}"
        yield Problem(f"{path}.customProperties.dataElementId", f"{column.element!r} is no data element", like)
    elif column.type not in element.logical_types:
        wrong = f"{column.type!r} cannot hold {element.id} {element.zh} ({element.en})"
        yield Problem(
            f"{path}.logicalType", wrong, f"logicalType: {element.logical_types[0]}".replace("decimal", "number")
        )


def _bounds(column: Column, path: str) -> Iterator[Problem]:
    for name, bound in (("minimum", column.minimum), ("maximum", column.maximum)):
        if bound is not None and not _is(column.type, bound):
            example = f"{name}: {'1900-01-01' if column.type in _DATES else 0}"
            yield Problem(f"{path}.{name}", f"{bound!r} is no {column.type}", example)


def _is(kind: str, bound: str) -> bool:
    """Whether the text is a value of the type, as a bound is written: ISO 8601, or digits."""
    try:
        match kind:
            case "date":
                date.fromisoformat(bound)
            case "timestamp":
                datetime.fromisoformat(bound)
            case "integer" | "number" | "decimal":
                number = Decimal(bound)
                return number.is_finite() and (kind != "integer" or number == number.to_integral_value())
    except (ValueError, InvalidOperation):
        return False
    return True


def _nearest(column: Column) -> str:
    """The element of the same name, for the example."""
    named = (e.id for e in ELEMENTS.values() if e.en == column.name or e.zh == column.title)
    return next(named, "DE01001")


def _codes(column: Column, path: str) -> Iterator[Problem]:
    element = ELEMENTS.get(column.element or "")
    listed = code_list(element.codes) if element and element.codes and element.reading == "code" else None
    allowed: set[str] | None = set(column.enum) if column.enum else set(listed.values) if listed else None
    where = "the enum" if column.enum else f"code list {listed.name}" if listed else ""
    for source, target in (column.codes or {}).items():
        if allowed is not None and target not in allowed:
            yield Problem(path, f"{source!r} → {target!r} is not in {where}", _some(allowed))
    for value in (column.enum or ()) if listed else ():
        if listed and value not in listed.values:
            yield Problem(
                path.replace("customProperties.codeMap", "enum"),
                f"{value!r} is not in {listed.name}",
                _some(listed.values),
            )


def _some(values: Any) -> str:
    return f"one of {', '.join(sorted(values)[:12])}"


def _format(column: Column, path: str) -> Iterator[Problem]:
    example = '{property: sourceFormat, value: "%m/%d/%Y", vendor: cityhub}'
    pattern = column.format or ""
    if column.type not in _DATES:
        yield Problem(path, f"only dates and timestamps have a format, this is {column.type!r}", example)
    elif not re.fullmatch(r"([^%]|%[YymdHIMSfpzbBj%])+", pattern) or not _reads_back(pattern):
        yield Problem(path, f"{pattern!r} is no strptime pattern of a whole date", example)


def _reads_back(pattern: str) -> bool:
    moment = datetime(2021, 10, 22, 13, 14, 15, tzinfo=UTC)
    try:
        read = datetime.strptime(moment.strftime(pattern), pattern).date()  # noqa: DTZ007 (only the day is compared)
    except ValueError:
        return False
    return read == moment.date()


def _check(check: Check, columns: Mapping[str, Column]) -> str:
    """What is wrong with one rule, or nothing."""
    given = check.arguments
    named = [str(given[k]) for k in _NAMED_COLUMNS if given.get(k) and check.kind != "sql"]
    unknown = [n for n in named if n not in columns]
    if unknown:
        return f"names an unknown column {unknown[0]!r}"
    listed = given.get("columns") or given.get("properties") or ()
    match check.kind:
        case "dateOrder":
            dates = [n for n in listed if n in columns and columns[n].type in _DATES]
            return "" if len(listed) == len(dates) == 2 else "wants two columns of dates"
        case "idAgrees":
            return "" if given.get("id") and (given.get("sex") or given.get("birth")) else "wants id, and sex or birth"
        case "reference":
            good = len(listed) == 1 and given.get("dataset") and given.get("to")
            return "" if good else "wants one column, the dataset and its column (to)"
        case "sql":
            return (
                ""
                if given.get("predicate")
                else "wants a predicate over this dataset's columns (a query says nothing of one row)"
            )
        case "invalidValues":
            return "" if given.get("validValues") or given.get("pattern") else "wants validValues or a pattern"
        case "rowCount":
            return ""  # the standard wants its bound
        case "expectation":
            return "" if str(given.get("type", "")).startswith("expect_") else "wants the expectation's type"
        case "rowCountChange" | "distribution" | "freshness":
            return _measure(check, columns)
        case "duplicateValues" | "nullValues" | "missingValues":
            return (
                "" if check.column or named or listed else "stands in a column's quality section, or names its column"
            )
        case _:
            return f"{check.kind!r} is no rule that the hub knows"


def _measure(check: Check, columns: Mapping[str, Column]) -> str:
    """What is wrong with a rule that measures the table as a whole, or nothing."""
    if check.limit is None:
        return "wants a bound, as mustBeLessThan"
    column = columns.get(str(check.arguments.get("column") or check.column))
    if check.kind == "rowCountChange":
        good = check.arguments.get("of", "table") in ("table", "delivery")
        return "" if good else "is of: table or of: delivery"
    if check.kind == "freshness":
        return "" if column and column.type in _DATES else "wants a column of dates or timestamps"
    return "" if column else "wants a column"
