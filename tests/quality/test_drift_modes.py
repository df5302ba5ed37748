"""Every drift of columns and types has the outcome that docs/reference/drift.md names for its mode."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from gate_builders import TODAY, Outcome, contract, view
from modes_bench import sieve_alone

from lake.current import quote
from quality import drift, gate
from schemas.contract import Column, Contract, Drift
from schemas.errors import SourceDamaged

NAME, AGE = Column("name", "姓名", "姓名", max_length=4), Column("age", "年龄", "年龄", type="integer")
File = tuple[tuple[str, ...], list[tuple[Any, ...]]]
WHOLE = ("编号", "姓名", "年龄")


def declared(**modes: Any) -> Contract:
    return replace(contract(NAME, AGE, sync="snapshot"), drift=Drift(**modes))


def batches(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[pa.RecordBatch]:
    for number, row in enumerate(rows, 1):
        arrays = [pa.array([number], pa.int64()), *(pa.array([v], pa.string()) for v in row)]
        yield pa.RecordBatch.from_arrays(arrays, names=["_row", *names])


def judged(
    work: Path, made: Contract, *files: File, known: list[tuple[Any, ...]] | None = None, twice: bool = False
) -> Outcome:
    """The gate; `twice`: with the count of Great Expectations beside the sieve's."""
    with pytest.MonkeyPatch.context() as patched:
        if not twice:
            sieve_alone(patched)
        verdict = gate.judge(
            made, [(f"{i}.csv", batches(*file)) for i, file in enumerate(files)], workdir=work, first_seq=0, today=TODAY,
            current=view(made, known or []), references={}, docs=None, memory_mb=256,
        )  # fmt: skip
    return Outcome(verdict, work)


def published(found: Outcome) -> list[tuple[Any, ...]]:
    return sorted((r["id"], r["name"], r["age"]) for r in found.rows("passes"))


def set_aside(found: Outcome) -> list[tuple[int, str]]:
    return sorted((r["_row"], " ".join(r["reasons"])) for r in found.rows("rejects"))


UNKNOWN: File = ((*WHOLE, "电话"), [("1", "甲", "7", "555"), ("2", "乙", "8", " ")])
MISSING: File = (("编号", "姓名"), [("1", "甲"), ("2", "乙")])
UNREADABLE: File = (WHOLE, [("1", "甲", "7½"), ("2", "乙", "8"), ("3", "司马相如长", "9")])


def told(found: Outcome) -> list[tuple[str, str, int]]:
    return [(f.what, f.name, f.rows) for f in found.verdict.drift]


@pytest.mark.parametrize("mode", ["evolve", "freeze"])
def test_an_unknown_column_is_left_in_landing_and_told(tmp_path: Path, mode: str) -> None:
    found = judged(tmp_path, declared(columns=mode), UNKNOWN)
    assert published(found) == [("1", "甲", 7), ("2", "乙", 8)]
    assert told(found) == [("unknown", "电话", 1)]


def test_in_quarantine_mode_only_rows_with_a_value_in_an_unknown_column_are_set_aside(tmp_path: Path) -> None:
    found = judged(tmp_path, declared(columns="quarantine"), UNKNOWN, twice=True)
    assert set_aside(found) == [(1, "drift.unknown")]
    assert published(found) == [("2", "乙", 8)]


@pytest.mark.parametrize("file", [UNKNOWN, MISSING])
def test_in_stop_mode_which_is_the_default_the_run_stops_and_names_the_column(tmp_path: Path, file: File) -> None:
    with pytest.raises(SourceDamaged, match=r"电话|年龄"):
        judged(tmp_path, declared(), file)


def test_a_missing_column_is_emptied_in_evolve_mode(tmp_path: Path) -> None:
    found = judged(tmp_path, declared(columns="evolve"), MISSING, known=[("1", "甲", 7)])
    assert published(found) == [("1", "甲", None), ("2", "乙", None)]
    assert told(found) == [("missing", "年龄", 0)]


def test_a_missing_column_stays_as_known_in_freeze_mode_and_its_rows_count_as_unchanged(tmp_path: Path) -> None:
    made = declared(columns="freeze")
    before = judged(tmp_path / "a", made, (WHOLE, [("1", "甲", "7")]))
    after = judged(tmp_path / "b", made, MISSING, known=[("1", "甲", 7)])
    assert published(after) == [("1", "甲", 7), ("2", "乙", None)]
    hashes = [{r["id"]: r["_hash"] for r in found.rows("passes")} for found in (before, after)]
    assert hashes[0]["1"] == hashes[1]["1"]


def test_rows_of_a_file_that_lacks_a_column_are_set_aside_in_quarantine_mode(tmp_path: Path) -> None:
    found = judged(tmp_path, declared(columns="quarantine"), MISSING, twice=True)
    assert set_aside(found) == [(1, "drift.missing"), (2, "drift.missing")]


@pytest.mark.parametrize("mode", ["evolve", "freeze", "quarantine", "stop"])
@pytest.mark.parametrize(
    "file",
    [(("姓名", "年龄"), [("甲", "7")]), (("编号",), [("1",)]), ((*WHOLE, "年龄"), [("1", "甲", "7", "7")])],
    ids=["no key", "most columns gone", "a column twice"],
)
def test_no_mode_lets_another_table_pass(tmp_path: Path, mode: str, file: File) -> None:
    with pytest.raises(SourceDamaged):
        judged(tmp_path, declared(columns=mode), file)


def test_each_file_of_a_delivery_is_held_to_the_contract_by_itself(tmp_path: Path) -> None:
    files = [
        (WHOLE, [("1", "甲", "7")]),
        (("编号", "年龄", "新"), [("2", "8", "x")]),
        (("编号", "姓名"), [("3", "丙")]),
    ]
    found = judged(tmp_path, declared(columns="freeze"), *files, known=[("1", "旧", 1), ("2", "旧", 2), ("3", "旧", 3)])
    assert published(found) == [("1", "甲", 7), ("2", "旧", 8), ("3", "丙", 3)]


def test_columns_that_change_within_one_file_stop_the_run_in_every_mode(tmp_path: Path) -> None:
    def torn() -> Iterator[pa.RecordBatch]:
        yield from batches(WHOLE, [("1", "甲", "7")])
        yield from batches(("编号", "姓名"), [("2", "乙")])

    fitting = drift.Fitting(declared(columns="evolve"), tmp_path / "marks.parquet")
    ((_, fitted),) = fitting.fitted([("a.csv", torn())])
    with pytest.raises(SourceDamaged, match="change midway"):
        list(fitted)


def test_an_unreadable_value_sets_its_row_aside_by_default(tmp_path: Path) -> None:
    assert set_aside(judged(tmp_path, declared(), UNREADABLE)) == [(1, "age.type"), (3, "name.length")]


def test_an_unreadable_value_is_emptied_and_counted_in_freeze_mode(tmp_path: Path) -> None:
    found = judged(tmp_path, declared(types="freeze"), UNREADABLE)
    assert published(found) == [("1", "甲", None), ("2", "乙", 8)]
    assert ("type", "年龄", 1) in told(found)
    assert found.rule("age.type").severity == "warning"


def test_what_can_be_held_without_loss_is_published_in_evolve_mode(tmp_path: Path) -> None:
    found = judged(tmp_path, declared(types="evolve"), UNREADABLE)
    assert published(found) == [("2", "乙", 8), ("3", "司马相如长", 9)]
    assert told(found) == [("type", "年龄", 1), ("length", "姓名", 1)]


def test_an_unreadable_value_holds_the_delivery_in_stop_mode_and_its_row_can_be_looked_up(tmp_path: Path) -> None:
    found = judged(tmp_path, declared(types="stop"), UNREADABLE)
    assert found.verdict.outcome == "hold"
    assert [r.code for r in found.verdict.reasons] == ["age.type"]
    assert (1, "age.type") in set_aside(found)


def test_a_whole_number_written_with_zeros_is_no_drift(tmp_path: Path) -> None:
    assert published(judged(tmp_path, declared(types="stop"), (WHOLE, [("1", "甲", "7.00")]))) == [("1", "甲", 7)]


def test_marks_stay_on_disk_and_know_their_rows(tmp_path: Path) -> None:
    made = declared(columns="quarantine")
    fitting = drift.Fitting(made, tmp_path / "marks.parquet")
    for _, each in fitting.fitted([(f"{n}.csv", batches(*UNKNOWN)) for n in range(3)]):
        list(each)
    with duckdb.connect() as con:
        fitting.create_table(con)
        assert con.execute(f"SELECT _part, _row FROM {quote('drifted')} ORDER BY 1").fetchall() == [
            (0, 1),
            (1, 1),
            (2, 1),
        ]


def test_what_no_json_record_names_is_empty_and_told_only_if_the_whole_delivery_lacks_it(tmp_path: Path) -> None:
    def sparse(*files: File) -> tuple[list[tuple[Any, ...]], list[str]]:
        made = declared()
        opened = [
            (f"{i}.json", (b.replace_schema_metadata({"absent": "null"}) for b in batches(*file)))
            for i, file in enumerate(files)
        ]
        with pytest.MonkeyPatch.context() as patched:
            sieve_alone(patched)
            verdict = gate.judge(
                made, opened, workdir=tmp_path / "json", first_seq=0, today=TODAY, current=view(made, []), references={}, docs=None,
            )  # fmt: skip
        return published(Outcome(verdict, tmp_path / "json")), [f.name for f in verdict.drift]

    whole: File = (WHOLE, [("3", "丙", "9")])
    assert sparse(MISSING, whole) == ([("1", "甲", None), ("2", "乙", None), ("3", "丙", 9)], [])
    assert sparse(MISSING) == ([("1", "甲", None), ("2", "乙", None)], ["年龄"])
    with pytest.raises(SourceDamaged, match="lacks column '编号'"):
        sparse((("姓名", "年龄"), [("甲", "7")]))
