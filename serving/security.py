"""What every answer carries, and the proof that a form was sent from our own page.

Headers: no scripts, no outside assets, no framing, no guessing of types, no referrer. The form's proof is a signed double submit:
a cookie holds a random value, the page a signature of it, and a foreign site can read neither.
"""

import hashlib
import hmac
import secrets

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.errors import Forbidden

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_RAW = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
COOKIE = "hub_form"


class SecurityHeaders:
    """Adds the headers to every HTTP answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and dress the answer."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_RAW]
            await send(message)

        await self._app(scope, receive, dressed if scope["type"] == "http" else send)


class FormProof:
    """Issues and checks the proof. `key` is a secret of this hub."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def value(self, request: Request) -> tuple[str, str]:
        """The cookie's value (the present one, or a new one) and the field that proves it."""
        cookie = request.cookies.get(COOKIE) or secrets.token_urlsafe(24)
        return cookie, self._sign(cookie)

    def keep(self, response: Response, request: Request, cookie: str) -> None:
        """Give the browser the cookie."""
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, cookie, path="/forms", httponly=True, samesite="strict", secure=secure)

    def check(self, request: Request, proof: str) -> None:
        """Nothing if the form came from our page, else Forbidden."""
        cookie = request.cookies.get(COOKIE, "")
        if not cookie or not hmac.compare_digest(self._sign(cookie).encode(), proof.encode()):
            raise Forbidden("the form was not sent from this site's own page", todo="open the form again and send it")

    def _sign(self, cookie: str) -> str:
        return hmac.new(self._key, cookie.encode(), hashlib.sha256).hexdigest()
