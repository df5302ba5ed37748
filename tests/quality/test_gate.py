"""The whole gate with Great Expectations: judge and sieve agree, what is written, what is held, what is never told."""

import logging
import re
import string
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from gate_builders import TODAY, Row, compound, contract, judged, sieved, view
from hypothesis import given, settings
from hypothesis import strategies as st

from quality import judge
from quality.rule import Expectation
from quality.rules import rules
from quality.table_rules import Past
from quality.verdict import Verdict
from schemas.contract import Check, Column, Contract
from schemas.errors import JudgeFailed, SourceMissing

pytestmark = pytest.mark.usefixtures("gx")
CANARY = "440308199901101512"  # a well-known test vector, nobody's number

WIDE = compound(contract(
    Column("part", "分", "分"),
    Column("pid", "身份号", "身份号", element="DE01001"),
    Column("姓名", "姓名", "姓名", required=True, min_length=2, max_length=4, pattern="^[^0-9]+$"),
    Column("select", "类别", "类别", enum=("1", "2")),
    Column("age", "年龄", "年龄", type="integer", minimum="0", maximum="150"),
    Column("born", "生日", "生日", type="date", element="DE01006", minimum="1900-01-01"),
    Column("fee", "费用", "费用", type="decimal", maximum="9.95"),
    Column("mail", "邮箱", "邮箱", unique=True),
    Column("seen", "时间", "时间", type="timestamp", maximum="2026-01-01 00:00:00+08"),
    checks=[
        Check("agrees", "idAgrees", "", {"id": "pid", "birth": "born"}),
        Check("adult", "sql", "", {"predicate": "age >= 18 OR 姓名 NOT LIKE '%:x%'"}),
        Check("twice", "duplicateValues", "", {"columns": ["姓名", "born"]}, severity="warning"),
        Check("known", "reference", "mail", {"columns": ["mail"], "dataset": "other", "to": "id"}, severity="warning"),
        Check("few", "nullValues", "fee", {}, ("mustBeLessThan", 9)),
        Check("rows", "rowCount", "", {}, ("mustBeGreaterThan", 1)),
        Check("codes", "invalidValues", "select", {"validValues": ["1"]}, severity="warning"),
    ],
), "part")  # fmt: skip
GOOD: list[Row] = [
    ("a", "1", CANARY, "张三", "1", "27", "1999-01-10", "9.95", "a@x", "2025-01-01 08:00:00"),
    ("a", "2", None, "李四四", "1", "0", None, "1", "b@x", None),
]
BAD: list[Row] = [
    ("b", "1", CANARY[:-1] + "3", "A:x12", "3", "-1", "2099-01-01", "9.96", "b@x", "2026-02-01 00:00:00"),
    ("b", "2", CANARY, None, "2", "x", "1999-01-11", "?", "c@x", "never"),
    ("c", "1", None, "王五", "2", None, None, None, "d@x", None), ("c", "1", None, "王六", "1", None, None, None, "d@x", None),
    ("", "1", None, "王五", "1", None, None, None, None, None),
    ("d", "1", None, "赵六", "1", None, None, None, "u@x", None),
]  # fmt: skip
CURRENT: list[Row] = [("z", "1", None, "周八", "1", 30, None, None, "u@x", None)]
OTHER = {"other": view(contract(), [("a@x",), ("z@x",)])}


def test_judge_and_sieve_agree_on_every_kind_of_rule_and_the_rows_are_written(tmp_path: Path) -> None:
    found = judged(tmp_path, WIDE, [*GOOD, *BAD, GOOD[0]], [GOOD[1]], references=OTHER, current=CURRENT, first_seq=100)
    counts = found.verdict.counts
    assert (counts.passed, counts.rejected, counts.duplicates, counts.superseded, counts.unkeyable) == (2, 6, 1, 1, 1)
    broken = {r.id for r in found.verdict.rules if r.unexpected}
    kinds = {"required", "type", "length", "pattern", "enum", "range", "future", "checksum", "unique", "idAgrees"}
    assert kinds <= {r.kind for r in found.verdict.rules if r.id in broken}
    assert found.verdict.outcome == "publish"
    assert found.verdict.next_seq == 110
    wanted = {*(c.name for c in WIDE.columns), "_seq", "_hash", "_file", "_row"}
    assert wanted <= {*pq.read_schema(tmp_path / "passes.parquet").names}
    assert [(r["_seq"], r["_file"], r["_row"]) for r in sorted(found.rows("passes"), key=lambda r: r["_seq"])] == [
        (100, "0.csv", 1), (109, "1.csv", 1)]  # fmt: skip
    reject = next(r for r in found.rows("rejects") if r["_key"] == '["b","2"]')
    assert reject["reasons"][:2] == ["姓名.required", "age.type"]
    assert '"年龄":"x"' in reject["delivered"]
    assert len(reject["_hash"]) == 16
    assert [r["_key"] for r in found.rows("rejects") if "key.missing" in r["reasons"]] == [None]
    keys = {(r["id"], r["part"]) for r in found.rows("keys")}
    assert keys == {("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("c", "1"), ("d", "1")}
    assert Verdict.from_json(found.json("verdict.json")) == found.verdict
    assert not list(tmp_path.glob("standard.duckdb*"))


def test_every_rule_of_a_good_delivery_passes(tmp_path: Path) -> None:
    found = judged(tmp_path, WIDE, GOOD, references={"other": view(contract(), [("a@x",), ("b@x",)])})
    assert [r.id for r in found.verdict.rules if r.unexpected or not r.passed] == []
    assert found.verdict.counts.passed == 2
    assert found.json("gx.json")["success"] is True


def test_no_delivered_value_is_told_in_results_verdict_pages_or_logs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = CANARY[:-1] + "3"
    rows = [(wrong, "1", wrong, wrong, wrong, wrong, wrong, wrong, wrong, wrong), BAD[1]]
    found = judged(tmp_path / "work", WIDE, rows, rows, references=OTHER, docs=tmp_path / "docs")
    page = (tmp_path / "docs" / "people" / "index.html").read_text(encoding="utf-8")
    kept = [file.read_text(encoding="utf-8") for file in (tmp_path / "docs").rglob("*.*") if file.is_file()]
    told = [found.text("gx.json"), found.text("verdict.json"), page, *kept, caplog.text, *capfd.readouterr()]
    assert len(kept) == 5
    assert not [t for t in told if wrong in t or CANARY in t or "王" in t]
    assert any(wrong in r["delivered"] for r in found.rows("rejects"))


def test_the_page_needs_nothing_from_outside_and_shows_the_verdict(tmp_path: Path) -> None:
    judged(tmp_path / "work", replace(WIDE, title="<人员>"), [*GOOD, *BAD], references=OTHER, docs=tmp_path)
    page = (tmp_path / "people" / "index.html").read_text(encoding="utf-8")
    pages = [page, *((tmp_path / name).read_text(encoding="utf-8") for name in ("index.html", "docs.css"))]
    assert not [
        found
        for text in pages
        for found in re.findall(r"https?:|<script|<img|src=|@import|url\(|\son\w+=|<style|style=", text)
    ]
    assert {*re.findall(r'href="([^#][^"]*)"', page)} == {"../docs.css", "../index.html"}
    assert "people/index.html" in pages[1]
    assert "&lt;人员&gt;" in page
    assert "<人员>" not in page
    assert "可发布 · publish" in page
    assert "never: age cannot be read as integer" in page
    assert "年龄 · age" in page
    assert "目录 · Contents" in page


def test_a_delivery_with_too_many_rejects_is_held(tmp_path: Path) -> None:
    rows = [("a", "x"), ("b", "1"), ("c", "1")]
    declared = contract(Column("age", "年龄", "年龄", type="integer"), rejected=0.3)
    found = judged(tmp_path, declared, rows)
    assert (found.verdict.outcome, found.verdict.reasons[0].code) == ("hold", "rejected")
    assert judged(tmp_path, declared, [*rows, ("d", "1")]).verdict.outcome == "publish"


@pytest.mark.parametrize(
    ("operator", "bound", "outcome"),
    [
        ("mustBe", 3, "publish"),
        ("mustBeGreaterThan", 3, "hold"),
        ("mustBeLessOrEqualTo", 2, "hold"),
        ("mustNotBe", 3, "hold"),
    ],
)
def test_the_number_of_rows_of_the_table_as_it_would_be_may_hold_a_delivery(
    tmp_path: Path, operator: str, bound: float, outcome: str
) -> None:
    declared = contract(checks=[Check("rows", "rowCount", "", {}, (operator, bound))])
    found = judged(tmp_path, declared, [("a",), ("b",)], current=[("b",), ("c",)])
    assert (found.verdict.outcome, found.rule("rows").passed) == (outcome, outcome == "publish")


def test_a_count_out_of_its_limit_holds_with_the_count_told(tmp_path: Path) -> None:
    limited = contract(Column("v", "值", "值"), checks=[Check("c", "nullValues", "v", {}, ("mustBeLessThan", 2))])
    assert judged(tmp_path, limited, [("a", None), ("b", "1")]).verdict.outcome == "publish"
    held = judged(tmp_path, limited, [("a", None), ("b", None)])
    assert (held.verdict.outcome, held.verdict.reasons[0].en) == ("hold", "v is missing (2)")
    assert held.verdict.counts.passed == 2


def test_an_empty_snapshot_of_a_source_that_had_rows_is_held_and_no_other_empty_delivery(tmp_path: Path) -> None:
    snapshot, append = contract(sync="snapshot"), contract()
    held = judged(tmp_path, snapshot, [], current=[("a",)]).verdict
    assert (held.outcome, held.reasons[0].code, held.counts.delivered) == ("hold", "empty", 0)
    assert judged(tmp_path, snapshot, []).verdict.outcome == "publish"
    assert judged(tmp_path, append, [], current=[("a",)]).verdict.outcome == "publish"


def test_a_reference_to_a_dataset_without_rows_holds_and_sets_nothing_aside(tmp_path: Path) -> None:
    check = Check("known", "reference", "", {"columns": ["id"], "dataset": "other", "to": "id"})
    found = judged(tmp_path, contract(checks=[check]), [("a",)], references={"other": view(contract(), [])})
    assert (found.verdict.outcome, found.verdict.reasons[0].code, found.verdict.counts.passed) == ("hold", "known", 1)
    assert not found.rule("known").passed


def test_an_expectation_that_means_something_else_ends_the_run(tmp_path: Path) -> None:
    declared = contract(Column("v", "值", "值"))
    compiled = list(rules(declared, today=TODAY))
    compiled[-1] = replace(
        compiled[-1], expectation=Expectation("expect_column_values_to_be_in_set", {"column": "v", "value_set": ["1"]})
    )
    with sieved(tmp_path, declared, [("a", "1"), ("b", "2")]) as (con, sifted):
        judgement = judge.count(con, "people", compiled)
        with pytest.raises(JudgeFailed, match=r"v\.control: judge 1, sieve 0"):
            judge.agree("people", judgement.counts, sifted.judged)


def test_an_expectation_that_raises_is_neither_pass_nor_failure(tmp_path: Path) -> None:
    declared = contract(Column("v", "值", "值"))
    compiled = list(rules(declared, today=TODAY))
    compiled[-1] = replace(
        compiled[-1], expectation=Expectation("expect_column_values_to_not_be_null", {"column": "gone"})
    )
    with sieved(tmp_path, declared, [("a", "1")]) as (con, _), pytest.raises(JudgeFailed, match=r"v\.control.*raised"):
        judge.count(con, "people", compiled)


def test_what_ends_the_sieve_ends_the_judge_beside_it(tmp_path: Path) -> None:
    """Whoever waits for a table that will not come would stand still for ever."""
    check = Check("known", "reference", "", {"columns": ["id"], "dataset": "nowhere", "to": "id"})
    with pytest.raises(SourceMissing, match="nowhere"):
        judged(tmp_path, contract(checks=[check]), [("a",)])
    assert not [t.name for t in threading.enumerate() if t.name.startswith("judge")]


def test_the_judge_is_told_of_a_stage_once_its_table_is_as_it_stays(tmp_path: Path) -> None:
    declared = contract(Column("v", "值", "值", unique=True, required=True))
    rows = [("a", "1"), ("a", "2"), ("b", "3"), ("c", "3"), ("d", None)]
    with sieved(tmp_path, declared, rows) as (con, sifted):
        after = judge.count(con, "people", rules(declared, today=TODAY)).counts
    assert judged(tmp_path, declared, rows).rule("v.unique").unexpected == 2
    assert after == sifted.judged


def test_a_rule_the_judge_did_not_count_is_a_disagreement() -> None:
    with pytest.raises(JudgeFailed, match=r"v\.type"):
        judge.agree("people", {}, {"v.type": 0})


KINDS = st.sampled_from(["string", "integer", "date", "decimal", "boolean", "timestamp"])
CELLS = st.none() | st.sampled_from(
    [
        "",
        " ",
        "1",
        "2",
        "-7",
        "１２",
        "x",
        "张三",
        "2024-02-29",
        "2023-02-29",
        "true",
        "99999999999999999999",
        "2020-01-01 10:00:00",
        "a'b%:c",
        "440308199901101512",
        "1999-01-10",
    ]
)


KEYS = st.sampled_from(["", "k", "l", "m", "n"])


@st.composite
def of_column(draw: st.DrawFn, name: str) -> Column:
    kind = draw(KINDS)
    text = kind == "string"
    element = {"string": "DE01001", "date": "DE01006"}.get(kind)
    return Column(
        name, name, name, type=kind, required=draw(st.booleans()), unique=draw(st.booleans()),
        element=draw(st.sampled_from([None, None, element])), scale=1,
        max_length=draw(st.none() | st.integers(1, 3)) if text else None,
        pattern=draw(st.none() | st.sampled_from(["^[0-9]+$", "张", "'%"])) if text else None,
        enum=draw(st.none() | st.just(("1", "x", "a'b%:c"))) if text else None,
        minimum=draw(st.none() | st.just("2")) if kind in ("integer", "decimal") else None,
        maximum=draw(st.none() | st.just("2024-01-01")) if kind == "date" else None,
    )  # fmt: skip


@st.composite
def of_checks(draw: st.DrawFn, columns: list[Column]) -> list[Check]:
    """Some rules of every kind, over columns that they fit."""
    name = draw(st.sampled_from([c.name for c in columns]))
    two = [name, draw(st.sampled_from([c.name for c in columns if c.name != name] or ["id"]))]
    dates, texts = ([c.name for c in columns if c.type == kind] for kind in ("date", "string"))
    limit = draw(st.sampled_from([None, ("mustBeLessThan", 2), ("mustBe", 0)]))
    more = {"severity": draw(st.sampled_from(["error", "warning"])), "percent": draw(st.booleans())}
    found = [
        Check("nulls", "nullValues", name, {}, limit, **more), Check("missing", "missingValues", name, {"missingValues": ["1"]}, limit, **more),
        Check("values", "invalidValues", name, {"validValues": ["1", "x"]}, limit, **more),
        Check("twice", "duplicateValues", "", {"columns": two}, limit, **more), Check("again", "duplicateValues", name, {}, limit, **more),
        Check("known", "reference", "", {"columns": ["id"], "dataset": "other", "to": "id"}, severity=more["severity"]),
        Check("free", "sql", "", {"predicate": f"id <> 'k' OR {name} IS NULL"}, limit, **more),
        Check("rows", "rowCount", "", {}, ("mustBeGreaterThan", 1)), Check("size", "rowCountChange", "", {}, ("mustBeLessThan", 0.5)),
        Check("shape", "distribution", name, {}, ("mustBeLessThan", 0.5)),
        *([Check("order", "dateOrder", "", {"columns": [dates[0], dates[-1]]}, **more)] if dates else []),
        *([Check("agrees", "idAgrees", "", {"id": texts[0], "birth": dates[0], "sex": texts[-1]}, **more)] if dates and texts else []),
    ]  # fmt: skip
    return [check for check in found if draw(st.booleans())]


@st.composite
def generated(draw: st.DrawFn) -> tuple[Contract, list[list[Row]], list[Row]]:
    """A contract of a few columns under random rules, random rows for it, and what is published already."""
    columns = [draw(of_column(name)) for name in string.ascii_lowercase[: draw(st.integers(1, 4))]]
    made = contract(*columns, checks=draw(of_checks(columns)), sync=draw(st.sampled_from(["snapshot", "append"])))
    row = st.tuples(KEYS, *([CELLS] * len(columns)))
    texts = st.sampled_from(["1", "x", None])
    published = st.tuples(KEYS.filter(bool), *(texts if c.type == "string" else st.none() for c in columns))
    current = draw(st.lists(published, max_size=3, unique_by=lambda r: r[0]))
    return made, draw(st.lists(st.lists(row, max_size=6), max_size=2)), current


@settings(max_examples=8, deadline=None)
@given(generated())
def test_judge_and_sieve_agree_on_generated_contracts_and_rows(
    case: tuple[Contract, list[list[Row]], list[Row]],
) -> None:
    declared, files, current = case
    known = {"other": view(contract(), [("k",), ("l",)])}
    before = Past(datetime(2026, 3, 1, tzinfo=UTC), ((3, 3),))
    with TemporaryDirectory() as folder:  # raises JudgeFailed if they do not
        found = judged(Path(folder), declared, *files, current=current, references=known, past=before)
        counts = found.verdict.counts
        assert counts.balanced
        assert (len(found.rows("passes")), len(found.rows("rejects"))) == (counts.passed, counts.rejected)
        assert {s["_seq"] for s in found.rows("passes")}.isdisjoint(s["_seq"] for s in found.rows("rejects"))
        assert all(r.unexpected <= r.checked for r in found.verdict.rules if r.kind != "drift")
