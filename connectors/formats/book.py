"""A workbook written: pages of text cells in a few styles, streamed.

Every cell is text, so that no program drops a leading zero, rounds an identifier or takes a value for a formula.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

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


@dataclass(frozen=True)
class Page:
    """One sheet. `widths` in characters, by column from 0; `frozen` is the first cell that moves when one scrolls."""

    title: str
    rows: Iterable[Sequence[Cell]]
    widths: Mapping[int, float] = field(default_factory=dict)
    frozen: str = ""


def write_book(file: BinaryIO, pages: Iterable[Page]) -> None:
    """Write the workbook; rows are taken as they come."""
    from openpyxl import Workbook
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    for page in pages:
        sheet = book.create_sheet(page.title)
        sheet.freeze_panes = page.frozen or None
        for place, width in page.widths.items():
            sheet.column_dimensions[get_column_letter(place + 1)].width = width
        dress = _dresser(sheet)
        for row in page.rows:
            sheet.append([dress(text, style) for text, style in row])
    book.save(file)


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
