"""The page of who answers for a portal: what it may call, what it asked for, how much it used; and masked samples, for whoever is signed in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from access.actors import Actor
from schemas.errors import NotFound
from serving.console.door import SignedIn
from serving.rendering import page
from serving.services import services_of

router = APIRouter(include_in_schema=False)
Owner = Annotated[Actor, Depends(SignedIn("client"))]


@router.get("/portal")
def portal(request: Request, actor: Owner) -> Response:
    """Show the portal's grants, requests and usage."""
    services = services_of(request)
    return page(
        request,
        "console/portal.html",
        client=actor.client,
        grants=services.desk.grants(actor.client),
        rows=services.requests.listed(actor.client),
        usage=services.console.desks.usage(actor.client),
        now=services.clock(),
        base=str(request.base_url).rstrip("/"),
    )


@router.get("/samples/{dataset}")
def sample(request: Request, _actor: Annotated[Actor, Depends(SignedIn())], dataset: str) -> Response:
    """Show masked values of each column; no line of them is a record."""
    services = services_of(request)
    entry = services.catalog.entry(dataset)
    if entry is None:
        raise NotFound("there is no such resource in the catalog", todo="search the catalog")
    return page(request, "console/sample.html", entry=entry, columns=services.console.desks.sample(entry.dataset))
