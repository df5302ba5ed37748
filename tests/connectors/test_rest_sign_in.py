"""How an API is signed in to: tokens of client credentials, keys, passwords; and that no secret shows."""

import base64
import logging
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from http_servers import http_server
from rest_bench import SECRET, Api, numbered, page

from connectors import open_source
from connectors.guard import Guard
from schemas.contract import Source
from schemas.errors import ContractInvalid, SourceDamaged, SourceDenied, SourceUnreachable


class TokenServer:
    """Answers for an API and its token endpoint; each token is good for as many API calls as `good_for` says."""

    def __init__(
        self, lifetime: int | None = 3600, good_for: int = 10**6, answer: httpx.Response | None = None
    ) -> None:
        self.lifetime = lifetime
        self.good_for = good_for
        self.answer = answer
        self.issued = 0
        self.left = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return self.token()
        if request.headers.get("authorization") != f"Bearer token-{self.issued}" or self.left == 0:
            return httpx.Response(401)
        self.left -= 1
        return numbered(request)

    def token(self) -> httpx.Response:
        if self.answer:
            return self.answer
        self.issued += 1
        self.left = self.good_for
        fields = {"access_token": f"token-{self.issued}", "token_type": "Bearer", "expires_in": self.lifetime}
        return httpx.Response(200, json={k: v for k, v in fields.items() if v is not None})


def oauth(**more: Any) -> dict[str, Any]:
    options = {"auth": "oauth2", "tokenUrl": "https://login.example/token", "pagination": {"kind": "page"}, **more}
    return {"secret": "env:API", "options": options}


def form(request: httpx.Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.content.decode()).items()}


def test_one_token_of_client_credentials_serves_all_pages(tmp_path: Path) -> None:
    api = Api(TokenServer(), **oauth(scope="read"))
    assert api.deliver(tmp_path).values("id") == ["1", "2", "3"]
    first = api.requests[0]
    assert [r.url.path for r in api.requests].count("/token") == 1
    assert first.method == "POST"
    assert form(first) == {"grant_type": "client_credentials", "scope": "read"}
    name, _, password = base64.b64decode(first.headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert (name, password) == ("office", "s3cret%2Bof%2Fthe%25office")


def test_client_and_password_go_into_the_form_where_the_endpoint_wants_that(tmp_path: Path) -> None:
    api = Api(TokenServer(), **oauth(tokenAuth="body"))
    api.deliver(tmp_path)
    sent = form(api.requests[0])
    assert (sent["client_id"], sent["client_secret"]) == ("office", "s3cret+of/the%office")
    assert "authorization" not in api.requests[0].headers


@pytest.mark.parametrize(("lifetime", "fetched"), [(3600, 1), (61, 2), (None, 1)])
def test_a_token_is_kept_until_shortly_before_it_expires(lifetime: int | None, fetched: int, tmp_path: Path) -> None:
    api = Api(TokenServer(lifetime), **oauth(requestsPerSecond=0.05))  # twenty seconds from page to page
    api.deliver(tmp_path)
    assert [r.url.path for r in api.requests].count("/token") == fetched


def test_a_token_that_is_refused_is_renewed_once_and_the_page_asked_again(tmp_path: Path) -> None:
    api = Api(TokenServer(good_for=2), **oauth())
    assert api.deliver(tmp_path).values("id") == ["1", "2", "3"]
    assert [r.url.path for r in api.requests].count("/token") == 2


def test_a_source_that_refuses_new_tokens_too_ends_the_read(tmp_path: Path) -> None:
    api = Api(TokenServer(good_for=0), **oauth())
    with pytest.raises(SourceDenied, match=r"https://api\.example/v1/items refused the account \(401\)"):
        api.deliver(tmp_path)
    assert len(api.requests) == 4


@pytest.mark.parametrize(
    ("answer", "error", "match"),
    [
        (httpx.Response(400, json={"error": "invalid_client"}), SourceDenied, r"login\.example/token refused"),
        (httpx.Response(401), SourceDenied, r"login\.example/token refused"),
        (httpx.Response(302, headers={"location": "http://169.254.169.254/"}), SourceDenied, "redirects elsewhere"),
        (httpx.Response(503), SourceUnreachable, "answers 503"),
        (httpx.Response(200, text="<html>"), SourceDamaged, "no access_token"),
        (httpx.Response(200, json=["x"]), SourceDamaged, "no access_token"),
        (httpx.Response(200, json={"access_token": "a", "expires_in": "soon"}), SourceDamaged, "no access_token"),
        (httpx.Response(200, json={"access_token": "a\nb"}), SourceDenied, "no header can"),
    ],
)
def test_each_way_a_token_endpoint_fails_has_its_error(
    answer: httpx.Response, error: type[Exception], match: str, tmp_path: Path
) -> None:
    api = Api(TokenServer(answer=answer), **oauth())
    with pytest.raises(error, match=match) as told:
        api.deliver(tmp_path)
    assert "s3cret" not in str(told.value)


def test_a_token_endpoint_that_may_not_be_reached_is_refused_with_the_contract() -> None:
    guard = Guard.of("api.example", production=True)
    source = Source("rest", "https://api.example", "x", **oauth())
    with pytest.raises(ContractInvalid, match=r"tokenUrl: login\.example is not in HUB_REACHABLE"):
        open_source(source, secret=str, root=Path(), guard=guard)


def test_a_token_endpoint_is_held_to_its_address_when_the_token_is_fetched() -> None:
    asked: list[str] = []

    def answer(path: str, _query: dict[str, str], _token: str) -> tuple[int, bytes]:
        asked.append(path)
        return 200, b"[]"

    def resolve(host: str, _port: int) -> tuple[str, ...]:
        return ("169.254.169.254",) if host == "login.example" else ("127.0.0.1",)

    with http_server(answer) as port:
        options = {"auth": "oauth2", "tokenUrl": f"http://login.example:{port}/token"}
        source = Source("rest", f"http://api.example:{port}", "x", secret="env:API", options=options)
        with (
            open_source(source, secret=lambda _: SECRET, root=Path(), guard=Guard(resolve=resolve)) as api,
            pytest.raises(SourceDenied, match=r"login\.example leads to 169\.254\.169\.254"),
        ):
            api.probe()
    assert asked == []


def test_an_api_key_may_go_into_the_query_and_no_log_shows_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api = Api(lambda _: page([{"id": 1}]), secret="env:K", options={"auth": "apikey", "authParam": "appkey"})
    api.deliver(tmp_path)
    assert api.requests[0].url.params["appkey"] == SECRET
    assert "authorization" not in api.requests[0].headers
    assert "https://api.example/v1/items" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_password_may_hold_colons_and_goes_with_every_request(tmp_path: Path) -> None:
    account = "office:pa:ss:word"
    api = Api(numbered, account, secret="env:K", options={"auth": "basic", "pagination": {"kind": "page"}})
    assert api.deliver(tmp_path).values("id") == ["1", "2", "3"]
    sent = [request.headers["authorization"].split() for request in api.requests]
    assert [(kind, base64.b64decode(word).decode()) for kind, word in sent] == [("Basic", account)] * 4


def test_no_sign_in_sends_no_secret_though_one_is_named(tmp_path: Path) -> None:
    api = Api(lambda _: page([{"id": 1}]), secret="env:K", options={"auth": "none"})
    api.deliver(tmp_path)
    assert "authorization" not in api.requests[0].headers


@pytest.mark.parametrize("value", ["", "two\nlines", "密钥"])
def test_a_secret_that_no_header_can_hold_is_refused_without_being_shown(value: str, tmp_path: Path) -> None:
    api = Api(lambda _: page([]), value, secret="env:K")
    with pytest.raises(SourceDenied, match="no header can") as told:
        api.deliver(tmp_path)
    assert not value or value not in str(told.value)
    assert api.requests == []


def test_a_sign_in_without_a_secret_is_refused() -> None:
    with pytest.raises(ContractInvalid, match="no secret is named"):
        open_source(Source("rest", "https://a.example", "x", options={"auth": "basic"}), secret=str, root=Path())
