"""The demo city is made from its plan alone, and its departments have the habits that real ones have."""

import csv
import json
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import by_hand
import pytest
from openpyxl import load_workbook

from examples.demo_city.generator import Plan, generate
from examples.demo_city.generator.__main__ import main
from schemas import identifiers
from schemas.codes import code_list


def test_one_plan_makes_one_city(city: Path, plan: Plan, tmp_path: Path) -> None:
    generate(tmp_path, plan)
    assert by_hand.content(tmp_path) == by_hand.content(city)


def test_another_seed_makes_another_city(plan: Plan, tmp_path: Path) -> None:
    small = Plan(200, 30, 1, plan.today)
    generate(tmp_path / "one", small)
    generate(tmp_path / "two", Plan(200, 30, 2, plan.today))
    one, two = by_hand.content(tmp_path / "one"), by_hand.content(tmp_path / "two")
    assert [name for name in one if one[name] == two.get(name)] == []


def test_a_city_replaces_the_one_that_was_there(plan: Plan, tmp_path: Path) -> None:
    generate(tmp_path / "twice", Plan(200, 30, 1, date(2026, 5, 1)), day=2)
    for folder in ("twice", "once"):
        generate(tmp_path / folder, Plan(250, 30, 1, plan.today))
    assert by_hand.content(tmp_path / "twice") == by_hand.content(tmp_path / "once")


def test_the_command_line_writes_a_city_as_it_is_after_some_days(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "drop"
    arguments = ["--out", str(out), "--residents", "200", "--companies", "30", "--today", "2026-11-23", "--day", "1"]
    assert main(arguments) == 0
    assert json.loads((out / "city.json").read_text())["day"] == 1
    assert "200 residents" in capsys.readouterr().out


def test_nothing_half_written_is_left_behind(city: Path) -> None:
    assert [path for path in city.rglob("*") if path.name.startswith(".")] == []


def test_drops_are_gb18030_with_characters_that_gbk_cannot_hold(city: Path) -> None:
    text = b"".join(path.read_bytes() for path in sorted((city / "civil").glob("*.csv")))
    assert set("䶮㛃𬱖") <= set(text.decode("gb18030"))
    with pytest.raises(UnicodeDecodeError):
        text.decode("gbk")
    with pytest.raises(UnicodeDecodeError):
        text.decode("utf-8")


def test_the_workbook_has_a_merged_title_above_its_header_and_true_dates_below(city: Path) -> None:
    sheet = load_workbook(city / "exit_entry" / "permits.xlsx").worksheets[0]
    rows = list(sheet.iter_rows(values_only=True))
    assert [str(merged) for merged in sheet.merged_cells.ranges] == ["A1:H1"]
    assert rows[0][1:] == (None,) * 7
    assert rows[1][0] == "证件号码"
    assert all(isinstance(row[5], datetime) and isinstance(row[6], str) for row in rows[2:])


def test_utility_holders_are_nested_objects_and_balances_numbers(city: Path) -> None:
    lines = (city / "utilities" / "accounts.jsonl").read_text(encoding="utf-8").splitlines()
    records = list(map(json.loads, lines))
    assert {frozenset(record["holder"]) for record in records} == {frozenset({"type", "id", "name"})}
    assert {type(record["balance"]) for record in records} == {float, str}, "text only where nonsense was planted"


def test_departments_write_codes_amounts_and_states_in_more_than_one_way(judged: dict[str, by_hand.Judged]) -> None:
    companies = [row.delivered for row in judged["companies"].rows]
    assert len({row["reg_state"] for row in companies}) >= 5
    endings = {str(row["reg_cap"]).lstrip("-0123456789.") for row in companies}
    assert {"万人民币", "万元人民币", "万元", ""} <= endings
    assert {"9999-12-31", None} < {row["term_to"] for row in companies}
    assert len({row.delivered["证件状态"] for row in judged["travel_permits"].rows}) >= 3


def test_identifiers_of_clean_rows_are_valid_and_unique(judged: dict[str, by_hand.Judged], plan: Plan) -> None:
    for (number,) in judged["residents"].published():
        assert identifiers.citizen_faults(number, plan.eve) <= {"region"}
    for (number,) in judged["companies"].published():
        assert not identifiers.uscc_faults(number)


def test_couples_are_a_man_and_a_woman_of_age_and_children_live_with_a_parent(
    judged: dict[str, by_hand.Judged], plan: Plan
) -> None:
    for values in judged["marriages"].published().values():
        assert identifiers.citizen_sex(values["husband_id"]) == "1"
        assert identifiers.citizen_sex(values["wife_id"]) == "2"
        for person in ("husband_id", "wife_id"):
            born = identifiers.citizen_birth(values[person])
            assert born
            assert (values["registered_on"] - born).days > 20 * 365
    homes: dict[str, list[date]] = {}
    for values in judged["residents"].published().values():
        if values["birth_date"]:
            homes.setdefault(values["address"], []).append(values["birth_date"])
    children = [home for home in homes.values() if (plan.today - max(home)).days < 15 * 365 and len(home) > 1]
    assert len(children) > 50
    assert sum((max(home) - min(home)).days > 18 * 365 for home in children) > 0.9 * len(children)


@pytest.mark.parametrize("dataset", ["food_licences", "travel_permits"])
def test_some_papers_run_out_within_thirty_days_and_some_have_run_out(
    dataset: str, judged: dict[str, by_hand.Judged], plan: Plan
) -> None:
    ends = [values["valid_to"] for values in judged[dataset].published().values()]
    soon = [end for end in ends if 0 <= (end - plan.today).days <= 30]
    over = [end for end in ends if end < plan.today]
    assert soon
    assert over
    assert len(soon) + len(over) < len(ends) / 2
    status = {values["status"] for values in judged[dataset].published().values() if values["valid_to"] < plan.eve}
    assert status == {"2"}


def test_published_companies_with_food_licences_exist_and_are_led_by_residents(
    judged: dict[str, by_hand.Judged],
) -> None:
    people = {row.values["citizen_id"] for row in judged["residents"].rows}
    led = [values["legal_rep_id"] in people for values in judged["companies"].published().values()]
    assert sum(led) > 0.9 * len(led)


def test_ethnic_groups_of_the_contract_are_those_of_the_standard(judged: dict[str, by_hand.Judged]) -> None:
    codes = judged["residents"].contract.column("ethnic_code").codes
    assert codes == {label: code for code, label in code_list("ethnic").values.items() if code < "57"}


def test_insurance_lines_are_in_the_order_in_which_the_service_pages_them(city: Path) -> None:
    lines = (city / "social_security" / "insurance.jsonl").read_text(encoding="utf-8").splitlines()
    stamps = [json.loads(line)["updatedAt"] for line in lines]
    assert all(a <= b for a, b in pairwise(stamps))


def test_drops_have_chinese_headers(city: Path) -> None:
    for path in (city / "civil").glob("*.csv"):
        with path.open(encoding="gb18030", newline="") as file:
            assert next(csv.reader(file))[:2] == ["证书字号", "男方证件号"]
