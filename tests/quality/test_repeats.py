"""Rows that agree are found by sorted hashes, whatever the number of rows and of repeats."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from gate_builders import contract, judged
from hypothesis import given
from hypothesis import strategies as st

from quality import repeats
from quality.repeats import shared_hashes
from schemas.contract import Check, Column


@given(places=st.lists(st.tuples(st.integers(0, 9), st.integers(-1, 1)), max_size=60), at_once=st.integers(1, 60))
def test_what_stands_twice_is_named_once_in_parts_of_any_size(places: list[tuple[int, int]], at_once: int) -> None:
    """Every hash lies at the edge of a part, or beside one."""
    parts = len(places) // at_once + 1
    numbers = [min(max((edge << 64) // parts + beside, 0), (1 << 64) - 1) for edge, beside in places]
    held = np.array(numbers, np.uint64)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(repeats, "AT_ONCE", at_once)
        found = shared_hashes(lambda least, most: held[(held >= least) & (held <= most)], len(held))
    assert found == sorted(n for n, times in Counter(numbers).items() if times > 1)


def test_what_repeats_too_often_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "NAMED", 1)
    assert shared_hashes(lambda *_: np.array([1, 1, 2, 2]), 4) is None


pytestmark = pytest.mark.usefixtures("gx")

ROWS = [("a", "1", "x"), ("b", "1", "x"), ("c", "1", None), ("d", None, "x"), ("e", None, None), ("f", "2", "x"), ("f", "3", "x")]  # fmt: skip


@pytest.mark.parametrize(
    ("at_once", "named"), [(repeats.AT_ONCE, repeats.NAMED), (2, repeats.NAMED), (repeats.AT_ONCE, 0)]
)
def test_judge_and_sieve_count_the_same_of_one_part_of_many_and_of_repeats_too_many_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, named: int
) -> None:
    monkeypatch.setattr(repeats, "AT_ONCE", at_once)
    monkeypatch.setattr(repeats, "NAMED", named)
    pair = Check("pair", "duplicateValues", "", {"columns": ["v", "w"]}, severity="warning")
    made = contract(Column("v", "值", "值", unique=True), Column("w", "值二", "值二"), checks=[pair])
    found = judged(tmp_path, made, ROWS)
    assert [found.rule(name).unexpected for name in ("key.duplicate", "v.unique", "pair")] == [2, 3, 2]
