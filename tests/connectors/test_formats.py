"""From bytes to text: what is read exactly, and what is refused with its place named."""

import json
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors import decode
from connectors.encodings import MOVED
from schemas.contract import Source
from schemas.errors import ContractInvalid, SourceDamaged, SourceMissing


def read(path: Path, media: Any, *, encoding: str | None = None, **options: Any) -> list[dict[str, Any]]:
    kind = "rest" if media == "json" else media
    source = Source(kind, "file://", path.name, encoding=encoding, options=options)
    return [row for batch in decode(path, media, source) for row in batch.to_pylist()]


def csv(tmp_path: Path, content: bytes | str, **changes: Any) -> list[dict[str, Any]]:
    path = tmp_path / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path, "csv", **changes)


def lines(tmp_path: Path, content: str | bytes, **changes: Any) -> list[dict[str, Any]]:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path, "jsonl", **changes)


def book(tmp_path: Path, *rows: list[Any], **options: Any) -> list[dict[str, Any]]:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    made.save(tmp_path / "x.xlsx")
    return read(tmp_path / "x.xlsx", "xlsx", **options)


def test_gb18030_is_decoded_before_it_is_split(tmp_path: Path) -> None:
    name = "乗亅"  # their trail bytes are ASCII: 0x5C and 0x7C
    assert b"|" in name.encode("gb18030")
    content = f"姓名|性别\r\n{name}|男\r\n".encode("gb18030")
    assert csv(tmp_path, content, encoding="GBK", delimiter="|") == [{"_row": 1, "姓名": name, "性别": "男"}]


def test_rare_names_and_the_moved_characters_come_out_right(tmp_path: Path) -> None:
    raw = "䶮㛃𬱖".encode("gb18030") + bytes.fromhex("FE59 A6D9 A8BC")
    assert csv(tmp_path, b"n\n" + raw + b"\n", encoding="gb18030")[0]["n"] == "䶮㛃𬱖\u9fb4\ufe10\u1e3f"
    assert len(MOVED) == 19


@pytest.mark.parametrize("block", [1 << 20, 7])
def test_an_undecodable_byte_is_named_by_line_and_offset(tmp_path: Path, block: int, monkeypatch) -> None:
    monkeypatch.setattr("connectors.encodings._BLOCK", block)
    good = "name,note\n张三,好\n李".encode()
    with pytest.raises(SourceDamaged, match=rf"x\.csv: line 3, byte {len(good)} is not UTF-8"):
        csv(tmp_path, good + b"\xff,x\n")
    good = "name\n张三\n".encode("gb18030")
    with pytest.raises(SourceDamaged, match=rf"line 3, byte {len(good)} is not GB18030"):
        csv(tmp_path, good + b"\xff\n", encoding="gb18030")
    with pytest.raises(SourceDamaged, match=r"line 1, byte 5"):
        csv(tmp_path, b"name\n"[:-1] + b",\xe5\xbc")


def test_quoted_newlines_quotes_and_long_cells_survive(tmp_path: Path) -> None:
    long = "长" * 4_000_000
    rows = csv(tmp_path, f'a,b\r\n"x\r\ny","he ""said"""\r\n{long},\r\n')
    assert [(r["a"], r["b"]) for r in rows] == [("x\r\ny", 'he "said"'), (long, "")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 fields where the header has 2"),
        ('a,b\n"x\ny",2\n1\n', "line 4 has 1 fields"),
        ("a,b,a\n", "'a' stands twice"),
        ("a,,b\n", "column 2 has no name"),
        ("a,\n1,\n2,lost\n", "line 3 has a value beyond"),
        ('a\n"open\n', "ends at line 2 cannot be read"),
        ("a,_row\n", "'_row'"),
        ("\n\n", "is empty"),
        ("\ufeff", "is empty"),
    ],
)
def test_a_csv_that_cannot_be_read_whole_is_refused_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(SourceDamaged, match=message) as caught:
        csv(tmp_path, content)
    assert "lost" not in str(caught.value)


def test_blank_lines_trailing_separators_and_preambles_are_no_records(tmp_path: Path) -> None:
    assert csv(tmp_path, "报表\n\n a ,b,\n1,2,\n\n", headerRow=2) == [{"_row": 1, "a": "1", "b": "2"}]


def test_a_tab_separates_tsv(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("a\tb\n1,5\t2\n")
    source = Source("csv", "file://", "x.tsv")
    assert next(decode(tmp_path / "x.tsv", "csv", source)).to_pylist() == [{"_row": 1, "a": "1,5", "b": "2"}]


def test_an_unknown_encoding_is_a_fault_of_the_contract(tmp_path: Path) -> None:
    with pytest.raises(ContractInvalid, match="gb18031"):
        csv(tmp_path, "a\n1\n", encoding="gb18031")


def test_workbook_cells_become_exact_text(tmp_path: Path) -> None:
    row = [
        date(2026, 5, 1),
        datetime.fromisoformat("2026-05-01T08:30:00"),
        3.0,
        0.1,
        440308199901101512,
        123456789012.0,
        True,
        None,
        "007",
    ]
    (record,) = book(tmp_path, ["d", "t", "i", "f", "n", "m", "b", "e", "s"], row)
    assert list(record.values())[1:] == [
        "2026-05-01", "2026-05-01 08:30:00", "3", "0.1", "4.403081999011015e+17", "123456789012", "true", None, "007",
    ]  # fmt: skip


def test_a_title_above_the_header_blank_rows_and_short_rows_are_taken_well(tmp_path: Path) -> None:
    rows = book(tmp_path, ["签发情况", None], ["证件号码", "姓名"], ["1"], [None, None], ["2", "王五"], headerRow=2)
    assert [(r["_row"], r["证件号码"], r["姓名"]) for r in rows] == [(1, "1", None), (2, "2", "王五")]


def test_the_sheet_is_chosen_by_name_or_the_first_visible(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.active.sheet_state = "hidden"
    made.create_sheet("数据").append(["a"])
    made.create_sheet("说明").append(["b"])
    made.save(tmp_path / "x.xlsx")
    source = Source("xlsx", "file://", "x.xlsx")
    assert next(decode(tmp_path / "x.xlsx", "xlsx", source)).schema.names == ["_row", "a"]
    named = Source("xlsx", "file://", "x.xlsx", options={"sheet": "说明"})
    assert next(decode(tmp_path / "x.xlsx", "xlsx", named)).schema.names == ["_row", "b"]
    with pytest.raises(SourceMissing, match="数据"):
        read(tmp_path / "x.xlsx", "xlsx", sheet="absent")


def test_a_formula_that_was_never_computed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceDamaged, match="cell B2 is a formula without a value"):
        book(tmp_path, ["a", "b"], ["1", "=1+1"])


def test_a_formula_that_was_computed_gives_its_value(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.active.append(["a"])
    made.active.append(["=1+1"])
    made.save(tmp_path / "plain.xlsx")
    with zipfile.ZipFile(tmp_path / "plain.xlsx") as plain, zipfile.ZipFile(tmp_path / "x.xlsx", "w") as computed:
        for member in plain.namelist():
            content = plain.read(member)
            computed.writestr(
                member,
                content.replace(b"<v />", b"<v>2</v>").replace(b"<v></v>", b"<v>2</v>").replace(b"<v/>", b"<v>2</v>"),
            )
    assert read(tmp_path / "x.xlsx", "xlsx")[0]["a"] == "2"


def test_an_archive_that_would_swell_is_refused_unread(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.xlsx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/worksheets/sheet1.xml", b"0" * (80 << 20))
    with pytest.raises(SourceDamaged, match="would unpack to 80 MiB"):
        read(tmp_path / "x.xlsx", "xlsx")


@pytest.mark.parametrize("content", [b"PK\x03\x04 cut off", b"id,name\n1,2\n"])
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.xlsx").write_bytes(content)
    with pytest.raises(SourceDamaged, match=r"x\.xlsx"):
        read(tmp_path / "x.xlsx", "xlsx")


RECORDS = '[{"id": 1, "amount": 1.10, "at": {"city": "沪", "zip": null}, "tags": ["a", 1]}, {"id": 12345678901234567890, "new": true}]'


@pytest.mark.parametrize("shape", ["lines", "array", "document"])
def test_json_of_every_shape_gives_the_same_flat_exact_records(tmp_path: Path, shape: str) -> None:
    if shape == "lines":
        rows = lines(tmp_path, "".join(part + "\n" for part in RECORDS[1:-1].replace("}, {", "}\n{").split("\n")))
    elif shape == "array":
        rows = lines(tmp_path, "\ufeff\n" + RECORDS)
    else:
        rows = lines(tmp_path, f'{{"code": 0,\n "data": {{"items": {RECORDS}}}}}', records="data.items")
    assert rows == [
        {"_row": 1, "id": "1", "amount": "1.10", "at.city": "沪", "at.zip": None, "tags": '["a",1]', "new": None},
        {
            "_row": 2,
            "id": "12345678901234567890",
            "amount": None,
            "at.city": None,
            "at.zip": None,
            "tags": None,
            "new": "true",
        },
    ]


def test_a_nested_object_that_is_null_in_some_records_adds_no_column(tmp_path: Path) -> None:
    assert lines(tmp_path, '{"at": null}\n{"at": {"city": "沪"}}\n')[0] == {"_row": 1, "at.city": None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\n{"a": 2', "line 2 is no JSON"),
        ('{"a": 1, "a": 2}\n', "record 1 has two values for 'a'"),
        ('{"a.b": 1, "a": {"b": 2}}\n', "two values for 'a.b'"),
        ("[1]", "record 1 is no object"),
        ('[{"a": 1}, {"a"', "broken off or no JSON after record 1"),
        ('[{"a": 1, "a": 2}]', "record 1 has two values for 'a'"),
        ('{"a": "\\ud800"}\n', "half a character"),
        ("  \n", "is empty"),
    ],
)
def test_json_that_cannot_be_read_whole_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(SourceDamaged, match=message):
        lines(tmp_path, content)


def test_no_records_differ_from_no_list(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"data": {"items": []}}))
    assert read(tmp_path / "x.json", "json", records="data.items") == []
    with pytest.raises(SourceDamaged, match=r"no list at 'data\.rows'"):
        read(tmp_path / "x.json", "json", records="data.rows")


def test_a_header_of_two_rows_with_merged_cells_names_each_column_by_what_stands_over_it(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    sheet = made.active
    for row in (
        ["登记汇总表"],
        ["编号", "联系方式", None, "备注", "金额"],
        [None, "电话", "邮箱", None, "(元)"],
        ["1", "2", "3", "4", "5"],
    ):
        sheet.append(row)
    for merged in ("A1:E1", "A2:A3", "B2:C2", "D2:D3"):
        sheet.merge_cells(merged)
    made.save(tmp_path / "x.xlsx")
    (record,) = read(tmp_path / "x.xlsx", "xlsx", headerRow=2, headerRows=2)
    assert list(record) == ["_row", "编号", "联系方式.电话", "联系方式.邮箱", "备注", "金额.(元)"]
    assert list(record.values()) == [1, "1", "2", "3", "4", "5"]
    with pytest.raises(SourceDamaged, match="column 3 has no name"):
        read(tmp_path / "x.xlsx", "xlsx", headerRow=2)


def test_dates_of_a_workbook_that_counts_from_1904_are_the_days_that_were_meant(tmp_path: Path) -> None:
    from openpyxl.utils.datetime import CALENDAR_MAC_1904

    made = openpyxl.Workbook()
    made.epoch = CALENDAR_MAC_1904
    made.active.append(["d", "t"])
    made.active.append([date(2026, 5, 1), datetime.fromisoformat("2026-05-01T08:30:00")])
    made.save(tmp_path / "x.xlsx")
    assert b"date1904" in zipfile.ZipFile(tmp_path / "x.xlsx").read("xl/workbook.xml")
    (record,) = read(tmp_path / "x.xlsx", "xlsx")
    assert (record["d"], record["t"]) == ("2026-05-01", "2026-05-01 08:30:00")
