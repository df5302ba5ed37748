"""The catalog's pages: search and list, one resource. They show what the catalog knows, never a record."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from catalog.entries import find
from catalog.guide import metadata
from catalog.search import search
from schemas.errors import NotFound
from serving.rendering import page
from serving.services import services_of

router = APIRouter(include_in_schema=False)
STATIC = Path(__file__).parent / "static"
ASSETS = {"hub.css": "text/css", "mark.svg": "image/svg+xml"}


@router.get("/")
def home() -> RedirectResponse:
    """Lead to the catalog."""
    return RedirectResponse("/catalog")


@router.get("/static/{name}")
def asset(name: str) -> FileResponse:
    """Serve the style sheet and the mark, nothing else."""
    if name not in ASSETS:
        raise NotFound("there is no such asset")
    return FileResponse(STATIC / name, media_type=ASSETS[name], headers={"Cache-Control": "max-age=300"})


@router.get("/catalog")
def catalog(request: Request, q: Annotated[str, Query(max_length=200)] = "") -> HTMLResponse:
    """Show the resources, all or those that match."""
    services = services_of(request)
    everything = services.entries()
    found = search(everything, q)
    return page(request, "catalog.html", query=q.strip(), entries=found, total=len(everything))


@router.get("/catalog/{name:path}")
def resource(request: Request, name: str) -> HTMLResponse:
    """Show one resource: metadata, items, quality, loads, how to call it."""
    services = services_of(request)
    entry = find(services.entries(), name)
    if entry is None:
        raise NotFound("there is no such resource in the catalog", todo="search the catalog")
    return page(
        request,
        "resource.html",
        entry=entry,
        metadata=metadata(entry),
        loads=services.history(entry.dataset)[:20],
        base=str(request.base_url).rstrip("/"),
    )
