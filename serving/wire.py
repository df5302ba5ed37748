"""The shorter way to the two prefill routes: below ASGI, where a server's socket is read.

uvicorn makes a scope, a task, an event and messages of every request: a tenth of what an answer costs here. A request that is as most are (POST,
HTTP/1.1, no larger than uvicorn itself would hold before somebody asks for it, nothing else under way on the connection) is answered without
them; every other goes uvicorn's way and finds `serving.prefill.Plain`, with the same answer. A place is taken once the body is there: who sends
slowly takes none. What is uvicorn's own here (`cycle`, `flow`, `on_response_complete`) is held by tests over a socket.
"""

import asyncio
from functools import lru_cache, partial

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from schemas.errors import HubError
from serving.app import Application
from serving.crowd import Places
from serving.prefill import Answers, announced, spelled
from serving.prefill_answers import PREFILL, VERIFY, Reply

_PATHS = {path.encode(): path for path in (PREFILL, VERIFY)}
_UNHEARD = asyncio.Event()


def wire(app: Application) -> "type[Wire]":
    """How a server of this application reads its sockets: `uvicorn.Config(app, http=wire(app))`."""

    class Wired(Wire):
        places, answers = app.places, app.answers

    return Wired


@lru_cache(maxsize=16)
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Headers as they stand on the line; they change with the hour alone."""
    return b"".join([b"%s: %s\r\n" % header for header in headers])


class _Asked:
    """A request to one of the routes, in the place of uvicorn's cycle: what uvicorn looks at and sets there is here too."""

    __slots__ = ("body", "disconnected", "headers", "keep_alive", "message_event", "path", "response_complete", "token")

    def __init__(self, path: str, token: str, headers: dict[bytes, bytes]) -> None:
        self.path, self.token, self.headers, self.body = path, token, headers, b""
        self.response_complete, self.disconnected, self.keep_alive, self.message_event = False, False, True, _UNHEARD

    @property
    def who(self) -> bytes:
        """Whose place it takes."""
        return self.headers[b"authorization"]


class Wire(HttpToolsProtocol):
    """One connection."""

    places: Places
    answers: Answers

    def on_headers_complete(self) -> None:
        """Take the request here, or leave it to uvicorn."""
        asked = self._asked()
        if asked is None:
            super().on_headers_complete()
        else:
            self.cycle = asked  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        if isinstance(self.cycle, _Asked):
            self.cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer it, if there is a place."""
        asked = self.cycle
        if not isinstance(asked, _Asked):
            super().on_message_complete()
        elif self.places.enter(asked.who):
            reply = self.answers(asked.path, asked.token, asked.headers, asked.body)
            reply.add_done_callback(partial(self._answered, asked))
        else:
            asked.response_complete = True
            super().on_headers_complete()
            self.cycle.keep_alive = self.cycle.keep_alive and asked.keep_alive
            super().on_body(asked.body)
            super().on_message_complete()

    def _asked(self) -> _Asked | None:
        path, parser = _PATHS.get(self.url), self.parser
        if path is None or parser.get_method() != b"POST" or parser.get_http_version() != "1.1":
            return None
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or self.flow.write_paused or self.expect_100_continue or not parser.should_keep_alive():
            return None
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or int(length) > HIGH_WATER_LIMIT or b"upgrade" in headers:
            return None
        try:
            return _Asked(path, announced(headers), headers)
        except HubError:
            return None

    def _answered(self, asked: _Asked, came: "asyncio.Future[Reply | Exception]") -> None:
        self.places.leave(asked.who)
        asked.response_complete = True
        reply: Reply | Exception
        try:
            reply = came.result()
        except Exception as error:  # noqa: BLE001 - it is told as what `reply` may be
            reply = error
        if isinstance(reply, Exception) and not isinstance(reply, HubError):
            self.logger.error("a fault of the hub's own in %s", asked.path, exc_info=reply)
        if self.transport.is_closing():
            return
        status, alike, own, body = spelled(reply)
        begun = STATUS_LINE[status] + _lines((*self.server_state.default_headers, *alike))
        lines = [b"%s: %s\r\n" % header for header in own]
        if not asked.keep_alive:
            lines.append(b"connection: close\r\n")
        self.transport.write(b"".join((begun, *lines, b"\r\n", body)))
        if not asked.keep_alive:
            self.transport.close()
        self.on_response_complete()
