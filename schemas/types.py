"""What a column or a data element is in other type systems: Arrow, SQL (of the lake), JSON Schema.

A data element has the type of the column that a contract would give it (`column_of`); everything else derives from columns.
"""

import re
from typing import TYPE_CHECKING, Any

from schemas.codes import code_list
from schemas.contract import Column, Contract, LogicalType
from schemas.elements import ELEMENTS, Element
from schemas.findings import FORMS
from schemas.standardise import reading_of

if TYPE_CHECKING:
    import pyarrow as pa

LISTED = 60
"""Code lists longer than this are named in a JSON Schema, not spelled out."""

_UNBOUNDED = ("person_name", "email")
_JSON: dict[LogicalType, dict[str, str]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "decimal": {"type": "number"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "boolean": {"type": "boolean"},
}


def column_of(element: Element) -> Column:
    """The column that holds the element, its lengths and digits after the element's format (an18, a..50, n..18,4).

    >>> from schemas.elements import element
    >>> column_of(element("DE02007")).sql_type, column_of(element("DE01001")).max_length
    ('DECIMAL(18,4)', 18)
    """
    kind: Any = element.logical_types[0]
    low, high, scale = _extent(element.format)
    return Column(
        name=element.en,
        source=element.en,
        title=element.zh,
        type=kind,
        element=element.id,
        precision=high if kind == "decimal" and high else 18,
        scale=scale,
        min_length=low if kind == "string" else None,
        max_length=high if kind == "string" else None,
        classification=element.sensitivity,
        share_type=element.share_default,
        description=element.definition,
    )


def arrow(column: Column) -> "pa.DataType":
    """The column's Arrow type, as the lake stores it: decimals exact, points in time in UTC with microseconds."""
    import pyarrow as pa

    types: dict[LogicalType, pa.DataType] = {
        "string": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "decimal": pa.decimal128(column.precision, column.scale),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", "UTC"),
        "boolean": pa.bool_(),
    }
    return types[column.type]


def longest(column: Column) -> int | None:
    """The greatest length of the column's published texts; None where nothing holds them to one.

    The contract's own bound, else that of the enum, else that of a data element whose form or code list admits no longer value.
    """
    if column.type != "string" or column.max_length is not None:
        return column.max_length
    if column.enum:
        return max(map(len, column.enum))
    element = ELEMENTS.get(column.element or "")
    bounded = element and (element.codes or element.reading in FORMS) and element.reading not in _UNBOUNDED
    return _extent(element.format)[1] if element and bounded else None


def json_schema(column: Column) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one standardised value; a column that may be empty admits null.

    Code lists of up to 60 codes are an `enum`, longer ones are named in `x-code-list`.
    """
    schema: dict[str, Any] = {"title": column.title, **_JSON[column.type], **_text(column), **_bounds(column)}
    element = ELEMENTS.get(column.element or "")
    if element:
        schema |= {"description": element.definition, "x-data-element": element.id, "x-title-en": element.en}
    if element and element.codes:
        schema["x-code-list"] = f"{element.codes} {code_list(element.codes).version}"
    schema["x-classification"] = column.classification
    if not column.required:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def record_schema(contract: Contract) -> dict[str, Any]:
    """The JSON Schema of one published record of the dataset."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:cityhub:{contract.dataset}:{contract.version}",
        "title": contract.title,
        "description": contract.purpose,
        "type": "object",
        "properties": {c.name: json_schema(c) for c in contract.columns},
        "required": [c.name for c in contract.columns if c.required],
        "additionalProperties": False,
        "x-primary-key": list(contract.key),
    }


def _extent(notation: str) -> tuple[int | None, int | None, int]:
    """Least and greatest length, and decimals: an18 is 18 and 18, a..50 none and 50, an1..5 1 and 5, n..18,4 has 4 decimals."""
    match = re.fullmatch(r"(?:an|a|n)(\d*)(\.\.)?(\d*)(?:,(\d+))?", notation)
    if not match:
        return None, None, 4
    low, upto, high, scale = match.groups()
    exact = int(low) if low else None
    return (exact, int(high) if upto else exact, int(scale or 0)) if upto or low else (None, None, 0)


def _text(column: Column) -> dict[str, Any]:
    """Lengths, pattern and values of a text column: the contract's own, else its element's."""
    if column.type != "string":
        return {}
    reading = reading_of(column)
    form = f"^({FORMS[reading][0]})$" if reading in FORMS else None
    found = {"minLength": column.min_length, "maxLength": column.max_length, "pattern": column.pattern or form}
    return {k: v for k, v in found.items() if v is not None} | _values(column)


def _values(column: Column) -> dict[str, Any]:
    element = ELEMENTS.get(column.element or "")
    listed = element.codes if element and element.reading == "code" else None
    codes = column.enum or (tuple(code_list(listed).values) if listed else ())
    return {"enum": list(codes)} if 0 < len(codes) <= LISTED else {}


def _bounds(column: Column) -> dict[str, float]:
    if column.type not in ("integer", "number", "decimal"):
        return {}
    number = int if column.type == "integer" else float
    bounds = {"minimum": column.minimum, "maximum": column.maximum}
    return {k: number(v) for k, v in bounds.items() if v is not None}
