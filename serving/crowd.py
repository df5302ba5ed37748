"""No more requests at once than the hub can answer soon: who comes then is told at once to come again, instead of waiting in a line that grows.

With `places` taken the answer is 429 with Retry-After, so that the wait of those inside stays bounded however many knock. One caller (by its
Authorization header) has at most half of the places: a portal that runs wild leaves room for the others. Pushed batches, which take as
long as their sender's line, have a quarter as many places of their own.
"""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.errors import TooMany
from serving.headers import dressed

PLACES = 64
_PUSHES = b"pushed batches"


class Places:
    """Counts who is inside; one event loop, so no lock."""

    def __init__(self, most: int = PLACES) -> None:
        self._most = most
        self._inside: dict[bytes, int] = {}
        self.taken = 0

    def enter(self, who: bytes) -> bool:
        """Take a place, if there is one for this caller; it is to be given back."""
        if self._full(who):
            return False
        self._count(who, 1)
        return True

    def leave(self, who: bytes) -> None:
        """Give a place back."""
        self._count(who, -1)

    def _full(self, who: bytes) -> bool:
        inside = self._inside.get(who, 0)
        if who == _PUSHES:
            return inside >= max(1, self._most // 4)
        return self.taken >= self._most or (who != b"" and inside >= self._most // 2)

    def _count(self, who: bytes, more: int) -> None:
        left = self._inside.get(who, 0) + more
        if left:
            self._inside[who] = left
        else:
            del self._inside[who]
        if who != _PUSHES:
            self.taken += more


class Crowd:
    """Lets requests in to an application, or sends them away."""

    def __init__(self, app: ASGIApp, places: Places) -> None:
        self._app = app
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or send it away."""
        if scope["type"] != "http" or scope["path"] == "/healthz":
            await self._app(scope, receive, send)
            return
        who = _who(scope)
        if not self._places.enter(who):
            await _refusal(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._places.leave(who)


def _who(scope: Scope) -> bytes:
    if scope["method"] == "POST" and scope["path"].endswith("/records"):
        return _PUSHES
    headers: dict[bytes, bytes] = dict(scope["headers"])  # of several the last counts, as for whoever reads the token
    return headers.get(b"authorization", b"")


async def _refusal(scope: Scope, receive: Receive, send: Send) -> None:
    problem = TooMany(
        "more requests at once than are answered here", todo="come again in a moment, more slowly"
    ).problem()
    headers = {"Retry-After": "1", "Cache-Control": "no-store"}
    await JSONResponse(problem, 429, headers, "application/problem+json")(scope, receive, dressed(send))
