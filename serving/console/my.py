"""A department's home: datasets, bad rows and their way back, disputes, clocks. Only what is the actor's department's; the rest is not found."""

import base64
import secrets
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from access.actors import Actor
from quality import cards
from schemas.errors import Invalid, Refuse, Retry, Unsupported
from serving.bodies import PIECE
from serving.console.desks import Home
from serving.console.door import FORM_BYTES, Sending, Sent, SignedIn
from serving.rendering import address, page
from serving.services import services_of

router = APIRouter(prefix="/my", include_in_schema=False)
Member = Annotated[Actor, Depends(SignedIn("editor", "approver"))]
Editor = Annotated[Actor, Depends(SignedIn("editor"))]
Form = Annotated[Sent, Depends(Sending())]
_UPLOAD = Sending(FORM_BYTES + (256 << 20))
_MEDIA = {"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "csv": "text/csv"}
_ROWS = 50
_CONSOLE = "console"
"""Whom the department's desks take for the client: a person, named in the audit beside it."""


@router.get("")
def home(request: Request, actor: Member) -> Response:
    """Show datasets, bad rows by rule, open disputes, and what is due."""
    desk = _home(request)
    return page(
        request,
        "console/my.html",
        datasets=desk.datasets(actor),
        bad=desk.bad(actor),
        clocks=desk.clocks(actor),
        disputes=desk.disputes(actor).listed(_CONSOLE, department=True),
        rounded=cards.rounded,
        may_return="editor" in actor.roles,
    )


@router.get("/datasets/{dataset}/bad")
def bad(request: Request, actor: Member, dataset: str, rule: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Show a dataset's rows in quarantine as they were delivered."""
    rows = _home(request).returns(actor).rows(_CONSOLE, dataset, rule or None, _ROWS)
    return _bad(request, actor, dataset, rule, rows)


@router.get("/datasets/{dataset}/bad/file")
def file(
    request: Request, actor: Editor, dataset: str, rule: Annotated[str, Query(max_length=200)] = "",
    form: Literal["xlsx", "csv"] = "xlsx",
) -> StreamingResponse:  # fmt: skip
    """Hand the rows out as a file to correct."""
    opened, receipt = _home(request).returns(actor).file(_CONSOLE, dataset, form, rule or None)
    digest = base64.b64encode(bytes.fromhex(receipt["sha256"])).decode()
    headers = {
        "Cache-Control": "no-store", "Repr-Digest": f"sha-256=:{digest}:", "Receipt": receipt["id"],
        "Content-Disposition": f'attachment; filename="{receipt["dataset"]}-{receipt["id"]}.{form}"',
    }  # fmt: skip
    return StreamingResponse(_pieces(opened), headers=headers, media_type=_MEDIA[form])


@router.post("/datasets/{dataset}/bad")
def returned(request: Request, actor: Editor, dataset: str, sent: Annotated[Sent, Depends(_UPLOAD)]) -> Response:
    """Take a corrected file back and tell row by row what became of it; on trial nothing is published."""
    returns = _home(request).returns(actor)
    returns.check(_CONSOLE, dataset)
    try:
        given = sent.file("file")
        form = (given.filename or "").rpartition(".")[2].lower()
        if form not in _MEDIA:
            raise Unsupported("the file is neither .xlsx nor .csv", todo="return the file that you were given")
        if (given.size or 0) > returns.limit:
            raise Invalid("the file is too large", todo="return it in parts", field="file")
        key, trial = sent.text("key") or secrets.token_hex(8), bool(sent.text("trial"))
        answer = returns.take(_CONSOLE, dataset, given.file, form, key, trial)
    except (Refuse, Retry) as refusal:
        rows = returns.rows(_CONSOLE, dataset, None, _ROWS)
        return _bad(request, actor, dataset, "", rows, refusal=refusal.problem(), status=refusal.status)
    return page(request, "console/returned.html", dataset=dataset, answer=answer, trial=trial)


@router.get("/disputes/{ticket}")
def dispute(request: Request, actor: Member, ticket: str) -> Response:
    """Show one ticket with record and claim."""
    return _dispute(request, actor, ticket)


@router.post("/disputes/{ticket}")
def answer(request: Request, actor: Member, ticket: str, sent: Form) -> Response:
    """Accept, correct or reject; a rejection wants a reason."""
    how = sent.text("how")
    try:
        if how not in ("accept", "correct", "reject"):
            raise Invalid("this is no answer to a dispute", todo="choose one of the buttons", field="how")
        _home(request).disputes(actor).answered(_CONSOLE, ticket, how, sent.text("reason", 2000))  # type: ignore[arg-type] # one of Move
    except Refuse as refusal:
        if refusal.status == 404:
            raise
        return _dispute(request, actor, ticket, refusal=refusal.problem(), status=refusal.status)
    return RedirectResponse(address(request, f"/my/disputes/{ticket}", done=f"dispute_{how}"), 303)


def _dispute(
    request: Request, actor: Actor, ticket: str, refusal: dict[str, Any] | None = None, status: int = 200
) -> Response:
    found = _home(request).disputes(actor).shown(_CONSOLE, ticket)
    return page(request, "console/dispute.html", status=status, ticket=found, refusal=refusal)


def _bad(
    request: Request, actor: Actor, dataset: str, rule: str, rows: list[dict[str, Any]],
    refusal: dict[str, Any] | None = None, status: int = 200,
) -> Response:  # fmt: skip
    return page(
        request, "console/bad.html", status=status, dataset=dataset, rule=rule, rows=rows, most=_ROWS, refusal=refusal,
        entry=services_of(request).catalog.entry(dataset), key=secrets.token_hex(8), may_return="editor" in actor.roles,
    )  # fmt: skip


def _home(request: Request) -> Home:
    return services_of(request).console.desks.home


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from iter(lambda: file.read(PIECE), b"")
