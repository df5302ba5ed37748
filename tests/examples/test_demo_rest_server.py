"""The insurance service pages, filters, refuses and keeps up with the city, as the real ones do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from threading import Thread

import httpx
import pytest

from examples.demo_city.generator import advance
from examples.demo_city.rest_server import PATH, TOKEN, Accounts, main, serve

SIGNED = {"Authorization": "Bearer let-me-in"}


@contextmanager
def _served(data: Path, throttle: int = 0) -> Iterator[httpx.Client]:
    server = serve(Accounts(data, "let-me-in", throttle), port=0)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{server.server_address[1]}", headers=SIGNED, trust_env=False
        ) as client:
            yield client
    finally:
        server.shutdown()
        server.server_close()


def _lines(data: Path) -> list[dict[str, str]]:
    return [
        json.loads(line)
        for line in (data / "social_security" / "insurance.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_pages_hold_all_accounts_once_and_state_their_total(city: Path) -> None:
    found = []
    with _served(city) as client:
        for page in range(1, 100):
            data = client.get(PATH, params={"page": page, "size": 200}).json()["data"]
            found += data["items"]
            if len(found) >= data["total"]:
                break
        assert client.get(PATH, params={"page": page + 1, "size": 200}).json()["data"]["items"] == []
    assert found == _lines(city)
    assert page > 2


def test_a_page_is_never_larger_than_the_service_allows(city: Path) -> None:
    with _served(city) as client:
        data = client.get(PATH, params={"size": 10**9}).json()["data"]
    assert (data["size"], len(data["items"])) == (1000, min(1000, len(_lines(city))))


@pytest.mark.parametrize("offset", ["+08:00", "%2B08:00", ""])
def test_only_accounts_changed_since_then_are_given_whatever_the_spelling_of_the_time(city: Path, offset: str) -> None:
    since = _lines(city)[-20]["updatedAt"]
    wanted = [line for line in _lines(city) if line["updatedAt"] >= since]
    with _served(city) as client:
        data = client.get(f"{PATH}?updated_since={since[:19]}{offset}").json()["data"]
    assert data["items"] == wanted
    assert data["total"] == len(wanted)


def test_a_moment_in_another_zone_is_the_same_moment(city: Path) -> None:
    with _served(city) as client:
        here = client.get(PATH, params={"updated_since": "2026-10-20T08:00:00+08:00"}).json()["data"]["total"]
        there = client.get(PATH, params={"updated_since": "2026-10-20T00:00:00+00:00"}).json()["data"]["total"]
    assert 0 < here == there < len(_lines(city))


@pytest.mark.parametrize(
    "token", ["", "Bearer", "Bearer let-me-in-too", "Bearer LET-ME-IN", "Basic let-me-in", "let-me-in"]
)
def test_without_the_right_token_nothing_is_told(city: Path, token: str) -> None:
    with _served(city) as client:
        answer = client.get(PATH, headers={"Authorization": token})
    assert answer.status_code == 401
    assert "items" not in answer.text


def test_every_nth_request_is_refused_and_says_when_to_come_again(city: Path) -> None:
    with _served(city, throttle=3) as client:
        answers = [client.get(PATH, params={"size": 1}) for _ in range(9)]
    assert [answer.status_code for answer in answers] == [200, 200, 429] * 3
    assert answers[2].headers["Retry-After"] == "1"


@pytest.mark.parametrize("query", ["page=0", "size=0", "page=two", "updated_since=yesterday"])
def test_a_query_that_makes_no_sense_is_the_callers_fault(city: Path, query: str) -> None:
    with _served(city) as client:
        assert client.get(f"{PATH}?{query}").status_code == 400
        assert client.get("/api/v1/other").status_code == 404


def test_the_service_follows_the_city_into_the_next_day(city: Path, tmp_path: Path) -> None:
    data = copytree(city, tmp_path / "city")
    with _served(data) as client:
        before = client.get(PATH, params={"size": 1}).json()["data"]["total"]
        advance(data)
        after = client.get(PATH, params={"size": 1}).json()["data"]["total"]
    assert (before, after) == (len(_lines(city)), len(_lines(data)))
    assert after > before


def test_the_service_does_not_start_without_a_token_or_a_city(
    city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    assert main(["--data", str(city)]) == 2
    monkeypatch.setenv(TOKEN, "let-me-in")
    assert main(["--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert TOKEN in said
    assert "let-me-in" not in said
