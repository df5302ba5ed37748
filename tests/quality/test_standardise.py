"""Deliveries as typed rows: names, numbering, hashes, faults."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from gate_builders import batches, contract, standard_view, view
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.current import quote
from lake.hashing import of_values
from quality import gate
from quality.rules import rules
from quality.sieve import sift
from quality.standardise import Delivery, _are_plain, merged
from schemas.contract import Column, Contract
from schemas.errors import SourceDamaged, SourceUnreachable
from schemas.expressions import plain_bytes
from schemas.texts import plain

PEOPLE = contract(Column("name", "姓名", "姓名"), Column("age", "年龄", "年龄", type="integer"))


def table(work: Path, declared: Contract, *deliveries: Delivery, columns: str = "*", first_seq: int = 0) -> list[tuple]:
    with gate._session(work, 256) as con:
        standard_view(con, declared, merged(deliveries), work, first_seq)
        return con.execute(f"SELECT {columns} FROM standard ORDER BY _seq").fetchall()


def test_rows_are_numbered_over_all_files_and_keep_their_place(tmp_path: Path) -> None:
    rows = [(f"k{i}", "x", "1") for i in range(5)]
    found = table(
        tmp_path, PEOPLE, ("a.csv", batches(PEOPLE, rows)), ("none.csv", iter(())), ("b.csv", batches(PEOPLE, rows[:2])),
        columns="_seq, _file, _row", first_seq=40,
    )  # fmt: skip
    assert found == [(40 + i, "a.csv", i + 1) for i in range(5)] + [(45, "b.csv", 1), (46, "b.csv", 2)]


def test_native_types_are_taken_as_they_are(tmp_path: Path) -> None:
    declared = contract(
        Column("n", "n", "n", type="integer"), Column("d", "d", "d", type="date"),
        Column("m", "m", "m", type="decimal", precision=10, scale=2), Column("t", "t", "t", type="timestamp"),
    )  # fmt: skip
    moment = dt.datetime(2025, 1, 1, 8, tzinfo=dt.UTC)
    batch = pa.RecordBatch.from_pydict(
        {"_row": [1], "编号": ["a"], "n": [7], "d": [dt.date(2024, 2, 29)], "m": [Decimal("1.50")], "t": [moment]}
    )
    found = table(tmp_path, declared, ("p.parquet", iter([batch])), columns="n, d, m, epoch(t)::BIGINT")
    assert found == [(7, dt.date(2024, 2, 29), Decimal("1.50"), int(moment.timestamp()))]


def test_a_native_decimal_finer_than_its_column_is_kept_as_delivered_beside_what_it_was_rounded_to(
    tmp_path: Path,
) -> None:
    declared = contract(Column("m", "m", "m", type="decimal", precision=6, scale=2))
    sent = [Decimal("1.500"), Decimal("1.505"), None, Decimal("9999.999"), Decimal("-0.001")]
    batch = pa.RecordBatch.from_arrays(
        [pa.array([1] * 5), pa.array(list("abcde")), pa.array(sent, pa.decimal128(7, 3))], names=["_row", "编号", "m"]
    )
    found = table(tmp_path, declared, ("p.parquet", iter([batch])), columns="m, _raws[2]")
    assert found == [
        (Decimal("1.50"), None), (Decimal("1.51"), "1.505"), (None, None), (None, "9999.999"), (Decimal("0.00"), "-0.001"),
    ]  # fmt: skip
    with gate._session(tmp_path, 256) as con:
        standard_view(con, declared, [("p.parquet", iter([batch]))], tmp_path)
        sifted = sift(
            con, declared, rules(declared, today=dt.date(2026, 1, 1)), current=view(declared, []), references={}
        )
    assert (sifted.unexpected["m.scale"], sifted.unexpected["m.type"]) == (2, 1)


def renamed(names: list[str], values: list[str]) -> Iterator[pa.RecordBatch]:
    return iter([pa.RecordBatch.from_arrays([pa.array([1]), *(pa.array([v]) for v in values)], names=["_row", *names])])


def test_an_unknown_and_a_missing_column_are_named_with_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(SourceDamaged) as damaged:
        table(tmp_path, PEOPLE, ("a.csv", renamed(["编号", "姓名", "岁数"], ["k", "x", "1"])))
    assert "file a.csv lacks column '年龄'; has unknown column '岁数'" in damaged.value.what
    assert "编号, 姓名, 年龄" in damaged.value.todo


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceDamaged, match="twice '年龄'"):
        table(tmp_path, PEOPLE, ("a.csv", renamed(["编号", "姓名", "年龄", "年龄"], ["k", "x", "1", "2"])))


def test_a_file_without_its_header_line_does_not_tell_whose_data_stands_there(tmp_path: Path) -> None:
    with pytest.raises(SourceDamaged) as damaged:
        table(tmp_path, PEOPLE, ("a.csv", renamed(["440308199901101512", "张三", "27"], ["k", "x", "1"])))
    assert "header line" in str(damaged.value)
    assert not [told for told in ("张三", "4403") if told in str(damaged.value)]


def test_a_column_that_appears_in_a_later_batch_is_not_overlooked(tmp_path: Path) -> None:
    late = [*batches(PEOPLE, [("k", "x", "1")]), *renamed(["编号", "姓名", "年龄", "more"], ["k", "x", "1", "y"])]
    with pytest.raises(SourceDamaged, match="more"):
        table(tmp_path, PEOPLE, ("a.csv", iter(late)))


def test_a_type_that_changes_midway_changes_no_value(tmp_path: Path) -> None:
    def delivered() -> Iterator[pa.RecordBatch]:
        for row, age in enumerate((pa.array([1]), pa.array(["2"]), pa.array(["x"])), 1):
            yield pa.RecordBatch.from_arrays(
                [pa.array([row]), pa.array([f"k{row}"]), pa.array(["x"]), age], names=["_row", "编号", "姓名", "年龄"]
            )

    found = table(tmp_path, PEOPLE, ("a.csv", delivered()), columns="_row, _part, age, _raws")
    assert found == [(1, 0, 1, None), (2, 0, 2, None), (3, 0, None, [None, None, "x"])]


def test_neighbours_of_one_name_are_one_file(tmp_path: Path) -> None:
    rows = [("k", "x", "1")]
    files = [(name, batches(PEOPLE, rows)) for name in ("a", "a", "b")]
    assert table(tmp_path, PEOPLE, *files, columns="_part, _file") == [(0, "a"), (0, "a"), (1, "b")]


def test_a_fault_of_the_source_midway_arrives_as_what_it_is(tmp_path: Path) -> None:
    def cut() -> Iterator[pa.RecordBatch]:
        yield from batches(PEOPLE, [("k", "x", "1")])
        raise SourceUnreachable("gone")

    with pytest.raises(SourceUnreachable, match="gone"):
        table(tmp_path, PEOPLE, ("a.csv", cut()))


def test_nothing_of_the_delivery_stays_in_the_work_folder_after_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SourceDamaged):
        table(tmp_path, PEOPLE, ("a.csv", renamed(["编号"], ["k"])))
    assert not list(tmp_path.glob("standard*"))


TEXTS = st.none() | st.sampled_from(["-", "1", ":", "1:a", "a", "中", '"', '","', "\\", "\x1f", "null"])
THREE = contract(*(Column(n, n, n) for n in "bc"))


@settings(max_examples=60, deadline=None)
@given(st.tuples(TEXTS, TEXTS, TEXTS), st.tuples(TEXTS, TEXTS, TEXTS))
def test_hashes_are_equal_just_when_the_values_are(one: tuple, other: tuple) -> None:
    names = ", ".join(f"{quote(c.name)} := ${i}::VARCHAR" for i, c in enumerate(THREE.columns, 1))
    select = f"SELECT {of_values(THREE)} FROM (SELECT unnest(struct_pack({names})))"
    hashes = [duckdb.execute(select, list(values)).fetchone()[0] for values in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)
    assert 0 <= hashes[0] < 2**63


def test_only_text_that_a_value_does_not_show_is_kept_beside_it(tmp_path: Path) -> None:
    rows = [("k", "x", "1"), ("k ", "x", "01"), ("k", "", None)]
    found = table(tmp_path, PEOPLE, ("a", batches(PEOPLE, rows)), columns="_raws")
    assert [r[0] for r in found] == [None, ["k ", None, "01"], [None, "", None]]


def test_the_hash_does_not_depend_on_the_order_of_columns_in_the_contract(tmp_path: Path) -> None:
    turned = contract(*reversed(PEOPLE.columns[1:]))
    one = table(tmp_path, PEOPLE, ("a", batches(PEOPLE, [("k", "x", "1")])), columns="_hash")
    assert one == table(tmp_path, turned, ("a", batches(turned, [("k", "1", "x")])), columns="_hash")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text(st.sampled_from("a 中é(\t"), max_size=4)), max_size=12),
    st.integers(0, 12),
    st.integers(0, 12),
)
def test_what_the_bytes_call_plain_is_plain_in_every_slice(values: list[str | None], start: int, length: int) -> None:
    found = pa.array(values, pa.string()).slice(start, length)
    told = _are_plain(found, plain_bytes(Column("note", "note", "note"))).to_pylist()
    assert all(
        plain(value) == value
        for value, known in zip(found.to_pylist(), told, strict=True)
        if known and value is not None
    )


def test_what_the_bytes_call_plain_is_most_text() -> None:
    values = pa.array(["东海市中心大道1号", "Li Si", None, "", " a", "a "])
    assert _are_plain(values, plain_bytes(Column("note", "note", "note"))).to_pylist()[:2] == [True, True]
    assert _are_plain(values, plain_bytes(Column("note", "note", "note"))).to_pylist()[3:] == [False, False, False]
