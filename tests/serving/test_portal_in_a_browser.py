"""A real browser walks the demonstration portal by keyboard, in both languages, on a desk and on a phone."""

from collections.abc import Iterator

import pytest
from browsing import browsers, fits, served
from playwright.sync_api import Browser, ConsoleMessage, Response, expect
from serving_city import ID, City

pytestmark = pytest.mark.needs_chromium


@pytest.fixture
def address(city: City) -> Iterator[str]:
    """The application served on a port of its own."""
    with served(city.app) as at:
        yield at


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with browsers(chromium) as opened:
        yield opened


def test_a_visitor_finds_a_resource_and_fills_a_form_in(address: str, browser: Browser) -> None:
    for width, lang, words in (
        (
            1200,
            "zh",
            {"title": "常住人口基本信息", "tally": "已填好 6 项", "filled": "林小满", "origin": "来源：市公安局"},
        ),
        (
            390,
            "en",
            {
                "title": "Residents",
                "tally": "6 filled in",
                "filled": "林小满",
                "origin": "From: Public Security Bureau",
            },
        ),
    ):
        page = browser.new_page(viewport={"width": width, "height": 800}, locale="zh-CN" if lang == "zh" else "en-GB")
        complaints: list[str] = []
        addresses: list[str] = []

        def complain(message: ConsoleMessage, complaints: list[str] = complaints) -> None:
            complaints.append(message.text)

        def note(response: Response, addresses: list[str] = addresses) -> None:
            addresses.append(response.url)

        page.on("console", complain)
        page.on("response", note)

        page.goto(f"{address}/catalog")
        page.locator("#q").fill("DE01001 residents")
        page.keyboard.press("Enter")
        expect(page.locator(".card")).to_have_count(1)
        assert fits(page)
        page.get_by_role("link", name=words["title"]).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(words["title"])
        assert fits(page)

        page.locator("header nav a", has_text="表单" if lang == "zh" else "Forms").click()
        page.locator(".card a").click()
        page.locator("#subject").fill(ID)
        page.keyboard.press("Enter")
        expect(page.locator(".tally")).to_contain_text(words["tally"])
        expect(page.get_by_label("姓名" if lang == "zh" else "Name", exact=True)).to_have_value(words["filled"])
        expect(page.locator('[data-field="name"]')).to_contain_text(words["origin"])
        expect(page.locator('[data-field="name"] input')).not_to_be_editable()
        expect(page.locator('[data-field="mobile"] input')).to_be_editable()
        expect(page.locator('[data-field="valid_to"] .badge')).to_have_text("已过期" if lang == "zh" else "Expired")
        assert fits(page)
        assert complaints == []
        assert not any(ID in one for one in addresses)
        assert all(one.startswith(address) for one in addresses)
        page.close()


def test_the_keyboard_reaches_the_content_first_and_a_sample_fills_the_form(address: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{address}/forms/hk_macao_permit_renewal?lang=zh")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(".back a")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#subject")).to_be_focused()
    page.locator(".samples button").press("Enter")
    expect(page.locator(".tally")).to_contain_text("已填好 6 项")
    page.close()
