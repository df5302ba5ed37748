"""The catalog is found by Chinese and English words, parts of words, codes and data elements."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from catalog.entries import Entry, build
from catalog.search import search
from schemas.contract import Contract


@pytest.fixture
def entries(contracts: Mapping[str, Contract]) -> Sequence[Entry]:
    return build(contracts, {}, datetime(2026, 3, 2, 8, tzinfo=UTC))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("许可证", {"food_licences"}),
        ("食品", {"food_licences"}),
        ("证", {"food_licences"}),
        ("食品许可证", {"food_licences"}),
        ("信息 企业", {"companies"}),
        ("企业，资本", {"companies"}),
        ("市场监督", {"companies", "food_licences"}),
        ("法人库", {"companies"}),
        ("身份号码", {"residents"}),
        ("DE01001", {"residents"}),
        ("ｄｅ０１００１", {"residents"}),
        ("301001/000001", {"residents"}),
        ("302", {"companies", "food_licences"}),
        ("licence", {"food_licences"}),
        ("BUREAU companies", {"companies"}),
        ("birth_date", {"residents"}),
        ("有条件共享", {"residents", "companies", "food_licences"}),
    ],
)
def test_a_query_finds_exactly_what_holds_all_its_words(entries: Sequence[Entry], query: str, found: set[str]) -> None:
    assert {entry.dataset for entry in search(entries, query)} == found


@pytest.mark.parametrize("query", ["护照", "企业 食品", "证可许", "zzz", "%", "<script>", "食品 护照"])
def test_a_word_found_nowhere_finds_nothing(entries: Sequence[Entry], query: str) -> None:
    assert search(entries, query) == ()


@pytest.mark.parametrize("query", ["", "   ", "，"])
def test_an_empty_query_lists_everything_as_it_comes(entries: Sequence[Entry], query: str) -> None:
    assert search(entries, query) == tuple(entries)


def test_a_name_ranks_before_an_item_and_an_item_before_a_summary(entries: Sequence[Entry]) -> None:
    assert next(iter(search(entries, "经营"))).dataset == "food_licences"
    assert next(iter(search(entries, "企业"))).dataset == "companies"
    assert next(iter(search(entries, "residents"))).dataset == "residents"
