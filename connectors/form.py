"""The form of a pushed body, looked at before it is taken: that it can be read to its end later, not what it says.

What passes here must be read by `decode` without a fault. A fault names the line or the batch, never a value.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from connectors.batches import ROW
from connectors.formats import decode
from connectors.formats.objects import flatten
from connectors.inbox import PushMedia
from schemas.contract import Source
from schemas.errors import SourceDamaged

LINE = 16 << 20
DEPTH = 32
NAMES = 2_000
_PUSHED = Source("push", "", "")


def count(path: Path, media: PushMedia) -> int:
    """The number of records in a body that is in order.

    Raises:
        SourceDamaged: with `line` as a fact where the body has lines.
    """
    if media == "arrow":
        return sum(batch.num_rows for batch in decode(path, media, _PUSHED, name="the body"))
    names: dict[str, None] = {}
    found = 0
    for number, line in enumerate(_lines(path), 1):
        record = _record(line, number)
        if record is not None:
            names.update(dict.fromkeys(record))
            found += 1
        if len(names) > NAMES:
            _wrong(number, f"has the record with which there are more than {NAMES} names")
    return found


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while line := file.readline(LINE + 1):
            yield line


def _record(line: bytes, number: int) -> list[str] | None:
    """The names of a line's values; None for a blank line."""
    if len(line) > LINE:
        _wrong(number, f"is longer than {LINE >> 20} MiB")
    try:
        text = line.decode()
        if not text.strip():
            return None
        value = json.loads(text, object_pairs_hook=_object, parse_float=Decimal, parse_constant=_no_constant)
        too_deep = text.count("[") + text.count("{") > DEPTH and _too_deep(value)
        if "\\u" in text and not too_deep:
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeDecodeError:
        _wrong(number, "is not UTF-8")
    except UnicodeEncodeError:
        _wrong(number, "holds half a character (a lone surrogate)")
    except _TwiceError:
        _wrong(number, "has two values for one name")
    except (ValueError, ArithmeticError):
        _wrong(number, "is no JSON")
    except RecursionError:
        too_deep = True
    if too_deep:
        _wrong(number, f"is nested deeper than {DEPTH} levels")
    if not isinstance(value, dict) or not value:
        _wrong(number, "is no JSON object with values")
    flat = [name for name, _ in flatten(value)]
    if len(set(flat)) != len(flat):
        _wrong(number, "has two values for one name")
    if ROW in flat:
        _wrong(number, f"has a name that the hub uses itself ({ROW})")
    return flat


def _too_deep(value: Any) -> bool:
    """Whether lists and objects are nested beyond `DEPTH`."""
    level = [value]
    for _ in range(DEPTH + 1):
        level = [i for v in level for i in (v.values() if isinstance(v, dict) else v if isinstance(v, list) else ())]
    return bool(level)


class _TwiceError(ValueError):
    """An object has two values for one name."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


def _wrong(line: int, what: str) -> NoReturn:
    raise SourceDamaged(f"line {line} {what}", todo="send one JSON object a line, in UTF-8", line=line)
