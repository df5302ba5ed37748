"""The catalog for harvesters: DCAT-AP as Turtle, RDF/XML or JSON-LD, as the caller asks, page by page (`catalog.dcat`)."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from catalog import dcat
from catalog.dcat import MEDIA, Page
from catalog.entries import Entry
from schemas.errors import Invalid
from serving.services import services_of

router = APIRouter(tags=["catalog"])
FORMATS = {"ttl": "turtle", "rdf": "xml", "jsonld": "json-ld"}


@router.get(
    "/dcat",
    summary="The whole catalog as DCAT-AP 3.0.1, page by page: Turtle, RDF/XML or JSON-LD",
    response_class=Response,
    responses={
        200: {"content": {media: {"schema": {"type": "string"}} for media in MEDIA.values()}},
        304: {"description": "Nothing changed since the copy with this tag"},
    },
)
def harvest(
    request: Request,
    after: Annotated[str, Query(max_length=64)] = "",
    size: Annotated[int, Query(ge=1, le=500)] = 100,
    format: Annotated[str, Query(max_length=8, description="ttl, rdf or jsonld; else what Accept prefers")] = "",
) -> Response:
    """Answer with one page; unchanged since the caller's copy (If-None-Match), with nothing."""
    if format and format not in FORMATS:
        raise Invalid("format is unknown", todo=f"one of {', '.join(FORMATS)}", field="format")
    form = FORMATS.get(format) or wished(request) or "turtle"
    services = services_of(request)
    total, changed_at = services.catalog.totals()
    tag = hashlib.sha256(f"{total} {changed_at} {after} {size} {form} {services.site.base}".encode()).hexdigest()[:24]
    headers = {"ETag": f'"{tag}"', "Vary": "Accept", "Cache-Control": "no-cache"}
    if f'"{tag}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    shown = Page(services.catalog.page(after, size), after, size, total, changed_at, format)
    return Response(dcat.written(dcat.page(services.site, shown), form), media_type=MEDIA[form], headers=headers)


def described(request: Request, entry: Entry, form: str) -> Response:
    """One dataset's description, for whoever asks its page for data about it."""
    body = dcat.written(dcat.one(services_of(request).site, entry), form)
    return Response(body, media_type=MEDIA[form], headers={"Vary": "Accept, Accept-Language"})


def wished(request: Request) -> str | None:
    """The RDF format that the Accept header prefers to a page; None if it wants none."""
    wishes = {"text/html": "", **{media: form for form, media in MEDIA.items()}}
    best, found = 0.0, ""
    for part in request.headers.get("accept", "").split(",")[:20]:
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = _weight(parameters)
        if media in wishes and weight > best:
            best, found = weight, wishes[media]
    return found or None


def _weight(parameters: list[str]) -> float:
    given = next((p[2:] for p in parameters if p.startswith("q=")), "1")
    try:
        return float(given)
    except ValueError:
        return 0.0
