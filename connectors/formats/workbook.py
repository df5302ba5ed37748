"""XLSX: one sheet, streamed row by row.

`options.sheet` names the sheet (the first visible one by default); `options.headerRow` is the sheet's row with the names, where
titles and merged cells stand above it. `options.headerRows` says how many rows the header itself has: with merged cells spread, a
column's name is what stands over it, from the top, joined by points (`联系方式.电话`). Dates become ISO text, whole numbers have no
point, blank rows are none. Formulas give the value that was last computed; a file with one that never was is refused, for its cells
would look empty. The archive's sizes are looked at before anything is unpacked.
"""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO
from warnings import catch_warnings, simplefilter

import pyarrow as pa

from connectors.batches import numbered
from connectors.formats.formulas import check_computed
from connectors.formats.header import Header
from connectors.formats.merges import Span, merged, spread
from connectors.formats.order import check_order
from connectors.formats.weight import weigh
from connectors.options import number, options
from schemas.contract import Source
from schemas.errors import SourceDamaged, SourceMissing

if TYPE_CHECKING:
    from openpyxl.workbook.workbook import Workbook

MOST_BYTES = 2 << 30
EXACT = 2**53


def workbook(file: BinaryIO, source: Source, where: str) -> Iterator[pa.RecordBatch]:
    """The sheet's records, streamed."""
    from openpyxl.utils.exceptions import InvalidFileException

    weigh_book(file, where, MOST_BYTES)
    try:
        with closing(_load(file)) as book:
            sheet = _sheet(book, source, where)
            member = sheet._worksheet_path.lstrip("/")
            check_order(file, member, where)
            check_computed(file, member, where)
            sheet.reset_dimensions()  # some programs write wrong ones
            rows = ([cell_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True))
            settings = options(source)
            first, deep = number(settings, "header_row", 1), number(settings, "header_rows", 1)
            spans = merged(file, member) if deep > 1 else set()
            header = _header(rows, first, deep, spans, where)
            yield from numbered(header.names, _even(rows, header, first + deep - 1), where)
    except (InvalidFileException, zipfile.BadZipFile, LookupError, ValueError, SyntaxError) as error:
        raise SourceDamaged(
            f"{where} is no readable workbook ({type(error).__name__})", todo="save it anew as .xlsx and send it again"
        ) from None


def _load(file: BinaryIO) -> "Workbook":
    from openpyxl import load_workbook

    with catch_warnings():
        simplefilter("ignore")  # styles and validations that openpyxl does not know do not concern values
        return load_workbook(file, read_only=True, data_only=True, keep_links=False)


def weigh_book(file: BinaryIO, where: str, most: int) -> None:
    """Refuse an archive that would unpack to more than `most` bytes, or is no workbook."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile:
        raise SourceDamaged(
            f"{where} is no XLSX workbook", todo="save it as .xlsx (not .xls or .csv renamed) and send it again"
        ) from None
    weigh(sum(m.file_size for m in members), sum(m.compress_size for m in members), most, where)


def _sheet(book: Any, source: Source, where: str) -> Any:
    wanted = options(source).get("sheet")
    for sheet in book.worksheets:
        if sheet.title == wanted or (wanted is None and sheet.sheet_state == "visible"):
            return sheet
    raise SourceMissing(
        f"{where} has no sheet {wanted or 'that is visible'} (it has: {', '.join(s.title for s in book.worksheets)})",
        todo="correct options.sheet in the contract",
    )


def _header(rows: Iterator[list[str | None]], first: int, deep: int, spans: set[Span], where: str) -> Header:
    """The header, of several rows if it is `deep`: what stands over a column, from the top, joined by points."""
    if deep == 1:
        return Header.find(rows, first, where)
    stack = spread(list(islice(rows, first - 1, first - 1 + deep)), first, spans)
    names = [
        ".".join(dict.fromkeys(c.strip() for c in column if c and c.strip())) for column in zip(*stack, strict=True)
    ]
    return Header.find(iter([names]), 1, where)


def _even(rows: Iterator[list[str | None]], header: Header, header_row: int) -> Iterator[Sequence[str | None]]:
    """Rows as wide as the header; cells that a short row leaves out are empty."""
    width = len(header.names)
    for place, row in enumerate(rows, header_row + 1):
        if not any(cell is not None and cell.strip() for cell in row):
            continue
        header.check(row, f"row {place}")
        yield (row + [None] * width)[:width]


def cell_text(value: object) -> str | None:
    """A cell as text; a number too long for a spreadsheet keeps the exponent that says so.

    >>> cell_text(datetime(2026, 5, 1)), cell_text(3.0), cell_text(0.1), cell_text(True)
    ('2026-05-01', '3', '0.1', 'true')
    """
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < EXACT else repr(value)
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)
