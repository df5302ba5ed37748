"""Requests to the two prefill routes, answered together: their bodies read, what they wish disclosed, what becomes of it spelled.

`serving.disclosure` answers; this module knows bodies, tags and batches, and nothing of what may be told.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Any

from msgspec import UNSET, DecodeError, Struct, ValidationError
from msgspec.json import Decoder, Encoder

from prefill.seal import Place, Sealed, verify
from schemas.errors import HubError, Invalid, NotFound, TooMany
from serving.disclosure import Outcome, Wish, prepare, tried
from serving.prefill_bodies import Batch, BatchItem, PrefillRequest, Verified, VerifyRequest, Wanted
from serving.services import Services

PREFILL, VERIFY = "/v1/prefill", "/v1/prefill/verify"
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
    if call.path == VERIFY:
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
