"""Text into the types of a schema, where it fits them exactly; a column of which a value does not fit is text from that batch on."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def converted(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batches in the types of `schema`."""
    fields = list(schema)
    for batch in batches:
        found = []
        for place, values in enumerate(batch.columns):
            fitting = _cast(values, fields[place].type)
            if fitting is None:
                fields[place] = fields[place].with_type(pa.string())
            found.append(values.cast(pa.string()) if fitting is None else fitting)
        yield pa.RecordBatch.from_arrays(found, schema=pa.schema(fields))


def placed(batches: Iterable[pa.RecordBatch], zones: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    """The batches with each timestamp without a zone placed in that of its column, by name.

    A moment that the zone has not, or has twice (a clock set forward or back), makes its column text.
    """
    for batch in batches:
        for place, field in enumerate(batch.schema):
            if field.type == pa.timestamp("us"):
                values = _in_zone(batch.column(place), zones[field.name])
                batch = batch.set_column(place, field.with_type(values.type), values)
        yield batch


def _cast(values: "pa.Array[Any]", kind: pa.DataType) -> "pa.Array[Any] | None":
    try:
        return values.cast(kind)
    except pa.ArrowInvalid:
        return None


def _in_zone(values: "pa.Array[Any]", zone: str) -> "pa.Array[Any]":
    try:
        found: pa.Array[Any] = pc.assume_timezone(values, zone)  # type: ignore[call-overload]  # the stubs want a timestamp of any zone
    except pa.ArrowInvalid:
        found = pc.replace_substring_regex(values.cast(pa.string()), r"\.000000$", "")
    return found
