"""The API for portals: prefill a form, see the forms, see the catalog. Every route needs a bearer token."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from catalog.entries import find
from catalog.search import search
from schemas.errors import NotFound
from serving.disclosure import Wish, disclose
from serving.services import services_of
from serving.signin import caller

router = APIRouter(prefix="/v1", dependencies=[Depends(caller)])

Name = Annotated[str, Field(min_length=1, max_length=64)]


class PrefillRequest(BaseModel):
    """Which form for which subject and why; `fields` narrows the form, `select` names the licence or permit meant."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    form: Name
    subject: Annotated[str, Field(min_length=1, max_length=64, description="the subject's identifier")]
    purpose: Annotated[str, Field(min_length=1, max_length=200)]
    fields: Annotated[list[Name] | None, Field(max_length=500)] = None
    select: Annotated[
        dict[Name, dict[Name, Annotated[str, Field(max_length=200)]]] | None,
        Field(max_length=20, description='which entry of a list is meant: {"food_licences": {"licence_no": "…"}}'),
    ] = None


@router.post("/prefill", tags=["prefill"], summary="A form's fields for a subject, each with its origin and state")
def prefill(request: Request, wish: PrefillRequest, client: Annotated[str, Depends(caller)]) -> JSONResponse:
    """Answer a form; the audit entry is durable before the answer leaves."""
    asked = Wish(client, wish.form, wish.subject, wish.purpose, tuple(wish.fields or ()), wish.select or {})
    return JSONResponse(disclose(services_of(request), asked).to_json(), headers={"Cache-Control": "no-store"})


@router.get("/forms", tags=["prefill"], summary="The forms that can be prefilled")
def forms(request: Request) -> list[dict[str, Any]]:
    """List the forms with their fields."""
    return [
        {
            "form": form.id,
            "title": {"zh": form.title, "en": form.title_en},
            "subject": form.subject,
            "fields": [{"name": f.name, "label": {"zh": f.label, "en": f.label_en}} for f in form.fields],
        }
        for form in services_of(request).forms().values()
    ]


@router.get("/datasets", tags=["catalog"], summary="The catalog's entries, all or those that match `q`")
def datasets(request: Request, q: Annotated[str, Field(max_length=200)] = "") -> list[dict[str, Any]]:
    """List entries, best match first."""
    return [entry.to_json() for entry in search(services_of(request).entries(), q)]


@router.get("/datasets/{name:path}", tags=["catalog"], summary="One entry, by dataset name or resource code")
def dataset(request: Request, name: str) -> dict[str, Any]:
    """Show one entry."""
    entry = find(services_of(request).entries(), name)
    if entry is None:
        raise NotFound("there is no such dataset", todo="GET /v1/datasets lists them")
    return entry.to_json()
