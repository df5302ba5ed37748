"""Bodies that come in a piece at a time, and the key under which the same one may come again."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import Header, Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from lake.inbox import too_large
from schemas.errors import Refuse, Retry

PIECE = 1 << 20
PATIENCE_SECONDS = 60.0
KeyHeader = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="a key of the body's own; the same again for the same body"),
]
_KEY = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x5b\x5d-\x7e]{1,255})')


async def stream(request: Request, write: Callable[[bytes], Any]) -> None:
    """Hand the body to `write`, a piece at a time, in a thread.

    Raises:
        Retry: it broke off, or stopped arriving.
    """
    piece = bytearray()
    async for chunk in _chunks(request):
        piece += chunk
        if len(piece) >= PIECE:
            await run_in_threadpool(write, bytes(piece))
            piece.clear()
    await run_in_threadpool(write, bytes(piece))


def idempotency_key(request: Request, key: str | None) -> str:
    """The key, which a structured field puts in quotes and most clients do not. Raises Refuse without one that fits."""
    found = _KEY.fullmatch((key or "").strip())
    if found is None or len(request.headers.getlist("idempotency-key")) > 1:
        what = "is missing" if key is None else "is not one text of 1 to 255 plain characters"
        todo = "send each body under a key of its own, for instance a UUID, and the same key when you send it again"
        raise Refuse(f"the header Idempotency-Key {what}", todo=todo, field="Idempotency-Key")
    return str(found[1] or found[2])


def check_length(request: Request, limit: int) -> None:
    """Raise TooLarge for a body that says of itself that it is larger than `limit` bytes."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise too_large(limit)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    pieces = aiter(request.stream())
    try:
        while True:
            async with asyncio.timeout(PATIENCE_SECONDS):
                chunk = await anext(pieces, None)
            if chunk is None:
                return
            yield chunk
    except TimeoutError:
        raise Retry("the body stopped arriving", todo="send the same again, under the same key") from None
    except ClientDisconnect:
        raise Retry("the body broke off", todo="send the same again, under the same key") from None
