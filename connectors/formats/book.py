"""A workbook written: pages of text cells in a few styles, streamed. And one read that a person filled in.

Every cell is text, so that no program drops a leading zero, rounds an identifier or takes a value for a formula.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, BinaryIO
from warnings import catch_warnings, simplefilter
from zipfile import BadZipFile

from connectors.formats.workbook import cell_text, weigh_book
from schemas.errors import SourceDamaged

Cell = tuple[str, str]
"""A text and its style: one of `STYLES`, or none."""
STYLES: dict[str, tuple[str, bool, str, bool]] = {
    "": ("", False, "", False),
    "wrapped": ("", False, "", True),
    "quiet": ("", False, "595959", True),
    "title": ("", True, "", True),
    "head": ("D9E1F2", True, "", True),
    "own head": ("EDEDED", True, "", True),
    "faulty": ("FFEB9C", True, "", False),
}
"""Background, bold, colour, and whether lines are wrapped."""
MOST_BYTES, MOST_ROWS, MOST_COLUMNS = 64 << 20, 5_000, 200
_LISTS = "lists"


@dataclass(frozen=True)
class Page:
    """One sheet. `widths` in characters, by column from 0; `frozen` is the first cell that moves when one scrolls.

    `choices` are the texts that a range of cells (as `D3:D200`) offers in a list; others may be typed.
    """

    title: str
    rows: Iterable[Sequence[Cell]]
    widths: Mapping[int, float] = field(default_factory=dict)
    frozen: str = ""
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write_book(file: BinaryIO, pages: Iterable[Page]) -> None:
    """Write the workbook; rows are taken as they come."""
    from openpyxl import Workbook
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    lists: dict[tuple[str, ...], int] = {}
    for page in pages:
        sheet = book.create_sheet(page.title)
        sheet.freeze_panes = page.frozen or None
        for place, width in page.widths.items():
            sheet.column_dimensions[get_column_letter(place + 1)].width = width
        dress = _dresser(sheet)
        for row in page.rows:
            sheet.append([dress(text, style) for text, style in row])
        for cells, offered in page.choices.items():
            _offer(sheet, cells, lists.setdefault(tuple(offered), len(lists) + 1), len(offered))
    if lists:
        hidden = book.create_sheet(_LISTS)
        hidden.sheet_state = "hidden"
        for texts in zip_longest(*lists, fillvalue=None):
            hidden.append(texts)
    book.save(file)


def read_book(file: BinaryIO, where: str) -> dict[str, list[list[str | None]]]:
    """The text of every visible sheet's cells by the sheet's title; meant for what people fill in, so a large one is refused.

    Raises:
        SourceDamaged: it is no workbook, would unpack to more than one of this kind holds, or has a formula: the fact `cell` says where.
    """
    with closing(opened_book(file, where, MOST_BYTES)) as book, readable(where):
        return {sheet.title: _cells(sheet, where) for sheet in book.worksheets if sheet.sheet_state == "visible"}


def opened_book(file: BinaryIO, where: str, most: int = 2 << 30) -> Any:
    """The workbook, formulas as they stand, to be closed. Raises SourceDamaged if it is none or unpacks to more than `most` bytes."""
    from openpyxl import load_workbook

    weigh_book(file, where, most)
    with readable(where), catch_warnings():
        simplefilter("ignore")  # styles and validations that openpyxl does not know do not concern values
        return load_workbook(file, read_only=True, data_only=False, keep_links=False)


@contextmanager
def readable(where: str) -> Iterator[None]:
    """What openpyxl makes of a broken workbook, as SourceDamaged."""
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        yield
    except (
        InvalidFileException,
        BadZipFile,
        LookupError,
        ValueError,
        SyntaxError,
        TypeError,
        AttributeError,
        OSError,
        zlib.error,
    ) as error:
        raise SourceDamaged(
            f"{where} is no readable workbook ({type(error).__name__})", todo="save it anew as .xlsx and send it again"
        ) from None


def _cells(sheet: Any, where: str) -> list[list[str | None]]:
    sheet.reset_dimensions()  # some programs write wrong ones
    rows: list[list[str | None]] = []
    for row in sheet.iter_rows():
        if len(rows) >= MOST_ROWS or len(row) > MOST_COLUMNS:
            raise SourceDamaged(
                f"{where}: sheet {sheet.title} has more than {MOST_ROWS} rows or {MOST_COLUMNS} columns",
                todo="delete the rows and columns that are not used",
            )
        for cell in row:
            if cell.data_type == "f":
                raise SourceDamaged(
                    f"{where}: sheet {sheet.title}, cell {cell.coordinate} holds a formula",
                    todo="put the value itself there (paste as values)",
                    sheet=sheet.title,
                    cell=cell.coordinate,
                )
        rows.append([cell_text(cell.value) for cell in row])
    return rows


def _offer(sheet: Any, cells: str, column: int, size: int) -> None:
    """Let a range of cells offer the texts of a column of the hidden sheet; one may type others."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    letter = get_column_letter(column)
    offered = DataValidation("list", formula1=f"{_LISTS}!${letter}$1:${letter}${size}", allow_blank=True)
    offered.showErrorMessage = False
    offered.add(cells)
    sheet.data_validations.append(offered)


def _dresser(sheet: Any) -> Any:
    """A function that makes a cell of a text and a style."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font, PatternFill

    looks = {
        name: (PatternFill("solid", fgColor=back) if back else None, Font(bold=bold, color=colour or None), Alignment(vertical="top", wrap_text=wrap))
        for name, (back, bold, colour, wrap) in STYLES.items()
    }  # fmt: skip

    def dressed(text: str, style: str) -> Any:
        cell = WriteOnlyCell(sheet, value=text or None)
        if text:
            cell.data_type = "s"
        fill, font, alignment = looks[style]
        cell.number_format, cell.font, cell.alignment = "@", font, alignment
        if fill is not None:
            cell.fill = fill
        return cell

    return dressed
