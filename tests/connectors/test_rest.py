"""Pages of an API: every way from one to the next, and every way it goes wrong."""

import json
import logging
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from connector_stages import TOKEN, Delivery, columns, deliver
from http_servers import http_server

from connectors.rest import RestConnector
from schemas.contract import Source
from schemas.errors import ContractInvalid, HubError, SourceDamaged, SourceDenied, SourceMissing, SourceUnreachable

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ITEMS = [{"id": i, "updatedAt": f"2026-04-{i + 1:02d}T08:00:00+08:00"} for i in range(7)]
Handler = Callable[[httpx.Request], httpx.Response]


class Endpoint:
    """A connector over a function from request to answer; remembers requests and the seconds it would have slept."""

    def __init__(self, handler: Handler, **changes: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.handler = handler
        options = changes.pop("options", {})
        self.source = Source(
            "rest", "https://api.example/v1", "items", options={"records": "items", **options}, **changes
        )

    @property
    def connector(self) -> RestConnector:
        return RestConnector(
            self.source,
            secret=lambda _: TOKEN,
            clock=lambda: NOW,
            sleep=self.slept.append,
            transport=httpx.MockTransport(self._answer),
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.handler(request)

    def deliver(self, tmp_path: Path, watermark: str | None = None) -> Delivery:
        wanted = columns("id", "updatedAt")
        return deliver(self.connector, self.source, wanted, watermark, tmp_path / f"l{len(self.requests)}")


def page(items: list[Any], **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"items": items, **more})


def two_at_a_time(request: httpx.Request) -> httpx.Response:
    """Understands pages, offsets, tokens and links; never gives more than two records."""
    query = request.url.params
    first = int(query.get("offset") or query.get("cursor") or (int(query.get("page", 1)) - 1) * 2)
    rest = first + 2 < len(ITEMS)
    answer = page(ITEMS[first : first + 2], total=len(ITEMS), next=str(first + 2) if rest else None)
    if rest:
        answer.headers["link"] = f'<https://api.example/v1/items?cursor={first + 2}>; rel="next"'
    return answer


@pytest.mark.parametrize(
    "pagination",
    [
        {"kind": "page"},
        {"kind": "offset", "size": 5},
        {"kind": "cursor", "next": "next"},
        {"kind": "link"},
    ],
)
@pytest.mark.parametrize("total", ["total", ""])
def test_every_kind_of_pagination_brings_all_records_once(
    pagination: dict[str, Any], total: str, tmp_path: Path
) -> None:
    delivery = Endpoint(two_at_a_time, options={"pagination": pagination, "total": total}).deliver(tmp_path)
    assert delivery.values("id") == [str(i) for i in range(7)]
    assert delivery.parts == [f"page-{i:06d}.json" for i in range(1, 5)]


def test_each_page_is_landed_as_it_came() -> None:
    body = b'{ "items" : [ {"id": 1.10} ] }'
    endpoint = Endpoint(lambda _: httpx.Response(200, content=body))
    with endpoint.connector as connector, connector.read((), None) as reading:
        assert [b"".join(part.chunks or ()) for part in reading.parts()] == [body]


@pytest.mark.parametrize(
    "pagination", [{"kind": "page"}, {"kind": "cursor", "next": "next"}, {"kind": "link", "next": "next"}]
)
def test_a_page_that_repeats_stops_the_read(pagination: dict[str, Any], tmp_path: Path) -> None:
    endpoint = Endpoint(lambda _: page(ITEMS[:2], next="/v1/items?again"), options={"pagination": pagination})
    with pytest.raises(SourceDamaged, match="again"):
        endpoint.deliver(tmp_path)
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("pagination", [{"kind": "page"}, {"kind": "offset"}, {"kind": "cursor", "next": "next"}])
def test_pages_that_go_round_in_a_wide_circle_are_stopped_where_it_closes(
    pagination: dict[str, Any], tmp_path: Path
) -> None:
    """Pages by their records; tokens by themselves, whatever the records."""
    turn = iter(range(99))

    def round_and_round(_: httpx.Request) -> httpx.Response:
        number = next(turn)
        item = {"id": number} if pagination["kind"] == "cursor" else ITEMS[number % 4]
        return page([item], next=f"token {number % 4}")

    endpoint = Endpoint(round_and_round, options={"pagination": pagination})
    with pytest.raises(SourceDamaged, match="again"):
        endpoint.deliver(tmp_path)
    assert len(endpoint.requests) == 5


def test_fewer_records_than_stated_are_a_short_read(tmp_path: Path) -> None:
    endpoint = Endpoint(lambda _: page(ITEMS[:6], total=7), options={"total": "total"})
    with pytest.raises(SourceDamaged, match="states 7 records and gave 6"):
        endpoint.deliver(tmp_path)


def test_the_watermark_is_the_latest_moment_and_asks_for_what_is_newer(tmp_path: Path) -> None:
    mixed = [
        {"id": 1, "updatedAt": "2026-04-07T23:00:00+00:00"},
        {"id": 2, "updatedAt": "2026-04-08T06:00:00+08:00"},
    ]
    changes = {"sync": "incremental", "cursor": "c1", "options": {"updatedSince": "since"}}
    endpoint = Endpoint(lambda _: page(mixed), **changes)
    first = endpoint.deliver(tmp_path)
    assert first.complete
    assert json.loads(first.watermark or "")["bound"] == mixed[0]["updatedAt"]
    second = endpoint.deliver(tmp_path, first.watermark)
    assert not second.complete
    assert not second.consistent
    assert endpoint.requests[-1].url.params["since"] == mixed[0]["updatedAt"]
    lagging = Endpoint(lambda _: page(mixed), lag=3600, **changes)
    lagging.deliver(tmp_path, first.watermark)
    assert lagging.requests[-1].url.params["since"] == "2026-04-07T21:59:59+00:00"


def test_a_record_from_the_future_is_no_bound(tmp_path: Path) -> None:
    endpoint = Endpoint(
        lambda _: page([{"id": 1, "updatedAt": "2999-01-01T00:00:00Z"}]), sync="incremental", cursor="c1"
    )
    assert json.loads(endpoint.deliver(tmp_path).watermark or "")["bound"] == "2026-04-30T23:59:59Z"


def test_a_source_without_an_updated_since_is_read_whole_every_time(tmp_path: Path) -> None:
    endpoint = Endpoint(lambda _: page(ITEMS), sync="incremental", cursor="c1")
    first = endpoint.deliver(tmp_path)
    assert endpoint.deliver(tmp_path, first.watermark).complete


def test_retry_after_is_kept_in_seconds_and_as_a_date(tmp_path: Path) -> None:
    waits = iter(["7", "Fri, 01 May 2026 00:00:09 GMT", None])

    def busy(_: httpx.Request) -> httpx.Response:
        wait = next(waits)
        return httpx.Response(429, headers={"retry-after": wait}) if wait else page(ITEMS)

    endpoint = Endpoint(busy)
    assert len(endpoint.deliver(tmp_path).records) == 7
    assert endpoint.slept == [7.0, 9.0]


def test_a_server_in_trouble_is_tried_again_with_growing_pauses_then_given_up(tmp_path: Path) -> None:
    endpoint = Endpoint(lambda _: httpx.Response(503))
    with pytest.raises(SourceUnreachable, match="answers 503"):
        endpoint.deliver(tmp_path)
    assert len(endpoint.requests) == 5
    assert endpoint.slept[0] <= 1 < endpoint.slept[-1] <= 8


def test_a_wait_too_long_is_left_to_the_next_run(tmp_path: Path) -> None:
    endpoint = Endpoint(lambda _: httpx.Response(503, headers={"retry-after": "3600"}))
    with pytest.raises(SourceUnreachable):
        endpoint.deliver(tmp_path)
    assert endpoint.slept == []


def test_a_connection_that_breaks_is_tried_again(tmp_path: Path) -> None:
    broken = iter([httpx.ReadTimeout("t"), httpx.RemoteProtocolError("cut")])

    def flaky(_: httpx.Request) -> httpx.Response:
        error = next(broken, None)
        if error:
            raise error
        return page(ITEMS)

    assert len(Endpoint(flaky).deliver(tmp_path).records) == 7


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, SourceDenied), (403, SourceDenied), (404, SourceMissing), (400, SourceDamaged), (302, SourceDenied)],
)
def test_each_refusal_has_its_error_and_shows_no_query(status: int, error: type[HubError], tmp_path: Path) -> None:
    endpoint = Endpoint(
        lambda _: httpx.Response(status, headers={"location": "http://169.254.169.254/"}),
        options={"params": {"q": "440308"}},
    )
    with pytest.raises(error, match=r"https://api\.example/v1/items") as caught:
        endpoint.deliver(tmp_path)
    assert "440308" not in str(caught.value)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("body", ["<html>", '{"rows": []}', '{"items": [1]}', '{"items": [{"a"'])
def test_an_answer_that_is_no_list_of_records_is_damaged(body: str, tmp_path: Path) -> None:
    with pytest.raises(SourceDamaged):
        Endpoint(lambda _: httpx.Response(200, text=body)).deliver(tmp_path)


def test_a_link_to_another_host_is_not_followed(tmp_path: Path) -> None:
    endpoint = Endpoint(
        lambda _: page(ITEMS, next="http://10.0.0.1/x"), options={"pagination": {"kind": "link", "next": "next"}}
    )
    with pytest.raises(SourceDenied, match="another host"):
        endpoint.deliver(tmp_path)
    assert len(endpoint.requests) == 1


def test_a_page_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.wire.MOST_BYTES", 10)
    with pytest.raises(SourceDamaged, match="larger than"):
        Endpoint(lambda _: page(ITEMS)).deliver(tmp_path)


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({}, "authorization", f"Bearer {TOKEN}"),
        ({"auth": "basic"}, "authorization", f"Basic {b64encode(f'{TOKEN}:'.encode()).decode()}"),
        ({"auth": "apikey", "authHeader": "X-Key"}, "x-key", TOKEN),
    ],
)
def test_each_way_to_sign_in_sends_its_header_and_logs_nothing_of_it(
    options: dict[str, Any], header: str, value: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = Endpoint(lambda _: page(ITEMS), secret="env:TOKEN", options=options)
    endpoint.deliver(tmp_path)
    assert {request.headers[header] for request in endpoint.requests} == {value}
    assert TOKEN not in caplog.text + repr(endpoint.connector)


@pytest.mark.parametrize("url", ["ftp://api.example", "file:///etc/passwd", "https://u:p@api.example", "/v1"])
def test_an_address_that_is_no_plain_http_is_refused(url: str) -> None:
    with pytest.raises(ContractInvalid):
        RestConnector(Source("rest", url, "items"), secret=str, clock=lambda: NOW)


def test_an_unknown_pagination_is_a_fault_of_the_contract(tmp_path: Path) -> None:
    with pytest.raises(ContractInvalid, match="kind 'pages'"):
        Endpoint(two_at_a_time, options={"pagination": {"kind": "pages"}}).deliver(tmp_path)


def test_a_body_cut_off_on_the_wire_is_unreachable(tmp_path: Path) -> None:
    def cut(*_: object) -> tuple[int, bytes, dict[str, str]]:
        return 200, b'{"items": [', {"Content-Length": "500", "Connection": "close"}

    with http_server(cut) as port:
        source = Source("rest", f"http://127.0.0.1:{port}", "items", options={"records": "items"})
        connector = RestConnector(source, secret=str, clock=lambda: NOW, sleep=lambda _: None)
        with pytest.raises(SourceUnreachable, match="RemoteProtocolError"):
            deliver(connector, source, (), None, tmp_path / "l")
