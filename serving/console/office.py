"""The data office's home: what is late, coverage, quality, demand; and reviews of what departments propose."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from access.actors import Actor
from quality import cards
from schemas.errors import HubError, Invalid, NotFound
from serving.console.desks import Office
from serving.console.door import Sending, Sent, SignedIn
from serving.rendering import address, page
from serving.services import services_of

router = APIRouter(prefix="/office", include_in_schema=False)
Officer = Annotated[Actor, Depends(SignedIn("office"))]
Form = Annotated[Sent, Depends(Sending())]


@router.get("")
def home(request: Request, actor: Officer) -> Response:
    """Show what wants the data office's eye."""
    desk = _office(request)
    return page(
        request,
        "console/office.html",
        overdue=desk.overdue(actor),
        reviews=desk.reviews(),
        coverage=desk.coverage(),
        ranking=desk.ranking(),
        demand=desk.demand(),
        rounded=cards.rounded,
    )


@router.get("/reviews/{dataset}")
def review(request: Request, _actor: Officer, dataset: str) -> Response:
    """Show a proposal: what it changes, its text, its steps."""
    return _review(request, dataset)


@router.post("/reviews/{dataset}")
def decide(request: Request, actor: Officer, dataset: str, sent: Form) -> Response:
    """Approve a proposal, or return it with a reason."""
    how, reason, desk = sent.text("how"), sent.text("reason", 2000), _office(request)
    try:
        if how == "approve":
            desk.approve(actor, dataset, reason)
        elif how == "return":
            desk.send_back(actor, dataset, reason)
        else:
            raise Invalid("this is no decision", todo="choose one of the buttons", field="how")
    except NotFound:
        raise
    except HubError as refusal:
        return _review(request, dataset, refusal=refusal.problem(), status=refusal.status)
    return RedirectResponse(address(request, "/office", done=f"review_{how}"), 303)


def _review(request: Request, dataset: str, refusal: dict[str, Any] | None = None, status: int = 200) -> Response:
    found = _office(request).review(dataset)
    return page(request, "console/review.html", status=status, proposal=found, refusal=refusal)


def _office(request: Request) -> Office:
    return services_of(request).console.desks.office
