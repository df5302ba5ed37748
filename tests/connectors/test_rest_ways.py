"""How an API is signed in to, asked for changes, kept to a pace, and read by JSONPath; and where each of these ends."""

import base64
import json
import logging
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from certificates import certificate
from connector_stages import Delivery, columns, deliver
from http_servers import http_server

from connectors import decode, open_source
from connectors.guard import Guard
from connectors.rest import RestConnector
from schemas.contract import Source
from schemas.errors import ContractInvalid, Retry, SourceDamaged, SourceDenied, SourceUnreachable

SECRET = "office:s3cret+of/the%office"
Handler = Callable[[httpx.Request], httpx.Response]


class Api:
    """A connector over a function from request to answer, in a time that passes only by sleeping and by `pass_time`."""

    def __init__(self, handler: Handler, value: str = SECRET, **changes: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.now = datetime(2026, 5, 1, tzinfo=UTC)
        self.handler = handler
        options = {"records": "items", **changes.pop("options", {})}
        self.source = Source("rest", "https://api.example/v1", "items", options=options, **changes)
        self.value = value

    @property
    def connector(self) -> RestConnector:
        return RestConnector(
            self.source, secret=lambda _: self.value, clock=lambda: self.now, sleep=self.sleep, chance=lambda: 1.0,
            transport=httpx.MockTransport(self._answer),
        )  # fmt: skip

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.handler(request)

    def deliver(self, folder: Path, watermark: str | None = None, names: tuple[str, ...] = ("id",)) -> Delivery:
        return deliver(self.connector, self.source, columns(*names), watermark, folder)


def page(items: list[Any], **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"items": items, **more})


def numbered(request: httpx.Request) -> httpx.Response:
    """Three pages of one record."""
    number = int(request.url.params["page"])
    return page([{"id": number}] if number <= 3 else [])


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


BAD_OPTIONS: dict[str, dict[str, Any]] = {
    "auth: 'digest'": {"auth": "digest"},
    "tokenUrl: an http or https": {"auth": "oauth2"},
    "tokenAuth: 'jwt'": {"auth": "oauth2", "tokenAuth": "jwt", "tokenUrl": "https://a.example"},
    "timeout: a number above 0": {"timeout": "30"},
    "requestsPerSecond: a number above 0": {"requestsPerSecond": 0},
    "pagination.size: a number above 0": {"pagination": {"kind": "page", "size": -1}},
    "pagination.maxPages: a number above 0": {"pagination": {"maxPages": True}},
    "pagination: kind 'pages'": {"pagination": {"kind": "pages"}},
    "records: .* is no JSONPath": {"records": "$.items[?"},
    "total: .* is no JSONPath": {"total": "$["},
    "pagination.next: .* is no JSONPath": {"pagination": {"kind": "cursor", "next": "$.a b"}},
    "updatedSinceFormat: 'unix'": {"updatedSinceFormat": "unix"},
    "updatedSinceZone: 'Mars'": {"updatedSinceZone": "Mars"},
}


@pytest.mark.parametrize("wrong", BAD_OPTIONS)
def test_an_option_that_is_wrong_is_refused_when_the_source_is_opened(wrong: str) -> None:
    source = Source("rest", "https://api.example", "x", secret="env:K", options=BAD_OPTIONS[wrong])
    with pytest.raises(ContractInvalid, match=wrong):
        open_source(source, secret=str, root=Path())


def test_a_sign_in_without_a_secret_is_refused() -> None:
    with pytest.raises(ContractInvalid, match="no secret is named"):
        open_source(Source("rest", "https://a.example", "x", options={"auth": "basic"}), secret=str, root=Path())


def test_requests_keep_the_pace_that_the_department_bears(tmp_path: Path) -> None:
    api = Api(numbered, options={"requestsPerSecond": 4, "pagination": {"kind": "page"}})
    api.deliver(tmp_path)
    assert len(api.requests) == 4
    assert api.slept == [0.25, 0.25, 0.25]


def test_time_that_passed_anyway_is_not_waited_for_and_a_clock_set_back_stops_nothing(tmp_path: Path) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        api.now += timedelta(seconds=0.2)
        if request.url.params["page"] == "3":
            api.now -= timedelta(hours=1)
        return numbered(request)

    api = Api(slow, options={"requestsPerSecond": 4, "pagination": {"kind": "page"}})
    api.deliver(tmp_path)
    assert api.slept == pytest.approx([0.05, 0.05, 0.25])


def test_waits_grow_and_chance_shortens_them_by_half_at_most(tmp_path: Path) -> None:
    api = Api(lambda _: httpx.Response(503))
    with pytest.raises(SourceUnreachable):
        api.deliver(tmp_path)
    assert api.slept == [1.0, 2.0, 4.0, 8.0]


def test_whoever_asks_for_a_wait_too_long_is_left_to_the_next_run_and_the_wait_is_told(tmp_path: Path) -> None:
    api = Api(lambda _: httpx.Response(429, headers={"retry-after": "Fri, 01 May 2026 01:00:00 GMT"}))
    with pytest.raises(SourceUnreachable, match="answers 429 and asks to wait 3600 s"):
        api.deliver(tmp_path)
    assert api.slept == []


def test_pages_without_end_are_stopped(tmp_path: Path) -> None:
    def endless(request: httpx.Request) -> httpx.Response:
        return page([{"id": request.url.params["page"]}])

    api = Api(endless, options={"pagination": {"kind": "page", "maxPages": 5}})
    with pytest.raises(SourceDamaged, match="gives more than 5 pages"):
        api.deliver(tmp_path)
    assert len(api.requests) <= 6


def test_as_many_pages_as_are_allowed_are_no_fault(tmp_path: Path) -> None:
    api = Api(numbered, options={"total": "total", "pagination": {"kind": "page", "maxPages": 4}})
    assert api.deliver(tmp_path).values("id") == ["1", "2", "3"]


SHAPES = {
    "renamed": ([{"id": 1, "name": "a"}], [{"id": 2, "fullName": "b"}], True),
    "object where text was": ([{"id": 1, "name": "a"}], [{"id": 2, "name": {"first": "b"}}], True),
    "one more": ([{"id": 1, "name": "a"}], [{"id": 2, "name": "b", "fullName": "c"}], False),
    "an empty one left out": ([{"id": 1, "name": "a"}], [{"id": 2}], False),
    "another left out": ([{"id": 1, "name": "a"}], [{"id": 2, "note": None}], False),
    "not in every record": ([{"id": 1, "name": "a"}], [{"id": 2, "name": "b"}, {"id": 3, "fullName": "c"}], False),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_schema_that_changes_between_pages_is_told_as_such(case: str) -> None:
    first, second, changed = SHAPES[case]
    api = Api(
        lambda request: page({"1": first, "2": second}.get(request.url.params["page"], [])),
        options={"pagination": {"kind": "page"}},
    )
    reading = api.connector.read(columns("id", "name"), None)
    if changed:
        with pytest.raises(Retry, match=r"changed shape at page 2: 'name' gone, '(fullName|name\.first)' new"):
            [list(part.chunks or ()) for part in reading.parts()]
    else:
        assert len([list(part.chunks or ()) for part in reading.parts()]) == 2


def test_keys_that_are_somebodys_number_are_cut_in_the_message() -> None:
    api = Api(
        lambda request: page([{"id": 1}] if request.url.params["page"] == "1" else [{"110101199003074610": "b"}]),
        options={"pagination": {"kind": "page"}},
    )
    with pytest.raises(Retry) as told:
        [list(part.chunks or ()) for part in api.connector.read(columns("id"), None).parts()]
    assert "110101" not in str(told.value)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, "2026-04-07T23:30:00.25+08:00"),
        ({"updatedSinceFormat": "iso"}, "2026-04-07T23:30:00+08:00"),
        ({"updatedSinceFormat": "iso", "updatedSinceZone": "UTC"}, "2026-04-07T15:30:00+00:00"),
        ({"updatedSinceFormat": "epoch"}, "1775575800"),
        ({"updatedSinceFormat": "epoch-ms"}, "1775575800000"),
        ({"updatedSinceFormat": "%Y%m%d"}, "20260407"),
        ({"updatedSinceFormat": "%d.%m.%Y %H:%M", "updatedSinceZone": "Europe/Berlin"}, "07.04.2026 17:30"),
    ],
)
def test_the_watermark_is_written_as_the_api_reads_it(options: dict[str, Any], asked: str, tmp_path: Path) -> None:
    api = Api(
        lambda _: page([{"at": "2026-04-07T23:30:00.25+08:00"}]),
        sync="incremental", cursor="c0", options={"updatedSince": "since", **options},
    )  # fmt: skip
    first = api.deliver(tmp_path / "1", names=("at",))
    api.deliver(tmp_path / "2", first.watermark, names=("at",))
    assert "since" not in api.requests[0].url.params
    assert api.requests[1].url.params["since"] == asked


def test_a_watermark_that_is_no_moment_cannot_be_written_as_one(tmp_path: Path) -> None:
    options = {"updatedSince": "since", "updatedSinceFormat": "iso"}
    api = Api(lambda _: page([{"n": 7}]), sync="incremental", cursor="c0", options=options)
    first = api.deliver(tmp_path / "1", names=("n",))
    with pytest.raises(SourceDamaged, match="no moment"):
        api.deliver(tmp_path / "2", first.watermark, names=("n",))


GROUPS = {"groups": [{"staff": [{"id": "1.10"}, {"id": 2}]}, {"other": 1}, {"staff": []}], "meta": [{"total": 2}]}


@pytest.mark.parametrize(
    ("path", "document", "ids"),
    [
        ("$.groups[*].staff[*]", GROUPS, ["1.10", "2"]),
        ("$['groups'][*]['staff'][*]", GROUPS, ["1.10", "2"]),
        ("$..staff[*]", GROUPS, ["1.10", "2"]),
        ("$.groups[*].staff[?@.id == 2]", GROUPS, ["2"]),
        ("$.groups[0].staff", GROUPS, ["1.10", "2"]),
        ("$.groups[*].staff[*]", {"groups": []}, []),
        ("$.groups[*].staff[?@.id == 9]", GROUPS, []),
        ("$", [{"id": 5}], ["5"]),
        ("$[*]", [{"id": 5}], ["5"]),
        ("data.item", {"data": {"item": [{"id": 5}]}}, ["5"]),
        ("data.item", {"data": {"item": []}}, []),
    ],
)
def test_records_are_found_by_jsonpath_in_the_answer_and_again_in_what_was_landed(
    path: str, document: Any, ids: list[str], tmp_path: Path
) -> None:
    api = Api(lambda _: httpx.Response(200, json=document), options={"records": path})
    delivery = api.deliver(tmp_path)
    assert delivery.values("id") == ids
    sampled = api.connector.sample("items", 9)
    assert (sampled.column("id").to_pylist() if ids else sampled.num_rows) == (ids or 0)


@pytest.mark.parametrize("path", ["$.staff[*]", "$.groups[*].people[*]", "$..people", "groups.staff", "$.meta[*].rows"])
def test_a_path_that_leads_nowhere_is_no_empty_delivery(path: str, tmp_path: Path) -> None:
    api = Api(lambda _: httpx.Response(200, json=GROUPS), options={"records": path})
    with pytest.raises(SourceDamaged, match="no list at"):
        api.deliver(tmp_path)
    landed = tmp_path / "page.json"
    landed.write_text(json.dumps(GROUPS))
    with pytest.raises(SourceDamaged, match="no list at"):
        list(decode(landed, "json", api.source))


def test_totals_and_tokens_are_found_by_jsonpath_too(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        after = request.url.params.get("cursor")
        return page([{"id": 2 if after else 1}], meta=[{"total": 2, "after": None if after else "x"}])

    options = {"total": "$.meta[0].total", "pagination": {"kind": "cursor", "next": "$.meta[0].after"}}
    assert Api(answer, options=options).deliver(tmp_path / "1").values("id") == ["1", "2"]
    options = {"total": "$.meta[0].after", "pagination": {"kind": "none"}}
    with pytest.raises(SourceDamaged, match=r"what stands at '\$\.meta\[0\]\.after' is no number"):
        Api(answer, options=options).deliver(tmp_path / "2")


def test_memory_does_not_grow_with_the_pages() -> None:
    body = json.dumps({"items": [{"id": i, "text": "x" * 10_000} for i in range(20)]})

    def answer(request: httpx.Request) -> httpx.Response:
        number = request.url.params["page"]
        return httpx.Response(200, text=body.replace("xxxx", f"{number:>04}", 1)) if number != "201" else page([])

    api = Api(answer, options={"pagination": {"kind": "page"}})
    tracemalloc.start()
    delivered = sum(len(b"".join(p.chunks or ())) for p in api.connector.read(columns("id", "text"), None).parts())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert delivered > 40_000_000
    assert peak < 10_000_000


@pytest.mark.parametrize(("options", "trusted"), [({"sslRootCert": "server.pem"}, True), ({}, False)])
def test_an_api_with_a_certificate_of_the_departments_own_is_believed_where_the_contract_brings_it(
    options: dict[str, str], trusted: bool, tmp_path: Path
) -> None:
    files = certificate(tmp_path, "api.civil.example", datetime.now(UTC))
    with http_server(lambda *_: (200, b'[{"id": 1}]'), tls=files) as port:
        source = Source("rest", f"https://api.civil.example:{port}", "x", options=options)
        guard = Guard(resolve=lambda _host, _port: ("127.0.0.1",))
        with open_source(source, secret=str, root=tmp_path, guard=guard) as api:
            if trusted:
                assert api.sample("x", 1).num_rows == 1
            else:
                with pytest.raises(SourceDenied, match="certificate"):
                    api.probe()
