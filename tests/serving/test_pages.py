"""The pages speak Chinese and English, show promises beside measures, and carry no personal data in any address."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from serving_city import ID, INVITATIONS, City, Http

from access.audit import Entry
from access.desk import Desk
from access.invitations import Invitation
from ledger import audit as audit_store
from ledger import grants
from ledger.budgets import Limits
from schemas.errors import AuditUnavailable
from serving import rendering
from serving.words import WORDS

FORM = "/forms/hk_macao_permit_renewal"
PAGES = ("/catalog", "/catalog/residents", "/catalog/marriages", "/forms", FORM)


class Page(HTMLParser):
    """What a test asks of a page: its visible text, attributes, and whether tags close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.open = "", [], []  # type: str, list[tuple[str, dict[str, str | None]]], list[str]
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input", "br", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def fill(city: City, subject: str, *, lang: str = "zh", http: Http | None = None) -> tuple[int, str]:
    """What a visitor gets who opens the form and sends an identifier."""
    http = http or city.http
    opened = http.get(f"{FORM}?lang={lang}").text
    found = re.search(r'name="proof" value="(\w+)"', opened)
    assert found
    answer = http.post(f"{FORM}?lang={lang}", data={"subject": subject, "proof": found[1]})
    return answer.status_code, answer.text


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_each_page_is_whole_in_each_language(city: City, path: str, lang: str) -> None:
    answer = city.http.get(f"{path}?lang={lang}")
    page = Page(answer.text)
    assert (answer.status_code, answer.headers["content-language"], page.open) == (200, lang, [])
    assert page.all("html")[0]["lang"] == ("zh-CN" if lang == "zh" else "en")
    assert (WORDS["product"].zh in page.text) == (lang == "zh")
    labelled = {label["for"] for label in page.all("label")}
    entered = [one for one in page.all("input") if one.get("type") != "hidden"]
    assert all(one["id"] in labelled for one in entered)
    assert len(re.findall("<h1", answer.text)) == 1
    assert not page.all("script")
    assert not page.all("style")
    assert not any("style" in attributes for _, attributes in page.tags)
    links = [one["href"] or "" for one in page.all("a") + page.all("link")]
    assert all(link.startswith(("/", "#")) for link in links)


@pytest.mark.parametrize(
    ("header", "lang"),
    [
        ("", "zh"), ("en", "en"), ("en-GB,en;q=0.9", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("fr,en;q=0.5,zh;q=0.4", "en"),
        ("zh;q=0.1,en;q=0.9", "en"), ("fr", "zh"), ("en;q=0", "zh"), ("en;q=often", "zh"), (",,;q=", "zh"),
    ],
)  # fmt: skip
def test_the_browsers_wish_chooses_the_language(city: City, header: str, lang: str) -> None:
    answer = city.http.get("/catalog", headers={"Accept-Language": header})
    assert (answer.headers["content-language"], answer.headers["vary"]) == (lang, "Accept-Language")


def test_the_address_outranks_the_browser_and_links_keep_the_language(city: City) -> None:
    answer = city.http.get("/catalog?lang=en", headers={"Accept-Language": "zh"})
    assert answer.headers["content-language"] == "en"
    hrefs = [one["href"] or "" for one in Page(answer.text).all("a")]
    assert "/catalog/residents?lang=en" in hrefs
    assert city.http.get("/catalog?lang=fr").headers["content-language"] == "zh"


def test_every_word_that_a_template_asks_for_is_there_and_none_is_left_over() -> None:
    folder = Path(rendering.__file__).parent / "templates"
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.html")))
    asked = set(re.findall(r"""\bt\(["'](\w+)["'][,)]""", text))
    families = (
        "state_",
        "error_",
        "score_",
        "facet_",
        "stage_",
        "consumer_",
        "change_",
        "role_",
        "done_",
        "wrong_",
        "nav_",
        "clock_",
        "ticket_",
        "outcome_",
        "by_",
        "basis_",
        "request_",
        "deed_",
        "step_",
        "do_",
        "view_",
        "run_",
        *(f"register_{part}_" for part in ("by", "did", "lead", "mark", "run", "state", "step", "system", "trouble")),
    )
    chosen = {word for call in re.findall(r"\bt\(([^)]*)\)", text) for word in re.findall(r"[\"'](\w+)[\"']", call)}
    chosen |= {w.lstrip("#") for heads in re.findall(r'\btable\("\w+", "([^"]+)"', text) for w in heads.split()}
    computed = {name for name in WORDS if name.startswith(families)}
    computed |= {"fresh", "late", "stale", "never", "held", "failed", "error", "warning", "deprecated", "retired"}
    assert asked - set(WORDS) == set()
    assert set(WORDS) - asked - chosen - computed == set()
    assert all(words.zh and words.en and words.zh != words.en for words in WORDS.values())


def test_the_catalog_shows_promises_beside_measures(city: City) -> None:
    text = Page(city.http.get("/catalog?lang=zh").text).text
    for expected in (
        "常住人口基本信息",
        "301001/000001",
        "有条件共享",
        "19,874",
        "98.8%",
        "按时",
        "每日",
        "2026-03-02 14:00",
    ):
        assert expected in text, expected
    assert "最近一次交付被暂缓发布" in text
    assert "尚无数据" in text


def test_the_catalog_is_searched_in_chinese_and_english(city: City) -> None:
    found = Page(city.http.get("/catalog", params={"q": "婚姻", "lang": "zh"}).text)
    assert "婚姻登记信息" in found.text
    assert "常住人口基本信息" not in found.text
    assert {"id": "q", "value": "婚姻"}.items() <= next(
        one for one in found.all("input") if one.get("id") == "q"
    ).items()
    english = city.http.get("/catalog", params={"q": "travel", "lang": "en"}).text
    assert "Travel permits" in english
    assert "Residents" not in english
    nothing = city.http.get("/catalog", params={"q": "护照", "lang": "zh"}).text
    assert "没有找到" in nothing


@pytest.mark.parametrize("query", ["<script>alert(1)</script>", '"><img src=x>', "'; DROP TABLE client; --"])
def test_a_query_is_shown_as_text_and_never_as_markup(city: City, query: str) -> None:
    page = Page(city.http.get("/catalog", params={"q": query}).text)
    assert page.open == []
    assert not page.all("script")
    assert [one["src"] for one in page.all("img")] == ["/static/mark.svg"]
    assert query in page.text


def test_a_resource_page_shows_metadata_items_rules_loads_and_how_to_call_it(city: City) -> None:
    text = Page(city.http.get("/catalog/301001%2F000001?lang=zh").text).text
    for expected in ("信息资源提供方代码", "共享条件", "依法履职且经授权"):
        assert expected.removeprefix("信息资源") in text, expected
    for expected in ("DE01001", "公民身份号码 · 校验码", "238", "20,112", "curl", "/v1/datasets/residents"):
        assert expected in text, expected


def test_a_resource_without_a_load_says_so(city: City) -> None:
    text = Page(city.http.get("/catalog/marriages?lang=en").text).text
    assert "Nothing has been published yet" in text
    assert "No data yet" in text


def test_an_unknown_resource_is_a_page_in_the_readers_language(city: City) -> None:
    told = {
        "zh": ("没有找到", "目录中没有这项资源 → 请在目录中搜索"),
        "en": ("Not found", "there is no such resource in the catalog → search the catalog"),
    }
    for lang, (words, why) in told.items():
        answer = city.http.get(f"/catalog/nothing?lang={lang}")
        assert why in answer.text
        assert (answer.status_code, words in answer.text, answer.headers["content-type"]) == (
            404,
            True,
            "text/html; charset=utf-8",
        )


def test_an_address_that_leads_nowhere_is_a_page_in_the_readers_language(city: City) -> None:
    for lang, words in (("zh", "404 · 这个地址没有内容<"), ("en", "404 · there is nothing at this address<")):
        answer = city.http.get(f"/nowhere?lang={lang}")
        assert (answer.status_code, words in answer.text) == (404, True)


def test_a_form_fills_itself_in_and_names_each_origin(city: City) -> None:
    status, html = fill(city, ID)
    page = Page(html)
    assert (status, page.open) == (200, [])
    values = {(one["id"] or "").removeprefix("f-"): one for one in page.all("input")}
    assert values["name"]["value"] == "林小满"
    assert "readonly" in values["name"]
    assert (values["mobile"]["value"], "readonly" in values["mobile"]) == ("13800000000", False)
    assert values["sex"]["value"] == "女性"
    assert (values["valid_to"]["type"], values["valid_to"]["value"]) == ("date", "2026-02-20")
    assert [one["value"] for one in page.all("option")] == ["", "post", "counter"]
    for expected in (
        "已填好 6 项，还需填写 2 项",
        "来源：市公安局 · 常住人口基本信息",
        "截至 2026-03-02 14:00",
        "已过期",
        "不可修改",
        "有效期至2026-02-20",
    ):
        assert expected in page.text, expected
    english = Page(fill(city, ID, lang="en")[1]).text
    for expected in (
        "6 filled in, 2 left to type",
        "From: Public Security Bureau · Residents",
        "Expired",
        "cannot be changed",
    ):
        assert expected in english, expected


def test_the_demo_portal_acts_as_a_client_with_grant_and_audit(city: City) -> None:
    assert fill(city, ID)[0] == 200
    last = [json.loads(link.body) for link in audit_store.links(city.audit)][-1]
    assert (last["client"], last["result"]) == ("demo-portal", "answered")
    grants.revoke(city.ledger, "demo-portal-hk_macao_permit_renewal", by="office", why="a test", at=city.clock())
    status, html = fill(city, ID)
    assert (status, "林小满" in html, "不允许" in html) == (403, False, True)


def test_without_audit_the_page_shows_no_value(city: City) -> None:
    class Broken(Desk):
        def write(self, _entry: Entry, _limits: Limits | None = None) -> None:
            raise AuditUnavailable("no audit")

    desk = Broken.__new__(Broken)
    desk.__dict__ = city.services.desk.__dict__
    status, html = fill(city, ID, http=Http(city.with_services(desk=desk)))
    assert (status, "林小满" in html, "没有提供任何数据" in html) == (503, False, True)


def test_an_unknown_identifier_asks_again_without_repeating_it(city: City) -> None:
    status, html = fill(city, "440308199901101513")
    assert (status, "没有找到该号码对应的档案" in html, "440308199901101513" in html) == (404, True, False)
    assert 'role="alert"' in html


def test_no_address_on_any_page_holds_an_identifier(city: City) -> None:
    pages = [city.http.get(path).text for path in PAGES] + [fill(city, ID)[1]]
    for html in pages:
        page = Page(html)
        addresses = [attributes.get(name) or "" for _, attributes in page.tags for name in ("href", "action", "src")]
        assert not any(ID in unquote(address) for address in addresses)
    assert city.http.get(f"{FORM}?subject={ID}").text.count("林小满") == 1, "a subject in the address is not looked at"


@pytest.mark.parametrize("proof", ["", "0" * 64, "é"])
def test_a_form_sent_from_elsewhere_is_refused(city: City, proof: str) -> None:
    city.http.get(FORM)
    answer = city.http.post(FORM, data={"subject": ID, "proof": proof})
    assert (answer.status_code, "林小满" in answer.text) == (403, False)


def test_a_proof_without_its_cookie_is_refused(city: City) -> None:
    found = re.search(r'name="proof" value="(\w+)"', city.http.get(FORM).text)
    assert found
    answer = Http(city.app).post(FORM, data={"subject": ID, "proof": found[1]})
    assert answer.status_code == 403


def test_the_forms_cookie_is_strict_and_out_of_reach_of_scripts(city: City) -> None:
    cookie = city.http.get(FORM).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_pages_with_values_are_not_kept_by_browsers(city: City) -> None:
    opened = city.http.get(FORM)
    found = re.search(r'name="proof" value="(\w+)"', opened.text)
    assert found
    filled = city.http.post(FORM, data={"subject": ID, "proof": found[1]})
    assert [one.headers["cache-control"] for one in (opened, filled)] == ["no-store", "no-store"]


def test_without_a_portal_there_are_no_form_pages_and_no_link_to_them(city: City) -> None:
    http = Http(city.with_services(portal=None))
    assert http.get("/forms").status_code == 404
    assert http.post(FORM, data={"subject": ID}).status_code == 404
    assert "/forms" not in http.get("/catalog").text


def test_only_the_pages_own_assets_are_served(city: City) -> None:
    assert city.http.get("/static/hub.css").headers["content-type"].startswith("text/css")
    assert city.http.get("/static/mark.svg").headers["content-type"] == "image/svg+xml"
    for name in ("..%2Fapp.py", "app.py", "%2Fetc%2Fpasswd"):
        assert city.http.get(f"/static/{name}").status_code == 404


def test_the_root_leads_to_the_catalog(city: City) -> None:
    answer = city.http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/catalog")


def test_an_invitation_opens_the_form_filled_in_and_leaves_its_entry(city: City) -> None:
    token = INVITATIONS.seal(Invitation("hk_macao_permit_renewal", ID), now=city.clock(), nonce=b"n" * 12)
    answer = city.http.get(f"{FORM}?lang=en&invitation={token}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert ID in answer.text
    assert ID not in str(answer.url)
    assert '"result":"answered"' in list(audit_store.links(city.audit))[-1].body


def test_an_invitation_that_is_not_ours_opens_nothing(city: City) -> None:
    answer = city.http.get(f"{FORM}?lang=en&invitation=forged")
    assert answer.status_code == 422
    assert ID not in answer.text
    assert not list(audit_store.links(city.audit))


def test_nested_rows_are_a_table_with_a_state_each(city: City) -> None:
    opened = city.http.get("/forms/person?lang=en").text
    proof = re.search(r'name="proof" value="(\w+)"', opened)
    assert proof
    page = Page(city.http.post("/forms/person?lang=en", data={"subject": ID, "proof": proof[1]}).text)
    assert page.open == []
    assert page.all("table")
    assert "C90000017" in page.text
    assert "Expired" in page.text
