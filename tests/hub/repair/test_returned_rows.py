"""A department gets its bad rows back, corrects them in the file, and returns it: what is right is published, of the rest it is told why."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modes_bench import Bench, sieve_alone

from access.audit import Entry
from hub.pulling import pipeline
from hub.pulling.replay import replay
from hub.repair import quarantined
from hub.repair.handout import Receipt, export
from hub.repair.returns import take_back
from hub.repair.sheet import FORMS, NUMBER, Form, Layout, guarded, number, plain, seq_of
from lake import quarantine
from lake.history import History
from ledger import loads, runs
from schemas.errors import Busy, DeliveryHeld, HubError, Invalid

DAY = "2026-03-01 08:00:00"
GOOD = [("1", "甲", "有效", 1, DAY), ("2", "乙", "有效", 1, DAY)]
BAD = [("3", "丙", "遗失", 1, DAY), ("4", "丁", "有效", "x", DAY)]
Row = dict[str, str]


@pytest.fixture(autouse=True)
def _sieve_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sieve_alone(monkeypatch)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Two rows published, two set aside."""
    made = Bench(tmp_path)
    made.apply()
    made.source([*GOOD, *BAD])
    made.pull()
    return made


def contract(bench: Bench) -> Any:
    return bench.hub.contract("things")


def exported(bench: Bench, form: Form = "xlsx") -> tuple[bytes, Receipt]:
    file = io.BytesIO()
    receipt = export(bench.hub, contract(bench), form, file)
    return file.getvalue(), receipt


def rows_of(content: bytes) -> list[Row]:
    """The rows of an exported workbook by column."""
    header, *rest = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(values_only=True)
    return [{str(k): "" if v is None else str(v) for k, v in zip(header, row, strict=True)} for row in rest]


def edited(content: bytes, change: Callable[[Row], None], keep: Callable[[Row], bool] = lambda _: True) -> bytes:
    """The workbook as a person saves it again."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book.worksheets[0]
    header = [str(cell.value) for cell in sheet[1]]
    for place in range(sheet.max_row, 1, -1):
        row = {
            name: "" if cell.value is None else str(cell.value) for name, cell in zip(header, sheet[place], strict=True)
        }
        if not keep(row):
            sheet.delete_rows(place)
            continue
        change(row)
        for column, name in enumerate(header, 1):
            sheet.cell(place, column).value = row[name] or None
            sheet.cell(place, column).data_type = "s" if row[name] else "n"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def returned(bench: Bench, content: bytes, form: Form = "xlsx", *, owner: str = "u", **more: Any) -> dict[str, Any]:
    audit: list[Entry] = []
    answer = take_back(
        bench.hub, contract(bench), io.BytesIO(content), form, f"fixed.{form}", owner=owner, who="portal", record=audit.append, **more
    )  # fmt: skip
    assert [entry.purpose for entry in audit] == ["quarantine upload"]
    return answer


def states(bench: Bench) -> dict[str, list[str]]:
    """State by key, in the order of landing."""
    with duckdb.connect() as con:
        quarantine.create_states(con, bench.hub.lake, "things", "s")
        found = con.execute(
            "SELECT _key, list(state ORDER BY _landing, _seq) FROM s WHERE state <> 'renewed' GROUP BY 1"
        ).fetchall()
    return {json.loads(key)[0] if key else "-": held for key, held in found}


def everything(bench: Bench) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        quarantine.create_view(con, bench.hub.lake, "things", "q")
        return con.execute(
            "SELECT * EXCLUDE (state_at) REPLACE (first_seen::VARCHAR AS first_seen) FROM q ORDER BY ALL"
        ).fetchall()


def fix(row: Row) -> None:
    row["状态"] = "有效"
    row["数"] = "7" if row["数"] == "x" else row["数"]


def test_the_file_says_what_is_wrong_and_how_to_correct_it_in_both_languages_and_marks_the_cell(bench: Bench) -> None:
    content, receipt = exported(bench)
    third, fourth = rows_of(content)
    assert (third["编号"], third["状态"], fourth["数"]) == ("3", "遗失", "x")
    assert (third["※来源文件 File"], third["※行号 Row"]) == ("登记", "3")
    assert third[NUMBER] == "Q1.3"
    assert third["※原因 Reason"] == "state 不在代码对照表中\nstate is not in the contract's code map"
    assert "请" in fourth["※怎样更正 How to fix"]
    assert "correct it" in fourth["※怎样更正 How to fix"]
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    coloured = {cell.coordinate for row in sheet.iter_rows(min_row=2) for cell in row if cell.fill.fill_type}
    assert coloured == {"H2", "I3"}
    assert sheet.freeze_panes == "D2"
    assert {cell.number_format for row in sheet.iter_rows(min_row=2) for cell in row} == {"@"}
    assert (receipt.rows, sum(receipt.rules.values())) == (2, 2)


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_a_file_returned_untouched_changes_nothing_and_tells_every_row_why(bench: Bench, form: Form) -> None:
    before, published = everything(bench), bench.current()
    answer = returned(bench, exported(bench, form)[0], form)
    assert (answer["rows"], answer["accepted"], answer["wrong"]) == (2, 0, 2)
    assert [r["no"] for r in answer["records"]] == ["Q1.3", "Q1.4"]
    assert [r["reasons"][0]["rule"] for r in answer["records"]] == ["state.code", "n.type"]
    assert (everything(bench), bench.current(), bench.head, answer["load"]) == (before, published, 1, None)


def test_a_corrected_file_is_published_and_its_rows_leave_quarantine(bench: Bench) -> None:
    answer = returned(bench, edited(exported(bench)[0], fix))
    assert (answer["accepted"], answer["wrong"], answer["load"]) == (2, 0, 2)
    assert bench.current()["3"] == ("丙", "active", 1)
    assert bench.current()["4"] == ("丁", "active", 7)
    assert bench.quarantined() == {}
    assert states(bench) == {"3": ["corrected"], "4": ["corrected"]}


def test_a_row_that_is_still_wrong_stays_with_its_age_and_the_other_is_published(bench: Bench) -> None:
    first = quarantined.summary(bench.hub, "things")[0]["since"]

    def half(row: Row) -> None:
        row["状态"] = "有效" if row["编号"] == "3" else row["状态"]
        row["数"] = "y" if row["编号"] == "4" else row["数"]

    answer = returned(bench, edited(exported(bench)[0], half))
    assert [(r["no"], r["outcome"]) for r in answer["records"]] == [("Q1.3", "accepted"), ("Q1.4", "wrong")]
    assert "n.type" in [x["rule"] for x in answer["records"][1]["reasons"]]
    assert states(bench) == {"3": ["corrected"], "4": ["superseded", "open"]}
    (left,) = [row for row in quarantined.summary(bench.hub, "things") if row["rows"]]
    assert (left["rule"], left["since"]) == ("n.type", first)


def test_an_old_file_cannot_overwrite_what_the_source_delivered_since(bench: Bench) -> None:
    old = exported(bench)[0]
    bench.source([*GOOD, ("3", "丙", "有效", 9, DAY), BAD[1]])
    bench.pull()
    assert states(bench)["3"] == ["corrected"]
    answer = returned(bench, edited(old, fix))
    assert [r["outcome"] for r in answer["records"]] == ["superseded", "accepted"]
    assert bench.current()["3"] == ("丙", "active", 9)


def test_a_number_survives_that_the_source_repeats_the_row_under_new_rules(bench: Bench) -> None:
    old = exported(bench)[0]
    bench.options["n"] = {"maximum": 100}
    bench.apply()
    bench.pull()
    assert [row["outcome"] for row in returned(bench, edited(old, fix))["records"]] == ["accepted", "accepted"]


def test_rows_without_a_number_and_with_one_that_is_nobodys_are_told_and_not_taken(bench: Bench) -> None:
    def change(row: Row) -> None:
        fix(row)
        row[NUMBER] = "" if row["编号"] == "3" else "Q9.99"

    answer = returned(bench, edited(exported(bench)[0], change))
    assert [r["outcome"] for r in answer["records"]] == ["unknown", "unknown"]
    assert (bench.head, answer["load"]) == (1, None)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c: c.replace("编号".encode(), "号".encode(), 0) + b'x,"\r\n', "fixed.csv"),
        (lambda c: c.replace(",状态,".encode(), ",情况,".encode()), "lacks column '状态'"),
        (lambda c: c.replace("※编号 No.".encode(), "编码".encode()), "has no column"),
        (lambda c: c.replace(b"Q1.4", b"Q1.3"), "row Q1.3 twice"),
        (lambda c: c.split(b"\r\n")[0] + b"\r\n", "has no row"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_before_anything_begins(
    bench: Bench, spoil: Callable[[bytes], bytes], said: str
) -> None:
    content = spoil(exported(bench, "csv")[0])
    with pytest.raises(Invalid, match=said) as refused:
        take_back(
            bench.hub,
            contract(bench),
            io.BytesIO(content),
            "csv",
            "fixed.csv",
            owner="u",
            who="w",
            record=lambda _: None,
        )
    assert "丙" not in str(refused.value)
    assert len(runs.recent(bench.hub.ledger)) == 1


HOSTILE = [
    "=cmd|'/c calc'!A0",
    "+86 1",
    "-5",
    "@x",
    "\tq",
    "\rq",
    "'=1",
    "  =1",
    "\uff1d1",
    "a\r\nb",
    "\x07bell",
    " ",
    "0012",
    "_x0041_",
    "龴",
]


def of_names(root: Path, names: Sequence[str], **source: Any) -> Bench:
    """A hub with a row for each name, all set aside for their state."""
    bench = Bench(root, kind="csv", table="drop", customs={"limits": {"deleted": 1.0, "rejected": 1.0}}, **source)
    bench.apply()
    rows = [*GOOD, *((f"h{n}", name, "遗失", 1, DAY) for n, name in enumerate(names))]
    deliver(bench, "drop_1.csv", rows)
    bench.pull()
    return bench


def deliver(bench: Bench, name: str, rows: Iterable[Sequence[Any]]) -> None:
    with (bench.drop / name).open("w", encoding=bench.encoding or "utf-8", newline="") as file:
        csv.writer(file).writerows([[source for _, source, _ in bench.columns], *rows])


def cells_of(content: bytes, form: Form, encoding: str) -> list[str]:
    if form == "xlsx":
        return [v for row in rows_of(content) for v in row.values()]
    return [v for row in csv.reader(io.StringIO(content.decode(encoding), newline="")) for v in row]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_no_cell_is_a_formula_and_each_untouched_one_counts_as_delivered(tmp_path: Path, encoding: str) -> None:
    names = [n for n in HOSTILE if n.encode(encoding or "utf-8", "ignore").decode(encoding or "utf-8") == n]
    bench, twin = (of_names(tmp_path / side, names, encoding=encoding) for side in "ab")
    for form in FORMS:
        content, before = exported(bench, form)[0], everything(bench)
        cells = cells_of(content, form, encoding or "utf-8-sig")
        assert [v for v in cells if v.strip() and v.lstrip()[0] in {*"=+-@\uff1d\uff0b\uff0d\uff20"}] == []
        assert [v for v in cells if v[:1] in {*"\t\r\n"} and v] == []
        returned(bench, content, form, owner=form)
        assert everything(bench) == before
    returned(bench, edited(exported(bench)[0], fix))
    deliver(twin, "drop_2.csv", [*GOOD, *((f"h{n}", name, "有效", 1, DAY) for n, name in enumerate(names))])
    twin.pull()
    assert bench.current() == twin.current()
    assert bench.quarantined() == twin.quarantined()


@given(st.data())
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_rows_come_back_from_an_untouched_file_as_they_went_and_corrected_ones_are_as_from_the_source(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
    names = data.draw(st.lists(text | st.sampled_from(HOSTILE), min_size=25, max_size=40))
    form: Form = data.draw(st.sampled_from(FORMS))
    root = tmp_path_factory.mktemp("any")
    bench, twin = (of_names(root / side, names, encoding="utf-8") for side in "ab")
    content, before = exported(bench, form)[0], everything(bench)
    returned(bench, content, form, owner="same")
    assert everything(bench) == before
    layout, out = Layout.of(contract(bench), "csv"), io.StringIO(newline="")
    rows = csv.reader(io.StringIO(exported(bench, "csv")[0].decode(layout.encoding), newline=""))
    csv.writer(out).writerows([["有效" if cell == "遗失" else cell for cell in row] for row in rows])
    returned(bench, out.getvalue().encode(layout.encoding, "surrogatepass"), "csv", owner="fixed")
    deliver(twin, "drop_2.csv", [*GOOD, *((f"h{n}", name, "有效", 1, DAY) for n, name in enumerate(names))])
    twin.pull()
    assert bench.current() == twin.current()
    assert bench.quarantined() == twin.quarantined()


def test_a_row_whose_key_was_wrong_or_missing_is_answered_by_its_number(tmp_path: Path) -> None:
    bench = Bench(tmp_path, kind="csv", table="drop", sync="append")
    bench.apply()
    bench.file("drop_1.csv", [*GOOD, ("", "丙", "有效", 1, DAY), ("4?", "丁", "遗失", 1, DAY)])
    bench.pull()

    def change(row: Row) -> None:
        row["编号"] = {"丙": "3", "丁": "4"}[row["姓名"]]
        row["状态"] = "有效" if row["姓名"] == "丙" else "不明"

    answer = returned(bench, edited(exported(bench)[0], change))
    assert [r["outcome"] for r in answer["records"]] == ["accepted", "wrong"]
    assert bench.current()["3"] == ("丙", "active", 1)
    assert states(bench) == {"-": ["corrected"], "4?": ["superseded"], "4": ["open"]}


def test_of_two_rivals_for_a_key_the_department_returns_the_right_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, kind="csv", table="drop", sync="append")
    bench.apply()
    bench.file("drop_1.csv", [*GOOD, ("3", "丙", "有效", 1, DAY), ("3", "丙", "有效", 2, DAY)])
    bench.pull()
    answer = returned(bench, edited(exported(bench)[0], lambda _row: None, lambda row: row["数"] == "2"))
    assert (answer["accepted"], bench.current()["3"]) == (1, ("丙", "active", 2))
    assert states(bench) == {"3": ["corrected", "corrected"]}


def test_rows_of_a_held_delivery_are_shown_and_wait_with_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, customs={"limits": {"deleted": 0.5, "rejected": 0.3}})
    bench.apply()
    bench.source(GOOD)
    bench.pull()
    bench.source([*GOOD, *BAD])
    with pytest.raises(DeliveryHeld):
        bench.pull()
    content, receipt = exported(bench)
    assert (receipt.rows, receipt.held) == (2, 2)
    assert "held as a whole" in rows_of(content)[0]["※原因 Reason"]
    answer = returned(bench, edited(content, fix))
    assert [r["outcome"] for r in answer["records"]] == ["held", "held"]
    assert set(bench.current()) == {"1", "2"}
    bench.source([*GOOD, BAD[0]])
    bench.customs["limits"]["rejected"] = 0.9
    bench.apply()
    bench.pull()
    assert returned(bench, edited(exported(bench)[0], fix), owner="later")["accepted"] == 1


def test_the_same_file_under_the_same_owner_is_told_again_and_another_is_refused(bench: Bench) -> None:
    content = edited(exported(bench)[0], fix)
    first = returned(bench, content)
    assert returned(bench, content) == first
    assert bench.head == 2
    bench.source([*GOOD, ("5", "戊", "遗失", 1, DAY)])
    bench.pull()
    another = exported(bench)[0]
    with pytest.raises(Invalid, match="another file came under this key"):
        returned(bench, another)


def test_a_dry_run_tells_what_would_become_of_each_row_and_publishes_nothing(bench: Bench) -> None:
    before = everything(bench)
    answer = returned(bench, edited(exported(bench)[0], fix), dry_run=True)
    assert (answer["accepted"], bench.head, everything(bench)) == (2, 1, before)
    assert returned(bench, edited(exported(bench)[0], fix), owner="now")["load"] == 2


def test_an_upload_says_nothing_of_the_source(bench: Bench) -> None:
    """Neither its watermark nor whether it answers: the next pull goes on as if the upload had not been there."""
    before = History(bench.hub.lake, "things").head()
    bench.sql('ALTER TABLE "登记" RENAME TO "gone"')
    with pytest.raises(HubError):
        bench.pull()
    returned(bench, edited(exported(bench)[0], fix))
    after = History(bench.hub.lake, "things").head()
    assert before is not None
    assert after is not None
    assert (after.kind, after.watermark, after.origin) == ("upload", before.watermark, before.origin)
    assert loads.conditions(bench.hub.ledger)["things"][0] == "failed"
    bench.sql('ALTER TABLE "gone" RENAME TO "登记"')
    bench.pull()
    assert bench.current()["3"] == ("丙", "active", 1)
    assert set(bench.quarantined()) == {"3", "4"}


def test_a_file_returned_while_a_pull_is_at_work_is_told_to_wait(bench: Bench) -> None:
    content = exported(bench)[0]
    pipeline.claim(bench.hub, "things", "somebody")
    with pytest.raises(Busy):
        returned(bench, content)


def test_a_rule_over_the_whole_table_may_speak_against_a_correction_and_the_dataset_is_none_the_worse(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, quality=[{"id": "few", "metric": "rowCount", "mustBeLessThan": 3}])
    bench.apply()
    bench.source([*GOOD, *BAD])
    bench.pull()
    with pytest.raises(DeliveryHeld):
        returned(bench, edited(exported(bench)[0], fix))
    assert loads.conditions(bench.hub.ledger)["things"][0] == "ok"
    assert (bench.head, set(bench.quarantined())) == (1, {"3", "4"})


def test_a_replay_takes_what_departments_returned_into_account(bench: Bench) -> None:
    returned(bench, edited(exported(bench)[0], lambda row: row.update(状态="终止") if row["编号"] == "3" else fix(row)))
    assert set(bench.quarantined()) == {"3"}
    bench.codes["终止"] = "ended"
    bench.apply()
    replay(bench.hub, "things", since=1, owner="r")
    assert bench.current()["3"] == ("丙", "ended", 1)
    assert bench.current()["4"] == ("丁", "active", 7)
    assert bench.quarantined() == {}


@given(text=st.text())
@settings(max_examples=300, deadline=None)
def test_a_guarded_text_is_no_formula_and_is_given_back_unaltered(text: str) -> None:
    shown = guarded(text)
    assert plain(shown) == text
    assert not shown.lstrip("\u200b\ufeff \t\r\n\u3000").startswith(
        tuple("=+-@\uff1d\uff0b\uff0d\uff20")
    ) or shown.startswith("'")
    assert shown[:1] not in {*"\t\r\n", *"=+-@"} or not shown


def test_numbers_are_read_back() -> None:
    for seq in (0, 5 << 32, (1 << 40) + 12345):
        assert seq_of(number(seq)) == seq
    assert [seq_of(t) for t in ("", None, "5.17", "Q5", "Q5.17x")] == [None] * 5
