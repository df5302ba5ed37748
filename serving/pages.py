"""The catalog's pages: search with facets, one resource, one data element, departments. They show what the catalog knows, never a record."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from catalog.columns import FACETS
from catalog.guide import metadata
from catalog.picture import draw
from catalog.search import Query as Search
from quality import cards
from schemas.elements import ELEMENTS
from schemas.errors import NotFound
from serving import dcat
from serving.rendering import page
from serving.scorecards import line
from serving.services import services_of

router = APIRouter(include_in_schema=False)
STATIC = Path(__file__).parent / "static"
ASSETS = {"hub.css": "text/css", "mark.svg": "image/svg+xml"}
SIZE = 20


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
def catalog(
    request: Request,
    q: Annotated[str, Query(max_length=200)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """Show the resources that match, with facets; to a harvester the catalog's description."""
    if dcat.wished(request):
        return RedirectResponse("/dcat", headers={"Vary": "Accept"})
    services = services_of(request)
    chosen = {name: value for name in FACETS if (value := request.query_params.get(name, "")[:200])}
    found = services.catalog.search(Search(q, chosen, SIZE, (number - 1) * SIZE))
    return page(
        request,
        "catalog.html",
        query=q.strip(),
        chosen=chosen,
        found=found,
        number=number,
        pages=-(-found.total // SIZE),
        now=services.clock(),
        elements=ELEMENTS,
    )


@router.get("/catalog/{name:path}")
def resource(request: Request, name: str) -> Response:
    """Show one resource: metadata, items, quality, lineage, loads, versions; to a harvester its description."""
    services = services_of(request)
    entry, contract = services.catalog.entry(name), services.catalog.contract(name)
    if entry is None or contract is None:
        raise NotFound("there is no such resource in the catalog", todo="search the catalog")
    if form := dcat.wished(request):
        return dcat.described(request, entry, form)
    flow = services.catalog.lineage(contract)
    return page(
        request,
        "resource.html",
        headers={"Vary": "Accept, Accept-Language"},
        entry=entry,
        metadata=metadata(entry),
        related=services.catalog.related(entry.dataset),
        flow=flow,
        drawing=draw(flow),
        versions=services.catalog.versions(entry.dataset),
        loads=services.catalog.history(entry.dataset),
        base=str(request.base_url).rstrip("/"),
        line=line,
        rounded=cards.rounded,
    )


@router.get("/elements/{element}")
def element(request: Request, element: str) -> HTMLResponse:
    """Show which resources hold a data element, and who is authoritative for it."""
    known = ELEMENTS.get(element.upper())
    if known is None:
        raise NotFound("there is no such data element", todo="follow a link from a resource's items")
    services = services_of(request)
    return page(
        request, "element.html", element=known, holders=services.catalog.holders(known.id), kinds=services.kinds()
    )


@router.get("/departments")
def departments(request: Request) -> HTMLResponse:
    """List the departments."""
    return page(request, "departments.html", departments=services_of(request).catalog.departments())


@router.get("/departments/{code}")
def department(request: Request, code: str) -> HTMLResponse:
    """Show a department's three lists."""
    services = services_of(request)
    found = services.catalog.department(code)
    if found is None:
        raise NotFound("there is no such department in the catalog", todo="see the list of departments")
    return page(
        request, "department.html", lists=found, now=services.clock(), elements=ELEMENTS, kinds=services.kinds()
    )
