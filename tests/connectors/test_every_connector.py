"""One behaviour suite over every connector."""

import traceback

import pytest
from connector_stages import SERVERS, RestStage, Stage, columns

from schemas.errors import HubError, SourceDenied, SourceMissing, SourceUnreachable

ROWS = [
    ["0001", "张三", 'he said "你好", twice'],
    ["0002", "欧阳䶮", "line one\nline two"],
    ["0003", "=1+1", "100%; DROP TABLE x -- ?:a"],
    ["0004", "Ａ１２", " padded "],
]
HOSTILE = [
    "1st",
    "with space",
    'quo"te',
    "apo'strophe",
    "姓名/性别",
    "select",
    "a%b%s",
    "back`tick",
    "q?:mark",
    "comma,x",
]
AT = "updated_at"


def test_the_same_records_come_out_of_every_source(stage: Stage) -> None:
    stage.write(["id", "name", "remark"], ROWS)
    delivery = stage.deliver(columns("id", "name", "remark"))
    assert [[r["id"], r["name"], r["remark"]] for r in delivery.records] == ROWS
    assert delivery.values("_row") == [1, 2, 3, 4]
    assert delivery.complete
    assert delivery.consistent == stage.keeps_snapshots


def test_a_missing_value_is_not_an_empty_text_where_the_source_can_tell(stage: Stage) -> None:
    stage.write(["id", "note"], [["1", None], ["2", ""]])
    values = stage.deliver(columns("id", "note")).values("note")
    assert values == [None, ""] if stage.tells_null_from_empty else not any(values)


def test_hostile_column_names_arrive_as_they_are(stage: Stage) -> None:
    names = HOSTILE if type(stage).__name__ == "MariaDbStage" else [*HOSTILE, "😀"]  # MySQL names end at U+FFFF
    stage.write(names, [[f"v{i}" for i in range(len(names))]])
    delivery = stage.deliver(columns(*names))
    assert delivery.names == names
    assert [delivery.records[0][n] for n in names] == [f"v{i}" for i in range(len(names))]


def test_hostile_names_hold_in_an_incremental_read_too(stage: Stage) -> None:
    stage.write(["a%b%s", AT], [["1", "2026-05-01 08:00:00"]])
    wanted = columns("a%b%s", AT)
    first = stage.deliver(wanted, sync="incremental", cursor="c1")
    stage.add([["2", "2026-05-02 08:00:00"]])
    assert "2" in stage.deliver(wanted, first.watermark, sync="incremental", cursor="c1").values("a%b%s")


def test_columns_that_the_contract_does_not_know_are_visible(stage: Stage) -> None:
    stage.write(["id", "novel"], [["1", "x"]])
    assert stage.deliver(columns("id")).names == ["id", "novel"]


def test_an_empty_table_gives_its_columns_and_no_record(stage: Stage) -> None:
    stage.write(["id", "name"], [])
    if type(stage).__name__ == "JsonlStage":
        with pytest.raises(HubError, match="is empty"):
            stage.deliver(columns("id"))
        return
    delivery = stage.deliver(columns("id", "name"))
    assert delivery.records == []
    assert delivery.names == (["id", "name"] if stage.names_without_records else [])


def test_a_thousand_records_on_one_cursor_value_all_come_and_a_late_one_is_not_lost(stage: Stage) -> None:
    moment = "2026-05-01 08:00:00"
    stage.write(["id", AT], [[str(i), moment] for i in range(1000)])
    wanted = columns("id", AT)
    first = stage.deliver(wanted, sync="incremental", cursor="c1")
    assert len(set(first.values("id"))) == len(first.records) == 1000
    stage.add([["late", moment]])
    second = stage.deliver(wanted, first.watermark, sync="incremental", cursor="c1")
    assert "late" in second.values("id")


def test_an_incremental_read_brings_what_is_new_and_the_boundary_but_nothing_older(stage: Stage) -> None:
    stage.write(["id", AT], [["old", "2026-05-01 08:00:00"], ["edge", "2026-05-02 08:00:00"]])
    wanted = columns("id", AT)
    first = stage.deliver(wanted, sync="incremental", cursor="c1")
    assert first.complete == stage.begins_whole
    stage.add([["new", "2026-05-03 08:00:00"]])
    second = stage.deliver(wanted, first.watermark, sync="incremental", cursor="c1")
    assert not second.complete
    assert set(second.values("id")) == ({"new"} if stage.gives_once else {"edge", "new"})
    third = stage.deliver(wanted, second.watermark, sync="incremental", cursor="c1")
    assert set(third.values("id")) == (set() if stage.gives_once else {"new"})


def test_an_incremental_read_without_anything_new_keeps_its_watermark(stage: Stage) -> None:
    stage.write(["id", AT], [["1", "2026-05-01 08:00:00"]])
    wanted = columns("id", AT)
    first = stage.deliver(wanted, sync="incremental", cursor="c1")
    again = stage.deliver(wanted, first.watermark, sync="incremental", cursor="c1")
    assert again.watermark == first.watermark


@pytest.mark.parametrize("stage", ["sqlite", "rest"], indirect=True)  # servers vouch for their bound: test_sql_bounds
def test_the_lag_makes_an_unsure_read_start_earlier(stage: Stage) -> None:
    stage.write(["id", AT], [["1", "2026-05-01 08:00:00"], ["2", "2026-05-01 09:00:00"]])
    wanted = columns("id", AT)
    first = stage.deliver(wanted, sync="incremental", cursor="c1", lag=7200)
    assert len(stage.deliver(wanted, first.watermark, sync="incremental", cursor="c1", lag=7200).records) == 2
    assert len(stage.deliver(wanted, first.watermark, sync="incremental", cursor="c1", lag=60).records) == 1


def test_a_missing_table_is_named_with_those_that_exist(stage: Stage) -> None:
    stage.write(["id"], [["1"]])
    if not stage.misses:
        assert stage.deliver(columns("id"), table="absent").records == []
        return
    with stage.open(stage.missing()) as connector, pytest.raises(SourceMissing) as caught:
        list(connector.read(columns("id"), None).parts())
    assert "absent" in str(caught.value)
    assert isinstance(stage, RestStage) or "records" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stage", [*SERVERS, "rest"], indirect=True)
def test_a_source_that_does_not_answer_is_unreachable(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.wire.TRIES", 1)
    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1"), stage.open(stage.unreachable()) as connector:
        connector.probe()


@pytest.mark.parametrize("stage", [*SERVERS, "rest"], indirect=True)
def test_a_wrong_password_is_denied_and_not_shown(stage: Stage) -> None:
    stage.write(["id"], [["1"]])
    user = stage.source() and stage.secret.partition(":")[0]
    wrong = "wr0ng-pass%word" if isinstance(stage, RestStage) else f"{user}:wr0ng-pass%word"
    with stage.open(secret=wrong) as connector:
        with pytest.raises(SourceDenied) as caught:
            connector.probe()
        shown = "".join(traceback.format_exception(caught.value)) + repr(connector) + repr(vars(connector))
    assert "wr0ng" not in shown
    assert "\n" not in str(caught.value)


def test_probe_tables_describe_and_sample_agree(stage: Stage) -> None:
    stage.write(["id", "姓名"], [[str(i), "李四"] for i in range(20)])
    with stage.open() as connector:
        table = connector.tables()[0]
        assert connector.probe().tables == (table,)
        assert [c.name for c in connector.describe(table)] == ["id", "姓名"]
        sample = connector.sample(table, 3)
    assert sample.column_names == ["id", "姓名"]
    assert sample.to_pylist() == [{"id": str(i), "姓名": "李四"} for i in range(3)]


def test_a_reading_has_no_watermark_before_its_end_and_minds_unread_parts(stage: Stage) -> None:
    stage.write(["id"], [["1"]])
    with stage.open() as connector, connector.read(columns("id"), None) as reading:
        parts = reading.parts()
        next(parts)
        with pytest.raises(RuntimeError, match="after all parts"):
            _ = reading.watermark
        with pytest.raises(RuntimeError, match="not read to its end"):
            next(parts)


def test_closing_ends_a_read_in_its_middle_and_twice_is_once(stage: Stage) -> None:
    stage.write(["id"], [[str(i)] for i in range(3)])
    connector = stage.open()
    reading = connector.read(columns("id"), None)
    part = next(reading.parts())
    next(iter(part.batches or part.chunks or ()))
    connector.close()
    connector.close()
    stage.write(["id"], [["anew"]])  # nobody holds the old table
    assert stage.deliver(columns("id")).texts("id") == ["anew"]
