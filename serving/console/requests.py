"""Requests for data and their approval: what is asked for, by whom, until when it is to be decided, and the moves that the actor has."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from access.actors import Actor
from schemas.errors import Invalid, NotFound, Refuse
from serving.console.door import Sending, Sent, SignedIn
from serving.rendering import address, page
from serving.services import Approvals, services_of

router = APIRouter(prefix="/requests", include_in_schema=False)
Reader = Annotated[Actor, Depends(SignedIn("editor", "approver", "office", "auditor"))]
Asker = Annotated[Actor, Depends(SignedIn("editor", "client", "office"))]
Decider = Annotated[Actor, Depends(SignedIn("approver", "office"))]
Form = Annotated[Sent, Depends(Sending())]
MOVES = ("approve", "refuse", "extend", "withdraw", "revoke")
BASES = ("consent", "duty", "open")


@router.get("")
def listed(request: Request, actor: Reader, view: Literal["", "decide", "asked", "all"] = "") -> Response:
    """Show requests: the actor's to decide, those of the own department, or all that it may see."""
    desk = _approvals(request)
    shown = view or ("decide" if actor.roles & {"approver", "office"} else "all")
    return page(
        request,
        "console/requests.html",
        view=shown,
        rows=desk.listed(actor, shown, ""),
        clocks=desk.clocks(actor),
        delegations=desk.delegations(actor),
        may_delegate=bool(actor.roles & {"approver", "office"}),
        may_ask=bool(actor.roles & {"editor", "office"}),
    )


@router.get("/new")
def ask(request: Request, actor: Asker, dataset: Annotated[str, Query(max_length=63)] = "") -> Response:
    """Ask what is wanted of a dataset, for whom, for what."""
    return _ask(request, actor, {"dataset": dataset})


@router.post("/new")
def open_(request: Request, actor: Asker, sent: Form) -> Response:
    """Open the request; what is shared unconditionally is granted at once."""
    names = ("dataset", "client", "purpose", "basis", "legal", "days", "quota", "contact")
    given: dict[str, Any] = {name: sent.text(name, 400) for name in names}
    fields = sent.texts("fields")
    try:
        wish = {
            "kind": "dataset", "name": sent.text("dataset", 63, required=True), "purpose": sent.text("purpose", 200, required=True),
            "basis": _one_of(sent, "basis", BASES), "legal": sent.text("legal", 400, required=True), "fields": fields,
            "days": _number(sent, "days"), "quota": _number(sent, "quota"), "contact": sent.text("contact"),
        }  # fmt: skip
        client = actor.client or sent.text("client", 64, required=True)
        row = _approvals(request).open(actor, client, wish)
    except Refuse as refusal:
        return _ask(request, actor, {**given, "fields": fields}, refusal=refusal.problem(), status=refusal.status)
    where = "/portal" if actor.roles == {"client"} else f"/requests/{row['request']}"
    return RedirectResponse(address(request, where, done="asked"), 303)


@router.post("/delegations")
def delegate(request: Request, actor: Decider, sent: Form) -> Response:
    """Let a colleague or another department decide for a while."""
    try:
        until = date.fromisoformat(sent.text("until", 10, required=True))
    except ValueError:
        raise Invalid("this is no day", todo="write it as 2026-12-31", field="until") from None
    to = {"person": sent.text("person", 320), "to_department": sent.text("to_department", 18)}
    department = sent.text("department", 18) or actor.department
    _approvals(request).delegate(actor, department, until, sent.text("why", 400, required=True), **to)
    return RedirectResponse(address(request, "/requests", done="delegated"), 303)


@router.post("/delegations/{number}/end")
def end(request: Request, actor: Decider, number: str, _sent: Form) -> Response:
    """End a delegation."""
    _approvals(request).end_delegation(actor, number)
    return RedirectResponse(address(request, "/requests", done="delegation_ended"), 303)


@router.get("/{number}")
def shown(request: Request, actor: Reader, number: str) -> Response:
    """Show one request with its steps."""
    return _shown(request, actor, number)


@router.post("/{number}")
def move(request: Request, actor: Reader, number: str, sent: Form) -> Response:
    """Approve, refuse, extend, withdraw or revoke; what the actor may is decided there."""
    desk, reason = _approvals(request), sent.text("reason", 2000)
    ways: dict[str, Callable[[Actor, str, str], dict[str, Any]]] = {name: getattr(desk, name) for name in MOVES}
    try:
        how = _one_of(sent, "how", MOVES)
        ways[how](actor, number, reason)
    except NotFound:
        raise
    except Refuse as refusal:
        return _shown(request, actor, number, refusal=refusal.problem(), status=refusal.status)
    return RedirectResponse(address(request, f"/requests/{number}", done=f"request_{how}"), 303)


def _ask(
    request: Request, actor: Actor, given: dict[str, Any], refusal: dict[str, Any] | None = None, status: int = 200
) -> Response:
    name = str(given.get("dataset", ""))
    entry = services_of(request).catalog.entry(name) if name else None
    return page(
        request, "console/ask_for.html", status=status, given={"basis": "duty", **given}, entry=entry, client=actor.client,
        bases=BASES, refusal=refusal,
    )  # fmt: skip


def _shown(
    request: Request, actor: Actor, number: str, refusal: dict[str, Any] | None = None, status: int = 200
) -> Response:
    row = _approvals(request).shown(actor, number)
    return page(request, "console/request.html", status=status, row=row, refusal=refusal)


def _one_of(sent: Sent, name: str, known: tuple[str, ...]) -> str:
    value = sent.text(name)
    if value not in known:
        raise Invalid(f"{name} is one of {', '.join(known)}", todo="choose one", field=name)
    return value


def _number(sent: Sent, name: str) -> int | None:
    text = sent.text(name, 9)
    if text and not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise Invalid(f"{name} is no number above 0", todo="write it in digits, or leave it out", field=name)
    return int(text) if text else None


def _approvals(request: Request) -> Approvals:
    return services_of(request).approvals
