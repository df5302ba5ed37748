"""What every answer carries: no scripts, no outside assets, no framing, no guessing of types, no referrer."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
OF_DOCUMENTS = frozenset({"Referrer-Policy", "Cross-Origin-Opener-Policy", "Permissions-Policy"})
"""Those that tell a browser what a document may do; an answer that is none can go without."""
RAW = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class SecurityHeaders:
    """Adds the headers to every HTTP answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and dress the answer."""
        await self._app(scope, receive, dressed(send) if scope["type"] == "http" else send)


def dressed(send: Send) -> Send:
    """Sends with the headers, for who answers before `SecurityHeaders` does."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *RAW]
        await send(message)

    return sent
