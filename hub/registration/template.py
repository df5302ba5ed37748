"""The workbook in which a department describes a source offline: what it asks, and what was filled in read back as a contract's document.

1. `pages` lays it out from `schemas.questions`: resource and source ask down the page, items and rules have a row each, a last page says how.
   Cells with choices offer them in a list. Given a document, its answers are filled in.
2. `read` finds each answer by its label, so that rows and columns may be moved, and tells what is wrong with sheet, row and column, in both
   languages. A formula is refused: what it shows is not what it says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, get_args

import yaml

from connectors.formats.book import Cell, Page, read_book, write_book
from hub.registration import named_secrets
from schemas import answering, odcs
from schemas.answering import Answers, Fault, Misfilled
from schemas.errors import ContractInvalid, SourceDamaged
from schemas.questions import QUESTIONS, Question, Sheet

TITLES: dict[Sheet, str] = {
    "resource": "资源 resource",
    "source": "来源 source",
    "items": "信息项 items",
    "rules": "规则 rules",
}
HELP = "说明 help"
_ASKED = "问题 Question"
_FREE_ROWS = 400
_TEXTS = (
    ("依次填写“资源”“来源”“信息项”“规则”四页，带 * 的必填；不懂的留空，数据主管部门会联系您。",
     "Fill in the sheets resource, source, items and rules; * is needed. Leave empty what you do not know: the data office will ask."),
    ("每个信息项一行。有下拉列表的单元格从列表中选，也可只填开头的代码（如 DE01001、2、L3）。",
     "One row for each item. Where a cell has a list, choose from it, or type the code that begins the line (as DE01001, 2, L3)."),
    ("填写值本身，不用公式；不要填写任何口令或密码，只填管理员给的引用名。",
     "Write values, not formulas. Never write a password: give the name of the secret that the operator set up."),
    ("可以移动、隐藏行和列，请勿改动第一列的问题和表头的名称。",
     "Rows and columns may be moved or hidden; leave the questions in the first column and the names of the header as they are."),
    ("存为 .xlsx 后在“登记来源”中上传；填错之处会逐格告知。",
     "Save it as .xlsx and upload it under “register a source”; what is wrong is told cell by cell."),
)  # fmt: skip


@dataclass(frozen=True)
class Filled:
    """A workbook read: the contract's document, void if there are faults. `at` finds a fault's cell."""

    document: dict[str, Any]
    faults: tuple[Misfilled, ...] = ()
    sheets: "Mapping[Sheet, _Sheet]" = field(default_factory=dict, repr=False)

    def at(self, fault: Fault) -> Misfilled:
        """The fault with its cell."""
        return self.sheets[fault.sheet].misfilled(fault)


def write(file: BinaryIO, document: Mapping[str, Any] | None = None) -> None:
    """Write the workbook, empty or with a document's answers."""
    write_book(file, pages(document))


def pages(document: Mapping[str, Any] | None = None) -> Iterator[Page]:
    """The workbook's sheets."""
    resource, source, items, rules = answering.sheets(document) if document else ({}, {}, [], [])
    yield _down("resource", resource)
    yield _down("source", source)
    yield _across("items", items)
    yield _across("rules", rules)
    lines: list[list[Cell]] = [[("怎样填写", "title"), ("How to fill this in", "title")]]
    lines += [[(f"{number}. {text}", "wrapped") for text in pair] for number, pair in enumerate(_TEXTS, 1)]
    yield Page(HELP, lines, {0: 60, 1: 80})


def read(file: BinaryIO, where: str) -> Filled:
    """What was filled in. Raises SourceDamaged for what is no workbook at all."""
    try:
        book = read_book(file, where)
    except SourceDamaged as error:
        if "cell" not in error.facts:
            raise
        zh, en = "含公式，请粘贴为数值", "holds a formula: paste its value instead"
        return Filled({}, (_at(str(error.facts["sheet"]), str(error.facts["cell"]), zh, en),))
    absent = [t for t in TITLES.values() if t not in book]
    if absent:
        todo = ("缺少此页，请使用下载的模板", "this sheet is missing: use the workbook as it was downloaded")
        return Filled({}, tuple(Misfilled(title, 0, "", *todo) for title in absent))
    found = {sheet: _Sheet.of(sheet, book[title]) for sheet, title in TITLES.items()}
    lost = [m for sheet in found.values() for m in sheet.lost()]
    if lost:
        return Filled({}, tuple(lost))
    resource, source, items, rules = (found[name] for name in get_args(Sheet))
    document, faults = answering.document(resource.one(), source.one(), items.answers, rules.answers)
    if not items.answers:
        faults.append(Fault("items", 0, "", "没有填写任何信息项", "no item is filled in"))
    if not faults:
        faults = list(_of_contract(document))
    return Filled(document if not faults else {}, tuple(found[f.sheet].misfilled(f) for f in faults), found)


def text(document: Mapping[str, Any]) -> str:
    """A document as the text of a contract file."""
    return yaml.safe_dump(dict(document), allow_unicode=True, sort_keys=False, width=10_000)


def _of_contract(document: dict[str, Any]) -> tuple[Fault, ...]:
    """What is wrong with the contract as a whole; a resource code of which only the class is given yet will be whole."""
    try:
        named_secrets.check(odcs.read(document).source.secret)
    except ContractInvalid as error:
        return tuple(f for f in answering.faults(error.problems, document) if not _open_code(f, document))
    return ()


def _open_code(fault: Fault, document: dict[str, Any]) -> bool:
    code = answering.sheets(document)[0]["code"]
    return fault.question == "code" and answering.is_class(code)


@dataclass(frozen=True)
class _Sheet:
    """One sheet read: answers with the row of each, and where each question stands: its column across, its row down the page."""

    sheet: Sheet
    answers: list[Answers]
    rows: list[int]
    places: dict[str, int]

    @staticmethod
    def of(sheet: Sheet, cells: Sequence[Sequence[str | None]]) -> "_Sheet":
        labels = {_label(q): q.name for q in QUESTIONS[sheet]}
        if sheet in ("resource", "source"):
            asked = [(labels.get(_text(row, 0)), _text(row, 1), at) for at, row in enumerate(cells, 1)]
            answers = {name: value for name, value, _ in asked if name}
            return _Sheet(sheet, [answers], [0], {name: at for name, _, at in asked if name})
        head = next((at for at, row in enumerate(cells) if _text_set(row) & labels.keys()), len(cells))
        names = [labels.get((cell or "").strip()) for cell in cells[head]] if head < len(cells) else []
        rows = [(at, row) for at, row in enumerate(cells[head + 1 :], head + 2) if _text_set(row)]
        return _Sheet(
            sheet,
            [{name: _text(row, i) for i, name in enumerate(names) if name} for _, row in rows],
            [at for at, _ in rows],
            {name: i for i, name in enumerate(names) if name},
        )

    def one(self) -> Answers:
        return self.answers[0]

    def lost(self) -> Iterator[Misfilled]:
        """Questions that want an answer and no longer stand in the sheet."""
        for question in QUESTIONS[self.sheet]:
            if question.needed and question.name not in self.places:
                label = _label(question)
                zh, en = f"找不到“{label}”，请勿改动名称", f"“{label}” is not there any more: leave names as they are"
                yield Misfilled(TITLES[self.sheet], 0, "", zh, en)

    def misfilled(self, fault: Fault) -> Misfilled:
        """The fault with its cell."""
        at = self.places.get(fault.question)
        if self.sheet in ("resource", "source"):
            return Misfilled(TITLES[self.sheet], at or 0, "B" if at else "", fault.zh, fault.en)
        row = self.rows[fault.place] if fault.place < len(self.rows) else 0
        return Misfilled(TITLES[self.sheet], row, _letter(at or 0) if row else "", fault.zh, fault.en)


def _down(sheet: Sheet, answers: Answers) -> Page:
    """A page that asks one question a row."""
    questions = QUESTIONS[sheet]
    rows: list[list[Cell]] = [[(_ASKED, "head"), ("填写 Answer", "head"), ("说明 Help", "own head")]]
    rows += [[(_label(q), ""), (_shown(q, answers.get(q.name, "")), "wrapped"), (_help(q), "quiet")] for q in questions]
    choices = {f"B{row}": [str(c) for c in q.choices] for row, q in enumerate(questions, 2) if q.choices}
    return Page(TITLES[sheet], rows, {0: 36, 1: 56, 2: 70}, "A2", choices)


def _across(sheet: Sheet, answers: Sequence[Answers]) -> Page:
    """A page that has one item or rule a row, under what each column wants and its name."""
    questions = QUESTIONS[sheet]
    rows: list[list[Cell]] = [[(_help(q), "quiet") for q in questions], [(_label(q), "head") for q in questions]]
    rows += [[(_shown(q, one.get(q.name, "")), "") for q in questions] for one in answers]
    last = len(rows) + _FREE_ROWS
    lists = {f"{_letter(at)}3:{_letter(at)}{last}": [str(c) for c in q.choices] for at, q in enumerate(questions) if q.choices}  # fmt: skip
    return Page(TITLES[sheet], rows, dict.fromkeys(range(len(questions)), 22), "C3", lists)


def _label(question: Question) -> str:
    return f"{question.zh} {question.en}{' *' if question.needed else ''}"


def _help(question: Question) -> str:
    return "\n".join(filter(None, (question.help_zh, question.help_en)))


def _shown(question: Question, answer: str) -> str:
    """An answer with its meaning, where it was chosen."""
    return next((str(c) for c in question.choices if c.value == answer), answer)


def _text(row: Sequence[str | None], at: int) -> str:
    return (row[at] or "").strip() if at < len(row) else ""


def _text_set(row: Sequence[str | None]) -> set[str]:
    return {cell.strip() for cell in row if cell and cell.strip()}


def _at(sheet: str, cell: str, zh: str, en: str) -> Misfilled:
    letters = cell.rstrip("0123456789")
    return Misfilled(sheet, int(cell[len(letters) :]), letters, zh, en)


def _letter(place: int) -> str:
    """A column's letters, from 0.

    >>> _letter(0), _letter(25), _letter(26)
    ('A', 'Z', 'AA')
    """
    return _letter(place // 26 - 1) + _letter(place % 26) if place > 25 else chr(ord("A") + place)
