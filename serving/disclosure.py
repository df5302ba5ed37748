"""The one way a subject's values leave the hub: for the API and for the demonstration portal alike.

1. The form must exist, and the client must hold a grant for it and the purpose; both before any subject is looked up, so that
   a caller without a grant learns nothing from the answer.
2. The subject's file is found and the form answered from it, with only the fields that were asked for.
3. The audit entry is durable before anything is returned; refusals and misses leave an entry too. No audit, no answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from access.audit import Entry
from prefill.answer import Answer
from prefill.forms import Form
from schemas.errors import Forbidden, Invalid, NotFound
from serving.services import Select, Services


@dataclass(frozen=True)
class Wish:
    """Who wants what about whom, and why. No `fields`: all of the form; `select`: which entry of a list is meant."""

    client: str
    form: str
    subject: str = field(repr=False)
    purpose: str
    fields: tuple[str, ...] = ()
    select: Select = field(default_factory=dict, repr=False)


def disclose(services: Services, wish: Wish) -> Answer:
    """The form's fields for the subject; NotFound, Forbidden, Invalid or AuditUnavailable instead."""
    form = services.forms().get(wish.form)
    if form is None:
        raise NotFound(f"there is no form {wish.form!r}", todo="GET /v1/forms lists them")
    asked = _asked(form, wish.fields)
    try:
        services.require_grant(wish.client, wish.form, wish.purpose)
    except Forbidden:
        services.record(_entry(services, wish, form, asked, "forbidden"))
        raise
    file = services.subject(form.subject, wish.subject)
    if file is None:
        services.record(_entry(services, wish, form, asked, "no file"))
        raise NotFound("there is no file for this subject", todo="check the identifier and its kind")
    answer = services.prefill(form, file, wish.select)
    answer = replace(answer, fields=tuple(one for one in answer.fields if one.name in asked))
    services.record(_entry(services, wish, form, asked, "answered", file.identifier))
    return answer


def _asked(form: Form, fields: Sequence[str]) -> tuple[str, ...]:
    """The form's fields in its order, narrowed to those asked for; Invalid names what it does not have."""
    names = [one.name for one in form.fields]
    unknown = sorted(set(fields) - set(names))
    if unknown:
        raise Invalid(
            f"form {form.id!r} has no field {', '.join(unknown)}",
            todo=f"its fields: {', '.join(names)}",
            field="fields",
        )
    return tuple(name for name in names if not fields or name in fields)


def _entry(
    services: Services, wish: Wish, form: Form, fields: tuple[str, ...], result: str, identifier: str = ""
) -> Entry:
    """The audit entry; the identifier as the file spells it, where there is one, is the same however it was asked."""
    return Entry(
        client=wish.client,
        purpose=wish.purpose,
        form=wish.form,
        fields=fields,
        subject=services.pseudonym(form.subject, identifier or wish.subject),
        result=result,
    )
