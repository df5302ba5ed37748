"""The records of a dataset for programs: pages of rows and of changes, under the client's grants.

1. `GET …/records` asks in the address, which must hold nothing personal; `POST …/records/query` asks the same in a body, and may.
2. What is not granted and what is not there answer alike, a row outside of the grants like one that does not exist.
3. Pages are of one load, whatever is published meanwhile; `next` leads on, null ends.
"""

import base64
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from msgspec.json import Encoder
from pydantic import BaseModel, ConfigDict, Field

from access.desk import Subject
from access.extract import Wish
from access.rows import MOST_CONDITIONS, Op
from schemas.errors import Invalid
from serving.services import ExportForm, services_of
from serving.signin import caller

router = APIRouter(prefix="/v1", dependencies=[Depends(caller)], tags=["records"])
MOST = 1000
_ENCODER = Encoder(decimal_format="number")
_PLAIN = r"^[^\x00-\x1f\x7f]*$"
_WITHOUT_VALUE = ("null", "not_null")
_MEDIA: dict[ExportForm, str] = {
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
    "csv": "text/csv; charset=utf-8",
}
_FILES = {media.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for media in _MEDIA.values()}

Name = Annotated[str, Path(max_length=64, description="dataset name or resource code")]
Column = Annotated[str, Field(min_length=1, max_length=64, pattern=_PLAIN)]
Text = Annotated[str, Field(max_length=200, pattern=_PLAIN)]
Cursor = Annotated[str, Field(max_length=4000, pattern=r"^[A-Za-z0-9_-]*$", description="`next` of the last page")]
Limit = Annotated[int, Field(ge=1, le=MOST)]
Number = Annotated[int, Field(ge=1, le=10**9)]
_Purpose = Annotated[str, Query(min_length=1, max_length=200, pattern=_PLAIN, description="one that you were granted")]
_Case = Annotated[str, Query(max_length=200, pattern=_PLAIN, description="number of the case that is handled by duty")]
_Fields = Annotated[str, Query(max_length=4000, pattern=_PLAIN, description="columns, with commas between; none: all")]
_Where = Annotated[
    list[Annotated[str, Field(max_length=4000, pattern=_PLAIN)]],
    Query(max_length=MOST_CONDITIONS, description="`column:op:value`; several `where` must all hold"),
]


class Condition(BaseModel):
    """What a column must be; `value` a list for `in`, none for `null` and `not_null`."""

    model_config = ConfigDict(extra="forbid")

    column: Column
    op: Op
    value: Any = None


class RecordsQuery(BaseModel):
    """Which rows and columns of the dataset, for what, on what evidence.

    `kind` and `subject`: only rows about this subject; with the `consent` that its identity provider signed for them, or a `case` number.
    `as_of`: the rows as of a load.
    """

    model_config = ConfigDict(extra="forbid")

    purpose: Annotated[str, Field(min_length=1, max_length=200, pattern=_PLAIN)]
    case: Text = ""
    consent: Annotated[str, Field(max_length=8192)] = ""
    who: Text = ""
    kind: Annotated[str, Field(max_length=32)] = ""
    subject: Annotated[str, Field(max_length=64)] = ""
    fields: Annotated[list[Column], Field(max_length=500)] = []
    where: Annotated[list[Condition], Field(max_length=MOST_CONDITIONS)] = []
    limit: Limit = 100
    cursor: Cursor = ""
    as_of: Number | None = None


class _Answer(BaseModel):
    """What pages have in common; `grants` are those it rests on: where they change, begin anew. `withheld`: columns asked for, not granted."""

    dataset: str
    load: int
    published_at: str | None
    purpose: str
    grants: list[str]
    fields: list[str]
    withheld: list[str]
    next: str | None


class RecordsPage(_Answer):
    """Rows of one load, in the order of the key; `_withheld` in a row names its columns that are outside of the grants."""

    records: list[dict[str, Any]]


class Change(BaseModel):
    """`upsert`: the row as it is seen now; `delete`: the key of a row that is not seen any more."""

    op: Literal["upsert", "delete"]
    record: dict[str, Any]


class ChangesPage(_Answer):
    """What changed from load `since` to `load`, by key; at the end (`next` is null), ask again with `since` = `load`."""

    since: int
    changes: list[Change]


class Receipt(BaseModel):
    """What an export was: how many rows of which load, as of when, its bytes and their SHA-256, the columns, the grants it rests on."""

    id: str
    dataset: str
    load: int
    purpose: str
    basis: str
    grants: list[str]
    fields: list[str]
    withheld: list[str]
    format: ExportForm
    rows: int
    bytes: int
    sha256: str
    at: datetime


def _described(shape: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": shape}}


@router.get(
    "/datasets/{name:path}/records", responses=_described(RecordsPage), summary="Rows of a dataset, under your grants"
)
def records(
    request: Request,
    name: Name,
    client: Annotated[str, Depends(caller)],
    purpose: _Purpose,
    case: _Case = "",
    fields: _Fields = "",
    where: _Where = [],  # noqa: B006 - FastAPI copies it
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    cursor: Annotated[str, Query(max_length=4000, pattern=r"^[A-Za-z0-9_-]*$")] = "",
    as_of: Annotated[int | None, Query(ge=1, le=10**9, description="a load")] = None,
) -> Response:
    """Answer with a page. Conditions on personal columns are for the body of POST …/records/query."""
    conditions = tuple(_condition(text, n) for n, text in enumerate(where))
    wish = Wish(client, name, purpose, _names(fields), conditions, in_address=True, case=case)
    return _answer(services_of(request).records.page(wish, limit=limit, cursor=cursor, as_of=as_of))


@router.post(
    "/datasets/{name:path}/records/query",
    responses=_described(RecordsPage),
    summary="Rows of a dataset, by conditions that must not stand in an address",
)
def query(request: Request, name: Name, client: Annotated[str, Depends(caller)], asked: RecordsQuery) -> Response:
    """Answer with a page; nothing is changed by it."""
    where = tuple(one.model_dump(exclude_unset=True) for one in asked.where)
    about = Subject(asked.kind, asked.subject) if asked.kind or asked.subject else None
    wish = Wish(
        client, name, asked.purpose, tuple(asked.fields), where, about=about, consent=asked.consent, case=asked.case, who=asked.who
    )  # fmt: skip
    page = services_of(request).records.page(wish, limit=asked.limit, cursor=asked.cursor, as_of=asked.as_of)
    return _answer(page)


@router.get(
    "/datasets/{name:path}/changes",
    responses=_described(ChangesPage),
    summary="What changed since a load, as you see it: a row that left your grants is a delete",
)
def changes(
    request: Request,
    name: Name,
    client: Annotated[str, Depends(caller)],
    purpose: _Purpose,
    since: Annotated[int, Query(ge=0, le=10**9, description="the load that you have; 0: none yet")] = 0,
    case: _Case = "",
    fields: _Fields = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    cursor: Annotated[str, Query(max_length=4000, pattern=r"^[A-Za-z0-9_-]*$")] = "",
) -> Response:
    """Answer with a page of upserts and deletes by key."""
    wish = Wish(client, name, purpose, _names(fields), in_address=True, case=case)
    return _answer(services_of(request).records.changes(wish, since=since, limit=limit, cursor=cursor))


@router.get(
    "/datasets/{name:path}/export",
    responses={200: {"description": "The rows; `_withheld` names cells outside of your grants", "content": _FILES}},
    response_class=StreamingResponse,
    summary="A dataset in bulk, under your grants, with a receipt",
)
def export(
    request: Request,
    name: Name,
    client: Annotated[str, Depends(caller)],
    purpose: _Purpose,
    format: Annotated[ExportForm, Query(description="csv is safe to open in a spreadsheet")] = "parquet",
    case: _Case = "",
    fields: _Fields = "",
    where: _Where = [],  # noqa: B006 - FastAPI copies it
    as_of: Annotated[int | None, Query(ge=1, le=10**9, description="a load")] = None,
) -> StreamingResponse:
    """Send the file; the headers hold its receipt's id, rows, load and SHA-256."""
    conditions = tuple(_condition(text, n) for n, text in enumerate(where))
    wish = Wish(client, name, purpose, _names(fields), conditions, in_address=True, case=case)
    pieces, receipt = services_of(request).records.export(wish, format, as_of)
    digest = base64.b64encode(bytes.fromhex(receipt["sha256"])).decode()
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{receipt["dataset"]}-{receipt["load"]}.{format}"',
        "Content-Length": str(receipt["bytes"]),
        "Repr-Digest": f"sha-256=:{digest}:",
        "Receipt": receipt["id"],
        "Rows": str(receipt["rows"]),
        "Load": str(receipt["load"]),
    }
    return StreamingResponse(pieces, headers=headers, media_type=_MEDIA[format])


@router.get("/receipts/{receipt}", summary="The receipt of an export of your own")
def receipt(
    request: Request, receipt: Annotated[str, Path(max_length=40)], client: Annotated[str, Depends(caller)]
) -> Receipt:
    """Tell what was handed out."""
    return Receipt.model_validate(services_of(request).records.receipt(client, receipt))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _condition(text: str, place: int) -> dict[str, Any]:
    """`column:op:value` as a condition; the value of `in` is a list with commas between."""
    column, _, rest = text.partition(":")
    op, given, value = rest.partition(":")
    if not op:
        raise Invalid(
            f"where[{place}] is not column:op:value", todo="e.g. where=status:eq:valid", field=f"where[{place}]"
        )
    said = {"value": value.split(",") if op == "in" else value} if given or op not in _WITHOUT_VALUE else {}
    return {"column": column, "op": op, **said}


def _answer(page: dict[str, Any]) -> Response:
    return Response(_ENCODER.encode(page), headers={"Cache-Control": "no-store"}, media_type="application/json")
