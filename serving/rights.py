"""What a client may ask, and what became known of a citizen: who used their data, when, for what (个人信息保护法, article 44 and 45).

The citizen asks through a portal, with a statement of their identity provider. It is an ask like any other: the portal needs a grant for the
form `own-uses` on the basis of consent, the statement must be about the subject, and the answer is in the audit, too.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from access.audit import Entry
from access.decision import Ask
from access.desk import Subject
from serving.services import services_of
from serving.signin import caller

OWN_USES = "own-uses"
"""The form and the purpose of a citizen's look at who used their data."""
router = APIRouter(prefix="/v1", dependencies=[Depends(caller)], tags=["access"])


class UsesRequest(BaseModel):
    """Whose uses, with the statement that the subject's identity provider signed; `before`: those before a moment, for the next page."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    kind: Annotated[str, Field(min_length=1, max_length=32, description="person, enterprise, …")]
    subject: Annotated[str, Field(min_length=1, max_length=64, description="the subject's identifier")]
    consent: Annotated[str, Field(min_length=1, max_length=8192)]
    before: AwareDatetime | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class Name(BaseModel):
    """A name in both languages."""

    zh: str
    en: str


class Use(BaseModel):
    """One answer that was given: to whom, for what, on which basis, and the names of the fields."""

    at: datetime
    client: Name
    who: str
    purpose: str
    form: str
    basis: str
    fields: list[str]


class Uses(BaseModel):
    """The answers about one subject, newest first."""

    uses: list[Use]


class Granted(BaseModel):
    """One grant: `fields` None for all of the form's or dataset's."""

    grant: str
    kind: str
    name: str
    purpose: str
    basis: str
    legal: str
    fields: list[str] | None
    begins: datetime
    ends: datetime | None
    quota: int | None


@router.get("/grants", summary="What this client may ask for")
def granted(request: Request, client: Annotated[str, Depends(caller)]) -> list[Granted]:
    """The caller's own grants that are not revoked."""
    return [
        Granted(
            grant=g.id, kind=g.kind, name=g.name, purpose=g.purpose, basis=g.basis, legal=g.legal, begins=g.begins, ends=g.ends,
            fields=None if g.fields is None else sorted(g.fields), quota=g.quota,
        )
        for g in services_of(request).desk.grants(client)
    ]  # fmt: skip


@router.post("/uses", summary="Who used a citizen's data, when, for what", response_model=Uses)
def uses(request: Request, wish: UsesRequest, client: Annotated[str, Depends(caller)]) -> JSONResponse:
    """The answers that were given about the subject, on the subject's own statement."""
    services = services_of(request)
    subject = services.pseudonym(wish.kind, wish.subject)
    ask = Ask("form", OWN_USES, OWN_USES, ("uses",))
    decision = services.desk.decide(client, ask, about=Subject(wish.kind, wish.subject), statement=wish.consent)

    def entry(result: str) -> Entry:
        grants = tuple(g.id for g in decision.grants)
        return Entry(
            client, OWN_USES, OWN_USES, ("uses",), subject, result, decision.basis, decision.evidence, grants=grants
        )

    if not decision.granted:
        services.desk.write(entry(f"refused: {decision.reason}"))
        raise decision.refusal()
    found = services.uses(subject, wish.before, wish.limit)
    services.desk.write(entry("answered"), services.desk.limits(client, OWN_USES, decision))
    return JSONResponse(
        Uses.model_validate({"uses": found}).model_dump(mode="json"), headers={"Cache-Control": "no-store"}
    )
