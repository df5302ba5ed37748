"""No more requests at once than the hub can answer soon: who comes then is told at once to come again, instead of waiting in a line that grows.

With `places` taken the answer is 429 with Retry-After, so that the wait of those inside stays bounded however many knock. One caller (by its
Authorization header) has at most half of the places: a portal that runs wild leaves room for the others. Pushed batches, which take as
long as their sender's line, have a quarter as many places of their own.
"""

from collections import Counter

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.errors import TooMany
from serving.headers import dressed

PLACES = 64
_PUSHES = b"pushed batches"


class Crowd:
    """Counts who is inside; one event loop, so no lock."""

    def __init__(self, app: ASGIApp, places: int = PLACES) -> None:
        self._app = app
        self._places = places
        self._inside: Counter[bytes] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or send it away."""
        if scope["type"] != "http" or scope["path"] == "/healthz":
            await self._app(scope, receive, send)
            return
        who = _who(scope)
        if self._full(who):
            await _refusal(scope, receive, send)
            return
        self._inside[who] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside[who] -= 1
            if not self._inside[who]:
                del self._inside[who]

    def _full(self, who: bytes) -> bool:
        if who == _PUSHES:
            return self._inside[who] >= max(1, self._places // 4)
        others = self._inside.total() - self._inside[_PUSHES]
        return others >= self._places or (who != b"" and self._inside[who] >= self._places // 2)


def _who(scope: Scope) -> bytes:
    if scope["method"] == "POST" and scope["path"].endswith("/records"):
        return _PUSHES
    return next((value for name, value in scope["headers"] if name == b"authorization"), b"")


async def _refusal(scope: Scope, receive: Receive, send: Send) -> None:
    problem = TooMany(
        "more requests at once than are answered here", todo="come again in a moment, more slowly"
    ).problem()
    headers = {"Retry-After": "1", "Cache-Control": "no-store"}
    await JSONResponse(problem, 429, headers, "application/problem+json")(scope, receive, dressed(send))
