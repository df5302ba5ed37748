"""JSON: one object a line, one array of objects, or a document with the array somewhere in it.

`options.records` is the path to the array (`data.items`, or JSONPath: `connectors.recordpath`); without it a file that begins with
`[` is the array and any other is lines. Nested objects give dotted names, lists their JSON text, numbers the very digits of the
file. An object has no header, so the file is read twice: for the names, in order of first appearance, then for the records.
A name that no record of the file has is an absent value, not an absent column: batches say so in their schema's metadata (`OPEN`).
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, BinaryIO, cast

import pyarrow as pa

from connectors.batches import numbered
from connectors.encodings import lines, open_text, undecodable
from connectors.formats.measure import WithinMeasure
from connectors.formats.surrogates import WholeCharacters
from connectors.options import options
from connectors.recordpath import records, streamed
from schemas.contract import Source
from schemas.errors import SourceDamaged

OPEN = {"absent": "null"}
Flat = dict[str, str | None]
MOST_BYTES = 64 << 20
_WRITE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def objects(file: BinaryIO, source: Source, where: str) -> Iterator[pa.RecordBatch]:
    """The file's records; a file without any gives no batch."""
    seen: dict[str, bool] = {}
    for record in _flat(file, source, where):
        for name, value in record.items():
            seen[name] = seen.get(name, False) or value is not None
    parents = {name.rsplit(".", i)[0] for name in seen for i in range(1, name.count(".") + 1)}
    names = [name for name, filled in seen.items() if filled or name not in parents]
    rows = ([record.get(name) for name in names] for record in _flat(file, source, where))
    for batch in numbered(names, rows, where):
        yield batch.replace_schema_metadata(OPEN)


def flatten(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """Name and text of each value; a name that stood twice in an object comes twice.

    >>> dict(flatten({"a": {"b": "1.10", "c": None}, "d": [1, "二"]}))
    {'a.b': '1.10', 'a.c': None, 'd': '[1,"二"]'}
    """
    for key, value in record.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, _text(value)
    for key in getattr(record, "twice", ()):
        yield prefix + key, None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list):
        return _WRITE(value)
    return str(value)


def _flat(file: BinaryIO, source: Source, where: str) -> Iterator[Flat]:
    for number, record in enumerate(_records(file, source, where), 1):
        if not isinstance(record, dict):
            raise SourceDamaged(f"{where}: record {number} is no object", todo="ask for one JSON object a record")
        pairs = _pairs(record, number, where)
        flat = dict(pairs)
        if len(flat) != len(pairs):
            twice = _twice([name for name, _ in pairs])[0]
            raise SourceDamaged(f"{where}: record {number} has two values for {twice!r}", todo="ask for distinct names")
        yield flat


def _pairs(record: Mapping[str, Any], number: int, where: str) -> list[tuple[str, str | None]]:
    try:
        return list(flatten(record))
    except RecursionError:
        raise SourceDamaged(
            f"{where}: record {number} is nested too deep", todo="ask for a flatter file, and for long numbers as text"
        ) from None


def _records(file: BinaryIO, source: Source, where: str) -> Iterator[Any]:
    under = str(options(source).get("records") or "")
    file.seek(0)
    first = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not first and not under:
        raise SourceDamaged(f"{where} is empty", todo="ask for the file again")
    if under or first == b"[":
        prefix = streamed(under)
        return _array(file, prefix, where) if prefix else _chosen(file, under, where)
    return _lines(file, source, where)


def _lines(file: BinaryIO, source: Source, where: str) -> Iterator[Any]:
    decode = _DECODER.decode
    number = 0
    try:
        with open_text(file, source.encoding, newline="\n") as text:
            for line in lines(text, source.encoding):
                number += 1
                if line.strip():
                    yield decode(line)
    except UnicodeDecodeError:
        raise undecodable(file, source.encoding, where) from None
    except (ValueError, RecursionError, ArithmeticError):
        raise SourceDamaged(
            f"{where}: line {number} is no JSON", todo="ask for the file again, one JSON object a line", line=number
        ) from None


def _array(file: BinaryIO, prefix: str, where: str) -> Iterator[Any]:
    import ijson

    count = 0
    try:
        file.seek(0)
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        sound = WithinMeasure(cast("BinaryIO", WholeCharacters(file, where)), where)
        for record in ijson.items(sound, prefix, map_type=_Object):
            count += 1
            yield record
        if not count:
            _check_there(file, prefix, where)
    except (ijson.JSONError, UnicodeDecodeError, ArithmeticError) as error:
        raise SourceDamaged(
            f"{where}: broken off or no JSON after record {count} ({type(error).__name__})", todo="ask for it again"
        ) from None


def _check_there(file: BinaryIO, prefix: str, where: str) -> None:
    """No record is a delivery without records only if the array itself is there, or is one of several that stand in an empty one."""
    import ijson

    file.seek(0)
    there = {(at, event) for at, event, _ in ijson.parse(file) if event == "start_array" or at.endswith("item")}
    arrays, filled = {at for at, event in there if event == "start_array"}, {at for at, _ in there}
    parts = prefix.split(".")
    for under in (".".join(parts[:i]) for i, part in enumerate(parts) if part == "item"):
        if under not in arrays:
            raise _nowhere(where, under)
        if f"{under}.item".lstrip(".") not in filled:
            return


def _chosen(file: BinaryIO, path: str, where: str) -> Iterator[Any]:
    """Records that are chosen by more than names: the document is read whole, within measure."""
    file.seek(0)
    text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise SourceDamaged(
            f"{where} is too large to be searched ({MOST_BYTES >> 20} MiB)",
            todo="let options.records hold names and [*] only",
        )
    try:
        found = records(_DECODER.decode(text.decode("utf-8-sig")), path)
    except (ValueError, RecursionError, ArithmeticError):
        raise SourceDamaged(f"{where} is broken off or no JSON", todo="ask for it again") from None
    if found is None:
        raise _nowhere(where, path)
    yield from found


def _nowhere(where: str, path: str) -> SourceDamaged:
    return SourceDamaged(f"{where}: there is no list at {path!r}", todo="correct options.records in the contract")


class _Object(dict[str, Any]):
    """A JSON object that remembers which names stood in it twice; a parser in C cannot be stopped by raising."""

    twice: tuple[str, ...] = ()

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self:
            self.twice += (key,)
        super().__setitem__(key, value)

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> "_Object":
        found = cls(pairs)
        if len(found) != len(pairs):
            found.twice = _twice([key for key, _ in pairs])
        return found


def _twice(names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if names.count(name) > 1)


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=str, object_pairs_hook=_Object.of)
