"""Departments that cannot be reached send their records, and ask what became of them.

1. The client must hold a push right for the dataset; what is not there and what is not allowed answer alike.
2. Media type, encoding, length and Idempotency-Key are looked at before the body.
3. The body streams to the lake a piece at a time; its form is checked there (`lake.inbox`).
4. The acceptance is in the audit before the batch counts, a refusal before it is answered. Values are in neither.
5. The answer is the receipt; the same request again gets the same bytes. Then a pull is asked for.

Idempotency-Key follows draft-ietf-httpapi-idempotency-key-header-07: 400 without it, 409 while the first request with it is under way,
422 for the same key with another body.
"""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.background import BackgroundTask

from access.audit import Entry
from connectors.inbox import PushMedia, Receipt
from lake.inbox import Door
from schemas.errors import HubError, Invalid, Unsupported
from serving.bodies import KeyHeader, check_length, idempotency_key, stream
from serving.services import Services, services_of
from serving.signin import caller

router = APIRouter(prefix="/v1", dependencies=[Depends(caller)], tags=["push"])

MEDIA: dict[str, PushMedia] = {
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/vnd.apache.arrow.stream": "arrow",
}
_DATASET = re.compile(r"[a-z][a-z0-9_-]{1,62}")
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA},
    }
}
_Complete = Annotated[str, Query(description="true: this batch is the whole table")]


@router.post(
    "/datasets/{code:path}/records",
    status_code=201,
    openapi_extra=_BODY,
    summary="Send a batch of records of a dataset that is pushed; answers with a receipt",
)
async def push(
    request: Request,
    code: str,
    client: Annotated[str, Depends(caller)],
    key: KeyHeader = None,
    complete: _Complete = "false",
) -> Response:
    """Take in a batch; the receipt says that it would survive a power cut."""
    services = services_of(request)
    try:
        door = await run_in_threadpool(services.inbox.door, client, code)
        receipt, again = await _take_in(request, services, door, key, complete)
    except HubError as refusal:
        named = code if _DATASET.fullmatch(code) else ""
        await run_in_threadpool(services.record, _entry(client, named, "", f"refused: {refusal.code}"))
        raise
    headers = {
        "Location": f"/v1/datasets/{receipt.dataset}/receipts/{receipt.id}",
        "Cache-Control": "no-store",
        "Idempotency-Replayed": str(again).lower(),
    }
    wake = BackgroundTask(services.inbox.wake, receipt.dataset)
    return Response(receipt.to_json(), 201, headers, "application/json", wake)


@router.get("/datasets/{code:path}/receipts/{receipt}", summary="A receipt, and what has become of its batch")
def became(request: Request, code: str, receipt: str, client: Annotated[str, Depends(caller)]) -> dict[str, Any]:
    """Tell where a batch is: received, landed, published, superseded, held, failed or discarded."""
    return services_of(request).inbox.became(client, code, receipt)


async def _take_in(
    request: Request, services: Services, door: Door, key: str | None, complete: str
) -> tuple[Receipt, bool]:
    media = _media(request)
    name = idempotency_key(request, key)
    check_length(request, door.limit)
    if complete not in ("true", "false"):
        raise Invalid("complete must be true or false", todo="correct the address", field="complete")

    def accepted(receipt: Receipt) -> None:
        services.record(_entry(door.client, door.dataset, receipt.id, "accepted"))

    with await run_in_threadpool(door.open, name, media, complete=complete == "true") as arrival:
        await stream(request, arrival.write)
        receipt, again = await run_in_threadpool(arrival.seal, accepted)
    if again:
        await run_in_threadpool(services.record, _entry(door.client, door.dataset, receipt.id, "replayed"))
    return receipt, again


def _media(request: Request) -> PushMedia:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in MEDIA:
        raise Unsupported("the Content-Type is none that is taken here", todo=f"send one of {', '.join(MEDIA)}")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Unsupported(
            "compressed or encoded bodies are not taken", todo="send the body as it is, without Content-Encoding"
        )
    return MEDIA[given]


def _entry(client: str, dataset: str, receipt: str, result: str) -> Entry:
    return Entry(client=client, purpose="push", form=dataset, fields=(), subject=receipt, result=result)
