"""The shorter way to the two prefill routes, over real sockets: the same answers as the other way, and what a connection must bear."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import uvicorn
from browsing import served
from serving_city import ID, PURPOSE, City

from ledger import audit as audit_store
from serving.prefill import MOST_BYTES, Plain
from serving.wire import wire
from subjects.file import SubjectFile

WISH = {"form": "hk_macao_permit_renewal", "subject": ID, "purpose": PURPOSE, "case": "2026-17"}
PATIENCE = 20.0


class Told(NamedTuple):
    """An answer as it came; of the hour only that it was told."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line:
    """A connection that says exactly what it is told to."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", int(address.rpartition(":")[2])))
        self.reads = self.socket.makefile("rb")

    def ask(self, *pieces: bytes) -> Told:
        for piece in pieces:
            self.socket.sendall(piece)
            time.sleep(0.02 if len(pieces) > 1 else 0)
        return self.answer()

    def answer(self) -> Told:
        status = int(self.reads.readline().split()[1])
        lines = iter(lambda: self.reads.readline().decode().strip(), "")
        headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
        body = self.reads.read(int(headers.get("content-length", "0")))
        return Told(status, {**headers, **({"date": "told"} if "date" in headers else {})}, body)

    def ended(self) -> bool:
        return self.reads.read(1) == b""

    def close(self) -> None:
        self.reads.close()
        self.socket.close()


@contextmanager
def line(address: str) -> Iterator[Line]:
    opened = Line(address)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def longer(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The path of each request that went the longer way."""
    went: list[str] = []
    plain = Plain.__call__

    async def seen(self: Plain, scope: Any, receive: Any, send: Any) -> None:
        went.append(scope["path"])
        await plain(self, scope, receive, send)

    monkeypatch.setattr(Plain, "__call__", seen)
    return went


def request(
    token: str,
    body: Any = WISH,
    path: str = "/v1/prefill",
    *,
    version: str = "1.1",
    chunked: bool = False,
    **headers: str,
) -> bytes:
    """A request as a portal's server writes it; `headers` with _ for -, empty ones are left out."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(content))}
    own = {"Host": "hub", "Authorization": f"Bearer {token}", "Content-Type": "application/json", **size}
    own |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in own.items() if value)
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content) if chunked else content
    return f"POST {path} HTTP/{version}\r\n{lines}\r\n".encode() + sent


def entries(city: City) -> int:
    return sum(json.loads(link.body)["kind"] == "entry" for link in audit_store.links(city.audit))


def test_what_most_requests_are_told_is_the_same_on_both_ways(city: City, longer: list[str]) -> None:
    token = city.token()
    form = {"form": WISH["form"], "subject": ID, "fields": {"name": {"value": "x", "seal": None}}}
    with served(city.app) as address, line(address) as here:
        tag = here.ask(request(token)).headers["etag"]
        asked: list[tuple[int, dict[str, Any]]] = [
            (200, {}),
            (304, {"If_None_Match": tag}),
            (200, {"path": "/v1/prefill/verify", "body": form}),
            (403, {"body": {**WISH, "case": ""}}),
            (404, {"body": {**WISH, "form": "nothing"}}),
            (404, {"body": {**WISH, "subject": "110101199003070017"}}),
            (422, {"body": b"{"}),
            (401, {"Authorization": "Bearer of.bad.news"}),
        ]
        shorter = [here.ask(request(token, **one)) for _, one in asked]
        assert longer == []
        other = [here.ask(request(token, **{**one, "path": f"{one.get('path', '/v1/prefill')}?"})) for _, one in asked]
    assert len(longer) == len(asked)
    assert [told.status for told in shorter] == [status for status, _ in asked]
    assert shorter == other
    assert {"etag", "date", "content-type", "cache-control"} <= shorter[0].headers.keys()


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"chunked": True}),
        (200, {"version": "1.0"}),
        (200, {"version": "1.0", "Connection": "keep-alive"}),
        (200, {"Connection": "close"}),
        (422, {"Connection": "upgrade", "Upgrade": "h2c", "body": b""}),
        (422, {"body": b" " * 70_000}),
        (422, {"Content_Length": "9 ", "body": b"123456789"}),
        (413, {"Content_Length": f"{MOST_BYTES + 1} ", "body": b"1"}),
        (401, {"Authorization": ""}),
        (401, {"Authorization": "Basic xyz"}),
        (415, {"Content_Type": "text/plain"}),
        (413, {"body": b" " * (MOST_BYTES + 1)}),
        (413, {"body": b" " * (MOST_BYTES + 1), "chunked": True}),
    ],
)
def test_a_request_that_is_not_as_most_are_goes_the_longer_way(
    city: City, longer: list[str], status: int, headers: dict[str, Any]
) -> None:
    with served(city.app) as address, line(address) as here:
        told = here.ask(request(city.token(), **headers))
    assert (told.status, longer) == (status, ["/v1/prefill"])


def test_other_methods_and_addresses_are_not_taken(city: City, longer: list[str]) -> None:
    with served(city.app) as address, line(address) as here:
        head = f"Host: hub\r\nAuthorization: Bearer {city.token()}\r\n\r\n"
        assert here.ask(f"GET /v1/prefill HTTP/1.1\r\n{head}".encode()).status == 405
        assert here.ask(f"GET /v1/forms HTTP/1.1\r\n{head}".encode()).status == 200
        assert here.ask(request(city.token())).status == 200
    assert longer == ["/v1/prefill", "/v1/forms"]


def test_a_body_that_comes_in_pieces_is_one_body(city: City, longer: list[str]) -> None:
    whole = request(city.token())
    with served(city.app) as address, line(address) as here:
        at_once = here.ask(whole)
        assert here.ask(whole[:40], whole[40:-30], whole[-30:-1], whole[-1:]) == at_once
    assert longer == []


def test_who_waits_to_be_asked_for_the_body_is_asked(city: City) -> None:
    head, _, body = request(city.token(), Expect="100-continue").partition(b"\r\n\r\n")
    with served(city.app) as address, line(address) as here:
        assert here.ask(head + b"\r\n\r\n").status == 100
        assert here.ask(body).status == 200


def test_requests_that_come_at_once_are_answered_in_their_order(city: City, longer: list[str]) -> None:
    token = city.token()
    fields = [["name"], ["mobile", "sex"], ["name"], ["sex"]]
    get = f"GET /v1/forms HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with served(city.app) as address, line(address) as here:
        told = [here.ask(b"".join([*(request(token, {**WISH, "fields": one}) for one in fields), get]))]
        told += [here.answer() for _ in fields]
        again = here.ask(request(token))
    assert [len(json.loads(one.body)["fields"]) for one in told[:-1]] == [1, 2, 1, 1]
    assert (told[-1].status, again.status) == (200, 200)
    assert longer == ["/v1/prefill"] * 3 + ["/v1/forms"]


class Held:
    """Files that come when they are let."""

    def __init__(self, city: City) -> None:
        self.files, self.asked, self.go = city.services.prefill.files, threading.Event(), threading.Event()
        self.app = city.with_services(prefill=replace(city.services.prefill, files=self, waits=True))

    def __call__(self, asked: Sequence[tuple[str, str]]) -> Sequence[SubjectFile | None]:
        self.asked.set()
        assert self.go.wait(PATIENCE)
        return self.files(asked)


def until(true: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_hangs_up_gives_the_place_back_and_keeps_nobody_waiting(
    city: City, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    held, whole = Held(city), request(city.token())
    with served(held.app) as address:
        with line(address) as half:
            half.socket.sendall(whole[:-1])
        with line(address) as gone:
            gone.socket.sendall(whole)
            assert held.asked.wait(PATIENCE)
        held.go.set()
        until(lambda: held.app.places.taken == 0)
        with line(address) as here:
            assert here.ask(whole).status == 200
    assert entries(city) == 2, "of what was answered, whether anybody heard it or not"
    assert capsys.readouterr().err + caplog.text == ""


def test_without_a_place_nothing_is_looked_up_and_the_connection_stays(city: City, longer: list[str]) -> None:
    held, token = Held(city), city.token()
    held.app.places = type(held.app.places)(2)
    with served(held.app) as address, line(address) as first, line(address) as second:
        first.socket.sendall(request(token))
        assert held.asked.wait(PATIENCE)
        refused = second.ask(request(token))
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        held.go.set()
        assert first.answer().status == 200
        assert second.ask(request(token)).status == 200
    assert longer == []
    assert entries(city) == 2


@pytest.mark.parametrize("places", [8, 0], ids=["answered", "refused"])
def test_an_answer_under_way_still_goes_out_when_the_server_is_told_to_stop(city: City, places: int) -> None:
    held, whole = Held(city), request(city.token())
    held.app.places = type(held.app.places)(places)
    server = uvicorn.Server(
        uvicorn.Config(held.app, port=0, http=wire(held.app), log_level="error", lifespan="off", timeout_keep_alive=600)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    with line(f"http://127.0.0.1:{port}") as here:
        here.socket.sendall(whole[:-1])
        time.sleep(0.2)
        server.should_exit = True
        until(lambda: server.servers == [] or not server.servers[0].is_serving())
        time.sleep(0.3)
        here.socket.sendall(whole[-1:])
        assert not places or held.asked.wait(PATIENCE)
        held.go.set()
        told = here.answer()
        assert (told.status, told.headers["connection"]) == (200 if places else 429, "close")
        assert here.ended()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_fault_of_our_own_is_told_without_its_details_and_logged(
    city: City, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_asked: Sequence[tuple[str, str]]) -> Sequence[SubjectFile | None]:
        raise RuntimeError("no file for it")

    app = city.with_services(prefill=replace(city.services.prefill, files=broken))
    with served(app) as address, line(address) as here:
        told = here.ask(request(city.token()))
    assert (told.status, json.loads(told.body)["detail"]) == (500, "a fault of the hub itself")
    assert "no file for it" in capsys.readouterr().err


@pytest.mark.parametrize("pause", [0, 0.003], ids=["at once", "one by one"])
def test_who_does_not_read_is_not_answered_any_further(city: City, pause: float) -> None:
    """Answers that nobody takes would else heap up in memory."""
    whole, often = request(city.token()), 1200
    with served(city.app) as address, line(address) as here:
        for _ in range(often):
            here.socket.sendall(whole)
            time.sleep(pause)
        seen = [-1]
        while (now := entries(city)) != seen[-1] or now == 0:
            seen.append(now)
            time.sleep(0.5)
    assert seen[-1] < often * 3 / 4
