"""A department's own rows in quarantine: see them, have them as a file, return the file corrected.

1. The client must hold a push right for the dataset; what is not there and what is not allowed answer alike, and leave an entry.
2. What is shown or handed out is in the audit before it leaves; so is a file that comes in, before it is judged.
3. A returned file is judged while the caller waits. The answer says row by row what was accepted and what is still wrong; the same request
   again, under the same Idempotency-Key, gets the same answer. While a pull is at work it is 503: send it again later.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse

from access.audit import Entry
from lake.inbox import too_large
from schemas.errors import HubError, Unsupported
from serving.bodies import PIECE, KeyHeader, check_length, idempotency_key, stream
from serving.services import Returns, services_of
from serving.signin import caller

router = APIRouter(prefix="/v1", dependencies=[Depends(caller)], tags=["quarantine"])
MEDIA = {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx", "text/csv": "csv"}
_MEDIA_OF = {form: media for media, form in MEDIA.items()}
_PRIVATE = {"Cache-Control": "no-store"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA},
    }
}
_Rule = Annotated[str, Query(max_length=200, description="only rows that failed this rule")]
_Form = Annotated[Literal["xlsx", "csv"], Query(description="xlsx for people, csv for programs")]


@router.get("/datasets/{code:path}/quarantine/file", summary="Your rows in quarantine as a file to correct and return")
def handed_out(
    request: Request, code: str, client: Annotated[str, Depends(caller)], form: _Form = "xlsx", rule: _Rule = ""
) -> StreamingResponse:
    """Write the file; its receipt is in the headers."""
    with _refusals(request, client):
        file, receipt = _returns(request).file(client, code, form, rule or None)
    digest = base64.b64encode(bytes.fromhex(receipt["sha256"])).decode()
    headers = {
        **_PRIVATE,
        "Content-Disposition": f'attachment; filename="{receipt["dataset"]}-{receipt["id"]}.{form}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Receipt": receipt["id"],
        "Rows": str(receipt["rows"]),
    }
    charset = f"; charset={receipt['encoding'].lower()}" if receipt["encoding"] else ""
    return StreamingResponse(_pieces(file), headers=headers, media_type=_MEDIA_OF[form] + charset)


@router.get("/datasets/{code:path}/quarantine", summary="Your rows in quarantine, with reasons and how to correct them")
def rows(
    request: Request,
    code: str,
    client: Annotated[str, Depends(caller)],
    rule: _Rule = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JSONResponse:
    """Show the values as delivered."""
    with _refusals(request, client):
        return JSONResponse(_returns(request).rows(client, code, rule or None, limit), headers=_PRIVATE)


@router.post(
    "/datasets/{code:path}/quarantine", openapi_extra=_BODY, summary="Return the file corrected; answers row by row"
)
async def returned(
    request: Request,
    code: str,
    client: Annotated[str, Depends(caller)],
    key: KeyHeader = None,
    dry_run: Annotated[bool, Query(description="judge and tell, publish nothing")] = False,
) -> JSONResponse:
    """Take the file in, judge it, publish what is right."""
    try:
        answer = await _take(request, client, code, key, dry_run=dry_run)
    except HubError as refusal:
        await run_in_threadpool(_note_refusal, request, client, refusal)
        raise
    return JSONResponse(answer, headers=_PRIVATE)


async def _take(request: Request, client: str, code: str, key: str | None, *, dry_run: bool) -> dict[str, Any]:
    returns = _returns(request)
    await run_in_threadpool(returns.check, client, code)
    form, name = _form(request), idempotency_key(request, key)
    check_length(request, returns.limit)
    with TemporaryFile() as file:  # without a name: whoever is killed leaves nothing behind

        def write(piece: bytes) -> None:
            if file.tell() + len(piece) > returns.limit:
                raise too_large(returns.limit)
            file.write(piece)

        await stream(request, write)
        return await run_in_threadpool(returns.take, client, code, file, form, name, dry_run)


@contextmanager
def _refusals(request: Request, client: str) -> Iterator[None]:
    """A refusal leaves an entry before it is answered."""
    try:
        yield
    except HubError as refusal:
        _note_refusal(request, client, refusal)
        raise


def _note_refusal(request: Request, client: str, refusal: HubError) -> None:
    services_of(request).record(Entry(client, "quarantine", "", (), "", f"refused: {refusal.code}"))


def _returns(request: Request) -> Returns:
    return services_of(request).returns


def _form(request: Request) -> str:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in MEDIA:
        raise Unsupported("the Content-Type is none that is taken here", todo=f"send one of {', '.join(MEDIA)}")
    return MEDIA[given]


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from iter(lambda: file.read(PIECE), b"")
