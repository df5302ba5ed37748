"""The examples' subject kinds fit their contracts, and tell persons from enterprises where one column names both."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import odcs
from schemas.contract import Contract
from schemas.identifiers import citizen_check, organisation_check, uscc_check
from subjects import declare, statement
from subjects.kinds import Kind

EXAMPLES = Path(__file__).parents[2] / "examples"
KEYS = {"demo_city": {"person", "enterprise"}, "sf_food_inspections": {"establishment"}}


def contracts(example: str) -> dict[str, Contract]:
    return {c.dataset: c for c in map(odcs.load, sorted((EXAMPLES / example / "contracts").glob("*.yaml")))}


@pytest.fixture(scope="module")
def city() -> tuple[dict[str, Kind], Mapping[str, Contract]]:
    applied = contracts("demo_city")
    return declare.load(EXAMPLES / "demo_city" / "subjects", applied), applied


@pytest.mark.parametrize("example", KEYS)
def test_the_examples_kinds_are_declared_without_a_fault(example: str) -> None:
    applied = contracts(example)
    kinds = declare.load(EXAMPLES / example / "subjects", applied)
    assert set(kinds) == KEYS[example]
    assert {d for kind in kinds.values() for d in kind.datasets} == set(applied), "every dataset reaches a file"


born = st.dates(date(1900, 1, 1), date(2025, 12, 31)).map(lambda d: f"{d:%Y%m%d}")
citizens = st.tuples(st.sampled_from(["110101", "310115", "440308", "911156"]), born, st.integers(0, 999)).map(
    lambda parts: (head := f"{parts[0]}{parts[1]}{parts[2]:03d}") + citizen_check(head)
)
companies = st.tuples(st.sampled_from(["91310115", "92440308", "12110101"]), st.text("0123456789ABCM", min_size=8, max_size=8)).map(
    lambda parts: (head := parts[0] + parts[1] + organisation_check(parts[1])) + uscc_check(head)
)  # fmt: skip


def owners(holder: str | None, kinds: dict[str, Kind], applied: Mapping[str, Contract]) -> set[str]:
    meters = applied["utility_accounts"]
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t (holder_id VARCHAR)")
        con.execute("INSERT INTO t VALUES ($1)", [holder])
        found = {
            name for name, kind in kinds.items()
            if con.execute(f"SELECT 1 FROM t WHERE {statement.usable(kind, kinds, meters, 'holder_id')}").fetchone()
        }  # fmt: skip
        linked = con.execute(f"SELECT 1 FROM t WHERE {statement.linked(kinds['person'], kinds, meters, 'holder_id')}")
        assert (linked.fetchone() is not None) == bool(found)
    return found


@settings(max_examples=25, deadline=None)
@given(citizen=citizens, company=companies)
def test_a_meters_holder_belongs_to_the_kind_it_is_valid_for(
    city: tuple[dict[str, Kind], Mapping[str, Contract]], citizen: str, company: str
) -> None:
    assert owners(citizen, *city) == {"person"}
    if not (company.isdecimal() or company[:-1].isdecimal()):
        assert owners(company, *city) == {"enterprise"}
    mistyped = citizen[:16] + str((int(citizen[16]) + 1) % 10) + citizen[17]
    assert "person" not in owners(mistyped, *city)


@pytest.mark.parametrize("nobody", [None, "", "12345", "44030819990110151", "91310000MA1FL0000Q0"])
def test_anything_else_is_nobodys(city: tuple[dict[str, Kind], Mapping[str, Contract]], nobody: str | None) -> None:
    assert owners(nobody, *city) == set()
