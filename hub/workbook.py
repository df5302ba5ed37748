"""The workbook in which a department corrects its rows: text cells, the faulty ones coloured, what to do beside them and on a sheet of its own.

Every cell is text, so that no program drops a leading zero or rounds an identifier. Numbers and reasons stay in sight while one scrolls.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO

from rich.cells import cell_len

from hub.sheet import OWN, guarded

if TYPE_CHECKING:
    from openpyxl import Workbook

ROWS, GUIDE = "问题数据 rows", "说明 guide"
_FROZEN = "D2"
_SAMPLED = 200
_WIDTHS = {OWN[0]: 12, OWN[1]: 40, OWN[2]: 40, OWN[3]: 24, OWN[4]: 10}
_LEAST, _MOST = 10, 40
_TEXTS = (
    ("在“问题数据”页直接改正黄色单元格,其余单元格保持原样。",
     "Correct the yellow cells on the first sheet; leave the others as they are."),
    ("“※编号”列请勿改动。暂不更正的行可整行删除,它们仍留在问题数据中。",
     "Do not touch the column “※编号 No.”. Rows that you do not correct yet may be deleted here; they stay in quarantine."),
    ("单元格开头的单引号 ' 防止内容被当作公式,留着即可,交回时自动去除。",
     "A quote ' at the start of a cell keeps it from being taken for a formula. Leave it: it is taken off when the file comes back."),
    ("未改动的单元格按原报送值处理;清空的单元格视为空值。",
     "A cell that you did not touch counts as you delivered it; a cell that you emptied counts as empty."),
    ("存为 .xlsx 后交回。合格的行随即发布;仍有问题的行逐行告知原因。",
     "Save the file as .xlsx and return it. Rows that are right now are published at once; of the others you are told why, row by row."),
    ("请同时在源系统中更正:否则下一次整表报送会带来同样的问题。",
     "Correct the records in your own system too: the next full delivery would bring the same faults again."),
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One row of the sheet as text; `faulty` are the places of the cells that a rule found fault with."""

    cells: Sequence[str]
    faulty: frozenset[int] = frozenset()


def write_book(file: BinaryIO, title: str, header: Sequence[str], lines: Iterable[Line]) -> None:
    """Write the workbook; the lines are taken as they come."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet(ROWS)
    sheet.freeze_panes = _FROZEN
    rest = iter(lines)
    first = list(islice(rest, _SAMPLED))
    _set_widths(sheet, header, first)
    look = _Look(sheet)
    sheet.append([look.cell(name, "our head" if name in OWN else "head") for name in header])
    for line in chain(first, rest):
        sheet.append([look.cell(text, _style(place, line)) for place, text in enumerate(line.cells)])
    _write_guide(book, title)
    book.save(file)


def _style(place: int, line: Line) -> str:
    return "faulty" if place in line.faulty else "own" if place < len(OWN) else "plain"


class _Look:
    """Makes cells of text in a few styles."""

    def __init__(self, sheet: Any) -> None:
        from openpyxl.styles import Alignment, Font, PatternFill

        self._sheet = sheet
        top, wrapped = Alignment(vertical="top"), Alignment(vertical="top", wrap_text=True)
        grey, blue, yellow = (PatternFill("solid", fgColor=colour) for colour in ("EDEDED", "D9E1F2", "FFEB9C"))
        self._styles: dict[str, tuple[Alignment, PatternFill | None, Font | None]] = {
            "our head": (wrapped, grey, Font(bold=True)), "head": (wrapped, blue, Font(bold=True)), "own": (wrapped, None, Font(color="595959")),
            "faulty": (top, yellow, Font(bold=True)), "plain": (top, None, None),
        }  # fmt: skip

    def cell(self, text: str, style: str) -> Any:
        from openpyxl.cell import WriteOnlyCell

        made = WriteOnlyCell(self._sheet, value=text or None)
        if text:
            made.data_type = "s"
        alignment, fill, font = self._styles[style]
        made.number_format, made.alignment = "@", alignment
        if fill is not None:
            made.fill = fill
        if font is not None:
            made.font = font
        return made


def _set_widths(sheet: Any, header: Sequence[str], lines: Sequence[Line]) -> None:
    from openpyxl.utils import get_column_letter

    for place, name in enumerate(header):
        longest = max((cell_len(text) for line in lines for text in line.cells[place].splitlines()), default=0)
        fitting = min(max(longest, cell_len(name), _LEAST) + 2, _MOST)
        sheet.column_dimensions[get_column_letter(place + 1)].width = _WIDTHS.get(name, fitting)


def _write_guide(book: "Workbook", title: str) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font

    sheet = book.create_sheet(GUIDE)
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 60, 80
    head = [WriteOnlyCell(sheet, value=text) for text in ("怎样更正", "How to correct these rows")]
    for cell in head:
        cell.font = Font(bold=True, size=13)
    sheet.append([guarded(title)])
    sheet.append([])
    sheet.append(head)
    for number, pair in enumerate(_TEXTS, 1):
        cells = [WriteOnlyCell(sheet, value=f"{number}. {text}") for text in pair]
        for cell in cells:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
        sheet.append(cells)
