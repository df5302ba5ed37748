"""In and out of the console: sessions, roles, proofs of forms, and what a guesser meets."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from httpx import Response
from serving_city import PASSWORD, PEOPLE, City, Http

from access.accounts import MOST, WINDOW
from access.sessions import IDLE, LONGEST
from ledger import accounts as account_store
from ledger import audit as audit_store
from serving.app import OPEN_ROUTES
from serving.console.door import Sending, SignedIn, someone

NEW = "another few plain words"


def field(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found
    return found[1]


def sign_in(http: Http, name: str = "editor", password: str = PASSWORD, **more: str) -> Response:
    proof = field(http.get("/sign-in?lang=en").text, "proof")
    return http.post("/sign-in?lang=en", data={"proof": proof, "name": name, "password": password, **more})


def dependencies(dependant: Dependant) -> Iterator[object]:
    for one in dependant.dependencies:
        yield one.call
        yield from dependencies(one)


def console_routes(city: City) -> list[APIRoute]:
    """The routes for people that are not open."""
    routes = [r for r in city.app.routes if isinstance(r, APIRoute) and r.path not in OPEN_ROUTES]
    return [r for r in routes if not r.path.startswith(("/v1/", "/oauth/", "/dcat"))]


def test_every_console_route_asks_who_it_is_before_anything_else(city: City) -> None:
    routes = console_routes(city)
    assert {r.path for r in routes} >= {"/me", "/sign-out", "/me/password"}
    for route in routes:
        for method in route.methods:
            answer = Http(city.app).request(method, re.sub(r"\{.*?\}", "x", route.path))
            leads = urlsplit(answer.headers.get("location", ""))
            assert (answer.status_code, leads.path) == (303, "/sign-in"), f"{method} {route.path}"
            assert answer.headers["cache-control"] == "no-store"


def test_every_console_route_names_its_roles_and_every_post_wants_the_proof(city: City) -> None:
    for route in console_routes(city):
        calls = [*dependencies(route.dependant)]
        assert any(isinstance(c, SignedIn) or c is someone for c in calls), route.path
        if "POST" in route.methods:
            assert any(isinstance(c, Sending) for c in calls), route.path


def test_every_console_post_without_the_proof_of_this_session_is_refused(city: City) -> None:
    foreign = field(city.signed_in("office").get("/me").text, "proof")
    for route in console_routes(city):
        roles = {role for c in dependencies(route.dependant) if isinstance(c, SignedIn) for role in c.roles}
        name = next(n for n, p in PEOPLE.items() if not roles or roles & p.roles)
        for proof in ("", "0" * 64, foreign) if "POST" in route.methods else ():
            answer = city.signed_in(name).post(re.sub(r"\{.*?\}", "x", route.path), data={"proof": proof})
            assert answer.status_code == 403, route.path


def test_every_console_route_refuses_the_roles_that_it_is_not_for(city: City) -> None:
    for route in console_routes(city):
        for needed in [c for c in dependencies(route.dependant) if isinstance(c, SignedIn) and c.roles]:
            for name, person in PEOPLE.items():
                if not needed.roles & person.roles:
                    method = next(iter(route.methods))
                    answer = city.signed_in(name).request(method, re.sub(r"\{.*?\}", "x", route.path))
                    assert answer.status_code == 403, f"{name} {route.path}"


def test_somebody_signs_in_sees_their_account_and_signs_out(city: City) -> None:
    entered = sign_in(city.http)
    assert (entered.status_code, entered.headers["location"].startswith("/")) == (303, True)
    page = city.http.get("/me?lang=en")
    assert "Department editor" in page.text
    assert "Public Security Bureau" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "Cookie" in page.headers["vary"]
    left = city.http.post("/sign-out", data={"proof": field(page.text, "proof")})
    assert left.status_code == 303
    assert city.http.get("/me").status_code == 303
    results = [link.body for link in audit_store.links(city.audit)]
    assert ["signed in" in results[-2], "signed out" in results[-1], '"who":"editor"' in results[-1]] == [True] * 3


def test_the_session_is_another_after_each_sign_in_and_the_old_one_is_dead(city: City) -> None:
    planted = Http(city.app)
    planted.cookies.set("hub_session", "planted-by-somebody", domain="hub.test")
    sent = {"proof": field(planted.get("/sign-in").text, "proof"), "name": "editor", "password": PASSWORD}
    planted.post("/sign-in", data=sent)
    first = planted.cookies["hub_session"]
    assert first != "planted-by-somebody"
    planted.post("/sign-in", data={**sent, "name": "office"})
    assert planted.cookies["hub_session"] != first
    old = Http(city.app)
    old.cookies.set("hub_session", first, domain="hub.test")
    assert old.get("/me").status_code == 303


def test_the_session_s_cookie_is_out_of_reach_of_scripts_and_other_sites(city: City) -> None:
    cookie = next(c for c in sign_in(city.http).headers.get_list("set-cookie") if c.startswith("hub_session"))
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {*cookie.split("; ")}


def test_over_https_cookies_bear_the_prefix_that_no_other_host_can_set(city: City) -> None:
    from dataclasses import replace

    http = Http(city.with_services(console=replace(city.services.console, secure=True)))
    asked = http.get("/sign-in").headers["set-cookie"]
    assert asked.startswith("__Host-hub_before=")
    assert {"Secure", "Path=/"} <= {*asked.split("; ")}
    assert "Domain" not in asked


@pytest.mark.parametrize(("name", "password"), [("editor", "not the password"), ("nobody", PASSWORD), ("", "")])
def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(city: City, name: str, password: str) -> None:
    answer, unknown = sign_in(city.http, name, password), sign_in(Http(city.app), "somebody-else", "wrong")
    assert (answer.status_code, unknown.status_code) == (403, 403)
    told = [re.sub(r'value="\w*"', "", one.text) for one in (answer, unknown)]
    assert told[0] == told[1]
    assert "do not fit" in answer.text


def test_a_guesser_is_stopped_alike_for_a_known_and_an_unknown_name_and_may_come_again_later(city: City) -> None:
    for name in ("editor", "nobody"):
        tries = [sign_in(city.http, name, f"guess number {n}").status_code for n in range(MOST + 1)]
        assert tries == [403] * MOST + [429]
        assert sign_in(city.http, name).status_code == 429, "the right password counts no more"
    assert sign_in(city.http, "office").status_code == 303, "others are not kept out"
    city.clock.now += WINDOW + timedelta(seconds=1)
    assert sign_in(Http(city.app), "editor").status_code == 303


def test_a_sign_in_forgives_earlier_failures(city: City) -> None:
    for _ in range(2):
        for n in range(MOST - 1):
            assert sign_in(city.http, "editor", f"guess number {n}").status_code == 403
        assert sign_in(city.http).status_code == 303
        city.http.cookies.clear()


def test_a_sign_in_form_from_elsewhere_is_refused(city: City) -> None:
    answer = city.http.post("/sign-in", data={"name": "editor", "password": PASSWORD, "proof": "0" * 64})
    assert (answer.status_code, "hub_session" in answer.headers.get("set-cookie", "")) == (403, False)


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "/\t/e"]
)
def test_a_sign_in_leads_nowhere_else(city: City, elsewhere: str) -> None:
    location = sign_in(city.http, next=elsewhere).headers["location"]
    assert urlsplit(location).netloc == ""
    assert "evil" not in location
    assert "evil" not in city.http.get("/sign-in", params={"next": elsewhere}).headers["location"]


def test_a_page_asked_for_without_a_session_is_shown_after_the_sign_in(city: City) -> None:
    led = city.http.get("/me?lang=en").headers["location"]
    (back,) = parse_qs(urlsplit(led).query)["next"]
    assert sign_in(city.http, next=back).headers["location"] == "/me?lang=en"


def test_a_session_ends_when_nobody_asks_and_in_any_case_after_a_day_s_work(city: City) -> None:
    idle, busy = city.signed_in("editor"), city.signed_in("editor")
    begun = city.clock.now
    while city.clock.now < begun + LONGEST - timedelta(minutes=20):
        city.clock.now += timedelta(minutes=20)
        assert busy.get("/me").status_code == 200
        assert idle.get("/me").status_code == 303 or city.clock.now < begun + IDLE
        idle = idle if city.clock.now >= begun + IDLE else Http(city.app)
    city.clock.now += timedelta(minutes=20)
    assert busy.get("/me").status_code == 303


def test_a_changed_password_ends_every_other_session_and_a_switched_off_account_all(city: City) -> None:
    here, elsewhere = city.signed_in("editor"), city.signed_in("editor")
    proof = field(here.get("/me").text, "proof")
    changed = here.post("/me/password", data={"proof": proof, "present": PASSWORD, "new": NEW, "again": NEW})
    assert changed.status_code == 303
    assert [here.get("/me").status_code, elsewhere.get("/me").status_code] == [200, 303]
    assert [sign_in(Http(city.app), password=p).status_code for p in (PASSWORD, NEW)] == [403, 303]
    account_store.change(city.ledger, "editor", active=False)
    assert here.get("/me").status_code == 303
    assert sign_in(Http(city.app), password=NEW).status_code == 403


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"present": "wrong", "new": NEW, "again": NEW}, 403),
        ({"present": PASSWORD, "new": NEW, "again": "other words than that"}, 422),
        ({"present": PASSWORD, "new": "short", "again": "short"}, 422),
        ({"present": PASSWORD, "new": "editor editor editor", "again": "editor editor editor"}, 422),
    ],
)
def test_a_password_is_not_changed_to_a_weak_one_or_by_who_does_not_know_it(
    city: City, sent: dict[str, str], status: int
) -> None:
    here = city.signed_in("editor")
    answer = here.post("/me/password", data={"proof": field(here.get("/me").text, "proof"), **sent})
    assert (answer.status_code, 'role="alert"' in answer.text) == (status, True)
    assert sign_in(Http(city.app)).status_code == 303


def test_a_role_taken_away_is_gone_at_the_next_request(city: City) -> None:
    here = city.signed_in("office")
    account_store.vouch(
        city.ledger, account_store.Account("office", "数据丁", "", frozenset({"auditor"})), city.clock()
    )
    page = here.get("/me?lang=en").text
    assert ("Auditor" in page, "<dd>Data office" in page) == (True, False)


def test_pages_speak_the_language_that_was_chosen(city: City) -> None:
    here = city.signed_in("editor")
    proof = field(here.get("/me").text, "proof")
    answer = here.post("/me/language", data={"proof": proof, "language": "en"})
    assert "saved" in here.get(answer.headers["location"]).text
    assert here.get("/catalog", headers={"Accept-Language": "zh"}).headers["content-language"] == "en"
    assert here.post("/me/language", data={"proof": proof, "language": "fr"}).status_code == 422


def test_a_form_that_does_not_say_its_length_or_is_too_long_is_not_read(city: City) -> None:
    def endless() -> Iterator[bytes]:
        yield b"name=editor"

    assert city.http.post("/sign-in", data={"name": "x" * 20_000}).status_code == 413
    here = city.signed_in("editor")
    assert here.post("/me/language", data={"language": "x" * 300_000}).status_code == 413


def test_the_ledger_holds_neither_a_session_s_number_nor_a_name_that_failed(city: City) -> None:
    from sqlalchemy import text

    sign_in(city.http)
    sign_in(Http(city.app), "hunter2-typed-here", "x")
    number = city.http.cookies["hub_session"]
    with city.ledger.read() as connection:
        rows = [
            str(row)
            for t in ("console_session", "sign_in_failure")
            for row in connection.execute(text(f"SELECT * FROM {t}"))
        ]
    assert rows
    assert not any(number in row or "hunter2" in row for row in rows)
