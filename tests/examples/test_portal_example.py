"""The example portal against a real hub in sandbox mode, over real HTTP: every state by its persona, and the page in a real browser."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import servers
from browsing import browsers, served
from city_bench import CITY
from playwright.sync_api import Browser, Page, expect

from access.keys import checked
from examples.portal import backend
from examples.portal.hub_client import HubClient, HubRefused, new_key
from hub import web
from hub.core import Hub
from hub.registration import registry
from hub.settings import Settings
from ledger import audit as audit_store
from ledger import credentials, grants
from ledger.clients import Client, put
from ledger.grants import Grant
from prefill.personas import PERSON, identifier

FORMS = {"hk_macao_permit_renewal": "permit-renewal", "food_licence_renewal": "licence-renewal", "person": "look"}
FORM = "hk_macao_permit_renewal"
STATES = ("fresh", "stale", "expired", "unavailable", "withheld", "not_held", "conflicting")


class Sandbox:
    """A hub without any data that answers for personas, and a client that may ask it."""

    def __init__(self, home: Path) -> None:
        port = servers.free_port()
        self.hub = Hub(Settings(home=home, declarations=CITY, personas="only", api_url=f"http://127.0.0.1:{port}"))
        registry.apply(self.hub, tuple(sorted((CITY / "contracts").glob("*.yaml"))))
        self.pem, public = new_key()
        now = self.hub.clock()
        put(self.hub.ledger, Client("portal", "门户", "Portal", "-"), now)
        credentials.put_keys(self.hub.ledger, "portal", checked(public), now)
        for number, (form, purpose) in enumerate(FORMS.items()):
            grants.allow(self.hub.ledger, Grant(f"g{number}", "portal", "form", form, purpose, "duty", now), now)
        self.app = web.application(self.hub)

    def client(self, url: str) -> HubClient:
        """The client, which signs for the hub's own name and asks at the address where it is served."""
        there = httpx.Client(mounts={"http://": _To(url)})
        return HubClient(self.hub.settings.api_url, "portal", self.pem, http=there)


class _To(httpx.HTTPTransport):
    """Sends what is meant for the hub's public name to where it listens: what a proxy does."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._at = httpx.URL(url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(port=self._at.port)
        return super().handle_request(request)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("sandbox") / "home")


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[HubClient]:
    with served(sandbox.app) as url, closing(sandbox.client(url)) as client:
        yield client


def ask(client: HubClient, number: int, **more: Any) -> dict[str, Any]:
    answer = client.prefill(FORM, identifier(PERSON, number), FORMS[FORM], case="2026-1", **more)
    assert answer is not None
    return answer


@pytest.mark.parametrize(("number", "state"), [*enumerate(STATES, 1)])
def test_a_persona_shows_its_state_in_every_form_over_http(client: HubClient, number: int, state: str) -> None:
    answer = ask(client, number)
    fields = {f["name"]: f for f in answer["fields"] if not f["typed"]}
    states = {f["state"] for name, f in fields.items() if name != "citizen_id"}
    assert answer["sandbox"]
    assert state in states
    assert len(states) <= 2, "the marriage list's rows have no validity of their own, so they stay fresh"
    assert all(f["value"] is not None or f["reasons"] for f in fields.values())
    if state in ("unavailable", "stale"):
        assert fields["name"]["available_at"] > answer["answered_at"]
    if state == "conflicting":
        assert fields["name"]["disputed_by_en"]


def test_one_persona_shows_all_states_at_once(client: HubClient) -> None:
    seen = {
        f["state"]
        for form in (FORM, "person")
        for f in (client.prefill(form, identifier(PERSON, 8), FORMS[form], case="1") or {})["fields"]
    }
    assert seen == {*STATES}


def test_the_sandbox_knows_nobody_else_and_opens_no_store(client: HubClient, sandbox: Sandbox) -> None:
    with pytest.raises(HubRefused, match="no file for this subject") as refused:
        client.prefill(FORM, "310101199001010039", FORMS[FORM], case="2026-1")
    assert (refused.value.status, refused.value.wait) == (404, 0)
    assert "310101199001010039" not in str(refused.value)
    assert not (sandbox.hub.settings.home / "subjects.db").exists()
    assert not (sandbox.hub.settings.home / "lake").exists()


def test_a_personas_form_is_verified_refreshed_and_audited_as_any_other(client: HubClient, sandbox: Sandbox) -> None:
    answer = ask(client, 1)
    fields = {f["name"]: {"value": f["value"], "seal": f["seal"]} for f in answer["fields"]}
    assert client.verify(FORM, identifier(PERSON, 1), fields, version=answer["version"])["intact"]
    fields["name"]["value"] = "别人"
    assert client.verify(FORM, identifier(PERSON, 1), fields)["verdicts"]["name"] == "tampered"
    assert client.prefill(FORM, identifier(PERSON, 1), FORMS[FORM], case="2026-1", etag=answer["etag"]) is None
    (other,) = client.prefill_many(
        [{"form": FORM, "fields": ["name"]}], identifier(PERSON, 1), FORMS[FORM], case="2026-1"
    )
    assert other["answer"]["summary"]["asked"] == 1
    entries = [json.loads(link.body) for link in audit_store.links(sandbox.hub.audit)]
    assert {e["result"] for e in entries if e.get("form") == FORM} >= {"persona"}


def test_a_refusal_tells_the_portal_what_to_do(client: HubClient) -> None:
    with pytest.raises(HubRefused) as refused:
        client.prefill(FORM, identifier(PERSON, 1), "curiosity", case="1")
    assert refused.value.status == 403
    assert refused.value.todo


def test_a_token_that_was_revoked_is_replaced_without_a_word(client: HubClient) -> None:
    client._token = "no token at all"
    assert ask(client, 1)["form"] == FORM


@pytest.fixture(scope="module")
def portal(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The example portal in front of the sandbox, signed in as the persona of all states."""
    key = tmp_path_factory.mktemp("portal") / "key.pem"
    key.write_text(sandbox.pem)
    with served(sandbox.app) as url, pytest.MonkeyPatch.context() as patched:
        for name, value in {
            "HUB_URL": "http://unused",
            "HUB_CLIENT": "portal",
            "HUB_KEY": str(key),
            "DEMO_SUBJECT": identifier(PERSON, 8),
        }.items():
            patched.setenv(name, value)
        asking = sandbox.client(url)
        patched.setattr(backend, "HubClient", lambda *_: asking)
        with closing(asking), served(backend.app()) as address:
            yield address


def test_the_portals_backend_is_thirty_lines() -> None:
    assert len(Path(backend.__file__).read_text(encoding="utf-8").splitlines()) <= 30


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with browsers(chromium) as opened:
        yield opened


def look(page: Page, name: str) -> None:
    """Keep a picture for whoever asks for it."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize(("lang", "width"), [("zh-CN", 1200), ("en-GB", 390)])
def test_the_page_prefills_keeps_a_draft_and_shows_what_came_of_it(
    portal: str, browser: Browser, lang: str, width: int
) -> None:
    zh = lang == "zh-CN"
    context = browser.new_context(viewport={"width": width, "height": 800}, locale=lang)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(portal)
    expect(page.locator("#tally")).to_contain_text("已填好" if zh else "filled in")
    expect(page.locator("#name")).to_have_value("甄百态")
    expect(page.locator("#name")).not_to_be_editable()
    look(page, f"portal-{lang}-{width}")
    page.locator("#photo_receipt").fill("P-1")
    page.reload()
    expect(page.locator("#photo_receipt")).to_have_value("P-1")
    page.locator("#name").evaluate("node => { answer.fields.find(f => f.name === 'name').value = 'X'; }")
    page.locator("#send").click()
    expect(page.locator(".field.tampered")).to_have_count(1)
    expect(page.locator(".field.typed .state").first).to_have_text("申请人填写" if zh else "Typed by you")
    look(page, f"portal-{lang}-{width}-sent")
    page.locator("#lang").click()
    expect(page.locator("#send")).to_have_text("Submit" if zh else "提交")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not [c for c in complaints if "favicon" not in c and "404" not in c]
    context.close()
