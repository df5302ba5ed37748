"""A catalog entry says what the contract promises and what the runs measured, and never more than either."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalog import entries
from catalog.entries import Entry
from catalog.guide import metadata
from catalog.measured import measure
from ledger.loads import Load
from schemas.contract import Contract

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def entry(contracts: Mapping[str, Contract], name: str, load: Load | None = None, now: datetime = NOW) -> Entry:
    return entries.entry(contracts[name], measure(contracts[name], load, now))


def test_an_entry_carries_rows_quality_and_rules_of_its_newest_load(
    contracts: Mapping[str, Contract], load: Load
) -> None:
    measured = entry(contracts, "residents", load).measured
    assert (measured.rows, measured.load, measured.outcome, measured.freshness) == (950, 3, "ok", "fresh")
    assert (measured.quality.pass_rate, measured.quality.rejected) == (pytest.approx(0.95), 5)
    assert [(rule.id, rule.unexpected, rule.pass_rate) for rule in measured.quality.rules] == [
        ("citizen_id.checksum", 4, pytest.approx(0.96)),
        ("name.required", 1, pytest.approx(0.99)),
        ("birth_date.date", 0, None),
    ]


@pytest.mark.parametrize(
    ("hours", "freshness"), [(0, "fresh"), (26, "fresh"), (27, "late"), (48, "late"), (49, "stale"), (1000, "stale")]
)
def test_freshness_follows_the_promised_cycle_and_latency(
    contracts: Mapping[str, Contract], load: Load, hours: int, freshness: str
) -> None:
    now = load.checked_at + timedelta(hours=hours)
    assert entry(contracts, "residents", load, now=now).measured.freshness == freshness


def test_a_dataset_without_a_promised_latency_is_late_but_never_stale(
    contracts: Mapping[str, Contract], load: Load
) -> None:
    licences = replace(load, dataset="food_licences")
    year_later = load.checked_at + timedelta(days=365)
    assert entry(contracts, "food_licences", licences, now=year_later).measured.freshness == "late"


def test_a_run_without_changes_confirms_the_data_and_a_failed_one_does_not(
    contracts: Mapping[str, Contract], load: Load
) -> None:
    long_ago = replace(load, published_at=NOW - timedelta(days=5))
    assert entry(contracts, "residents", long_ago).measured.freshness == "fresh"
    failed = entry(contracts, "residents", replace(long_ago, status="failed", status_reason="no such host")).measured
    assert (failed.freshness, failed.outcome, failed.reason, failed.rows) == ("stale", "failed", "no such host", 950)


def test_a_dataset_that_never_ran_has_promises_and_no_measures(contracts: Mapping[str, Contract]) -> None:
    one = entry(contracts, "companies")
    assert (one.measured.freshness, one.measured.outcome, one.measured.quality.pass_rate) == ("never", "never", None)
    assert one.published_on is None


def test_a_dataset_held_before_its_first_load_says_why(contracts: Mapping[str, Contract]) -> None:
    measured = measure(contracts["companies"], None, NOW, ("held", "the delivery was empty", NOW))
    assert (measured.outcome, measured.reason, measured.rows) == ("held", "the delivery was empty", 0)


def test_an_empty_delivery_has_no_pass_rate(contracts: Mapping[str, Contract], load: Load) -> None:
    empty = replace(load, counts={"delivered": 0}, facts={})
    assert entry(contracts, "residents", empty).measured.quality.pass_rate is None


def test_items_carry_their_data_elements_in_both_languages(contracts: Mapping[str, Contract]) -> None:
    items = {item.name: item for item in entry(contracts, "residents").items}
    assert (items["citizen_id"].element, items["citizen_id"].element_zh) == ("DE01001", "公民身份号码")
    assert items["citizen_id"].element_en
    assert (items["citizen_id"].key, items["citizen_id"].required, items["citizen_id"].share_type) == (True, True, 3)
    assert not items["birth_date"].required


def test_the_guides_core_metadata_is_complete_and_in_both_languages(
    contracts: Mapping[str, Contract], load: Load
) -> None:
    lines = {line.name: line for line in metadata(entry(contracts, "residents", load))}
    labels = [line.label["zh"] for line in lines.values()]
    assert labels == [
        "信息资源分类", "信息资源名称", "信息资源代码", "信息资源提供方", "提供方代码", "信息资源摘要", "信息资源格式", "信息项信息",
        "共享类型", "共享条件", "共享方式", "开放属性", "更新周期", "发布日期", "关联资源代码",
    ]  # fmt: skip
    assert lines["class"].value["zh"] == "部门信息资源 · 项 01 · 目 001"
    assert (lines["share_type"].value["zh"], lines["share_type"].value["en"]) == (
        "有条件共享",
        "Shared under conditions",
    )
    assert (lines["share_modes"].value["zh"], lines["share_modes"].value["en"]) == (
        "接口、库表",
        "interface, database table",
    )
    assert (lines["cycle"].value["zh"], lines["cycle"].value["en"]) == ("每日", "Daily")
    assert lines["published_on"].value["en"] == "2026-03-02"


def test_what_a_contract_does_not_say_is_shown_as_not_stated(contracts: Mapping[str, Contract]) -> None:
    lines = {line.name: line.value["zh"] for line in metadata(entry(contracts, "residents"))}
    assert (lines["open"], lines["related"], lines["published_on"]) == ("未声明", "无", "尚未发布")


def test_an_entry_travels_as_json(contracts: Mapping[str, Contract], load: Load) -> None:
    value = json.loads(json.dumps(entry(contracts, "residents", load).to_json()))
    assert value["measured"]["quality"]["rules"][0]["id"] == "citizen_id.checksum"
    assert value["items"][0]["element"] == "DE01001"
    assert value["measured"]["published_at"].startswith("2026-03-02T07:00")


@pytest.mark.parametrize(
    ("open_", "condition", "words"),
    [
        (True, "", "向社会开放"),
        (True, "去除个人信息后", "向社会开放（去除个人信息后）"),
        (False, "", "不向社会开放"),
        (None, "", "未声明"),
    ],
)
def test_openness_to_society_is_said_as_the_contract_says_it(
    contracts: Mapping[str, Contract], open_: bool | None, condition: str, words: str
) -> None:
    several = {"residents": replace(contracts["residents"], open=open_, open_condition=condition)}
    lines = {line.name: line.value["zh"] for line in metadata(entry(several, "residents"))}
    assert lines["open"] == words


@pytest.mark.parametrize(
    ("status", "state"),
    [("active", "published"), ("draft", "published"), ("deprecated", "deprecated"), ("retired", "retired")],
)
def test_what_is_applied_is_published_until_it_is_deprecated_or_retired(
    contracts: Mapping[str, Contract], status: str, state: str
) -> None:
    assert entry({"residents": replace(contracts["residents"], status=status)}, "residents").state == state
