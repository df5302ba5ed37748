"""A column's meaning as DuckDB SQL text: how its raw values become standard ones, and what must then hold.

1. `normalise` turns a raw expression of any type (text from files, native types from databases) into the column's own type.
2. `checks` yields the predicates that the column's data element, code list and type impose on the result.

The gate evaluates both over whole columns; nothing here touches a database.
"""

from datetime import date

from schemas import moments, predicates, standardise
from schemas.characters import FOLDED
from schemas.codes import code_list
from schemas.contract import Column
from schemas.elements import ELEMENTS
from schemas.predicates import ElementCheck
from schemas.sql import substituted
from schemas.standardise import plain_bytes

__all__ = ["ElementCheck", "checks", "native", "normalise", "plain_bytes"]


def normalise(column: Column, raw: str, *, timezone: str, plain: str = "") -> str:
    """A SQL expression of type `column.sql_type` over the raw SQL expression; NULL where blank or not convertible.

    Widths and encodings are folded, identifiers and dates brought to one form, the contract's codes mapped to standard ones.
    A code the map does not know stays as it is and fails the check `code`. Where the map gives a standard code another meaning
    ("1" → "2"), a code it does not know is marked with `?`, lest it pass for the standard one. `timezone` is that of text without a zone;
    `plain` is a SQL expression that is true where `plain_bytes` has told that a text stays as it is.
    """
    text = f"CAST({raw} AS VARCHAR)"
    if column.type == "string":
        value = standardise.string(column, text, plain)
        table = standardise.table_of(standardise.reading_of(column))
        return standardise.mapped(value, column.codes, table, mark=_mark(column)) if column.codes else value
    if column.codes:
        text = standardise.mapped(substituted(text, FOLDED), column.codes, FOLDED, mark="")
    return _converted(column, text, timezone)


def native(column: Column, raw: str) -> str:
    """The same over a raw SQL expression that is of the column's kind already (an integer, a DATE, ...): nothing to spell out, only to fit."""
    value = f"try_cast({raw} AS {column.sql_type})"
    return f"CASE WHEN isfinite({value}) THEN {value} END" if column.sql_type == "DOUBLE" else value


def checks(column: Column, value: str, *, today: date) -> tuple[ElementCheck, ...]:
    """What must hold of a column's standardised SQL value (best a plain column name); every predicate holds for NULL."""
    element = ELEMENTS[column.element] if column.element else None
    if column.type == "string":
        return tuple(predicates.of_string(column, value, today))
    if column.type in ("date", "timestamp"):
        return tuple(predicates.of_date(element, column, value, today))
    return tuple(predicates.of_number(element, column, value))


def _converted(column: Column, text: str, timezone: str) -> str:
    reading = standardise.reading_of(column)
    match column.type:
        case "integer":
            return standardise.integer(text)
        case "boolean":
            return standardise.boolean(text)
        case "date":
            return moments.day(text, timezone, pattern=column.format, open_end=reading == "open_date")
        case "timestamp":
            return moments.instant(text, timezone, pattern=column.format)
        case "decimal" | "number" if reading == "capital":
            return standardise.capital(text, column.sql_type)
        case _:
            return standardise.number(text, column.sql_type)


def _mark(column: Column) -> str:
    """`?` where the code map re-uses a standard code with another meaning."""
    codes = column.codes or {}
    element = ELEMENTS[column.element] if column.element else None
    standard = set(codes.values()) | (set(code_list(element.codes).values) if element and element.codes else set())
    return "?" if any(k in standard and v != k for k, v in codes.items()) else ""
