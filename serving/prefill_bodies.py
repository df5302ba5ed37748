"""What is asked of the two prefill routes and what they answer: these structures are the JSON, and its schema."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from prefill.envelope import Answer
from prefill.seal import Verdict
from subjects.file import Value

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
