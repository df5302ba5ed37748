"""Workbooks as a spreadsheet program writes them, texts in a table of their own; and small ones that are meant ill."""

import gc
import io
import tracemalloc
import zipfile
from typing import Any

import openpyxl
import pytest

from connectors.formats import records
from schemas.contract import Source
from schemas.errors import SourceDamaged

HEADER = b'<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
TEXTS = (
    b"<si><t>id</t></si><si><r><t>na</t></r><r><rPr><b/></rPr><t>me</t></r><rPh sb='0' eb='1'><t>reading</t></rPh></si>"
)
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
_NAMESPACE = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def sheet(rows: bytes, texts: bytes = b"", doctype: bytes = b"") -> bytes:
    """A workbook with these rows under the header, and these texts behind those of the header."""
    plain, made = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(plain)
    start = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>' + doctype
    with zipfile.ZipFile(plain) as given, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in given.namelist():
            content = given.read(member)
            if member == "xl/worksheets/sheet1.xml":
                content = content.replace(b"<sheetData>", b"<sheetData>" + HEADER + rows)
                assert HEADER in content
            if member == "[Content_Types].xml":
                own = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_TYPE}"/>'.encode()
                content = content.replace(b"</Types>", own + b"</Types>")
            archive.writestr(member, content)
        table = start + b'<sst xmlns="' + _NAMESPACE + b'">' + TEXTS + texts + b"</sst>"
        archive.writestr("xl/sharedStrings.xml", table)
    return made.getvalue()


def read(content: bytes) -> list[dict[str, Any]]:
    found = records(io.BytesIO(content), "xlsx", Source("xlsx", "file://", "x.xlsx"), "x.xlsx")
    return [row for batch in found for row in batch.to_pylist()]


def row(number: int, *cells: bytes) -> bytes:
    return b'<row r="%d">' % number + b"".join(cells) + b"</row>"


def test_texts_of_the_shared_table_come_whole_without_how_they_are_to_be_read_aloud() -> None:
    texts = '<si><t xml:space="preserve"> 张\u2028三 </t></si><si><t>0007</t></si>'.encode()
    content = sheet(row(2, b'<c r="A2" t="s"><v>3</v></c>', b'<c r="B2" t="s"><v>2</v></c>'), texts)
    assert read(content) == [{"_row": 1, "id": "0007", "name": " 张\u2028三 "}]


CELLS = {
    "a moment as ISO text": (b'<c r="A2" t="d"><v>2026-05-01T08:00:00</v></c>', "2026-05-01 08:00:00"),
    "an error": (b'<c r="A2" t="e"><v>#N/A</v></c>', "#N/A"),
    "a computed text": (b'<c r="A2" t="str"><f>1&amp;2</f><v>12</v></c>', "12"),
    "a cell without a place": (b'<c t="inlineStr"><is><t>q</t></is></c>', "q"),
    "a row number far down": (b"", None),
}


@pytest.mark.parametrize("case", CELLS)
def test_each_kind_of_cell_has_its_text(case: str) -> None:
    cell, text = CELLS[case]
    last = row(900, b'<c r="A900"><v>1</v></c>')
    assert [r["id"] for r in read(sheet(row(2, cell) + last))] == ([text] if text else []) + ["1"]


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)
)
BROKEN = {
    "a text that the table has not": sheet(row(2, b'<c r="A2" t="s"><v>99</v></c>')),
    "entities without end": sheet(row(2, b'<c r="A2" t="s"><v>2</v></c>'), b"<si><t>&j;</t></si>", ENTITIES + b"]>"),
    "an entity of a file": sheet(
        row(2, b'<c r="A2" t="s"><v>2</v></c>'), b"<si><t>&e;</t></si>", b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    ),
    "half a character": sheet(row(2, b'<c r="A2" t="s"><v>2</v></c>'), b"<si><t>a&#xD800;b</t></si>"),
    "a NUL": sheet(row(2, b'<c r="A2" t="s"><v>2</v></c>'), b"<si><t>a\0b</t></si>"),
    "no number": sheet(row(2, b'<c r="A2"><v>NaN</v></c>')),
    "no day": sheet(row(2, b'<c r="A2" t="d"><v>0000-00-00</v></c>')),
    "rows out of order": sheet(row(3, b'<c r="A3"><v>3</v></c>') + row(2, b'<c r="A2"><v>2</v></c>')),
    "a row twice": sheet(row(2, b'<c r="A2"><v>2</v></c>') + row(2, b'<c r="A2"><v>3</v></c>')),
    "cells out of order": sheet(row(2, b'<c r="B2"><v>2</v></c>', b'<c r="A2"><v>1</v></c>')),
    "a cell twice": sheet(row(2, b'<c r="A2"><v>1</v></c>', b'<c r="A2"><v>2</v></c>')),
    "rows without number": sheet(row(10**30, b'<c><v>1</v></c>')),
    "rows without end": sheet(row(999_999_999, b'<c r="A999999999"><v>1</v></c>')),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_would_be_lost_or_never_end_is_a_damaged_file(case: str) -> None:
    with pytest.raises(SourceDamaged, match=r"^x\.xlsx"):
        read(BROKEN[case])


def test_wide_sheets_are_in_order_too() -> None:
    places = ("A", "B", "Z", "AA", "AZ", "BA", "ZZ", "AAA")
    content = row(2, *(b'<c r="%s2"/>' % place.encode() for place in places), b'<c r="XFD2"/>') + row(
        3, b'<c r="A3"><v>1</v></c>'
    )
    assert [r["id"] for r in read(sheet(content))] == ["1"]


def test_of_a_row_that_has_passed_no_more_stays_than_openpyxls_empty_element(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.batches.ROWS", 200)
    for name in ("order", "formulas"):
        monkeypatch.setattr(f"connectors.formats.{name}._BLOCK", 1 << 14)
    read(sheet(row(2, b'<c r="A2"/>')))  # what is imported and kept
    few, many = (
        sheet(b"".join(row(n, b'<c r="A%d"><v>7</v></c>' % n) for n in range(2, size))) for size in (1000, 20_000)
    )
    grown = min(peak(many) for _ in range(2)) - max(peak(few) for _ in range(2))
    assert grown < 100 * (20_000 - 1000)


def peak(content: bytes) -> int:
    """The most memory that reading took, record batches left out: they are let go one by one.

    Where threads meet makes up to half a megabyte of it, so it is looked at twice.
    """
    gc.collect()
    tracemalloc.start()
    rows = sum(
        batch.num_rows for batch in records(io.BytesIO(content), "xlsx", Source("xlsx", "file://", "x.xlsx"), "x.xlsx")
    )
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows > 900
    return found
