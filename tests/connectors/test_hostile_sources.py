"""A hostile source, once for every kind: each ugly thing has one named outcome, the exact value or a clear error.

A kind joins by a stage in `connector_stages` or `database_stages`; what its system cannot hold at all it says by `Impossible`, `longest`
or `odd_table`.
"""

from pathlib import Path

import pytest
from connector_stages import KINDS, SERVERS, CsvStage, FileStage, Stage, XlsxStage, columns
from database_stages import ServerStage, SqlStage

from schemas.errors import SourceDamaged, SourceMissing

NAMES = [
    "1", "2nd", "with  two spaces", 'quo"te"', "it's", "姓名", "性别", "select", "order", "100%", "%s", "%(x)s", ":name", "$1", "?",
    "back\\slash", "\\", "semi;colon", "--", "/* x */", "{x}", "[x]", "`tick`", "Tab\there", "x" * 60,
]  # fmt: skip
TEXTS = {
    "null in words": "NULL", "copy's null": r"\N", "copy's end": r"\.", "a formula": "=1+1", "zeros": "0007", "exponent": "1e5",
    "not a number": "nan", "zero date": "0000-00-00", "negative year": "-0043-03-15", "quotes": "\"'`", "doubled": '""', "separators": ",;|\t",
    "backslashes": "\\\\n", "percent": "100%s %(x)s", "wide": "Ａ１２", "rare": "䶮㛃𬱖", "emoji": "👩‍👩‍👧", "right to left": "שלום",
    "composed and not": "é e\u0301", "line separator": "a\u2028b", "no-break": "a\u00a0b", "a mark inside": "a\ufeffb", "braces": '{"a":[1,null]}',
    "spaces around": "  x  ", "new lines": "one\ntwo\n\nthree", "blank": " ",
}  # fmt: skip
AT = "updated_at"


def test_every_hostile_column_name_arrives_as_it_is_and_no_two_become_one(stage: Stage) -> None:
    row = [f"v{i}" for i in range(len(NAMES))]
    stage.write(NAMES, [row])
    delivery = stage.deliver(columns(*NAMES))
    assert delivery.names == NAMES
    assert [delivery.texts(name)[0] for name in NAMES] == row


def test_a_table_or_file_may_be_called_anything(stage: Stage) -> None:
    stage.table = stage.odd_table
    stage.write(["id"], [["1"]])
    assert stage.deliver(columns("id")).texts("id") == ["1"]
    with stage.open() as connector:
        assert len(connector.tables()) == 1


@pytest.mark.parametrize("sync", ["incremental", "append"])
def test_hostile_names_hold_where_a_cursor_is_compared(stage: Stage, sync: str) -> None:
    if isinstance(stage, FileStage):
        stage.table = "records 100% 表"
    names = ["100% of '姓名' \\ :x", AT]
    stage.write(names, [["1", "2026-05-01 08:00:00"]])
    first = stage.deliver(columns(*names), sync=sync, cursor="c1")
    stage.add([["2", "2026-05-02 08:00:00"]])
    assert "2" in stage.deliver(columns(*names), first.watermark, sync=sync, cursor="c1").texts(names[0])


def test_every_text_arrives_to_the_letter(stage: Stage) -> None:
    stage.write(["id", "text"], [[str(i), value] for i, value in enumerate(TEXTS.values())])
    assert dict(zip(TEXTS, stage.deliver(columns("id", "text")).texts("text"), strict=True)) == TEXTS


def test_a_cell_as_long_as_the_system_allows_arrives_whole(stage: Stage) -> None:
    long = ("长" + "x" * 9) * (stage.longest // 12)
    long += "y" * (stage.longest - len(long.encode()))
    stage.write(["id", "text"], [["1", long], ["2", "short"]])
    values = stage.deliver(columns("id", "text")).texts("text")
    assert [len(v or "") for v in values] == [len(long), 5]
    assert values[0] == long


def test_five_hundred_columns_arrive_in_order(stage: Stage) -> None:
    names = [f"c{i}" for i in range(500)]
    stage.write(names, [[str(i) for i in range(500)], [str(-i) for i in range(500)]])
    delivery = stage.deliver(columns(*names))
    assert delivery.names == names
    assert [delivery.texts(n) for n in names] == [[str(i), str(-i)] for i in range(500)]


def test_rows_that_are_alike_all_arrive(stage: Stage) -> None:
    stage.write(["id", "name"], [["1", "张三"]] * 5)
    assert stage.deliver(columns("id", "name")).texts("id") == ["1"] * 5


def test_ten_thousand_rows_on_one_cursor_value_all_arrive_each_time(stage: Stage) -> None:
    stage.write(["id", AT], [[str(i), "2026-05-01 08:00:00"] for i in range(10_000)])
    wanted = columns("id", AT)
    first = stage.deliver(wanted, sync="incremental", cursor="c1")
    assert len(set(first.texts("id"))) == len(first.records) == 10_000
    second = stage.deliver(wanted, first.watermark, sync="incremental", cursor="c1")
    assert len(second.records) == (0 if stage.gives_once else 10_000)


HOLD_ANY_BYTES = ("sqlite", SERVERS[1], "csv", "jsonl", "parquet", "rest")
"""Kinds whose systems take text that is none; PostgreSQL, DuckDB, XLSX and GB 18030 have no way to write it."""


@pytest.mark.parametrize("stage", HOLD_ANY_BYTES, indirect=True)
def test_half_a_character_stops_the_read_and_says_where(stage: Stage) -> None:
    stage.poison("text", b"a\xed\xa0\x80b")
    with pytest.raises(SourceDamaged, match=r"lone surrogate|UTF-8") as told:
        stage.deliver(columns("text"))
    assert "\n" not in str(told.value)
    assert "→" in str(told.value)


@pytest.mark.parametrize("stage", [*HOLD_ANY_BYTES, "push"], indirect=True)
def test_a_nul_byte_arrives_or_stops_the_read_but_cuts_nothing_off(stage: Stage) -> None:
    stage.poison("text", b"a\x00b")
    assert stage.deliver(columns("text")).texts("text") == ["a\0b"]


def test_half_a_character_in_a_file_of_another_encoding_stops_the_read(tmp_path: Path) -> None:
    stage = CsvStage(tmp_path, encoding="gb18030")
    stage.first.write_bytes(b"text\r\na\xff\r\n")
    with pytest.raises(SourceDamaged, match=r"(?i)gb ?18030"):
        stage.deliver(columns("text"))


@pytest.mark.parametrize("stage", ["sqlite", "duckdb", *SERVERS], indirect=True)
def test_values_beyond_what_most_programs_hold_arrive_exactly(stage: SqlStage) -> None:
    types = {f"c{i}": declared for i, (declared, _, _) in enumerate(stage.special.values())}
    stage.make(types, [literal for _, literal, _ in stage.special.values()])
    delivery = stage.deliver()
    assert {label: delivery.texts(f"c{i}")[0] for i, label in enumerate(stage.special)} == {
        label: expected for label, (_, _, expected) in stage.special.items()
    }


@pytest.mark.parametrize("stage", SERVERS, indirect=True)
@pytest.mark.parametrize("zone", ["America/St_Johns", "Asia/Kathmandu"])
def test_a_moment_is_the_same_moment_whatever_the_servers_session_zone(stage: ServerStage, zone: str) -> None:
    offset = {"America/St_Johns": "-03:30", "Asia/Kathmandu": "+05:45"}[zone]
    postgres = type(stage).__name__ == "PostgresStage"
    kind, moment = ("timestamptz", "'2026-05-01 00:00:00Z'") if postgres else ("timestamp", "from_unixtime(1777593600)")
    stage.make({"id": "integer", AT: kind}, ["1", moment])
    before = 'ALTER DATABASE "civil affairs" RESET timezone' if postgres else "SET GLOBAL time_zone = 'SYSTEM'"
    try:
        stage.execute(
            f"ALTER DATABASE \"civil affairs\" SET timezone = '{zone}'"
            if postgres
            else f"SET GLOBAL time_zone = '{offset}'"
        )
        first = stage.deliver(columns("id", AT), sync="incremental", cursor="c1")
        assert [(text or "")[:22] for text in first.texts(AT)] == ["2026-05-01 00:00:00+00"]
        again = stage.deliver(columns("id", AT), first.watermark, sync="incremental", cursor="c1")
        assert again.watermark == first.watermark
        assert len(again.records) == 1
    finally:
        stage.execute(before)


@pytest.mark.parametrize(
    "stage", [kind for kind in KINDS if kind != "jsonl"], indirect=True
)  # refused: test_every_connector
def test_an_empty_source_is_no_error_and_invents_no_record(stage: Stage) -> None:
    stage.write(["id", AT], [])
    delivery = stage.deliver(columns("id", AT), sync="incremental", cursor="c1")
    assert (delivery.records, delivery.watermark is None or isinstance(stage, FileStage)) == ([], True)


@pytest.mark.parametrize("sync", ["snapshot", "incremental"])
def test_a_sweep_brings_what_a_full_read_brings_held_to_the_contracts_columns(
    stage: Stage, tmp_path: Path, sync: str
) -> None:
    stage.write(["id", AT, "more"], [[str(i), "2026-05-01 08:00:00", "x"] for i in range(700)])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with stage.open(stage.source(sync=sync, cursor="c1")) as connector:
        with connector.keys(columns("id", AT), scratch) as sweep:
            batches = list(sweep)
        assert sweep.complete == (sync == "snapshot" or stage.begins_whole)
        assert sweep.consistent == stage.keeps_snapshots
    assert {tuple(batch.schema.names) for batch in batches} == {("_row", "id", AT)}
    assert [str(v) for batch in batches for v in batch.column("id").to_pylist()] == [str(i) for i in range(700)]
    assert list(scratch.iterdir()) == []


def test_a_sweep_of_a_source_that_is_gone_is_an_error_and_no_empty_sweep(stage: Stage, tmp_path: Path) -> None:
    stage.write(["id"], [["1"]])
    if not stage.misses:
        return  # and Stop for whoever would reconcile it: an inbox holds no table
    with stage.open(stage.missing()) as connector, pytest.raises(SourceMissing):
        list(connector.keys(columns("id"), tmp_path))


def test_a_workbook_cannot_hold_control_characters_so_none_is_invented(tmp_path: Path) -> None:
    stage = XlsxStage(tmp_path)
    stage.write(["id"], [["_x0041_"]])
    assert stage.deliver(columns("id")).texts("id") == ["_x0041_"]
