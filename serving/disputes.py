"""异议核实 over HTTP: say that a value is wrong, follow the ticket, and, for the source department, answer it.

What is disputed comes in the body, never in an address. Whether there is such a record changes nothing of the answer.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from serving.services import Disputes, services_of
from serving.signin import caller

router = APIRouter(prefix="/v1/disputes", dependencies=[Depends(caller)], tags=["disputes"])
Text = Annotated[str, Field(max_length=2000)]
Name = Annotated[str, Field(max_length=100)]
_PRIVATE = {"Cache-Control": "no-store"}


class DisputeRequest(BaseModel):
    """Which value is wrong: `column` (or data `element`) of the record with this `key`, or of the `subject` it tells of."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    dataset: Annotated[str, Field(min_length=1, max_length=63)]
    column: Name = ""
    element: Annotated[str, Field(max_length=16)] = ""
    key: Annotated[dict[Name, Annotated[str, Field(max_length=200)]], Field(max_length=10)] = Field(
        default_factory=dict
    )
    subject: Annotated[str, Field(max_length=64)] = ""
    claimed: Annotated[Text, Field(description="what the value should be, if known")] = ""
    text: Annotated[Text, Field(description="what is wrong, in words")] = ""
    evidence: Annotated[Text, Field(description="where the proof is: a file number, an address")] = ""
    citizen: Annotated[bool, Field(description="whether a citizen says so, through this portal")] = False


class Answer(BaseModel):
    """The department's reason: a rejection wants one."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Text = ""


@router.post("", status_code=201, summary="Dispute a value; answers with a ticket and its due day")
def dispute(request: Request, wish: DisputeRequest, client: Annotated[str, Depends(caller)]) -> JSONResponse:
    """Open a ticket, or give back the one that is open about the same value."""
    ticket = _disputes(request).open(client, wish.model_dump())
    return JSONResponse(ticket, 201, {**_PRIVATE, "Location": f"/v1/disputes/{ticket['dispute']}"})


@router.get("", summary="Your tickets; with department=true the open ones of the datasets that you provide")
def listed(
    request: Request,
    client: Annotated[str, Depends(caller)],
    department: Annotated[bool, Query()] = False,
) -> JSONResponse:
    """List tickets without their records."""
    return JSONResponse(_disputes(request).listed(client, department=department), headers=_PRIVATE)


@router.get("/{ticket}", summary="One ticket; for its department with record and claim")
def shown(request: Request, ticket: str, client: Annotated[str, Depends(caller)]) -> JSONResponse:
    """Show a ticket; another's is not found."""
    return JSONResponse(_disputes(request).shown(client, ticket), headers=_PRIVATE)


@router.post("/{ticket}/{how}", summary="The source department's answer")
def answered(
    request: Request,
    ticket: str,
    how: Literal["accept", "correct", "reject"],
    client: Annotated[str, Depends(caller)],
    given: Answer | None = None,
) -> JSONResponse:
    """Accept, correct or reject; Conflict where the ticket's state does not allow it."""
    reason = given.reason if given else ""
    return JSONResponse(_disputes(request).answered(client, ticket, how, reason), headers=_PRIVATE)


def _disputes(request: Request) -> Disputes:
    return services_of(request).disputes
