"""The merged cells of a sheet: a reader that streams rows shows each one's value in its first cell only."""

import re
import zipfile
from functools import reduce
from typing import BinaryIO, NamedTuple

_BLOCK = 1 << 20
_LONGEST = 256
_MERGE = re.compile(rb"<(?:\w+:)?mergeCell\b[^>]*?\bref=\"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})\"")


class Span(NamedTuple):
    """A merged range, rows and columns 1-based, the last ones included."""

    top: int
    left: int
    bottom: int
    right: int


def merged(file: BinaryIO, member: str) -> set[Span]:
    """The merged ranges of a sheet (an archive member)."""
    found: set[Span] = set()
    rest = b""
    with zipfile.ZipFile(file) as archive, archive.open(member) as sheet:
        while block := sheet.read(_BLOCK):
            text = rest + block
            for left, top, right, bottom in _MERGE.findall(text):
                found.add(Span(int(top), _column(left), int(bottom), _column(right)))
            rest = text[-_LONGEST:]
    return found


def spread(rows: list[list[str | None]], first: int, spans: set[Span]) -> list[list[str | None]]:
    """The rows (the top one is row `first` of the sheet) with each merged range's value in all its cells."""
    width = max((len(row) for row in rows), default=0)
    full = [row + [None] * (width - len(row)) for row in rows]
    for span in spans:
        if first <= span.top < first + len(full) and span.left <= width:
            value = full[span.top - first][span.left - 1]
            for row in full[span.top - first : span.bottom - first + 1]:
                row[span.left - 1 : span.right] = [value] * (min(span.right, width) - span.left + 1)
    return full


def _column(letters: bytes) -> int:
    """A column's number: A is 1, AA is 27."""
    return reduce(lambda number, letter: number * 26 + letter - 64, letters, 0)
