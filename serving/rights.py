"""What a client may ask, and what became known of a citizen: who used their data, when, for what (个人信息保护法, article 44 and 45).

The citizen asks through a portal, with a statement of their identity provider. It is an ask like any other: the portal needs a grant for the
form `own-uses` on the basis of consent, the statement must be about the subject, and the answer is in the audit, too.
"""

import re
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from access.audit import Entry
from access.decision import OWN_USES, Ask
from access.desk import Subject
from ledger.grants import Basis, Grant, Kind
from serving.services import services_of
from serving.signin import caller

_OPENED: dict[Kind, re.Pattern[str]] = {
    "form": re.compile(r"POST /v1/(prefill|prefill/verify|disputes)"),
    "dataset": re.compile(
        r"GET /v1/datasets/\{[^/]+\}/(records|changes|export).*|POST /v1/(datasets/\{[^/]+\}/records/query|disputes)"
    ),
}
"""The routes that a grant opens, as they are written where they stand."""
_EVIDENCE: dict[Basis, Literal["consent", "case"] | None] = {"consent": "consent", "duty": "case", "open": None}
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


class Way(BaseModel):
    """One address that a grant opens, and what is answered there."""

    method: str
    url: str
    summary: str


class Granted(BaseModel):
    """One grant: `fields` None for all of the form's or dataset's, `row_filter` "" for all rows, `live` while its period lasts.

    `evidence`: what each call brings beside the purpose: a subject's `consent`, a `case` number, or nothing.
    """

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
    row_filter: str
    request: str | None
    live: bool
    evidence: Literal["consent", "case"] | None
    opens: list[Way]


@router.get("/grants", summary="What may I call? This client's grants, each with the addresses that it opens")
def granted(request: Request, client: Annotated[str, Depends(caller)]) -> list[Granted]:
    """The caller's own grants that are not revoked."""
    services = services_of(request)
    now = services.clock()
    return [
        Granted(
            grant=g.id, kind=g.kind, name=g.name, purpose=g.purpose, basis=g.basis, legal=g.legal, begins=g.begins, ends=g.ends,
            fields=None if g.fields is None else sorted(g.fields), quota=g.quota, row_filter=g.row_filter, request=g.request or None,
            live=g.live(now), evidence=_EVIDENCE[g.basis], opens=_opens(request, g),
        )
        for g in services.desk.grants(client)
    ]  # fmt: skip


@router.post("/uses", summary="Who used a citizen's data, when, for what", response_model=Uses)
def uses(request: Request, wish: UsesRequest, client: Annotated[str, Depends(caller)]) -> JSONResponse:
    """The answers that were given about the subject, under whichever of its identifiers, on the subject's own statement."""
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
    (file,) = services.prefill.files([(wish.kind, wish.subject)])
    names = {subject, *(services.pseudonym(wish.kind, one) for one in (file.identifiers if file else ()))}
    found = services.uses(names, wish.before, wish.limit)
    services.desk.write(entry("answered"), services.desk.limits(client, OWN_USES, decision))
    return JSONResponse(
        Uses.model_validate({"uses": found}).model_dump(mode="json"), headers={"Cache-Control": "no-store"}
    )


def _opens(request: Request, grant: Grant) -> list[Way]:
    """The addresses that a grant opens."""
    base = services_of(request).site.base
    opened = re.compile("POST /v1/uses") if grant.name == OWN_USES else _OPENED[grant.kind]
    routes = [route for route in request.app.routes if isinstance(route, APIRoute)]
    return [
        Way(
            method=method,
            url=base + re.sub(r"\{[^/]+?\}", grant.name, route.path, count=1),
            summary=route.summary or "",
        )
        for route in routes
        for method in sorted(route.methods)
        if opened.fullmatch(f"{method} {route.path}")
    ]
