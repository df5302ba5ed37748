"""Every route asks who is calling, save a short list; a token is had for a client's own secret and lives five minutes."""

import base64
from datetime import timedelta

import pytest
from fastapi.routing import APIRoute
from serving_city import SECRET, City, Http

from ledger import clients as client_store
from serving.app import OPEN_ROUTES


def test_every_route_not_on_the_open_list_refuses_a_call_without_a_token(city: City) -> None:
    programs = ("/v1/", "/oauth/")  # the rest is for people: tests/serving/test_console_door.py
    guarded = [r for r in city.app.routes if getattr(r, "path", "") not in OPEN_ROUTES and r.path.startswith(programs)]
    assert {getattr(route, "path", "") for route in guarded} >= {"/v1/prefill", "/v1/forms"}
    for route in guarded:
        assert isinstance(route, APIRoute), f"{route} is neither on the open list nor an API route"
        path = route.path.replace("{name:path}", "residents")
        for method in route.methods:
            answer = city.http.request(method, path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), f"{method} {path}"
            assert answer.headers["content-type"] == "application/problem+json"
            assert "POST /oauth/token" in answer.json()["todo"]


def test_the_open_list_names_no_route_that_is_gone(city: City) -> None:
    assert {getattr(route, "path", "") for route in city.app.routes} >= OPEN_ROUTES


def test_a_token_is_had_by_form_and_by_http_basic(city: City) -> None:
    form = {"grant_type": "client_credentials", "client_id": "portal", "client_secret": SECRET}
    by_form = city.http.post("/oauth/token", data=form)
    by_basic = city.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("portal", SECRET))
    for answer in (by_form, by_basic):
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
        assert city.get("/v1/forms", body["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("client", "secret"), [("portal", "not the secret at all"), ("nobody", SECRET), ("portal", ""), ("", "")]
)
def test_a_wrong_secret_and_an_unknown_client_get_the_same_401(city: City, client: str, secret: str) -> None:
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    answer = city.http.post("/oauth/token", data=form)
    assert answer.status_code == 401
    assert answer.json() == city.http.post("/oauth/token", data={**form, "client_id": "another"}).json()
    assert answer.json()["error"] == "invalid_client"
    assert not secret or secret not in answer.text


@pytest.mark.parametrize(
    ("form", "error"),
    [({}, "invalid_request"), ({"grant_type": "password", "client_id": "portal"}, "unsupported_grant_type")],
)
def test_another_kind_of_grant_is_refused_with_the_kind_that_works(
    city: City, form: dict[str, str], error: str
) -> None:
    answer = city.http.post("/oauth/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert "client_credentials" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["Basic %%%", "Basic " + base64.b64encode(b"\xff\xfe").decode()])
def test_a_broken_basic_header_is_a_401_and_not_a_fault(city: City, header: str) -> None:
    answer = city.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header}
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_an_expired_token_is_refused_with_what_to_do(city: City) -> None:
    token = city.token()
    city.clock.now += timedelta(seconds=301)
    answer = city.get("/v1/forms", token)
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]
    assert "POST /oauth/token" in answer.json()["todo"]


def test_a_token_of_a_client_that_was_switched_off_dies_at_once(city: City) -> None:
    token = city.token()
    assert city.get("/v1/forms", token).status_code == 200
    client_store.set_active(city.ledger, "portal", active=False)
    assert city.get("/v1/forms", token).status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Basic cG9ydGFsOng=", "Bearer " + "a" * 5000])
def test_a_broken_authorization_header_is_a_401(city: City, header: str) -> None:
    assert city.http.get("/v1/forms", headers={"Authorization": header}).status_code == 401


def test_health_needs_no_token(city: City) -> None:
    assert city.http.get("/healthz").json() == {"status": "ok"}


def test_every_answer_carries_the_security_headers(city: City) -> None:
    for path in ("/healthz", "/catalog", "/v1/forms", "/nowhere", "/catalog/nothing", "/static/hub.css"):
        headers = city.http.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path


def test_a_fault_of_the_hub_tells_nothing_of_itself(city: City) -> None:
    class Broken:
        def search(self, _query: object) -> None:
            raise RuntimeError("password=hunter2")

    calm = Http(city.with_services(catalog=Broken()), calm=True)
    page = calm.get("/catalog?lang=zh")
    assert (page.status_code, "内部出错" in page.text, "hunter2" in page.text) == (500, True, False)
    answer = calm.get("/v1/datasets")
    assert (answer.status_code, "hunter2" in answer.text) == (500, False)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
