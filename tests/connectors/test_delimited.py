"""Two readers of CSV, one fast and one careful, that must never differ; and what is found out of a file that says nothing."""

import io
import random
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import encodings
from connectors.detection import Sample, detect
from connectors.formats import bulk as fast
from connectors.formats import records
from schemas.contract import Source
from schemas.errors import ContractInvalid, SourceDamaged

careful = sys.modules["connectors.formats.delimited"]
PLAIN = ["a", "姓", "\0", " ", "1", "\ue78d", "😀", "\ufeff", "\u2028", "\x0b", "\x85"]
HOSTILE = [*PLAIN, '"', '""', ",", "\n", "\r", "\r\n"]


def read(data: bytes, encoding: str | None = None, where: str = "x.csv", **options: object) -> list[tuple[object, ...]]:
    source = Source("csv", "file://", where, encoding=encoding, options=options)
    return [tuple(row.values()) for b in records(io.BytesIO(data), "csv", source, where) for row in b.to_pylist()]


def outcome(data: bytes, encoding: str | None, reader: object, patch: pytest.MonkeyPatch) -> object:
    patch.setattr(careful, "bulk", reader)
    try:
        return read(data, encoding)
    except SourceDamaged as error:
        return str(error)


def never(*_: object) -> object:
    raise fast.Odd(0)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, str | None]:
    """A file, as often broken as not: quotes and line ends anywhere or only where they belong, a field too many, half a character."""
    width = draw(st.integers(1, 3))
    encoding = draw(st.sampled_from([None, "utf-8", "gb18030", "utf-16"]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quoted = draw(st.booleans())
    letters = HOSTILE if draw(st.booleans()) else PLAIN

    def field() -> str:
        text = "".join(draw(st.lists(st.sampled_from(letters), max_size=4)))
        return '"' + text.replace('"', '""') + '"' if quoted else text

    rows = [",".join(field() for _ in range(width)) for _ in range(draw(st.integers(0, 12)))]
    text = ",".join("abc"[:width]) + end + end.join(rows) + draw(st.sampled_from(["", end, end + ",", end + '"']))
    data = text.encode(encoding or "utf-8-sig")
    return data + draw(st.sampled_from([b"", b"", b"", b"\xff", b"\xed\xa0\x80"])), encoding


@settings(max_examples=120, deadline=None)
@given(files(), st.sampled_from([40, 64, 200, 1 << 20]), st.sampled_from([1, 3, 50, 1 << 20]))
def test_the_fast_reader_gives_what_the_careful_one_gives(
    made: tuple[bytes, str | None], block: int, bytes_read: int
) -> None:
    data, encoding = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "BLOCK", block)
        patch.setattr(encodings, "_BLOCK", bytes_read)
        assert outcome(data, encoding, fast.bulk, patch) == outcome(data, encoding, never, patch)


@pytest.mark.parametrize("encoding", [None, "gb18030"])
def test_a_plain_file_goes_the_fast_way_to_its_end(encoding: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "编号,名称,备注\r\n" + "".join(f'{i},"某{i}, 号","第一行\r\n第 ""二"" 行"\r\n' for i in range(40_000))
    monkeypatch.setattr(careful, "_careful", never)
    rows = read(text.encode(encoding or "utf-8"), encoding)
    assert rows[:: len(rows) - 1] == [
        (1, "0", "某0, 号", '第一行\r\n第 "二" 行'),
        (40_000, "39999", "某39999, 号", '第一行\r\n第 "二" 行'),
    ]
    assert [row[0] for row in rows] == list(range(1, 40_001))


def test_a_cell_larger_than_a_block_and_an_odd_quote_cost_time_but_no_record() -> None:
    long = "长" * (fast.BLOCK)
    text = "a,b\n" + "1,x\n" * 50_000 + f"2,{long}\n" + '3,5" pipe\n' + "4,y\n" * 10
    rows = read(text.encode("gb18030"), "gb18030")
    assert len(rows) == 50_012
    assert [rows[50_000], rows[50_001], rows[-1]] == [
        (50_001, "2", long),
        (50_002, "3", '5" pipe'),
        (50_012, "4", "y"),
    ]


def test_a_fault_deep_in_a_file_is_named_by_its_own_line() -> None:
    good = '编号,"名,称"\n' + '1,"两\n行"\n' * 30_000
    with pytest.raises(SourceDamaged, match=r"line 60002 has 3 fields where the header has 2") as caught:
        read((good + "2,b,c\n").encode("gb18030"), "gb18030")
    assert caught.value.facts["line"] == 60002
    with pytest.raises(SourceDamaged, match=rf"line 60002, byte {len(good.encode('gb18030')) + 2} is not GB18030"):
        read((good + "2,").encode("gb18030") + b"\xff\n", "gb18030")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    row = "第一,第二,第三\n".encode("gb18030") * 10_000
    with path.open("wb") as file:
        file.write("a,b,c\n".encode("gb18030"))
        file.writelines(row for _ in range(200))
    held = pa.total_allocated_bytes()
    most = 0
    with path.open("rb") as file:
        source = Source("csv", "file://", "x.csv", encoding="gb18030")
        count = 0
        for batch in records(file, "csv", source, "x.csv"):
            count += batch.num_rows
            most = max(most, pa.total_allocated_bytes() - held)
    assert count == 2_000_000
    assert most < 64 << 20


def test_all_nineteen_moved_characters_are_what_the_standard_of_2022_makes_them() -> None:
    codes = "A8BC A6D9 A6DA A6DB A6DC A6DD A6DE A6DF A6EC A6ED A6F3 FE59 FE61 FE66 FE67 FE6D FE7E FE90 FEA0"
    wanted = "ḿ︐︒︑︓︔︕︖︗︘︙龴龵龶龷龸龹龺龻"
    assert read(b"n\n" + bytes.fromhex(codes.replace(" ", "")) + b"\n", "gb18030") == [(1, wanted)]
    assert wanted.encode("gb18030").decode("gb18030") == wanted  # their old four-byte codes mean the same
    kept = bytes.fromhex("FE51 AAA1")  # left private in 2022; a user's own
    assert read(b"n\n" + kept + b"\n", "gb18030") == [(1, "\ue816\ue000")]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("姓名,地址\n张三,上海市浦东新区\n", "utf-8"),
        ("姓名,地址\n张三,上海市浦东新区\n", "utf-8-sig"),
        ("姓名,地址\n张三,上海市浦东新区\n", "utf-16"),
        ("姓名,地址\n张三,上海市浦东新区\n", "gb18030"),
        ("姓名,地址\n欧阳䶮,𬱖镇\n", "gb18030"),
        ("姓名,地址\n陳大文,臺北市中正區重慶南路\n", "big5"),
        ("id\n" + "1\n" * 600_000 + "张\n", "gb18030"),
        ("id,name\n1,x\n", "utf-8"),
    ],
)
def test_the_encoding_is_found_out_and_the_text_is_right(content: str, encoding: str) -> None:
    data = content.encode(encoding)
    assert detect(io.BytesIO(data)) == encoding.removesuffix("-sig")
    assert [",".join(map(str, row[1:])) for row in read(data)] == content.splitlines()[1:]


def test_detection_does_not_depend_on_the_pieces_a_file_comes_in() -> None:
    data = ("a\n" * 1000 + "重慶南路一段,張小姐\n" * 500).encode("big5")
    chance = random.Random(7)
    for _ in range(20):
        sample, rest = Sample(), data
        while rest:
            size = chance.choice([1, 7, 1000, 1 << 20])
            sample.feed(rest[:size])
            rest = rest[size:]
        assert sample.encoding() == "big5"


def test_a_file_of_no_known_encoding_is_refused_at_its_first_bad_byte() -> None:
    with pytest.raises(SourceDamaged, match="line 2, byte 12 is not UTF-8"):
        read("id\n张三李".encode() + b"\xff\xff\n")


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
def test_a_separator_is_found_out_where_the_header_has_no_comma(separator: str) -> None:
    text = f"编号{separator}金额,元\n1{separator}2\n"
    assert read(text.replace(",", "").encode()) == [(1, "1", "2")]
    with pytest.raises(SourceDamaged, match="line 2 has 1 fields where the header has 2"):
        read(text.encode())  # a comma in the header is the separator until the contract says otherwise
    assert read(text.encode(), delimiter=separator) == [(1, "1", "2")]


def test_one_column_stays_one_and_a_separator_beyond_ascii_is_read_too() -> None:
    assert read("名\n甲;乙\n".encode()) == [(1, "甲;乙")]
    assert read("名、号\n甲、1\n".encode(), delimiter="、") == [(1, "甲", "1")]
    for wrong in ("", ";;", '"', "\n"):
        with pytest.raises(ContractInvalid, match="no separator"):
            read(b"a\n", delimiter=wrong)


def test_a_preamble_may_stand_above_the_header_in_any_encoding() -> None:
    text = '某市登记表\n"制表, 2026"\n\n编号,名称\n1,甲\n'
    for encoding in ("utf-8", "gb18030", "utf-16"):
        assert read(text.encode(encoding), encoding, headerRow=3) == [(1, "1", "甲")]
    with pytest.raises(ContractInvalid, match="headerRow"):
        read(text.encode(), headerRow="three")


def test_a_byte_order_mark_is_no_part_of_a_name_whatever_the_encoding() -> None:
    for encoding in ("utf-8", "gb18030", "utf-16-le"):
        data = '\ufeff"编号",b\n1,\ufeff2\n'.encode(encoding)
        source = Source("csv", "file://", "x.csv", encoding=encoding)
        (batch,) = records(io.BytesIO(data), "csv", source, "x.csv")
        assert batch.schema.names == ["_row", "编号", "b"]
        assert batch.column("b").to_pylist() == ["\ufeff2"]


def test_a_reader_that_is_left_early_lets_go_of_its_file() -> None:
    file = io.BytesIO(b"a,b\n" + b"1,2\n" * 20_000_000)
    found = records(file, "csv", Source("csv", "file://", "x.csv"), "x.csv")
    next(found)
    found.close()
    place = file.tell()
    assert place < 60_000_000  # of 80 million
    file.seek(0)
    assert file.read(3) == b"a,b"
