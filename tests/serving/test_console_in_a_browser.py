"""A real browser walks each role's main path through the demo city, in both languages, on a desk and on a phone."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import browsers, faults, fits
from console_city import ConsoleCity, console_city
from playwright.sync_api import Browser, Page, expect

from ledger import disputes as dispute_store
from ledger import requests as request_store
from ledger import reviews

pytestmark = pytest.mark.needs_chromium
expect.set_options(timeout=120_000)
DESK, PHONE = (1200, "zh"), (390, "en")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleCity]:
    with console_city(tmp_path_factory.mktemp("console")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with browsers(chromium) as browser:
        yield browser


class Walker:
    """Somebody at a browser; every page that they come to must be usable, and nothing may come from elsewhere."""

    def __init__(self, city: ConsoleCity, browser: Browser, who: str, shape: tuple[int, str]) -> None:
        width, self.lang = shape
        locale = "zh-CN" if self.lang == "zh" else "en-GB"
        self.city, self.who = city, who
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900}, locale=locale)
        self.complaints: list[str] = []
        self.addresses: list[str] = []
        self.page.set_default_timeout(120_000)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("response", lambda response: self.addresses.append(response.url))

    def __enter__(self) -> "Walker":
        return self

    def __exit__(self, *_: object) -> None:
        unanswered = [c for c in self.complaints if "the server responded with a status of 4" not in c]
        self.page.close()
        assert unanswered == []
        assert all(a.startswith(self.city.url) for a in self.addresses)

    def signs_in(self) -> None:
        """By keyboard alone."""
        self.page.goto(f"{self.city.url}/sign-in")
        self.page.locator("#name").focus()
        self.page.keyboard.type(self.who)
        self.page.keyboard.press("Tab")
        self.page.keyboard.type(self.city.passwords[self.who])
        self.page.keyboard.press("Enter")
        expect(self.page.locator(".me button")).to_be_visible()
        self.looks()

    def opens(self, path: str) -> None:
        answer = self.page.goto(f"{self.city.url}{path}")
        assert answer is not None
        assert answer.status == 200, path
        self.looks()

    def looks(self) -> None:
        assert fits(self.page), self.page.url
        assert faults(self.page.content()) == [], self.page.url

    def clicks(self, **role: Any) -> None:
        self.page.get_by_role("link", **role).first.click()
        self.looks()

    def says(self, zh: str, en: str) -> None:
        expect(self.page.locator("main")).to_contain_text(zh if self.lang == "zh" else en)


@pytest.mark.parametrize("shape", [DESK, PHONE], ids=["desk", "phone"])
def test_an_editor_sees_the_department_takes_bad_rows_out_and_back_and_answers_a_dispute(
    people: ConsoleCity, browser: Browser, shape: tuple[int, str], tmp_path: Path
) -> None:
    with Walker(people, browser, "editor", shape) as me:
        me.signs_in()
        assert "/my" in me.page.url
        me.says("常住人口基本信息", "Resident")
        expect(me.page.locator('a[href="http://127.0.0.1:18480/dags/dataset.residents"]')).to_be_visible()
        me.page.locator(".card .ways a").first.click()
        me.looks()
        me.says("每次查看都留有审计记录", "every look is in the audit")
        with me.page.expect_download() as handed:
            me.page.locator('a[href*="form=csv"]').click()
        file = tmp_path / "residents.csv"
        handed.value.save_as(file)
        me.page.locator("#file").set_input_files(file)
        me.page.locator("input[name=trial]").check()
        me.page.locator("form.ask button").click()
        me.looks()
        me.says("只做了检查", "nothing was published")
        me.says("仍有错误", "Still wrong")
        ticket = next(d for d in dispute_store.listed(people.city.hub.ledger) if d.state == "opened")
        me.opens(f"/my/disputes/{ticket.id}")
        me.page.locator("button[value=reject]").click()
        me.says("答复异议不成立时须说明理由", "a rejection wants a reason")
        me.looks()
        me.page.locator("button[value=accept]").click()
        me.says("已受理", "Accepted.")
        assert dispute_store.find(people.city.hub.ledger, ticket.id).state == "accepted"
        me.opens("/samples/residents")
        me.says("不属于同一条记录", "no line of it is a record")
        expect(me.page.locator("code.value").first).to_contain_text("*")
        assert not any(str(row[0]) in me.page.content() for row in people.city.current("residents").values())
        me.page.locator(".me button").click()
        me.page.goto(f"{people.url}/my")
        assert "/sign-in" in me.page.url


def test_an_approver_refuses_with_a_reason_alone_and_approves(people: ConsoleCity, browser: Browser) -> None:
    with Walker(people, browser, "approver", DESK) as me:
        me.signs_in()
        me.opens("/requests?lang=zh")
        asked = [r for r in request_store.listed(people.city.hub.ledger) if r.client == "housing"]
        me.opens(f"/requests/{asked[0].id}?lang=zh")
        me.page.locator("button[value=refuse]").click()
        expect(me.page.locator("#refusal")).to_contain_text(
            "未能完成： 答复不予共享须说明理由 → 请写明理由，供日后查阅"
        )
        me.looks()
        me.page.locator("#reason").fill("用途与职责不符")
        me.page.locator("button[value=refuse]").click()
        expect(me.page.locator(".notice.done")).to_be_visible()
        me.opens(f"/requests/{asked[1].id}?lang=zh")
        me.page.locator("button[value=approve]").click()
        expect(me.page.locator(".notice.done")).to_be_visible()
        me.looks()
    found = {r.id: r.state for r in request_store.listed(people.city.hub.ledger)}
    assert (found[asked[0].id], found[asked[1].id] in ("approved", "granted")) == ("refused", True)


def test_the_data_office_reads_its_home_and_approves_a_proposal(people: ConsoleCity, browser: Browser) -> None:
    with Walker(people, browser, "office", PHONE) as me:
        me.signs_in()
        for heading in (
            "Late or stuck",
            "To review",
            "Demand: what citizens still type",
            "Quality, the weakest first",
            "Coverage",
        ):
            expect(me.page.get_by_role("heading", name=heading)).to_be_visible()
        me.page.locator('a[href*="/office/reviews/marriages"]').click()
        me.looks()
        me.page.locator("button[value=return]").click()
        me.says("", "a proposal is returned with a reason")
        me.page.locator("button[value=approve]").click()
        me.says("", "Approved: it is in force.")
        me.looks()
    assert reviews.waiting(people.city.hub.ledger) == ()
    assert people.city.hub.contract("marriages").version == "1.1.0"


def test_an_auditor_searches_without_an_identifier_in_any_address_and_verifies(
    people: ConsoleCity, browser: Browser
) -> None:
    known = str(next(iter(people.city.current("residents"))))
    with Walker(people, browser, "auditor", DESK) as me:
        me.signs_in()
        assert "/audit" in me.page.url
        me.page.locator("#client").fill("console")
        me.page.locator("main .ask button").click()
        me.looks()
        expect(me.page.locator("table")).to_contain_text("signed in")
        me.page.locator("#kind").select_option("person")
        me.page.locator("#identifier").fill(known)
        me.page.locator("#client").fill("")
        me.page.locator("main .ask button").click()
        me.looks()
        assert known not in me.page.content()
        me.page.locator("button.quiet", has_text="校验").click()
        me.says("未被改动", "")
        me.looks()
        assert not any(known in address for address in me.addresses)


def test_the_owner_of_a_portal_sees_grants_and_asks_for_data(people: ConsoleCity, browser: Browser) -> None:
    with Walker(people, browser, "owner", PHONE) as me:
        me.signs_in()
        assert "/portal" in me.page.url
        me.says("", "hk_macao_permit_renewal")
        me.opens("/catalog/marriages?lang=en")
        me.clicks(name="Ask for data")
        me.page.locator("#purpose").fill("housing aid")
        me.page.locator("#legal").fill("Article 21")
        me.page.locator("main .ask > button").click()
        me.says("", "The request is in.")
        me.says("", "housing aid")
        me.looks()


def test_focus_is_seen_wherever_the_keyboard_goes(people: ConsoleCity, browser: Browser) -> None:
    with Walker(people, browser, "editor", DESK) as me:
        me.signs_in()
        seen = set()
        for _ in range(25):
            me.page.keyboard.press("Tab")
            shown = me.page.evaluate(
                "(() => { const e = document.activeElement, s = getComputedStyle(e); "
                "return [e.outerHTML.slice(0, 60), s.outlineStyle, s.outlineWidth] })()"
            )
            seen.add(shown[0])
            assert (shown[1] != "none", shown[2] != "0px") == (True, True), shown[0]
        assert len(seen) > 20


def test_a_page_of_a_resource_shows_how_to_call_it(people: ConsoleCity, browser: Browser) -> None:
    with Walker(people, browser, "editor", PHONE) as me:
        me.opens("/catalog/residents?lang=en")
        expect(me.page.locator("#call-curl + pre")).to_contain_text("/v1/datasets/residents/records")
        me.clicks(name="Sign in to see it")
        assert re.search(r"/sign-in\?", me.page.url)
