"""The API for portals beside prefill itself: the forms, the personas, the catalog. Every route needs a bearer token."""

from typing import Any

from fastapi import APIRouter, Depends, Request

from serving.services import services_of
from serving.signin import caller

router = APIRouter(prefix="/v1", dependencies=[Depends(caller)])


@router.get("/forms", tags=["prefill"], summary="The forms that can be prefilled")
def forms(request: Request) -> list[dict[str, Any]]:
    """List the forms with their fields; every subject kind is one, for whoever asks for fields and has no form."""
    return [
        {
            "form": form.id,
            "version": form.version,
            "title": {"zh": form.title, "en": form.title_en},
            "subject": form.subject,
            "fields": [
                {
                    "name": f.name,
                    "label": {"zh": f.label, "en": f.label_en},
                    "element": f.element,
                    "typed": f.typed,
                    "required": f.required,
                    "entry": "locked" if f.locked else "editable",
                    "input": f.input,
                    "options": [{"value": o.value, "label": {"zh": o.label, "en": o.label_en}} for o in f.options],
                    "items": [{"name": c.name, "label": {"zh": c.label, "en": c.label_en}} for c in f.items],
                }
                for f in form.fields
            ],
        }
        for form in services_of(request).forms().values()
    ]


@router.get(
    "/personas", tags=["prefill"], summary="Fictitious subjects for testers, one for each state; none in production"
)
def personas(request: Request) -> list[dict[str, Any]]:
    """List the personas that this hub answers for."""
    return [
        {
            "kind": one.kind,
            "subject": one.identifier,
            "state": one.state,
            "name": one.name,
            "label": {"zh": one.label, "en": one.label_en},
        }
        for one in services_of(request).prefill.personas.values()
    ]
