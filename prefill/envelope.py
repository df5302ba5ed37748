"""What a portal gets: an answer, its fields, the rows of a nested list. These structures are the JSON, and its schema.

Moments are UTC in ISO 8601 (`2026-03-02T06:00:00Z`), dates `2026-03-02`. Whatever people read stands there in Chinese and, under a name
that ends in `_en`, in English.
"""

from typing import Literal

from msgspec import Struct
from msgspec.json import Encoder

from subjects.file import Value

State = Literal["fresh", "stale", "expired", "unavailable", "withheld", "not_held", "conflicting"]
Draft = Literal["current", "renewed", "kept", "tampered"]


class Reason(Struct, frozen=True, gc=False):
    """Why a field is not simply fresh."""

    zh: str
    en: str


class Choice(Struct, frozen=True, gc=False):
    """One option of a field that is chosen."""

    value: str
    label: str
    label_en: str


class CellLabel(Struct, frozen=True, gc=False):
    """The heading of one cell of nested rows."""

    name: str
    label: str
    label_en: str
    element: str | None


class RowAnswer(Struct, frozen=True, gc=False):
    """What is to be told of one nested row beside its values: how the cells read, its state, where it came from."""

    state: State
    display: dict[str, str | None]
    display_en: dict[str, str | None]
    valid_until: str | None
    load: int | None
    run: str | None


class FieldAnswer(Struct, frozen=True, kw_only=True, gc=False):
    """One field. `value` is what the form takes, `display` what people read; both null where there is none.

    `as_of` is when its source was last read, `available_at` when a source that is down, held or late is asked next, where that is known;
    `load` and `run` the load that brought the value as it is, `verdict` what its checks said, `disputed_by` the departments that say
    otherwise. `typed`: the form leaves it to the applicant. `rows` and `items` describe nested rows, whose values are in `value`; `left_out`
    is how many more there are. `draft` says what became of the draft's value, where one was sent.
    """

    name: str
    label: str
    label_en: str
    state: State
    required: bool
    editable: bool
    typed: bool = False
    value: Value | list[dict[str, Value | None]] | None = None
    display: str | None = None
    display_en: str | None = None
    element: str | None = None
    reasons: tuple[Reason, ...] = ()
    department: str | None = None
    department_en: str | None = None
    dataset: str | None = None
    dataset_title: str | None = None
    dataset_title_en: str | None = None
    column: str | None = None
    as_of: str | None = None
    valid_until: str | None = None
    available_at: str | None = None
    load: int | None = None
    run: str | None = None
    verdict: str | None = None
    disputed_by: tuple[str, ...] = ()
    disputed_by_en: tuple[str, ...] = ()
    input: str = "text"
    options: tuple[Choice, ...] = ()
    items: tuple[CellLabel, ...] = ()
    rows: tuple[RowAnswer, ...] = ()
    left_out: int = 0
    draft: Draft | None = None
    seal: str | None = None

    def __repr__(self) -> str:
        return f"FieldAnswer({self.name!r}, {self.state!r})"


class Summary(Struct, frozen=True, gc=False):
    """How many fields a form asked, how many were prefilled, and how many are left to type."""

    asked: int
    prefilled: int
    left: int


class Answer(Struct, frozen=True, gc=False):
    """A form's fields for one subject, who is named by a pseudonym that only this client gets. `etag` changes when there is anything new."""

    form: str
    version: str
    title: str
    title_en: str
    subject_kind: str
    subject: str
    answered_at: str
    etag: str
    summary: Summary
    fields: tuple[FieldAnswer, ...]
    sandbox: bool = False

    def to_json(self) -> bytes:
        """The answer as JSON."""
        return _ENCODER.encode(self)

    def __repr__(self) -> str:
        return f"Answer({self.form!r}, {self.summary!r})"


_ENCODER = Encoder()
