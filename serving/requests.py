"""数据共享申请 over HTTP: a client asks for fields of a form or dataset, follows the request, takes it back.

What is shared unconditionally is granted in the answer; what is not shared is refused in it, with the law. Names of who decides are not told.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import Invalid
from serving.services import Requests, services_of
from serving.signin import caller

router = APIRouter(prefix="/v1/requests", dependencies=[Depends(caller)], tags=["requests"])
_PRIVATE = {"Cache-Control": "no-store"}
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=PRINTABLE)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]


class DataRequest(BaseModel):
    """What is asked for: `dataset` or `form`, its `fields` (none: all that it has now), for what, on which legal basis, how long, how often."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    dataset: Annotated[str, Field(max_length=63, pattern=PRINTABLE)] = ""
    form: Annotated[str, Field(max_length=64, pattern=PRINTABLE)] = ""
    fields: Annotated[list[Name], Field(max_length=500)] = Field(default_factory=list)
    purpose: Annotated[
        str,
        Field(min_length=1, max_length=200, pattern=PRINTABLE, description="the word sent with each use of the grant"),
    ]
    basis: Annotated[
        Literal["consent", "duty", "open"],
        Field(description="consent: the subject's; duty: a case number with every request; open: neither"),
    ]
    legal: Annotated[
        str, Field(min_length=1, max_length=400, pattern=PRINTABLE, description="the article, decree or agreement")
    ]
    row_filter: Annotated[str, Field(max_length=20_000, description="which rows of a dataset; empty: all")] = ""
    days: Annotated[
        int | None, Field(ge=1, le=3660, description="how many days it is to hold; none: until revoked")
    ] = None
    quota: Annotated[Count | None, Field(description="answers a day; none: no limit")] = None
    contact: Annotated[
        str, Field(max_length=200, pattern=PRINTABLE, description="how to reach the office that asks")
    ] = ""


class Withdrawal(BaseModel):
    """Why it is taken back, if that is to be remembered."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Annotated[str, Field(max_length=2000, pattern=PRINTABLE)] = ""


class Asked(BaseModel):
    """One request: `due_on` is the day by which it is decided, which a year not yet announced may move (`provisional`)."""

    request: str
    kind: Literal["form", "dataset"]
    name: str
    fields: list[str]
    purpose: str
    basis: Literal["consent", "duty", "open"]
    legal: str
    row_filter: str
    days: int | None
    quota: int | None
    provider: Annotated[str, Field(description="the department that decides")]
    state: Literal["requested", "approved", "granted", "refused", "withdrawn", "revoked", "ended"]
    opened_on: date
    due_on: date
    overdue: bool
    extended: bool
    provisional: list[int]
    grant: str | None


class Taken(BaseModel):
    """One step of a request."""

    deed: Literal["requested", "extended", "approved", "granted", "refused", "withdrawn", "revoked"]
    at: datetime
    reason: str


class AskedWithSteps(Asked):
    """One request with everything that was done about it, oldest first."""

    steps: list[Taken]


@router.post("", status_code=201, response_model=AskedWithSteps, summary="Ask for data; answers with the request")
def ask(request: Request, wish: DataRequest, client: Annotated[str, Depends(caller)]) -> JSONResponse:
    """Ask for fields of a form or dataset. The same again, while it is open or on the day it was granted, is the same request."""
    if bool(wish.dataset) == bool(wish.form):
        raise Invalid("a request is for a dataset or for a form", todo="name one of them", field="dataset")
    given = wish.model_dump(exclude={"dataset", "form"})
    kind = "form" if wish.form else "dataset"
    made = _requests(request).open(client, {**given, "kind": kind, "name": wish.form or wish.dataset})
    return _answer(made, 201, {"Location": f"/v1/requests/{made['request']}"})


@router.get("", response_model=list[Asked], summary="Your requests, the newest first")
def listed(request: Request, client: Annotated[str, Depends(caller)]) -> JSONResponse:
    """List the client's own requests."""
    rows = [Asked.model_validate(row).model_dump(mode="json") for row in _requests(request).listed(client)]
    return JSONResponse(rows, headers=_PRIVATE)


@router.get("/{number}", response_model=AskedWithSteps, summary="One request with its steps")
def shown(request: Request, number: str, client: Annotated[str, Depends(caller)]) -> JSONResponse:
    """Show a request; another's is not found."""
    return _answer(_requests(request).shown(client, number))


@router.post("/{number}/withdraw", response_model=AskedWithSteps, summary="Take a request back")
def withdraw(
    request: Request, number: str, client: Annotated[str, Depends(caller)], given: Withdrawal | None = None
) -> JSONResponse:
    """Withdraw a request that is not decided yet; Conflict for one that is."""
    return _answer(_requests(request).withdrawn(client, number, given.reason if given else ""))


def _requests(request: Request) -> Requests:
    return services_of(request).requests


def _answer(made: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    body = AskedWithSteps.model_validate(made).model_dump(mode="json")
    return JSONResponse(body, status, {**_PRIVATE, **(headers or {})})
