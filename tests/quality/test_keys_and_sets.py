"""Repeated keys, and rules over the table as it would be."""

from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from gate_builders import Row, compound, contract, fates, sieved, view
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.contract import Check, Column
from schemas.errors import ContractInvalid, SourceMissing

VALUE = Column("value", "值", "数值")
UNIQUE = contract(Column("mail", "邮箱", "邮箱", unique=True))


def test_of_exact_repeats_the_first_is_kept(tmp_path: Path) -> None:
    rows = [("a", "1"), ("a", "1"), ("b", "1"), ("a", "1")]
    assert fates(tmp_path, contract(VALUE), rows) == ["passed", "duplicate", "passed", "duplicate"]


def test_repeats_are_told_by_the_standardised_values(tmp_path: Path) -> None:
    day = contract(Column("born", "生日", "生日", type="date"))
    assert fates(tmp_path, day, [("a", "2020-01-02"), (" a ", "20200102")]) == ["passed", "duplicate"]


def test_one_key_with_two_payloads_in_a_file_sets_all_of_them_aside(tmp_path: Path) -> None:
    rows = [("a", "1"), ("a", "2"), ("a", "1"), ("b", "1")]
    assert fates(tmp_path, contract(VALUE), rows) == ["key.duplicate", "key.duplicate", "duplicate", "passed"]


def test_an_unreadable_value_is_not_the_same_as_no_value(tmp_path: Path) -> None:
    declared = contract(Column("age", "年龄", "年龄", type="integer"))
    assert fates(tmp_path, declared, [("a", "x"), ("a", None)]) == ["key.duplicate age.type", "key.duplicate"]


def test_the_later_file_wins(tmp_path: Path) -> None:
    found = fates(tmp_path, contract(VALUE), [("a", "1"), ("b", "1")], [("a", "2")], [("a", "1")])
    assert found == ["superseded", "passed", "superseded", "passed"]


def test_a_conflict_within_an_earlier_file_is_settled_by_a_later_one(tmp_path: Path) -> None:
    found = fates(tmp_path, contract(VALUE), [("a", "1"), ("a", "2")], [("a", "3")])
    assert found == ["superseded", "superseded", "passed"]


def test_rows_without_a_key_are_set_aside_and_never_taken_for_each_other(tmp_path: Path) -> None:
    with sieved(tmp_path, contract(VALUE), [("", "1"), (None, "1"), ("a", "1")]) as (_, sifted):
        assert (sifted.counts.unkeyable, sifted.counts.rejected, sifted.counts.duplicates) == (2, 2, 0)


def test_a_key_of_two_columns_wants_both_and_compares_both(tmp_path: Path) -> None:
    declared = compound(contract(VALUE, Column("note", "注", "注")), "value")
    rows = [("a", "1", "x"), ("a", "2", "x"), ("a", None, "x"), ("b", "1", "x"), ("b", "1", "y")]
    found = fates(tmp_path, declared, rows)
    assert found == ["passed", "passed", "key.missing value.required", "key.duplicate", "key.duplicate"]


def _expected(files: list[list[Row]]) -> list[str]:
    """The reference: as step 2 of `quality.sieve` says it, over Python values."""
    last = {key: i for i, rows in enumerate(files) for key, _ in rows if key}
    payloads: defaultdict[str, list[str]] = defaultdict(list)
    for i, rows in enumerate(files):
        for key, value in rows:
            if key and last[key] == i:
                payloads[key].append(value)
    seen: set[Row] = set()
    found = []
    for i, rows in enumerate(files):
        for key, value in rows:
            if not key:
                found.append("key.missing id.required")
            elif last[key] != i:
                found.append("superseded")
            elif (key, value) in seen:
                found.append("duplicate")
            else:
                seen.add((key, value))
                found.append("key.duplicate" if len(set(payloads[key])) > 1 else "passed")
    return found


ROWS = st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["1", "2"])), max_size=6)


@settings(max_examples=15, deadline=None)
@given(st.lists(ROWS, max_size=3))
def test_each_row_has_one_fate_and_it_is_the_reference_models(files: list[list[Row]]) -> None:
    with TemporaryDirectory() as folder:
        assert fates(Path(folder), contract(VALUE), *files) == _expected(files)


def test_a_value_that_another_key_of_current_has_is_not_unique(tmp_path: Path) -> None:
    found = fates(tmp_path, UNIQUE, [("a", "x"), ("b", "y"), ("c", None)], current=[("z", "x")])
    assert found == ["mail.unique", "passed", "passed"]


def test_a_row_that_is_replaced_does_not_stand_in_its_own_way(tmp_path: Path) -> None:
    assert fates(tmp_path, UNIQUE, [("a", "x"), ("b", "y")], current=[("a", "y"), ("b", "x")]) == ["passed", "passed"]


def test_the_last_good_row_of_a_rejected_key_still_counts(tmp_path: Path) -> None:
    declared = contract(Column("mail", "邮箱", "邮箱", unique=True), Column("age", "年龄", "年龄", type="integer"))
    rows = [("a", "new", "x"), ("b", "old", "1")]
    assert fates(tmp_path, declared, rows, current=[("a", "old", 1)]) == ["age.type", "mail.unique"]


@pytest.mark.parametrize(("rows", "found"), [
    ([("b", "x")], ["passed"]),
    ([("b", "x"), ("", "y")], ["mail.unique", "key.missing id.required"]),
])  # fmt: skip
def test_in_a_snapshot_absent_rows_leave_unless_deletions_are_suspended(
    tmp_path: Path, rows: list[Row], found: list[str]
) -> None:
    snapshot = contract(*UNIQUE.columns[1:], sync="snapshot")
    assert fates(tmp_path, snapshot, rows, current=[("a", "x")]) == found


REFERENCE = Check("known", "reference", "mail", {"columns": ["mail"], "dataset": "other", "to": "id"})


def test_a_reference_is_sought_in_the_other_dataset(tmp_path: Path) -> None:
    declared = contract(Column("mail", "邮箱", "邮箱"), checks=[REFERENCE])
    other = {"other": view(contract(), [("x",), ("q",)])}
    rows = [("a", "x"), ("b", "y"), ("c", None)]
    assert fates(tmp_path, declared, rows, references=other) == ["passed", "known", "passed"]


def test_a_reference_to_a_dataset_without_rows_is_not_judged_but_told(tmp_path: Path) -> None:
    declared = contract(Column("mail", "邮箱", "邮箱"), checks=[REFERENCE])
    with sieved(tmp_path, declared, [("a", "x")], references={"other": view(contract(), [])}) as (_, sifted):
        assert sifted.unknown_references == ("known",)
        assert sifted.counts.passed == 1


def test_a_reference_to_a_dataset_the_hub_does_not_have_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="other"):
        fates(tmp_path, contract(Column("mail", "邮箱", "邮箱"), checks=[REFERENCE]), [("a", "x")])


def test_a_predicate_that_fails_on_a_value_is_named_without_the_value(tmp_path: Path) -> None:
    declared = contract(VALUE, checks=[Check("strict", "sql", "", {"predicate": "CAST(value AS INTEGER) > 0"})])
    with pytest.raises(ContractInvalid, match=r"quality\.strict") as refused:
        fates(tmp_path, declared, [("a", "1"), ("b", "secret")])
    assert "secret" not in str(refused.value)
