"""The language of row filters: a list of conditions over a dataset's columns, all of which a row must meet.

It is what a grant keeps (`ledger.grants.Grant.row_filter`) and what a client asks with; nobody outside writes SQL.

    [{"column": "district_code", "op": "in", "value": ["440305", "440306"]}, {"column": "valid_to", "op": "ge", "value": "2026-01-01"}]

| op | the value | a row meets it where the column |
| --- | --- | --- |
| eq, ne | one of the column's type | is that; is another, and not null |
| in | a list of such values | is one of them |
| lt, le, gt, ge | one of its type, not a boolean | is less than, at most, more than, at least that |
| prefix | a text | begins with it; texts only |
| null, not_null | none | is empty; is not |

A null meets `null` alone. Texts are compared code point by code point. `parse` and `read` give values of the column's own type and one
canonical form, so two filters that say the same are the same text. What a filter means in SQL is `access.predicates`' to say.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Literal, cast, get_args

from schemas.contract import Column, Contract
from schemas.errors import Invalid

Op = Literal["eq", "ne", "in", "lt", "le", "gt", "ge", "prefix", "null", "not_null"]
OPS: tuple[Op, ...] = get_args(Op)
Scalar = str | int | float | Decimal | bool | date | datetime
MOST_CONDITIONS, MOST_VALUES, LONGEST = 50, 1000, 1000
LONGEST_INTEGER = 20
_EXACT = Context(prec=100)
_WITHOUT_VALUE = ("null", "not_null")
_EXAMPLE = '{"column": "district_code", "op": "eq", "value": "440305"}'


@dataclass(frozen=True)
class Condition:
    """What one column must be. `values`: none for null and not_null, one for most, any number for in."""

    column: str
    op: Op
    values: tuple[Scalar, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The condition as it is written."""
        told = [_plain(value) for value in self.values]
        value = {} if self.op in _WITHOUT_VALUE else {"value": told if self.op == "in" else told[0]}
        return {"column": self.column, "op": self.op, **value}


@dataclass(frozen=True)
class RowFilter:
    """Conditions that a row must meet, all of them; none: every row."""

    conditions: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        """The canonical text, "" for the filter that every row meets."""
        return "[" + ",".join(map(_text, self.conditions)) + "]" if self.conditions else ""

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it looks at."""
        return frozenset(condition.column for condition in self.conditions)


def parse(text: str, contract: Contract) -> RowFilter:
    """The filter that a text says over the contract's columns; the empty text: every row.

    >>> from schemas.contract import Column, Contract, Source
    >>> tree = Column("planted", "planted", "planted on", type="date")
    >>> trees = Contract("trees", *[""] * 9, 1, "", (), (tree,), Source("csv", "", ""))
    >>> str(parse('[{"op": "ge", "value": "2020-01-01", "column": "planted"}]', trees))
    '[{"column":"planted","op":"ge","value":"2020-01-01"}]'

    Raises:
        Invalid: it is no list of conditions, or one names no column or gives a value that its column cannot hold; `field` says where.
    """
    if not text.strip():
        return RowFilter()
    try:
        conditions = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise _wrong("row_filter", "is not JSON", f"[{_EXAMPLE}]") from None
    return read(conditions, {column.name: column for column in contract.columns}, "row_filter")


def read(conditions: Any, columns: Mapping[str, Column], place: str) -> RowFilter:
    """The filter of conditions that were JSON; `columns` are those it may name, `place` is how errors call it.

    Raises:
        Invalid: as `parse` does.
    """
    if not isinstance(conditions, list) or len(conditions) > MOST_CONDITIONS:
        raise _wrong(place, f"is not a list of at most {MOST_CONDITIONS} conditions", f"[{_EXAMPLE}]")
    found = {_condition(one, columns, f"{place}[{n}]") for n, one in enumerate(conditions)}
    return RowFilter(tuple(sorted(found, key=_text)))


def value_of(column: Column, given: Any, place: str) -> Scalar:
    """A value of the column's type, from JSON or from text. Raises Invalid."""
    try:
        value: Scalar | None = _READERS[column.type](column, given)
    except (ValueError, TypeError, InvalidOperation, OverflowError):
        value = None
    if value is None:
        raise _wrong(
            place, f"is no value of {column.name}, whose type is {column.type}", f'e.g. "{_RIGHT[column.type]}"'
        )
    return value


def _condition(given: Any, columns: Mapping[str, Column], place: str) -> Condition:
    if not isinstance(given, dict) or not {"column", "op"} <= given.keys() <= {"column", "op", "value"}:
        raise _wrong(place, "is not an object of column, op and value", _EXAMPLE)
    name, op = given["column"], given["op"]
    column = columns.get(name) if isinstance(name, str) else None
    if column is None:
        raise _wrong(f"{place}.column", "names no column", "take one of the dataset's columns that you may see")
    if op not in OPS or not _fits(column, op):
        fitting = ", ".join(one for one in OPS if _fits(column, one))
        raise _wrong(f"{place}.op", "is no operator for this column", f"one of {fitting}")
    if ("value" in given) == (op in _WITHOUT_VALUE):
        wrong = "is missing" if op not in _WITHOUT_VALUE else f"does not go with {op}"
        raise _wrong(f"{place}.value", wrong, _EXAMPLE)
    return Condition(column.name, op, _values(column, op, given.get("value"), f"{place}.value"))


def _values(column: Column, op: Op, given: Any, place: str) -> tuple[Scalar, ...]:
    if op in _WITHOUT_VALUE:
        return ()
    if op != "in":
        return (value_of(column, given, place),)
    if not isinstance(given, list) or not 0 < len(given) <= MOST_VALUES:
        raise _wrong(place, f"is not a list of 1 to {MOST_VALUES} values", '["440305", "440306"]')
    values = {value_of(column, one, f"{place}[{n}]") for n, one in enumerate(given)}
    return tuple(sorted(values, key=lambda value: cast("Any", value)))


def _fits(column: Column, op: Op) -> bool:
    if op == "prefix":
        return column.type == "string"
    return column.type != "boolean" or op not in ("lt", "le", "gt", "ge")


def _string(_: Column, given: Any) -> str | None:
    if not isinstance(given, str) or len(given) > LONGEST or "\0" in given:
        return None
    given.encode()  # half a character is a ValueError
    return given


def _integer(_: Column, given: Any) -> int | None:
    if isinstance(given, bool) or not isinstance(given, str | int) or len(str(given)) > LONGEST_INTEGER:
        return None
    value = int(given)
    return value if -(2**63) <= value < 2**63 else None


def _number(_: Column, given: Any) -> float | None:
    value = None if isinstance(given, bool) else float(given)
    return value + 0.0 if value is not None and math.isfinite(value) else None


def _decimal(column: Column, given: Any) -> Decimal | None:
    """A decimal that the column can hold exactly: what is finer or longer can stand in no row."""
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal) or len(str(given)) > LONGEST:
        return None
    value = Decimal(str(given))
    if not value.is_finite() or abs(value.adjusted()) > column.precision:
        return None
    exact = value.quantize(Decimal(1).scaleb(-column.scale), context=_EXACT)
    fits = exact == value and exact.copy_abs() < Decimal(10) ** (column.precision - column.scale)
    return (exact or exact.copy_abs()) if fits else None


def _date(_: Column, given: Any) -> date | None:
    return date.fromisoformat(given) if len(given) == len("2026-01-01") else None


def _timestamp(_: Column, given: Any) -> datetime | None:
    value = datetime.fromisoformat(given)
    return value.astimezone(UTC) if value.tzinfo else None


def _boolean(_: Column, given: Any) -> bool | None:
    return given if isinstance(given, bool) else {"true": True, "false": False}.get(given)


_READERS: Mapping[str, Any] = {
    "string": _string, "integer": _integer, "number": _number, "decimal": _decimal, "date": _date, "timestamp": _timestamp,
    "boolean": _boolean,
}  # fmt: skip
_RIGHT = {
    "string": "440305", "integer": "7", "number": "7.5", "decimal": "7.50", "date": "2026-01-31",
    "timestamp": "2026-01-31T08:00:00Z", "boolean": "true",
}  # fmt: skip


def _plain(value: Scalar) -> str | int | float | bool:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def _text(condition: Condition) -> str:
    return json.dumps(condition.to_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _wrong(place: str, what: str, todo: str) -> Invalid:
    return Invalid(f"{place} {what}", todo=todo, field=place)
