"""How a file that a person chose is laid out: its encoding and separator, its sheets, and where the header stands below titles.

It is a guess to be shown and corrected, from the first records: the header is the first record that is as wide as most that follow, with a
name of its own in every cell.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import BinaryIO

from connectors.detection import detect
from connectors.encodings import codec, lines, open_text
from connectors.formats.book import opened_book, readable
from connectors.formats.workbook import cell_text
from schemas.errors import SourceDamaged

LOOKED_AT = 40
_LONGEST = 1 << 16
_SEPARATORS = ",\t;|"


@dataclass(frozen=True)
class Laid:
    """What was found: empty where it does not apply. `header_row` counts from 1; what stands above is the preamble."""

    encoding: str = ""
    delimiter: str = ""
    header_row: int = 1
    sheets: tuple[str, ...] = ()


def laid(file: BinaryIO, kind: str, name: str, sheet: str = "") -> Laid:
    """The layout of an open, seekable file of this kind; `sheet` is the one wanted of a workbook (the first visible one by default).

    Raises:
        SourceDamaged: it cannot be read.
    """
    if kind == "csv":
        return _text(file, name)
    if kind == "xlsx":
        return _book(file, name, sheet)
    return Laid()


def options_of(found: Laid, sheet: str = "") -> dict[str, object]:
    """The layout as options of a contract's source: only what the reader would not take for granted."""
    told = {
        "delimiter": found.delimiter if found.delimiter not in ("", ",") else None,
        "headerRow": found.header_row if found.header_row > 1 else None,
        "sheet": sheet or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def header_row(records: Sequence[Sequence[str | None]]) -> int:
    """The place of the header, from 1.

    >>> header_row([["名册"], ["编号", "姓名"], ["1", "林一"], ["2", "林二"]])
    2
    """
    widths = [_width(record) for record in records]
    usual = Counter(widths[1:] or widths).most_common(1)[0][0] if widths else 0
    for place, record in enumerate(records, 1):
        names = [(cell or "").strip() for cell in record][: widths[place - 1]]
        if len(names) >= max(usual, 1) and all(names) and len(set(names)) == len(names):
            return place
    return 1


def _text(file: BinaryIO, name: str) -> Laid:
    encoding = detect(file)
    tried = "\t" if PurePath(name).suffix.lower() == ".tsv" else _SEPARATORS
    found = {separator: _records(file, encoding, separator, name) for separator in tried}
    separator = max(found, key=lambda each: _usual_width(found[each]))
    return Laid(encoding, separator, header_row(found[separator]))


def _records(file: BinaryIO, encoding: str, separator: str, name: str) -> list[list[str]]:
    def bounded(texts: Iterator[str]) -> Iterator[str]:
        for line in texts:
            if len(line) > _LONGEST:
                return
            yield line

    try:
        with open_text(file, codec(encoding)) as text:
            reader = csv.reader(bounded(lines(text, codec(encoding))), delimiter=separator)
            found = list(islice((record for record in reader if record), LOOKED_AT))
    except (UnicodeDecodeError, csv.Error):
        raise SourceDamaged(f"{name} cannot be read as text", todo="save it as CSV in UTF-8 or GB 18030") from None
    if found and found[0]:
        found[0][0] = found[0][0].removeprefix("\ufeff")
    return found


def _book(file: BinaryIO, name: str, sheet: str) -> Laid:
    with closing(opened_book(file, name)) as book, readable(name):
        seen = [s for s in book.worksheets if s.sheet_state == "visible"]
        wanted = next((s for s in seen if s.title == sheet), seen[0] if seen else None)
        if wanted is None:
            raise SourceDamaged(f"{name} has no visible sheet", todo="save it with the records on a visible sheet")
        wanted.reset_dimensions()
        rows = [[cell_text(cell) for cell in row] for row in islice(wanted.iter_rows(values_only=True), LOOKED_AT)]
        return Laid(header_row=header_row(rows), sheets=tuple(s.title for s in seen))


def _usual_width(records: Sequence[Sequence[str | None]]) -> int:
    return Counter(_width(record) for record in records).most_common(1)[0][0] if records else 0


def _width(record: Sequence[str | None]) -> int:
    """How many cells a record has, empty ones at its end not counted."""
    width = len(record)
    while width and not (record[width - 1] or "").strip():
        width -= 1
    return width
