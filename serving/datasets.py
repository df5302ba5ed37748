"""The catalog's facts for programs, open to everyone: resources found, one resource, who holds a data element. Never a record."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from catalog.search import Query as Search
from schemas.elements import ELEMENTS
from schemas.errors import NotFound
from serving.services import services_of

router = APIRouter(prefix="/v1", tags=["catalog"])
Text = Annotated[str, Query(max_length=200)]


@router.get("/datasets", summary="The resources that match `q` and the chosen facets, best first")
def datasets(
    request: Request,
    q: Text = "",
    department: Text = "",
    class_: Annotated[str, Query(alias="class", max_length=1)] = "",
    share: Annotated[str, Query(max_length=1)] = "",
    format: Text = "",
    cycle: Text = "",
    element: Text = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """Answer with cards, counted facets and whether a misspelt word was guessed."""
    named = {
        "department": department,
        "class": class_,
        "share": share,
        "format": format,
        "cycle": cycle,
        "element": element,
    }
    services = services_of(request)
    now = services.clock()
    found = services.catalog.search(Search(q, _given(named), size, (page - 1) * size))
    return {
        "total": found.total,
        "page": page,
        "guessed": found.guessed,
        "datasets": [{**card.to_json(), "freshness": card.freshness(now)} for card in found.hits],
        "facets": {name: [asdict(value) for value in values] for name, values in found.facets.items()},
    }


@router.get("/datasets/{name:path}", summary="One resource, by dataset name or resource code")
def dataset(request: Request, name: str) -> dict[str, Any]:
    """Answer with the whole entry, its versions and its lineage."""
    catalog = services_of(request).catalog
    entry, contract = catalog.entry(name), catalog.contract(name)
    if entry is None or contract is None:
        raise NotFound("there is no such dataset", todo="GET /v1/datasets lists them")
    return {
        **entry.to_json(),
        "versions": [
            {
                "number": one.number,
                "version": one.version,
                "applied_at": one.applied_at.isoformat(),
                "changes": [asdict(change) for change in one.changes],
            }
            for one in catalog.versions(entry.dataset)
        ],
        "lineage": catalog.lineage(contract).to_json(),
    }


@router.get("/elements/{element}", summary="Which resources hold a data element, and who is authoritative for it")
def element(request: Request, element: Annotated[str, Path(max_length=16)]) -> dict[str, Any]:
    """Answer with the element and its holders, the authoritative first."""
    known = ELEMENTS.get(element.upper())
    if known is None:
        raise NotFound(f"there is no data element {element!r}", todo="hub element list")
    return {
        "element": known.id,
        "name": {"zh": known.zh, "en": known.en},
        "holders": [
            {
                "dataset": holder.card.dataset,
                "code": holder.card.code,
                "title": {"zh": holder.card.title, "en": holder.card.title_en},
                "provider": {"zh": holder.card.provider, "en": holder.card.provider_en},
                "item": {"name": holder.item, "title": holder.title},
                "authoritative_for": list(holder.authoritative_for),
            }
            for holder in services_of(request).catalog.holders(known.id)
        ],
    }


def _given(named: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in named.items() if value}
