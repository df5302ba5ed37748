"""A Python value from a database driver as the exact text that a source would write."""

import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from schemas.errors import SourceDamaged


def written(value: object, column: str) -> str | None:
    r"""The value's text; a kind of value that has no exact one is refused.

    >>> written(Decimal("1.50"), ""), written(1e22, ""), written(datetime(2026, 5, 1, 8), ""), written(b"\x00", "")
    ('1.50', '1e+22', '2026-05-01 08:00:00', '\\x00')
    """
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | UUID():
            return str(value)
        case float():
            return repr(value) if math.isfinite(value) else str(Decimal(value))
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return f"P{value.days}DT{Decimal(value.seconds) + Decimal(value.microseconds) / 1_000_000}S"
        case bytes() | bytearray() | memoryview():
            return "\\x" + bytes(value).hex()
        case dict() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda v: written(v, column))
        case _:
            raise SourceDamaged(
                f"column {column} holds values of a kind that cannot be written exactly ({type(value).__name__})",
                todo="ask for a view in which they are text",
            )
