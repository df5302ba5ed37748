"""Disputes over HTTP: who may open, see and answer which, what each sees, and that nobody learns from it whom the hub knows."""

import asyncio
import json
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import canaries
import pytest
from httpx import ASGITransport, AsyncClient, Response
from modes_bench import Bench, sieve_alone

from hub.web import services
from ledger import audit
from ledger import clients as client_store
from ledger.clients import Client
from ledger.grants import Grant, allow
from serving.app import create_app

NOW = datetime(2026, 9, 29, 4, tzinfo=UTC)
PERSON = canaries.PERSON[0]
SAID = ("canary-claimed-11", "canary-text-22", "canary-proof-33", "canary-reason-44")
CLAIM = {
    "dataset": "things",
    "column": "name",
    "claimed": SAID[0],
    "text": SAID[1],
    "evidence": SAID[2],
    "citizen": True,
}


@dataclass
class Desk:
    """A hub with a portal that holds a grant, one that does not, and the department's own system."""

    bench: Bench
    now: datetime = NOW

    def __post_init__(self) -> None:
        def clock() -> datetime:
            self.now += timedelta(seconds=1)
            return self.now

        self.bench.hub = self.hub = replace(self.bench.hub, clock=clock)
        for client in ("portal", "other", "stranger", "department"):
            client_store.put(self.hub.ledger, Client(client, client, client, "-"), NOW)
        for client in ("portal", "other"):
            given = Grant(f"g-{client}", client, "dataset", "things", "verify", "duty", NOW - timedelta(days=1))
            allow(self.hub.ledger, given, NOW)
        client_store.allow_push(self.hub.ledger, "department", "things", NOW)
        self.app = create_app(replace(services(self.hub), authenticate=lambda token: token))

    def publish(self, name: str) -> None:
        publish(self.bench, name)

    def call(self, client: str, method: str, path: str = "", **more: Any) -> Response:
        async def one() -> Response:
            async with AsyncClient(transport=ASGITransport(self.app), base_url="http://hub.test") as http:
                return await http.request(
                    method, f"/v1/disputes{path}", headers={"Authorization": f"Bearer {client}"}, **more
                )

        return asyncio.run(one())

    def open(self, client: str = "portal", **more: Any) -> Response:
        return self.call(client, "POST", json={**CLAIM, "subject": PERSON, **more})


def publish(bench: Bench, name: str) -> None:
    bench.source([(PERSON, name, "有效", 1, f"2026-01-{bench.pulls + 1:02}")])
    bench.pull()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench of one person's record, once for all tests."""
    bench = Bench(tmp_path_factory.mktemp("desk"), customs={"subjects": [{"kind": "person", "key": "id"}]})
    for name in ("subjects", "forms"):
        (bench.hub.settings.declared / name).mkdir(parents=True)
    bench.apply()
    with pytest.MonkeyPatch.context() as quick:
        sieve_alone(quick)
        publish(bench, "错误")
    return bench


@pytest.fixture
def desk(published: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    sieve_alone(monkeypatch)
    return Desk(published.copy(tmp_path))


def test_a_portal_disputes_a_value_for_a_citizen_and_follows_the_ticket(desk: Desk) -> None:
    answer = desk.open()
    ticket = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/disputes/{ticket['dispute']}")
    assert answer.headers["cache-control"] == "no-store"
    assert (ticket["state"], ticket["by"], ticket["due_on"]) == ("opened", "citizen", "2026-10-19")
    assert not canaries.found([PERSON, *SAID], [("answer", answer.content)])
    assert desk.open().json()["dispute"] == ticket["dispute"], "said again, it is the same ticket"
    desk.publish("更正后")
    assert desk.call("portal", "GET", f"/{ticket['dispute']}").json()["state"] == "closed"
    assert [t["dispute"] for t in desk.call("portal", "GET").json()] == [ticket["dispute"]]


def test_a_known_and_an_unknown_subject_are_answered_alike(desk: Desk) -> None:
    known, unknown = desk.open(), desk.open(subject=canaries.OTHER[0])
    assert known.status_code == unknown.status_code == 201
    assert known.json() | {"dispute": ""} == unknown.json() | {"dispute": ""}
    assert set(known.headers) == set(unknown.headers)
    assert known.json()["dispute"] != unknown.json()["dispute"]


def test_without_a_grant_a_dataset_that_is_there_and_one_that_is_not_are_answered_alike(desk: Desk) -> None:
    refused, nowhere = desk.open("stranger"), desk.open("stranger", dataset="nothing")
    assert refused.status_code == nowhere.status_code == 403
    assert refused.json() == nowhere.json()
    assert refused.headers["content-type"] == "application/problem+json"
    allow(desk.hub.ledger, Grant("late", "stranger", "dataset", "things", "verify", "duty", NOW, NOW), NOW)
    assert desk.open("stranger").status_code == 403, "a grant that has run out is none"


def test_anothers_ticket_is_not_there(desk: Desk) -> None:
    number = desk.open().json()["dispute"]
    theirs, none = desk.call("other", "GET", f"/{number}"), desk.call("other", "GET", "/ffffffffffff")
    assert theirs.status_code == none.status_code == 404
    assert theirs.json() == none.json()
    assert desk.call("other", "GET").json() == []
    assert desk.call("other", "POST", f"/{number}/accept").status_code == 404


def test_the_department_sees_record_and_claim_and_answers(desk: Desk) -> None:
    number = desk.open().json()["dispute"]
    (listed,) = desk.call("department", "GET", "?department=true").json()
    assert listed["dispute"] == number
    assert not canaries.found([PERSON, *SAID], [("list", json.dumps(listed).encode())])
    shown = desk.call("department", "GET", f"/{number}").json()
    assert (shown["record"], shown["claimed"], shown["evidence"]) == ({"id": PERSON}, SAID[0], SAID[2])
    assert list(shown["value_held"].values()) == ["错误"]
    assert desk.call("department", "POST", f"/{number}/accept").json()["state"] == "accepted"
    again = desk.call("department", "POST", f"/{number}/accept")
    assert (again.status_code, again.json()["type"]) == (409, "urn:cityhub:problem:conflict")
    assert desk.call("department", "POST", f"/{number}/reject", json={"reason": " "}).status_code == 422
    assert desk.call("department", "POST", f"/{number}/reject", json={"reason": SAID[3]}).json()["state"] == "rejected"
    mine = desk.call("portal", "GET", f"/{number}").json()
    assert mine["reason"] == SAID[3]
    assert "record" not in mine
    assert desk.call("department", "GET", "?department=true").json() == []


def test_whoever_opened_a_ticket_does_not_answer_it(desk: Desk) -> None:
    number = desk.open().json()["dispute"]
    assert desk.call("portal", "POST", f"/{number}/correct").status_code == 403
    assert desk.call("department", "POST", f"/{number}/close").status_code == 422, "a pull closes, nobody else"


@pytest.mark.parametrize(
    "wrong",
    [{"column": "nothing"}, {"subject": ""}, {"key": {"id": PERSON}}, {"key": {"name": "x"}, "subject": ""}, {"more": 1}, {"text": "x" * 2001}],
)  # fmt: skip
def test_a_claim_that_is_not_one_is_a_problem_that_repeats_nothing(desk: Desk, wrong: dict[str, Any]) -> None:
    answer = desk.open(**wrong)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert PERSON not in answer.text


def test_opening_and_showing_are_audited_without_a_value_and_nothing_of_it_is_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    number = desk.open().json()["dispute"]
    desk.call("department", "GET", f"/{number}")
    entries = [json.loads(link.body) for link in audit.links(desk.hub.audit)]
    told = [(e["client"], e["purpose"], e["result"]) for e in entries if e.get("purpose") == "dispute"]
    assert told == [("portal", "dispute", "dispute opened"), ("department", "dispute", "dispute shown")]
    (opened, _) = [e for e in entries if e.get("purpose") == "dispute"]
    assert len(opened["subject"]) == 32
    traces = [("log", caplog.text.encode()), ("output", str(capsys.readouterr()).encode())]
    traces += [(str(p), p.read_bytes()) for p in desk.hub.settings.home.glob("*.db*")]
    assert canaries.found([PERSON, *SAID], traces) == []
