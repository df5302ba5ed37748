"""The auditor's page: who used which data, when, for what; and whether anything of it was changed. A subject's identifier comes by POST alone."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from access.actors import Actor
from schemas.errors import Refuse
from serving.console.desks import Trail
from serving.console.door import Sending, Sent, SignedIn
from serving.rendering import page
from serving.services import services_of

router = APIRouter(prefix="/audit", include_in_schema=False)
Auditor = Annotated[Actor, Depends(SignedIn("auditor"))]
Form = Annotated[Sent, Depends(Sending())]
WANTED = ("client", "purpose", "result", "since", "until", "kind", "identifier")


@router.get("")
def ask(request: Request, _actor: Auditor) -> Response:
    """Show the search, and how long the chains are."""
    return _page(request)


@router.post("")
def search(request: Request, actor: Auditor, sent: Form) -> Response:
    """Show the newest entries that fit. The search itself is in the audit."""
    wanted = {name: sent.text(name) for name in WANTED}
    try:
        return _page(request, wanted=wanted, found=_trail(request).entries(actor, wanted))
    except Refuse as refusal:
        return _page(request, wanted=wanted, refusal=refusal.problem(), status=refusal.status)


@router.post("/verify")
def verify(request: Request, actor: Auditor, _sent: Form) -> Response:
    """Walk every chain, and show what was found."""
    return _page(request, verified=_trail(request).verified(actor))


def _page(request: Request, *, status: int = 200, **shown: Any) -> Response:
    context = {"wanted": dict.fromkeys(WANTED, ""), "found": None, "verified": None, "refusal": None, **shown}
    context["wanted"] = {**context["wanted"], "identifier": ""}  # never written back
    chains, kinds = _trail(request).chains(), services_of(request).kinds()
    return page(request, "console/audit.html", status=status, chains=chains, kinds=kinds, **context)


def _trail(request: Request) -> Trail:
    return services_of(request).console.desks.trail
