"""The catalog is found by Chinese and English words, parts of words, pinyin, codes and data elements, typing errors forgiven."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from catalog_ledger import apply

from catalog.library import Catalog
from catalog.search import Query
from ledger import loads
from ledger.database import Database
from ledger.loads import Load
from schemas.contract import Contract

EVERYTHING = {"residents", "companies", "food_licences"}


def names(catalog: Catalog, text: str, **chosen: str) -> list[str]:
    return [card.dataset for card in catalog.search(Query(text, chosen)).hits]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("许可证", {"food_licences"}),
        ("食品", {"food_licences"}),
        ("证", {"food_licences"}),
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
        ("icenc", {"food_licences"}),
        ("BUREAU companies", {"companies"}),
        ("birth_date", {"residents"}),
        ("有条件共享", EVERYTHING),
        ("czrk", {"residents"}),
        ("rkjbxx", {"residents"}),
        ("renkou", {"residents"}),
        ("shipin jingying", {"food_licences"}),
        ("gsmhm 身份", set()),
    ],
)
def test_a_query_finds_exactly_what_holds_all_its_words(catalog: Catalog, query: str, found: set[str]) -> None:
    hits = catalog.search(Query(query))
    assert ({card.dataset for card in hits.hits}, hits.guessed) == (found, False)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("食品许可证", {"food_licences"}),  # a word left out
        ("食品经营许可正", {"food_licences"}),  # a wrong last character
        ("长住人口", {"residents"}),  # sounds the same
        ("lisence", {"food_licences"}),
        ("licnece", {"food_licences"}),
        ("compnies", {"companies"}),
        ("企业 captial", {"companies"}),
        ("食品 captial", set()),  # a word is guessed, but nothing holds both
        ("residants 常住", {"residents"}),
    ],
)
def test_a_typing_error_is_forgiven_and_said(catalog: Catalog, query: str, found: set[str]) -> None:
    hits = catalog.search(Query(query))
    assert {card.dataset for card in hits.hits} == found
    assert hits.guessed == bool(found)


@pytest.mark.parametrize(
    "query", ["护照", "企业 食品", "证可许", "zzz", "%", "<script>", '"', "* OR", "NEAR(", "食品 护照", "x" * 200]
)
def test_a_word_found_nowhere_finds_nothing(catalog: Catalog, query: str) -> None:
    assert catalog.search(Query(query)).total == 0


@pytest.mark.parametrize("query", ["", "   "])
def test_an_empty_query_lists_everything_by_resource_code(catalog: Catalog, query: str) -> None:
    assert names(catalog, query) == ["residents", "companies", "food_licences"]


def test_a_name_ranks_before_an_item_and_an_item_before_a_summary(catalog: Catalog) -> None:
    assert names(catalog, "经营")[0] == "food_licences"
    assert names(catalog, "企业")[0] == "companies"
    assert names(catalog, "residents")[0] == "residents"


def test_among_equals_the_fresh_goes_before_the_late_and_the_deprecated_last(
    catalog: Catalog, ledger: Database, contracts: Mapping[str, Contract], load: Load
) -> None:
    like = [
        replace(contracts["companies"], dataset=f"firms_{n}", resource_code=f"30200{n}/000009", title="商户登记信息")
        for n in (1, 2, 3)
    ]
    apply(ledger, like[0], replace(like[1], status="deprecated"), like[2])
    for name in ("firms_2", "firms_3"):
        loads.tell(ledger, replace(load, dataset=name))
    assert names(catalog, "商户登记") == ["firms_3", "firms_1", "firms_2"]


def test_facets_count_what_was_found_and_narrow_all_but_themselves(catalog: Catalog) -> None:
    found = catalog.search(Query("", {"department": "市市场监督管理局"}))
    assert {card.dataset for card in found.hits} == {"companies", "food_licences"}
    counts = {name: {v.value: v.count for v in values} for name, values in found.facets.items()}
    assert counts["department"] == {"市市场监督管理局": 2, "市公安局": 1}
    assert counts["cycle"] == {"每日": 1, "每周": 1}
    assert counts["class"] == {"3": 2}
    assert counts["element"] == {"DE02001": 1, "DE02007": 1, "DE03004": 1}
    assert [v.value for v in found.facets["department"] if v.chosen] == ["市市场监督管理局"]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"element": "DE01001"}, {"residents"}),
        ({"cycle": "每周"}, {"food_licences"}),
        ({"share": "2"}, EVERYTHING),
        ({"share": "1"}, set()),
        ({"format": "database", "cycle": "每日"}, {"residents", "companies"}),
        ({"element": "no such"}, set()),
        ({"colour": "red"}, EVERYTHING),
    ],
)
def test_chosen_values_narrow_what_is_found(catalog: Catalog, chosen: dict[str, str], found: set[str]) -> None:
    assert set(names(catalog, "", **chosen)) == found


def test_pages_of_hits_follow_one_another(catalog: Catalog) -> None:
    pages = [catalog.search(Query("信息", size=1, skip=n)) for n in range(4)]
    assert [page.total for page in pages] == [3] * 4
    assert {card.dataset for page in pages for card in page.hits} == EVERYTHING
    assert pages[3].hits == ()
