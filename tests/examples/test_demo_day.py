"""A day later: the changes file says exactly what a hub that pulls again must notice."""

import json
from pathlib import Path
from typing import Any

import by_hand
import pytest

from examples.demo_city.generator import Plan, advance, generate


def _changes(root: Path) -> dict[str, dict[str, list[str]]]:
    return dict(json.loads((root / "changes_day1.json").read_text(encoding="utf-8")))


def _records(root: Path, expected: str) -> list[dict[str, Any]]:
    lines = (root / "truth_day1.jsonl").read_text(encoding="utf-8").splitlines()
    return [r for r in map(json.loads, lines) if r["expected"] == expected]


def test_what_was_published_anew_changed_and_deleted_is_exactly_what_the_changes_file_lists(
    later: Path, judged: dict[str, by_hand.Judged], judged_later: dict[str, by_hand.Judged]
) -> None:
    for dataset, change in _changes(later).items():
        before, after = judged[dataset].published(), judged_later[dataset].published()
        stale = {
            judged_later[dataset].key(row)
            for row in judged_later[dataset].rows
            if row.fate == "quarantined" and judged_later[dataset].key(row) in before
        }
        unseen = {(key,) for key in change["unseen"]}
        assert set(after) - set(before) - unseen == {(key,) for key in change["new"]}, dataset
        assert set(before) - set(after) - stale - unseen == {(key,) for key in change["deleted"]}, dataset
        changed = {key for key in set(before) & set(after) if before[key] != after[key]}
        assert changed == {(key,) for key in change["changed"]}, dataset


def test_every_dataset_has_work_for_an_incremental_run_and_the_totals_follow(later: Path) -> None:
    first = json.loads((later / "truth.json").read_text(encoding="utf-8"))
    second = json.loads((later / "truth_day1.json").read_text(encoding="utf-8"))
    for dataset, change in _changes(later).items():
        assert change["new"]
        assert change["changed"] or dataset == "marriages"
        assert second[dataset]["current"] == first[dataset]["current"] + len(change["new"]) - len(change["deleted"])
        assert len(change["deleted"]) < first[dataset]["current"] * 0.1


def test_incremental_changes_are_stamped_after_everything_before_them_save_those_that_are_planted_late(
    later: Path, judged: dict[str, by_hand.Judged], judged_later: dict[str, by_hand.Judged]
) -> None:
    late = {(r["dataset"], r["key"][0]) for r in _records(later, "late")}
    assert {dataset for dataset, _ in late} == {"companies", "insurance"}
    for dataset in ("companies", "insurance"):
        newest = max(values["updated_at"] for values in judged[dataset].published().values())
        after, change = judged_later[dataset].published(), _changes(later)[dataset]
        for key in change["new"] + change["changed"]:
            stamped = after[key,]["updated_at"]
            assert (stamped > newest) is ((dataset, key) not in late)
            assert (newest - stamped).total_seconds() <= judged[dataset].contract.source.lag


def test_a_late_company_is_older_than_any_overlap_so_that_only_a_full_refresh_finds_it(
    later: Path, judged: dict[str, by_hand.Judged], judged_later: dict[str, by_hand.Judged]
) -> None:
    (late,) = [r["key"][0] for r in _records(later, "late") if r["dataset"] == "companies"]
    newest = max(values["updated_at"] for values in judged["companies"].published().values())
    stamped = judged_later["companies"].published()[late,]["updated_at"]
    assert (newest - stamped).total_seconds() > judged["companies"].contract.source.lag
    assert (late,) not in judged["companies"].published()


def test_corrected_rows_leave_quarantine_and_licences_follow_their_company(
    later: Path, judged: dict[str, by_hand.Judged], judged_later: dict[str, by_hand.Judged]
) -> None:
    corrected = _records(later, "corrected")
    assert {r["kind"] for r in corrected} >= {"bad_id_checksum", "unknown_code", "company_in_quarantine"}
    for record in corrected:
        one = judged[record["dataset"]]
        refused = next(
            r for r in one.rows if r.delivered[one.contract.column(one.contract.key[0]).source] == record["key"][0]
        )
        assert refused.fate == "quarantined"
        assert refused.broken == set(record["rules"])
    licences = [r["key"][0] for r in corrected if r["kind"] == "company_in_quarantine"]
    for key in licences:
        assert judged_later["food_licences"].published()[key,]["uscc"] in {
            k[0] for k in judged_later["companies"].published()
        }


def test_rows_that_turn_bad_were_published_the_day_before(later: Path, judged: dict[str, by_hand.Judged]) -> None:
    bad = [r for r in _records(later, "quarantined") if r["kind"] == "turned_bad"]
    assert bad
    for record in bad:
        assert record["since"] == 1
        assert tuple(record["key"]) in judged["residents"].published()


def test_everything_that_happened_lies_before_today(plan: Plan, judged_later: dict[str, by_hand.Judged]) -> None:
    residents = judged_later["residents"].published().values()
    newest = max(values["birth_date"] for values in residents if values["birth_date"])
    assert newest == plan.eve
    for dataset in ("residents", "companies", "insurance"):
        for values in judged_later[dataset].published().values():
            assert values["updated_at"].date() < plan.today


def test_advancing_gives_the_same_city_as_making_that_day_at_once(tmp_path: Path, plan: Plan) -> None:
    small = Plan(300, 40, 1, plan.today)
    generate(tmp_path / "advanced", small)
    advance(tmp_path / "advanced")
    generate(tmp_path / "at once", small, day=1)
    assert by_hand.content(tmp_path / "advanced") == by_hand.content(tmp_path / "at once")


def test_a_day_that_is_over_cannot_come_again(tmp_path: Path, plan: Plan) -> None:
    generate(tmp_path, Plan(300, 40, 1, plan.today), day=1)
    with pytest.raises(ValueError, match="at day 1 already"):
        advance(tmp_path, day=1)


def test_the_day_after_brings_a_new_drop_and_leaves_the_old_ones_as_they_were(city: Path, later: Path) -> None:
    old = {path.name: path.read_bytes() for path in (city / "civil").glob("*.csv")}
    new = {path.name: path.read_bytes() for path in (later / "civil").glob("*.csv")}
    assert len(new) == len(old) + 1
    assert {name: new[name] for name in old} == old
