"""The two routes that carry a portal's load, as plain ASGI: ask for a form's fields, and have what came back compared with its seals.

1. `Plain` answers them before the framework does: the event loop reads and writes, one thread answers whatever waits, several requests at
   once, and the audit's thread commits their entries meanwhile. The body's form is held to the structures below, which are also its JSON Schema.
2. `serving.disclosure` answers; this module knows headers, sizes, tags and batches, and nothing of what may be told.
3. `If-None-Match` with an answer's tag gives 304 where there is nothing new. The request only reads, and is a POST so that the identifier
   stays out of addresses; it is answered as a GET would be.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Request, Response
from msgspec import UNSET, DecodeError, Meta, Struct, UnsetType, ValidationError, field
from msgspec.json import Decoder, Encoder, schema
from starlette.types import ASGIApp, Receive, Scope, Send

from access.audit import PATIENCE_SECONDS, unavailable
from prefill.envelope import Answer
from prefill.seal import Place, Sealed, Verdict, verify
from schemas.errors import HubError, Invalid, NotFound, TooLarge, TooMany, Unauthenticated, Unsupported
from serving import problems
from serving.disclosure import Outcome, Wish, prepare, tried
from serving.gather import Gather
from serving.services import Services
from subjects.file import Value

MOST_BYTES = 512 * 1024
_VERIFY = "/v1/prefill/verify"
_ROUTES = ("/v1/prefill", _VERIFY)
_CALLS, _AT_ONCE = 2, 16
"""While the entries of some requests are committed the next are answered."""
_PLAIN = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=_PLAIN)]
Text = Annotated[str, Meta(max_length=200, pattern=_PLAIN)]
Purpose = Annotated[str, Meta(min_length=1, max_length=200, pattern=_PLAIN)]
Names = Annotated[tuple[Name, ...], Meta(max_length=500)]
Select = Annotated[dict[Name, Annotated[dict[Name, Text], Meta(max_length=20)]], Meta(max_length=20)]
Statement = Annotated[str, Meta(max_length=8192)]
Cells = Annotated[list[dict[Name, Value | None]], Meta(max_length=200)]


class Submitted(Struct, forbid_unknown_fields=True):
    """A field as it comes back: the value, and the seal that came with it."""

    value: Value | Cells | None = None
    seal: Annotated[str, Meta(max_length=200)] | None = None


Fields = Annotated[dict[Name, Submitted], Meta(max_length=500)]


class Wanted(Struct, forbid_unknown_fields=True):
    """One form of a batch. `fields` narrows it, `select` names the entry of a list that is meant, `consent` is the statement for this form.

    `draft` is what a draft holds, given under the form's `version`: each field then says what became of it.
    """

    form: Name
    fields: Names = ()
    select: Select = field(default_factory=dict)
    consent: Statement = ""
    draft: Fields = field(default_factory=dict)
    version: Text = ""


class PrefillRequest(Struct, forbid_unknown_fields=True):
    """Which form, or which `fields` of a subject's file (`person.name`), or which `forms`; for which subject, for what, on what evidence.

    `consent` is a statement of the identity provider, `case` the number of a case whose handling is a duty; `who` the person at the client.
    """

    subject: Annotated[str, Meta(min_length=1, max_length=64)]
    purpose: Purpose
    form: Name | UnsetType = UNSET
    forms: Annotated[list[Wanted], Meta(min_length=1, max_length=20)] | UnsetType = UNSET
    fields: Names = ()
    select: Select = field(default_factory=dict)
    consent: Statement = ""
    case: Text = ""
    who: Text = ""
    draft: Fields = field(default_factory=dict)
    version: Text = ""


class BatchItem(Struct, omit_defaults=True):
    """One form of a batch: its answer, or the problem instead."""

    form: str
    answer: Answer | None = None
    problem: dict[str, Any] | None = None


class Batch(Struct):
    """The forms in the order asked."""

    answers: list[BatchItem]


class VerifyRequest(Struct, forbid_unknown_fields=True):
    """A submitted form: the fields as they came back, the form's version as the answer said it."""

    form: Name
    subject: Annotated[str, Meta(min_length=1, max_length=64)]
    fields: Fields
    version: Text = ""


class Verified(Struct):
    """What became of each field; `intact`: none is tampered with or out of date."""

    form: str
    version: str
    intact: bool
    verdicts: dict[str, Verdict]


_ENCODER = Encoder()
_ASKED, _SUBMITTED = Decoder(PrefillRequest), Decoder(VerifyRequest)


class Call(Struct, frozen=True, gc=False):
    """One request to one of the two routes; `tags`: what `If-None-Match` says."""

    path: str
    token: str
    tags: str
    body: bytes


Reply = tuple[int, bytes, str]
"""Status, body and tag."""


def answer(services: Services, calls: Sequence[Call], done: "Future[list[Reply | Exception]]") -> None:
    """Answer the calls; `done` is when every answer's entry is durable, with what each is answered, or what is raised instead."""
    try:
        opened = [tried(_opened, services, call) for call in calls]
        told = prepare(services, [wish for one in opened if isinstance(one, _Prefill) for wish in one.wishes])
        ready = _replies(opened, told.outcomes)
        if not told.entered:
            _finish(done, ready)
            return
        writing = services.desk.submit(told.entered)
    except Exception as error:  # noqa: BLE001 - it is raised where the callers are answered
        _finish(done, error)
        return

    def written(entering: "Future[list[TooMany | None]]") -> None:
        error = entering.exception()
        over = () if error else entering.result()
        _finish(done, error or (_replies(opened, told.allowed(over)) if any(over) else ready))

    writing.add_done_callback(written)


def _finish(done: "Future[list[Reply | Exception]]", found: "list[Reply | Exception] | BaseException") -> None:
    if not done.set_running_or_notify_cancel():
        return  # whoever waited has given up
    if isinstance(found, BaseException):
        done.set_exception(found)
    else:
        done.set_result(found)


def _replies(
    opened: "Sequence[_Prefill | Reply | Exception]", outcomes: Sequence[Outcome]
) -> "list[Reply | Exception]":
    rest = iter(outcomes)
    return [tried(one.reply, [*islice(rest, len(one.wishes))]) if isinstance(one, _Prefill) else one for one in opened]


class _Prefill(Struct, frozen=True):
    """What a call asks for: one answer, or a batch of them."""

    call: Call
    wishes: Sequence[Wish]
    batch: bool

    def reply(self, outcomes: Sequence[Outcome]) -> Reply:
        if self.batch:
            items = [_item(wish.form, outcome) for wish, outcome in zip(self.wishes, outcomes, strict=True)]
            return 200, _ENCODER.encode(Batch(items)), ""
        (answer,) = outcomes
        if isinstance(answer, Exception):
            raise answer
        if answer.etag in [tag.strip() for tag in self.call.tags.split(",")]:
            return 304, b"", answer.etag
        return 200, answer.to_json(), answer.etag


def _opened(services: Services, call: Call) -> _Prefill | Reply:
    client = services.authenticate(call.token)
    if call.path == _VERIFY:
        return _verified(services, client, _read(_SUBMITTED, call.body))
    asked = _read(_ASKED, call.body)
    if asked.forms is UNSET:
        return _Prefill(call, [_wish(client, asked)], batch=False)
    if asked.form is not UNSET or asked.fields or asked.select or asked.consent or asked.draft or asked.version:
        raise Invalid(
            "with `forms`, what is asked of a form stands with it",
            todo="put fields, select, consent and draft into each of `forms`",
        )
    return _Prefill(call, [_wish(client, asked, wanted) for wanted in asked.forms], batch=True)


def _item(form: str, outcome: Outcome) -> BatchItem:
    """Every form by itself: what one is refused does not keep the others back."""
    if isinstance(outcome, HubError):
        return BatchItem(form, problem=dict(outcome.problem()))
    if isinstance(outcome, Exception):
        raise outcome
    return BatchItem(form, outcome)


def _verified(services: Services, client: str, asked: VerifyRequest) -> Reply:
    """The comparison with seals; nothing is looked up and nothing kept."""
    form = services.forms().get(asked.form)
    if form is None:
        raise NotFound(f"there is no form {asked.form!r}", todo="GET /v1/forms lists them")
    unknown = sorted(asked.fields.keys() - form.named.keys())
    if unknown:
        raise Invalid(
            f"form {form.id!r} has no field {', '.join(unknown)}", todo="send the form's own fields", field="fields"
        )
    version, now = asked.version or form.version, services.clock()
    place = Place(client, form.id, version, services.prefill.handle(client, form.subject, asked.subject))
    verdicts = {
        name: verify(place, name, came.value, came.seal, now, services.prefill.keys, locked=form.named[name].locked)
        for name, came in asked.fields.items()
    }
    intact = not {"tampered", "out_of_date"}.intersection(verdicts.values())
    return 200, _ENCODER.encode(Verified(form.id, version, intact, verdicts)), ""


def _wish(client: str, asked: PrefillRequest, wanted: Wanted | None = None) -> Wish:
    form, fields = asked.form, asked.fields
    if wanted is not None:
        form, fields = wanted.form, wanted.fields
    elif form is UNSET:
        form, fields = _from_fields(fields)
    of = wanted or asked
    draft: dict[str, tuple[Sealed | None, str | None]] = {name: (was.value, was.seal) for name, was in of.draft.items()}
    return Wish(
        client, str(form), asked.subject, asked.purpose.strip(), fields, of.select, of.consent, asked.case, asked.who, draft, of.version
    )  # fmt: skip


def _from_fields(fields: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The subject kind's own form and its fields, from `person.name` and the like."""
    roots = {path.partition(".")[0] for path in fields}
    names = tuple(path.partition(".")[2] for path in fields)
    if len(roots) != 1 or not all(names):
        raise Invalid(
            "neither a form nor fields of one kind of subject",
            todo='"form": "…", or "fields": ["person.name", …]',
            field="form",
        )
    return roots.pop(), names


def _read(decoder: "Decoder[Any]", body: bytes) -> Any:
    """The body as its structure; Invalid says where it is not one, and never repeats a value."""
    try:
        return decoder.decode(body)
    except ValidationError as error:
        raise Invalid(str(error), todo="correct the request; GET /openapi.json describes it") from None
    except DecodeError:
        raise Invalid("the body is not valid JSON", todo="send an object as GET /openapi.json describes it") from None


class Plain:
    """Answers the two routes before the framework finds, reads, validates and injects; everything else is passed on."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app, thread = app, ThreadPoolExecutor(1, "prefill")

        def send(calls: Sequence[Call]) -> "Future[list[Reply | Exception]]":
            done: Future[list[Reply | Exception]] = Future()
            thread.submit(answer, services, calls, done)
            return done

        self._reply = Gather(send, unavailable, patience=PATIENCE_SECONDS, most=_AT_ONCE, calls=_CALLS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is not foreseen is the application's to tell."""
        if scope["type"] != "http" or scope["path"] not in _ROUTES or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            reply = await self._reply(await _call(scope, receive))
        except HubError as error:
            reply = error
        if isinstance(reply, HubError):
            await problems.refusal(reply)(scope, receive, send)
            return
        if isinstance(reply, Exception):
            raise reply
        status, body, tag = reply
        out = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", str(len(body)).encode()),
        ]
        if tag:
            out.append((b"etag", tag.encode()))
        await send({"type": "http.response.start", "status": status, "headers": out[1:] if status == 304 else out})
        await send({"type": "http.response.body", "body": body})


async def _call(scope: Scope, receive: Receive) -> Call:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    token = _bearer(headers)
    _check_media(headers)
    return Call(scope["path"], token, headers.get(b"if-none-match", b"").decode("latin-1"), await _body(receive))


def _bearer(headers: Mapping[bytes, bytes]) -> str:
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(
            "this address needs a bearer token", todo="POST /oauth/token, then send Authorization: Bearer TOKEN"
        )
    return token


def _check_media(headers: Mapping[bytes, bytes]) -> None:
    media = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if media != b"application/json":
        raise Unsupported("the Content-Type is none that is taken here", todo="send application/json")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > MOST_BYTES:
        raise _too_large()


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise _too_large()
    return body


def _too_large() -> TooLarge:
    return TooLarge(f"the body has more than {MOST_BYTES} bytes", todo="ask in several requests")


def _inlined(node: Any, known: Mapping[str, Any]) -> Any:
    """A JSON Schema without references, as one operation of the API's description holds it."""
    if isinstance(node, list):
        return [_inlined(one, known) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(known[node["$ref"].rpartition("/")[2]], known)
    return {name: _inlined(one, known) for name, one in node.items() if name != "$defs"}


def _described(asked: Any, *answered: Any) -> dict[str, Any]:
    """What the description of the API says of a route: the structures that are read and written."""
    shapes = [schema(one) for one in answered]
    bodies = [_inlined(shape, shape.get("$defs", {})) for shape in shapes]
    of = schema(asked)
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _inlined(of, of.get("$defs", {}))}},
        },
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": {"anyOf": bodies}}}}},
    }


_PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {"schema": {"type": "object"}}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, **_PROBLEM}
    for status, text in (
        (401, "No token, or one that is not accepted"), (403, "No grant for this"), (404, "Unknown form, or no file for this subject"),
        (413, "The body is too large"), (415, "The body is not JSON"), (422, "The request is malformed"), (429, "Over a budget, or too many at once"),
        (503, "Nothing was disclosed"),
    )
}  # fmt: skip
_VERDICTS = ", ".join(get_args(Verdict))

router = APIRouter(prefix="/v1", tags=["prefill"])
"""What the framework knows of the two routes: their description, and that they take nothing but POST."""


@router.post(
    "/prefill",
    summary="A form's fields for a subject, each with its origin and state",
    responses={**_PROBLEMS, 304: {"description": "Nothing new since the answer with this tag"}},
    openapi_extra={
        **_described(PrefillRequest, Answer, Batch), "security": [{"HTTPBearer": []}],
        "parameters": [{"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}],
    },
)  # fmt: skip
@router.post(
    "/prefill/verify",
    summary=f"A submitted form compared with its seals: {_VERDICTS}",
    responses=_PROBLEMS,
    openapi_extra={**_described(VerifyRequest, Verified), "security": [{"HTTPBearer": []}]},
)
async def _answered_before(_request: Request) -> Response:
    """Never called: `Plain` answers."""
    raise NotImplementedError
