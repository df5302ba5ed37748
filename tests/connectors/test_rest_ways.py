"""How an API is asked for changes, kept to a pace, and read by JSONPath; and where each of these ends."""

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from certificates import certificate
from connector_stages import columns
from http_servers import http_server
from rest_bench import Api, numbered, page

from connectors import decode, open_source
from connectors.guard import Guard
from schemas.contract import Source
from schemas.errors import ContractInvalid, Retry, SourceDamaged, SourceDenied, SourceUnreachable

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
