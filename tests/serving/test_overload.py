"""Ten times the load that is sustained: most are told at once to come again, the rest wait a bounded time, and no answer lacks its audit entry."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response
from serving_city import ID, PURPOSE, City
from starlette.types import Receive, Scope, Send

from ledger import audit as audit_store
from serving.app import create_app
from serving.crowd import Crowd, Places
from serving.headers import HEADERS

FORM = "hk_macao_permit_renewal"
WISH = {"form": FORM, "subject": ID, "purpose": PURPOSE, "case": "case 7"}


class Room:
    """An application in which whoever enters stays until the door is opened."""

    def __init__(self) -> None:
        self.inside = self.most = self.served = 0
        self.door = asyncio.Event()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.door.wait()
        self.inside -= 1
        self.served += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def crowd(places: int, *asked: tuple[str, str, str]) -> tuple[Room, list[Response]]:
    """What (method, path, token) get that all come at once."""

    async def run() -> tuple[Room, list[Response]]:
        room = Room()
        async with AsyncClient(
            transport=ASGITransport(Crowd(room, Places(places))), base_url="http://hub.test"
        ) as http:
            headers = [{"Authorization": token} if token else {} for _, _, token in asked]
            coming = [
                asyncio.ensure_future(http.request(m, p, headers=h))
                for (m, p, _), h in zip(asked, headers, strict=True)
            ]
            while room.inside + sum(one.done() for one in coming) < len(coming):
                await asyncio.sleep(0)
            room.door.set()
            return room, await asyncio.gather(*coming)

    return asyncio.run(run())


def test_no_more_come_in_than_there_are_places_and_the_others_are_told_when_to_come() -> None:
    room, answers = crowd(8, *(("GET", "/v1/forms", f"caller {n}") for n in range(80)))
    assert (room.most, room.served) == (8, 8)
    assert Counter(a.status_code for a in answers) == {200: 8, 429: 72}
    refused = next(a for a in answers if a.status_code == 429)
    assert (refused.headers["retry-after"], refused.headers["content-type"]) == ("1", "application/problem+json")
    assert (refused.json()["title"], refused.json()["status"]) == ("too many", 429)
    assert refused.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()


def test_one_caller_leaves_half_of_the_places_to_the_others() -> None:
    _, answers = crowd(
        8, *(("GET", "/v1/forms", "wild") for _ in range(20)), *(("GET", "/v1/forms", f"{n}") for n in range(4))
    )
    assert Counter(a.status_code for a in answers[:20]) == {200: 4, 429: 16}
    assert [a.status_code for a in answers[20:]] == [200] * 4


def test_slow_batches_take_no_place_from_questions_and_health_is_always_told() -> None:
    pushed = [("POST", "/v1/datasets/arrivals/records", f"{n}") for n in range(10)]
    asked = [("GET", "/catalog", "") for _ in range(8)]
    _, answers = crowd(8, *pushed, *asked, ("GET", "/healthz", ""))
    assert Counter(a.status_code for a in answers[:10]) == {200: 2, 429: 8}
    assert {a.status_code for a in answers[10:]} == {200}


def test_places_are_given_back_whatever_happens_inside() -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("inside")

    async def run() -> None:
        door = Crowd(broken, Places(1))
        for _ in range(3):
            with pytest.raises(RuntimeError, match="inside"):
                await door({"type": "http", "path": "/", "method": "GET", "headers": []}, None, None)  # type: ignore[arg-type]

    asyncio.run(run())


def test_ten_times_the_sustained_load_is_shed_and_nothing_leaves_without_its_entry(city: City) -> None:
    app = create_app(replace(city.services, places=16))
    tokens = [city.tokens.issue("portal", now=city.clock(), jti=f"{n}").access_token for n in range(4)]

    async def ask(http: AsyncClient, number: int) -> tuple[int, float, str]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = await http.post("/v1/prefill", json=WISH, headers={"Authorization": f"Bearer {tokens[number % 4]}"})
        return answer.status_code, loop.time() - began, answer.text

    async def run() -> tuple[list[Any], list[Any]]:
        async with AsyncClient(transport=ASGITransport(app), base_url="http://hub.test") as http:
            calm = [x for _ in range(4) for x in await asyncio.gather(*(ask(http, n) for n in range(16)))]
            return calm, [x for _ in range(4) for x in await asyncio.gather(*(ask(http, n) for n in range(160)))]

    calm, wild = asyncio.run(run())
    assert {status for status, _, _ in calm} == {200}
    counts = Counter(status for status, _, _ in wild)
    assert set(counts) == {200, 429}
    assert counts[429] > counts[200] >= 4 * 8
    slowest = max(seconds for status, seconds, _ in wild if status == 200)
    assert slowest < 5 + 20 * max(seconds for _, seconds, _ in calm), (
        "who is let in does not wait for those who are not"
    )
    bodies = [json.loads(link.body) for link in audit_store.links(city.audit)]
    assert sum(b.get("result") == "answered" for b in bodies) == len(calm) + counts[200]
    assert all(ID not in text for status, _, text in wild if status == 429)
