"""The catalog's pages and routes: search with facets, one resource with lineage and versions, elements, departments."""

from dataclasses import replace
from urllib.parse import quote

import pytest
from catalog_ledger import apply
from serving_city import CONTRACTS, City
from test_pages import Page

from schemas.contract import Claim, Contract

NEW = (
    "/elements/DE01001",
    "/departments",
    "/departments/11440300MB2C90001A",
    "/catalog?department=" + quote("市公安局"),
)


def claiming(contract: Contract) -> Contract:
    return replace(contract, claims=(Claim("person", "DE01002"),), version="1.1.0")


@pytest.mark.parametrize("path", NEW)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_each_new_page_is_whole_in_each_language(city: City, path: str, lang: str) -> None:
    answer = city.http.get(f"{path}{'&' if '?' in path else '?'}lang={lang}")
    page = Page(answer.text)
    assert (answer.status_code, answer.headers["content-language"], page.open) == (200, lang, [])
    assert not page.all("script")
    assert not any("style" in attributes for _, attributes in page.tags)
    links = [one["href"] or "" for one in page.all("a") + page.all("link")]
    assert all(link.startswith(("/", "#")) for link in links)


def test_facets_are_links_that_narrow_widen_and_survive_the_language(city: City) -> None:
    page = Page(city.http.get("/catalog?lang=zh").text)
    (narrow,) = [a["href"] for a in page.all("a") if "department=" + quote("市民政局") in (a["href"] or "")]
    assert narrow
    narrowed = Page(city.http.get(narrow).text)
    assert "婚姻登记信息" in narrowed.text
    assert "常住人口基本信息" not in narrowed.text
    chosen = [a for a in narrowed.all("a") if a.get("aria-current") == "true" and "department" not in (a["href"] or "")]
    assert len(chosen) == 1, "a chosen value leads back"
    assert any("department=" in (a["href"] or "") and "lang=en" in (a["href"] or "") for a in narrowed.all("a"))


def test_a_guessed_word_is_said(city: City) -> None:
    page = Page(city.http.get("/catalog", params={"q": "长住人口", "lang": "zh"}).text)
    assert "常住人口基本信息" in page.text
    assert "没有与输入完全相同的内容" in page.text
    assert "没有与输入完全相同的内容" not in Page(city.http.get("/catalog?q=renkou&lang=zh").text).text


def test_many_resources_come_in_pages(city: City) -> None:
    base = CONTRACTS["marriages"]
    apply(city.ledger, *(replace(base, dataset=f"more_{n}", resource_code=f"303009/{n + 1:06d}") for n in range(30)))
    first, second = (Page(city.http.get(f"/catalog?lang=en&page={n}").text) for n in (1, 2))
    assert "Page 1 of 2" in first.text
    assert [a["rel"] for a in first.all("a") if "rel" in a] == ["next"]
    assert [a["rel"] for a in second.all("a") if "rel" in a] == ["prev"]
    assert city.http.get("/catalog?page=0").status_code == 422


def test_a_resource_draws_its_lineage_and_says_it_as_a_table(city: City) -> None:
    page = Page(city.http.get("/catalog/residents?lang=zh").text)
    (drawing,) = [svg for svg in page.all("svg") if svg.get("class") == "lineage"]
    assert drawing["role"] == "img"
    edges = [path for path in page.all("path") if path.get("class") == "edge"]
    table = city.http.get("/v1/datasets/residents").json()["lineage"]["edges"]
    assert len(edges) == len(table)
    assert ["dataset:name", "subject:person.name"] in table
    assert ["subject:person.name", "form:hk_macao_permit_renewal.name"] in table
    for words in ("以表格查看", "person.name", "hk_macao_permit_renewal.name", "sfzh"):
        assert words in page.text, words


def test_a_resource_shows_versions_who_uses_it_and_the_trend_of_its_quality(city: City) -> None:
    apply(city.ledger, claiming(replace(CONTRACTS["residents"], title="常住人口信息")))
    text = Page(city.http.get("/catalog/residents?lang=zh").text).text
    for words in ("1.1.0", "首次发布", "title", "往来港澳通行证换发", "自然人", "近 14 天走势", "质量得分"):
        assert words in text, words


def test_a_deprecated_resource_says_until_when_and_what_instead(city: City) -> None:
    ending = replace(
        CONTRACTS["marriages"], status="deprecated", retire_on="2027-06-30", successor="residents", version="1.1.0"
    )
    apply(city.ledger, ending)
    page = Page(city.http.get("/catalog/marriages?lang=en").text)
    assert "Served until 2027-06-30" in page.text
    assert "/catalog/residents?lang=en" in [a["href"] for a in page.all("a")]
    apply(city.ledger, replace(ending, status="retired", version="2.0.0"))
    assert "婚姻登记" not in Page(city.http.get("/catalog?lang=zh").text).text
    assert "已停用" in Page(city.http.get("/catalog/marriages?lang=zh").text).text


def test_who_holds_an_element_is_one_click_from_its_item(city: City) -> None:
    apply(city.ledger, claiming(CONTRACTS["residents"]))
    links = [a["href"] for a in Page(city.http.get("/catalog/residents?lang=zh").text).all("a")]
    assert "/elements/DE01002?lang=zh" in links
    text = Page(city.http.get("/elements/de01002?lang=zh").text).text
    assert "常住人口基本信息" in text
    assert "自然人" in text
    told = city.http.get("/v1/elements/DE01002").json()
    assert [(h["dataset"], h["authoritative_for"]) for h in told["holders"]] == [("residents", ["person"])]
    assert city.http.get("/elements/DE99999").status_code == 404
    assert city.http.get("/v1/elements/DE99999").headers["content-type"] == "application/problem+json"


def test_a_department_has_its_three_lists(city: City) -> None:
    apply(city.ledger, claiming(CONTRACTS["residents"]))
    police = Page(city.http.get("/departments/11440300MB2C90001A?lang=zh").text).text
    for words in ("供给清单", "常住人口基本信息", "责任清单", "姓名", "需求清单"):
        assert words in police, words
    exit_entry = Page(city.http.get("/departments/11440300MB2C90002T?lang=zh").text).text
    assert "往来港澳通行证换发" in exit_entry.partition("需求清单")[2], "its form takes a name from the police"
    assert city.http.get("/departments/nobody").status_code == 404


def test_the_list_route_tells_total_facets_and_freshness_to_anyone(city: City) -> None:
    told = city.http.get("/v1/datasets", params={"q": "信息", "department": "市公安局"}).json()
    assert (told["total"], told["page"], told["guessed"]) == (1, 1, False)
    assert [(one["dataset"], one["freshness"]) for one in told["datasets"]] == [("residents", "fresh")]
    assert {v["value"]: v["count"] for v in told["facets"]["department"]}["市民政局"] == 1
    for query, named in (("page=0", "page"), ("size=1000", "size"), ("q=" + "x" * 201, "q"), ("class=12", "class")):
        answer = city.http.get(f"/v1/datasets?{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert named in answer.json()["detail"]


def test_one_dataset_is_told_with_versions_and_lineage_and_no_record(city: City) -> None:
    told = city.http.get("/v1/datasets/301001%2F000001").json()
    assert told == city.http.get("/v1/datasets/residents").json()
    assert (told["state"], told["format"], told["versions"][0]["version"]) == ("published", "database", "1.0.0")
    assert "林小满" not in str(told)
