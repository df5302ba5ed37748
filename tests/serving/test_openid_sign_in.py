"""People sign in at a real identity provider: code flow with PKCE, state and nonce; and nobody in another's name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import bound, browsers, served
from identity_provider import IdentityProvider, identity_provider
from playwright.sync_api import expect
from serving_city import City, Http

from hub.console import openid
from hub.core import Hub
from hub.settings import Settings
from ledger import accounts as account_store


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


@pytest.fixture
def http(city: City, provider: IdentityProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Http:
    """A browser at a hub that knows the provider."""
    monkeypatch.setenv("CITY_ID_SECRET", "a secret of this client's own")
    settings = Settings(
        home=tmp_path, api_url="http://hub.test", oidc_issuer=provider.url, oidc_roles_claim="realm.roles",
        oidc_client_secret="env:CITY_ID_SECRET",
    )  # fmt: skip
    hub = Hub(settings)  # its ledger is the city's: the same file
    console = replace(city.services.console, provider=openid.provider(hub))
    return Http(city.with_services(console=console))


def walk(http: Http, provider: IdentityProvider, sub: str, **query: str) -> str:
    """Go to the provider and authorise; the path and query with which the browser comes back."""
    led = http.get("/sign-in/provider", params={"lang": "en", **query}).headers["location"]
    back = urlsplit(provider.authorize(led, sub))
    assert f"{back.scheme}://{back.netloc}" == "http://hub.test"
    return f"{back.path}?{back.query}"


def test_somebody_signs_in_with_department_and_roles_as_the_provider_tells_them(
    city: City, http: Http, provider: IdentityProvider
) -> None:
    before = provider.seen()["proven"]
    came = http.get(walk(http, provider, "u-100", next="/me?lang=en"))
    assert (came.status_code, came.headers["location"]) == (303, "/me?lang=en")
    seen = provider.seen()
    asked = seen["asked"]
    assert seen["proven"] == before + 1, "the code was changed with its verifier"
    assert (asked["code_challenge_method"], len(asked["nonce"]) > 30, len(asked["state"]) > 30) == ("S256", True, True)
    page = http.get("/me?lang=en").text
    for told in (
        "周敏",
        "Department editor",
        "Department approver",
        "Public Security Bureau",
        "with the identity provider",
    ):
        assert told in page, told
    host = provider.url.removeprefix("http://")
    assert account_store.find(city.ledger, f"u-100@{host}") is not None


def test_the_sign_in_page_leads_to_the_provider(http: Http) -> None:
    assert 'href="/sign-in/provider?' in http.get("/sign-in?lang=en").text


def test_somebody_without_a_role_here_is_not_let_in(http: Http, provider: IdentityProvider) -> None:
    came = http.get(walk(http, provider, "u-300"))
    assert (came.status_code, "hub_session" in came.headers.get("set-cookie", "")) == (403, False)
    assert http.get("/me").status_code == 303


def test_an_answer_is_taken_from_the_browser_that_asked_alone_and_once(http: Http, provider: IdentityProvider) -> None:
    back = walk(http, provider, "u-200")
    stranger = Http(http._transport.app)  # type: ignore[attr-defined]
    assert stranger.get(back).status_code == 403
    meanwhile = walk(stranger, provider, "u-100")
    assert http.get(meanwhile).status_code == 403, "nobody can be signed in as somebody else by a link"
    again = walk(http, provider, "u-200")
    kept = http.cookies.get("hub_meanwhile")
    assert http.get(again).status_code == 303
    second = Http(http._transport.app)  # type: ignore[attr-defined]
    second.cookies.set("hub_meanwhile", kept or "", domain="hub.test")
    assert second.get(again).status_code == 403, "the provider takes a code once"


@pytest.mark.parametrize("query", ["", "error=access_denied", "code=x", "state=x", "code=x&state=x"])
def test_an_answer_to_nothing_lets_nobody_in(http: Http, query: str) -> None:
    assert http.get(f"/sign-in/provider/back?{query}").status_code == 403


def test_a_refusal_at_the_provider_asks_again(http: Http) -> None:
    (state,) = parse_qs(urlsplit(http.get("/sign-in/provider").headers["location"]).query)["state"]
    came = http.get(f"/sign-in/provider/back?lang=en&error=access_denied&state={state}")
    assert (came.status_code, "let nobody in" in came.text) == (403, True)


def test_an_account_that_is_switched_off_here_stays_so(city: City, http: Http, provider: IdentityProvider) -> None:
    assert http.get(walk(http, provider, "u-200")).status_code == 303
    account_store.change(city.ledger, f"u-200@{provider.url.removeprefix('http://')}", active=False)
    assert http.get("/me").status_code == 303
    assert http.get(walk(http, provider, "u-200")).status_code == 403


def test_without_passwords_none_are_taken(city: City) -> None:
    http = Http(city.with_services(console=replace(city.services.console, local=False)))
    page = http.get("/sign-in?lang=en").text
    assert 'type="password"' not in page
    assert http.get("/sign-in/provider").status_code == 404


@pytest.mark.parametrize("issuer", ["http://id.city.example", "ftp://127.0.0.1"])
def test_a_provider_elsewhere_is_asked_over_https_alone(city: City, tmp_path: Path, issuer: str) -> None:
    known = openid.provider(Hub(Settings(home=tmp_path, oidc_issuer=issuer)))
    http = Http(city.with_services(console=replace(city.services.console, provider=known)))
    assert http.get("/sign-in/provider").status_code == 500


@pytest.mark.needs_chromium
def test_a_browser_goes_to_the_provider_and_comes_back_into_its_home(
    city: City, provider: IdentityProvider, tmp_path: Path, chromium: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITY_ID_SECRET", "a secret of this client's own")
    listening, url = bound()
    settings = Settings(
        home=tmp_path, api_url=url, oidc_issuer=provider.url, oidc_roles_claim="realm.roles",
        oidc_client_secret="env:CITY_ID_SECRET",
    )  # fmt: skip
    console = replace(city.services.console, provider=openid.provider(Hub(settings)))
    with served(city.with_services(console=console), listening), browsers(chromium) as browser:
        page = browser.new_page(locale="zh-CN")
        page.set_default_timeout(120_000)
        page.route(lambda address: "127.0.0.1" not in address, lambda route: route.abort())
        page.goto(f"{url}/my")
        page.get_by_role("link", name="统一身份认证登录").click()
        page.locator("input[name=sub]").fill("u-100")
        page.get_by_role("button", name="Authorize", exact=True).click()
        expect(page.locator(".me")).to_contain_text("周敏", timeout=120_000)
        assert page.url.startswith(f"{url}/my")
        page.locator(".me button").click()
        page.goto(f"{url}/my")
        assert page.url.startswith(f"{url}/sign-in")
