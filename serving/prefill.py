"""The two routes that carry a portal's load: ask for a form's fields, and have what came back compared with its seals.

1. `Answers` answers whatever waits together (`serving.prefill_answers`), on the event loop where files lie on this machine, by a thread where a
   server is asked for them, and the audit's writer commits their entries meanwhile. Here are headers and sizes.
2. `Plain` is the way to it as plain ASGI, before the framework; `serving.wire` is the shorter one of a server on a socket.
3. `If-None-Match` with an answer's tag gives 304 where there is nothing new. The request only reads, and is a POST so that the identifier
   stays out of addresses; it is answered as a GET would be.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, get_args

from fastapi import APIRouter, Request, Response
from msgspec.json import schema
from starlette.types import ASGIApp, Receive, Scope, Send

from access.audit import PATIENCE_SECONDS, unavailable
from prefill.envelope import Answer
from prefill.seal import Verdict
from schemas.errors import HubError, TooLarge, Unauthenticated, Unsupported
from serving import problems
from serving.gather import Gather
from serving.headers import HEADERS, OF_DOCUMENTS, RAW
from serving.prefill_answers import PREFILL, VERIFY, Call, Reply, answer
from serving.prefill_bodies import Batch, PrefillRequest, Verified, VerifyRequest
from serving.services import Services

MOST_BYTES = 512 * 1024
Headers = Sequence[tuple[bytes, bytes]]
_HEADERS = tuple(
    (name.lower().encode(), value.encode())
    for name, value in {"Content-Type": "application/json", "Cache-Control": "no-store", **HEADERS}.items()
    if name not in OF_DOCUMENTS
)
_NOT_MODIFIED = _HEADERS[1:]
_CALLS, _AT_ONCE = 2, 8
"""While the entries of eight requests are committed the next eight are answered: a call has a cost of its own, two answers' worth."""


class Answers:
    """Answers calls: those that wait at a moment together."""

    def __init__(self, services: Services) -> None:
        thread = ThreadPoolExecutor(1, "prefill") if services.prefill.waits else None

        def send(calls: Sequence[Call]) -> "Future[list[Reply | Exception]]":
            done: Future[list[Reply | Exception]] = Future()
            if thread is None:
                answer(services, calls, done)
            else:
                thread.submit(answer, services, calls, done)
            return done

        self._reply = Gather(send, unavailable, patience=PATIENCE_SECONDS, most=_AT_ONCE, calls=_CALLS, enough=_AT_ONCE)

    def __call__(
        self, path: str, token: str, headers: Mapping[bytes, bytes], body: bytes
    ) -> "asyncio.Future[Reply | Exception]":
        """What is answered, or an error that is the caller's alone; it fails with one that is everybody's."""
        return self._reply(Call(path, token, headers.get(b"if-none-match", b"").decode("latin-1"), body))


class Plain:
    """Answers the two routes before the framework finds, reads, validates and injects; everything else is passed on."""

    def __init__(self, app: ASGIApp, answers: Answers) -> None:
        self._app, self._answers = app, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a fault of our own is told, and raised for the server's log."""
        if scope["type"] != "http" or scope["path"] not in (PREFILL, VERIFY) or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        reply: Reply | Exception
        try:
            headers: dict[bytes, bytes] = dict(scope["headers"])
            token = announced(headers)
            reply = await self._answers(scope["path"], token, headers, await _body(receive))
        except Exception as error:  # noqa: BLE001 - told as what `reply` may be
            reply = error
        status, alike, own, body = spelled(reply)
        await send({"type": "http.response.start", "status": status, "headers": [*alike, *own]})
        await send({"type": "http.response.body", "body": body})
        if isinstance(reply, Exception) and not isinstance(reply, HubError):
            raise reply


def spelled(reply: Reply | Exception) -> tuple[int, Headers, Headers, bytes]:
    """Status, the headers that many answers have alike, the answer's own, and the body."""
    if isinstance(reply, Exception):
        problem = problems.refusal(reply)
        return problem.status_code, RAW, problem.raw_headers, bytes(problem.body)
    status, body, tag = reply
    own = [(b"content-length", str(len(body)).encode())]
    if tag:
        own.append((b"etag", tag.encode()))
    return status, _HEADERS if status != 304 else _NOT_MODIFIED, own, body


def announced(headers: Mapping[bytes, bytes]) -> str:
    """The bearer token; Unauthenticated, Unsupported or TooLarge where the headers announce what is not taken here."""
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(
            "this address needs a bearer token", todo="POST /oauth/token, then send Authorization: Bearer TOKEN"
        )
    media = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if media != b"application/json":
        raise Unsupported("the Content-Type is none that is taken here", todo="send application/json")
    length = headers.get(b"content-length", b"").strip()
    if length.isdigit() and int(length) > MOST_BYTES:
        raise _too_large()
    return token


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise _too_large()
    return body


def _too_large() -> TooLarge:
    return TooLarge(f"the body has more than {MOST_BYTES} bytes", todo="ask in several requests")


def _inlined(node: Any, known: Mapping[str, Any]) -> Any:
    """A JSON Schema without references, as one operation of the API's description holds it."""
    if isinstance(node, list):
        return [_inlined(one, known) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(known[node["$ref"].rpartition("/")[2]], known)
    return {name: _inlined(one, known) for name, one in node.items() if name != "$defs"}


def _described(asked: Any, *answered: Any) -> dict[str, Any]:
    """What the description of the API says of a route: the structures that are read and written."""
    shapes = [schema(one) for one in answered]
    bodies = [_inlined(shape, shape.get("$defs", {})) for shape in shapes]
    of = schema(asked)
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _inlined(of, of.get("$defs", {}))}},
        },
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": {"anyOf": bodies}}}}},
    }


_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {"schema": {"type": "object"}}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, **_PROBLEM}
    for status, text in (
        (401, "No token, or one that is not accepted"), (403, "No grant for this"), (404, "Unknown form, or no file for this subject"),
        (413, "The body is too large"), (415, "The body is not JSON"), (422, "The request is malformed"), (429, "Over a budget, or too many at once"),
        (503, "Nothing was disclosed"),
    )
}  # fmt: skip
_VERDICTS = ", ".join(get_args(Verdict))

router = APIRouter(prefix="/v1", tags=["prefill"])
"""What the framework knows of the two routes: their description, and that they take nothing but POST."""


@router.post(
    "/prefill",
    summary="A form's fields for a subject, each with its origin and state",
    responses={**_PROBLEMS, 304: {"description": "Nothing new since the answer with this tag"}},
    openapi_extra={
        **_described(PrefillRequest, Answer, Batch), "security": [{"HTTPBearer": []}],
        "parameters": [{"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}],
    },
)  # fmt: skip
@router.post(
    "/prefill/verify",
    summary=f"A submitted form compared with its seals: {_VERDICTS}",
    responses=_PROBLEMS,
    openapi_extra={**_described(VerifyRequest, Verified), "security": [{"HTTPBearer": []}]},
)
async def _answered_before(_request: Request) -> Response:
    """Never called: `Answers` answers."""
    raise NotImplementedError
