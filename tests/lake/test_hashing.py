"""A row's change is noticed whatever function hashed it before."""

from pathlib import Path

import duckdb
import pytest
from lake_builders import Desk, contract

from lake import hashing
from lake.changes import Delivered, find
from lake.current import literal
from lake.history import History


def desk_at(folder: Path) -> Desk:
    return Desk(folder / "lake", folder / "work", contract())


def rehashed(passes: Path) -> None:
    """Give the passes the hashes that the gate gives."""
    target = passes.with_name("rehashed.parquet")
    select = f"SELECT * REPLACE ({hashing.of_values(desk_at(passes).contract)} AS _hash) FROM read_parquet({literal(str(passes))})"
    duckdb.connect().execute(f"COPY ({select}) TO {literal(str(target))} (FORMAT parquet)")
    target.replace(passes)


def test_rows_that_another_function_hashed_are_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = desk_at(tmp_path)
    with monkeypatch.context() as before:
        before.setattr(hashing, "fingerprint", lambda: "another function")
        desk.deliver([("a", "甲"), ("b", "乙")])
    passes, keys = desk.prepare([("a", "甲"), ("b", "丙")], landing=2)
    rehashed(passes)
    with duckdb.connect() as con:
        found = find(con, desk.lake, desk.contract, Delivered(passes, keys, True, True, 0, 3 << 32), load=2, run="r2")
    assert (found.counts["unchanged"], found.counts["updated"]) == (1, 1)


def test_from_the_first_load_of_a_function_on_its_hashes_stand(tmp_path: Path) -> None:
    mine = hashing.fingerprint()
    assert hashing.since(mine, 4, 9) == 4
    assert hashing.since("another function", 4, 9) == 9
    desk = desk_at(tmp_path)
    desk.deliver([("a", "甲")])
    head = History(desk.lake, "people").head()
    assert head is not None
    assert (head.hashing, head.hashed_since) == (mine, 1)


def test_values_that_differ_in_one_place_hash_apart() -> None:
    columns = desk_at(Path("x")).contract
    rows = "('a', 'b'), ('b', 'a'), ('a', NULL), (NULL, 'a'), ('ab', ''), ('', 'ab')"
    shown = f"SELECT {hashing.of_values(columns)} FROM (VALUES {rows}) AS t(id, 姓名)"
    hashes = [row[0] for row in duckdb.connect().execute(shown).fetchall()]
    assert len(set(hashes)) == 6
    assert min(hashes) >= 0
