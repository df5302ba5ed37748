"""The workbook that a department fills in offline: what a contract says goes in and comes back, and a fault names its cell."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml
from city_bench import CITY

from hub.registration import template
from schemas import odcs
from schemas.errors import SourceDamaged

CONTRACTS = sorted(CITY.parent.rglob("*.odcs.yaml"))
FOOD = CITY / "contracts" / "food_licences.odcs.yaml"


def document(path: Path) -> dict[str, Any]:
    plain: dict[str, Any] = odcs.plain(yaml.safe_load(path.read_text(encoding="utf-8")))
    return plain


def written(given: dict[str, Any] | None = None) -> io.BytesIO:
    file = io.BytesIO()
    template.write(file, given)
    return file


def edited(change: Callable[[Any], None], given: dict[str, Any] | None = None) -> template.Filled:
    """The workbook read after a person changed it in a spreadsheet program."""
    book = openpyxl.load_workbook(written(given))
    change(book)
    file = io.BytesIO()
    book.save(file)
    return template.read(file, "x.xlsx")


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.name)
def test_a_contract_comes_back_as_it_went_in(path: Path) -> None:
    filled = template.read(written(document(path)), path.name)
    assert filled.faults == ()
    assert odcs.load(path, template.text(filled.document)) == odcs.load(path)


def test_it_comes_back_the_same_from_a_spreadsheet_program_with_rows_moved_and_columns_swapped() -> None:
    def change(book: Any) -> None:
        items = book["信息项 items"]
        items.insert_rows(1)
        items.move_range("A2:A30", cols=40)
        book["资源 resource"].insert_rows(5)

    filled = edited(change, document(FOOD))
    assert filled.faults == ()
    assert odcs.load(FOOD, template.text(filled.document)) == odcs.load(FOOD)


def test_an_empty_one_says_what_is_needed_cell_by_cell() -> None:
    filled = template.read(written(), "x.xlsx")
    assert filled.document == {}
    places = {m.place for m in filled.faults}
    assert {"资源 resource!B2", "资源 resource!B8", "来源 source!B2", "信息项 items"} <= places
    assert all(("\u4e00" <= m.zh.strip("“")[0] <= "\u9fff" and m.en.isascii()) or m.en for m in filled.faults)


@pytest.mark.parametrize(
    ("sheet", "row", "label", "value", "said"),
    [
        ("资源 resource", 0, "共享条件 Sharing condition *", "无条件", "Sharing condition"),
        ("资源 resource", 0, "提供方代码 Provider code *", "12", "Provider code"),
        ("资源 resource", 0, "信息资源代码 Resource code *", "99", "Resource code"),
        ("资源 resource", 0, "更新周期 Update cycle *", "常常", "Update cycle"),
        ("来源 source", 0, "口令引用 Secret", "hunter2", "Secret"),
        ("来源 source", 0, "来源类型 Type *", "oracle", "Type"),
        ("信息项 items", 3, "数据元 Data element", "DE99999", "Data element"),
        ("信息项 items", 4, "数据类型 Type *", "integer 整数", "Type"),
        ("信息项 items", 4, "必填 Required", "也许", "Required"),
        ("信息项 items", 4, "代码对照 Code map", "男", "Code map"),
        ("信息项 items", 3, "信息项名（英文） Item name *", "", "Item name"),
        ("规则 rules", 4, "参数 Arguments", "{columns: [nowhere]}", "Arguments"),
        ("规则 rules", 3, "界限值 Bound", "viel", "Bound"),
        ("规则 rules", 3, "信息项 Item", "nowhere", "Item"),
    ],
)
def test_what_is_wrong_is_told_at_its_cell(sheet: str, row: int, label: str, value: str, said: str) -> None:
    cell = ""

    def change(book: Any) -> None:
        nonlocal cell
        page = book[sheet]
        if row:
            column = next(c.column_letter for c in page[2] if c.value == label)
            cell = f"{column}{row}"
        else:
            cell = next(f"B{r[0].row}" for r in page.iter_rows() if r[0].value == label)
        page[cell] = value

    filled = edited(change, document(FOOD))
    assert (f"{sheet}!{cell}", True) in {(m.place, said in m.en) for m in filled.faults}, filled.faults
    assert "hunter2" not in repr(filled.faults)


def test_a_formula_is_refused_at_its_cell() -> None:
    def change(book: Any) -> None:
        book["信息项 items"]["B4"] = '=HYPERLINK("http://evil.example","x")'

    (fault,) = edited(change, document(FOOD)).faults
    assert fault.place == "信息项 items!B4"
    assert "formula" in fault.en


def test_a_lost_sheet_and_a_renamed_question_are_told() -> None:
    def lose(book: Any) -> None:
        del book["规则 rules"]

    def rename(book: Any) -> None:
        book["资源 resource"]["A3"] = "标题"

    assert [m.sheet for m in edited(lose).faults] == ["规则 rules"]
    assert [m.sheet for m in edited(rename).faults] == ["资源 resource"]


def test_what_is_no_workbook_or_a_bomb_is_refused() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (80 << 20))
    tall = openpyxl.Workbook(write_only=True)
    sheet = tall.create_sheet("资源 resource")
    for _ in range(6000):
        sheet.append(["x"])
    high = io.BytesIO()
    tall.save(high)
    for file in (io.BytesIO(b"PK"), io.BytesIO(b"not a zip"), bomb, high):
        with pytest.raises(SourceDamaged):
            template.read(file, "x.xlsx")


def test_the_cells_of_a_choice_offer_it_in_a_list() -> None:
    book = openpyxl.load_workbook(written())
    offered = {str(v.sqref): v.formula1 for v in book["信息项 items"].data_validations.dataValidation}
    element = next(c.column_letter for c in book["信息项 items"][2] if c.value == "数据元 Data element")
    cells = next(formula for cells, formula in offered.items() if cells.startswith(element + "3"))
    column = cells.split("!")[1].replace("$", "").split(":")[0][:-1]
    assert book["lists"].sheet_state == "hidden"
    assert book["lists"][f"{column}1"].value == "DE01001 公民身份号码 citizen_id"
