"""The demo city's truth file says all there is to say: what it lists is there, and what it does not list is clean."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import by_hand
import pytest

from examples.demo_city.generator import faults
from examples.demo_city.generator.faults import FAULTS, share

Record = dict[str, Any]
GONE = ("quarantined", "duplicate", "superseded")


def _truth(root: Path, name: str = "truth") -> list[Record]:
    lines = (root / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _totals(root: Path, name: str = "truth") -> dict[str, Record]:
    return dict(json.loads((root / f"{name}.json").read_text(encoding="utf-8")))


def _located(judged: by_hand.Judged) -> dict[tuple[Any, int], by_hand.Row]:
    """Each row by its key as delivered and which of that key it is."""
    source = judged.contract.column(judged.contract.key[0]).source
    seen: Counter[Any] = Counter()
    found = {}
    for row in judged.rows:
        key = row.delivered[source]
        seen[key] += 1
        found[key, seen[key]] = row
    return found


def _compare(judged: dict[str, by_hand.Judged], truth: list[Record]) -> None:
    for dataset, one in judged.items():
        known = {(r["key"][0], r["occurrence"]): r for r in truth if r["dataset"] == dataset and "occurrence" in r}
        rows = _located(one)
        assert set(known) <= set(rows)
        for place, row in rows.items():
            record = known.get(place, {"expected": "published", "rules": []})
            expected = record["expected"] if record["expected"] in GONE else "published"
            assert (dataset, place, row.fate) == (dataset, place, expected)
            if expected == "quarantined":
                assert (dataset, place, sorted(row.broken)) == (dataset, place, sorted(record["rules"]))


def test_every_row_that_breaks_a_rule_is_in_the_truth_with_exactly_its_rules_and_no_other_row_is(
    city: Path, judged: dict[str, by_hand.Judged]
) -> None:
    _compare(judged, _truth(city))


def test_the_truth_of_the_day_after_holds_for_a_full_delivery_of_that_day(
    later: Path, judged_later: dict[str, by_hand.Judged]
) -> None:
    _compare(judged_later, _truth(later, "truth_day1"))


def test_the_comparison_notices_a_row_that_the_truth_leaves_out_and_one_that_it_invents(
    city: Path, judged: dict[str, by_hand.Judged]
) -> None:
    truth = _truth(city)
    lost = next(r for r in truth if r["expected"] == "quarantined")
    with pytest.raises(AssertionError):
        _compare(judged, [r for r in truth if r is not lost])
    clean = next(key for key in judged["residents"].published() if all(r["key"] != list(key) for r in truth))
    with pytest.raises(AssertionError):
        _compare(judged, [*truth, {**lost, "dataset": "residents", "key": list(clean), "occurrence": 1}])


@pytest.mark.parametrize("name", ["truth", "truth_day1"])
def test_totals_add_up_and_agree_with_the_rows(
    name: str, later: Path, judged: dict[str, by_hand.Judged], judged_later: dict[str, by_hand.Judged]
) -> None:
    for dataset, one in (judged if name == "truth" else judged_later).items():
        fates = Counter(row.fate for row in one.rows)
        total = _totals(later, name)[dataset]
        rules = Counter(rule for row in one.rows if row.fate == "quarantined" for rule in row.broken)
        assert (
            total["delivered"] == total["published"] + total["quarantined"] + total["duplicates"] + total["superseded"]
        )
        assert total["published"] == fates["published"] == len(one.published())
        assert (total["quarantined"], total["duplicates"], total["superseded"]) == (
            fates["quarantined"], fates["duplicate"], fates["superseded"],
        )  # fmt: skip
        assert total["rules"] == dict(rules)


def test_each_kind_of_fault_is_planted_at_its_rate(city: Path) -> None:
    totals = _totals(city)
    assert len({fault.kind for fault in FAULTS}) >= 10
    rows = {dataset: total["delivered"] for dataset, total in totals.items()}
    for fault in FAULTS:
        planted = totals[fault.dataset]["kinds"].get(fault.kind, 0)
        assert planted >= 1, (fault.dataset, fault.kind)
        assert planted <= share(fault.rate, rows[fault.dataset]) + share(10, rows[fault.dataset]), (
            fault.dataset,
            fault.kind,
        )


def test_standardised_rows_are_published_as_the_truth_says(city: Path, judged: dict[str, by_hand.Judged]) -> None:
    truth = [r for r in _truth(city) if r["expected"] == "standardised"]
    assert {r["kind"] for r in truth} >= {"full_width_id", "lower_case_x", "mobile_with_prefix", "half_width_brackets"}
    for record in truth:
        one = judged[record["dataset"]]
        row = _located(one)[record["key"][0], record["occurrence"]]
        column = next(c for c in one.contract.columns if c.source == record["detail"]["column"])
        assert row.values[column.name] == record["detail"]["right"] != row.delivered[column.source]


def test_conflicting_names_differ_from_those_of_published_residents(
    city: Path, judged: dict[str, by_hand.Judged]
) -> None:
    residents = judged["residents"].published()
    conflicts = [r for r in _truth(city) if r["expected"] == "conflict"]
    assert {r["dataset"] for r in conflicts} == set(faults.HOLDERS)
    for record in conflicts:
        row = _located(judged[record["dataset"]])[record["key"][0], record["occurrence"]]
        known = residents[record["detail"]["subject"],]["name"]
        assert row.delivered[record["detail"]["column"]] != known == record["detail"]["right"]


def test_names_agree_with_the_police_wherever_no_conflict_is_planted(
    city: Path, judged: dict[str, by_hand.Judged]
) -> None:
    residents = {key[0]: values["name"] for key, values in judged["residents"].published().items()}
    planted = {(r["dataset"], r["key"][0]) for r in _truth(city) if r["expected"] == "conflict"}
    held = {
        "insurance": ("citizen_id", "name"),
        "travel_permits": ("citizen_id", "name"),
        "utility_accounts": ("holder_id", "holder_name"),
    }
    for dataset, (holder, name) in held.items():
        for key, values in judged[dataset].published().items():
            if values[holder] in residents and (dataset, key[0]) not in planted:
                assert values[name] == residents[values[holder]]


def test_the_readme_names_every_planted_kind_with_its_rate_and_rules() -> None:
    readme = (by_hand.CONTRACTS.parents[1] / "README.md").read_text(encoding="utf-8")
    for fault in FAULTS:
        rules = "".join(f" `{rule}`," for rule in fault.rules).rstrip(",")
        assert f"| {fault.dataset} | {fault.kind} | {fault.rate:g} | {fault.expected}{rules} |" in readme
    for dataset, (exact, contradicting) in faults.REPEATS.items():
        assert f"| {dataset} | exact_repeat | {exact} |" in readme
        assert f"| {dataset} | contradicting_repeat | {contradicting} pairs |" in readme
