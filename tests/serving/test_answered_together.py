"""Requests that wait at the same moment are answered together: one look-up, one commit of the audit, and to each its own outcome."""

import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from serving_city import ID, PURPOSE, City

from access.audit import Charged
from access.desk import Desk
from ledger import audit as audit_store
from schemas.errors import Forbidden, Invalid, NotFound, Stop, TooMany, Unauthenticated
from serving.prefill_answers import Call, Reply, answer
from serving.services import Services
from subjects.file import SubjectFile

FORM = "hk_macao_permit_renewal"
WISH = {"form": FORM, "subject": ID, "purpose": PURPOSE, "case": "2026-17"}
NOBODY = "440308199901101513"


def call(city: City, wish: Any, *, token: str | None = None, client: str = "portal") -> Call:
    """A request as it reaches `answer`."""
    body = wish if isinstance(wish, bytes) else json.dumps(wish).encode()
    return Call("/v1/prefill", city.token(client) if token is None else token, "", body)


def replies(services: Services, calls: Sequence[Call]) -> list[Reply | Exception]:
    """What each is answered."""
    done: Future[list[Reply | Exception]] = Future()
    answer(services, calls, done)
    return done.result(10)


def test_each_of_several_gets_its_own_answer_and_all_entries_are_one_commit(city: City) -> None:
    commits: list[list[str]] = []

    class Watched(Desk):
        def submit(self, asked: Sequence[Charged]) -> "Future[list[TooMany | None]]":
            commits.append([entry.result for entry, _ in asked])
            return super().submit(asked)

    desk = Watched.__new__(Watched)
    desk.__dict__ = city.services.desk.__dict__
    told = replies(
        replace(city.services, desk=desk),
        [
            call(city, WISH),
            call(city, b"{"),
            call(city, {**WISH, "subject": NOBODY}),
            call(city, WISH, token="forged"),
            call(city, WISH, client="ungranted"),
            call(
                city, {"subject": ID, "purpose": PURPOSE, "case": "1", "forms": [{"form": FORM}, {"form": "nothing"}]}
            ),
            call(city, {**WISH, "fields": ["name"]}),
        ],
    )
    assert [one[0] if isinstance(one, tuple) else type(one) for one in told] == [
        200, Invalid, NotFound, Unauthenticated, Forbidden, 200, 200,
    ]  # fmt: skip
    bodies = [json.loads(one[1]) for one in told if isinstance(one, tuple)]
    assert [len(body["fields"]) for body in (bodies[0], bodies[2])] == [len(city.services.forms()[FORM].fields), 1]
    assert ["answer" in one for one in bodies[1]["answers"]] == [True, False]
    assert commits == [["answered", "no file", "refused: no-grant", "answered", "answered"]]


def test_a_file_that_does_not_open_is_told_to_its_own_asker_alone(city: City) -> None:
    asked_for: list[int] = []

    def files(asked: Sequence[tuple[str, str]]) -> Sequence[SubjectFile | None]:
        asked_for.append(len(asked))
        if ("person", NOBODY) in asked:
            raise Stop("a subject file does not open", todo="build it again")
        return city.services.prefill.files(asked)

    services: Services = replace(city.services, prefill=replace(city.services.prefill, files=files))
    calls = [call(city, WISH), call(city, {**WISH, "subject": NOBODY}), call(city, WISH)]
    first, broken, third = replies(services, calls)
    assert isinstance(broken, Stop)
    assert [one[0] for one in (first, third) if isinstance(one, tuple)] == [200, 200]
    assert asked_for == [3, 1, 1, 1]
    entries = [json.loads(link.body).get("result") for link in audit_store.links(city.audit)]
    assert entries.count("answered") == 2


def test_a_fault_in_one_answer_is_not_the_others(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(client: str, kind: str, identifier: str) -> str:
        if identifier.startswith(" "):
            raise ZeroDivisionError
        return city.services.prefill.handle(client, kind, identifier)

    services = replace(city.services, prefill=replace(city.services.prefill, handle=fails))
    good, bad = replies(services, [call(city, WISH), call(city, {**WISH, "subject": f" {ID}"})])
    assert isinstance(bad, ZeroDivisionError)
    assert isinstance(good, tuple)
    assert good[0] == 200


def test_who_is_over_a_limit_is_told_so_and_the_others_are_answered(city: City) -> None:
    class Full(Desk):
        def submit(self, _asked: Sequence[Charged]) -> "Future[list[TooMany | None]]":
            done: Future[list[TooMany | None]] = Future()
            done.set_result([None, TooMany("used up"), TooMany("used up"), None])
            return done

    desk = Full.__new__(Full)
    desk.__dict__ = city.services.desk.__dict__
    batch = {"subject": ID, "purpose": PURPOSE, "case": "1", "forms": [{"form": FORM}, {"form": FORM}]}
    calls = [call(city, WISH), call(city, WISH), call(city, batch)]
    first, over, both = replies(replace(city.services, desk=desk), calls)
    assert isinstance(over, TooMany)
    assert [isinstance(one, tuple) for one in (first, both)] == [True, True]
    assert isinstance(both, tuple)
    assert ["problem" in one for one in json.loads(both[1])["answers"]] == [True, False]


def test_whoever_gave_up_is_not_waited_for(city: City) -> None:
    done: Future[list[Reply | Exception]] = Future()
    done.cancel()
    answer(city.services, [call(city, WISH)], done)
    replies(city.services, [call(city, WISH)])
    assert done.cancelled()
