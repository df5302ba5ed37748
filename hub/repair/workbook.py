"""The workbook in which a department corrects its rows: the faulty cells coloured, what to do beside them and on a page of its own.

Numbers and reasons stay in sight while one scrolls.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from rich.cells import cell_len

from connectors.formats.book import Cell, Page
from hub.repair.sheet import OWN, guarded

ROWS, GUIDE = "问题数据 rows", "说明 guide"
_FROZEN = "D2"
_SAMPLED = 200
_WIDTHS = dict(enumerate((12, 40, 40, 24, 10)))
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


def pages(title: str, header: Sequence[str], lines: Iterable[Line]) -> tuple[Page, Page]:
    """The page of rows, whose lines are taken as they come, and the page that says what to do."""
    rest = iter(lines)
    first = list(islice(rest, _SAMPLED))
    rows = Page(ROWS, chain([_head(header)], map(_cells, chain(first, rest))), _widths(header, first), _FROZEN)
    return rows, Page(GUIDE, _guide(title), {0: 60, 1: 80})


def _head(header: Sequence[str]) -> list[Cell]:
    return [(name, "own head" if place < len(OWN) else "head") for place, name in enumerate(header)]


def _cells(line: Line) -> list[Cell]:
    styles = (
        "faulty" if place in line.faulty else "quiet" if place < len(OWN) else "" for place in range(len(line.cells))
    )
    return list(zip(line.cells, styles, strict=True))


def _widths(header: Sequence[str], lines: Sequence[Line]) -> dict[int, float]:
    """The hub's own columns have theirs; a department's is as wide as its longest text, within measure."""
    found: dict[int, float] = {}
    for place, name in enumerate(header):
        longest = max((cell_len(text) for line in lines for text in line.cells[place].splitlines()), default=0)
        found[place] = _WIDTHS.get(place, min(max(longest, cell_len(name), _LEAST) + 2, _MOST))
    return found


def _guide(title: str) -> Iterator[list[Cell]]:
    yield [(guarded(title), "")]
    yield []
    yield [("怎样更正", "title"), ("How to correct these rows", "title")]
    for number, pair in enumerate(_TEXTS, 1):
        yield [(f"{number}. {text}", "wrapped") for text in pair]
