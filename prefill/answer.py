"""A form answered from a subject's file: a pure function of form, file, the sources' state and the hour.

1. Each field's path is followed in the file. A field outside the grant (`withheld`) is not even looked at.
2. What is found gets a state: `expired` (its validity is over), `conflicting` (departments disagree), `stale` (its source is late, held or
   failed) or `fresh`; where several are true the first names the state and all are among the reasons.
3. What is not found is `not_held` only if every dataset that may supply it is fresh: absence is only as good as the source.
   Otherwise it is `unavailable`, with the reason. Nothing is ever silently blank.
4. Every value gets a seal.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from prefill.forms import Form, FormField, Option
from prefill.seal import Place, SealKey, seal
from prefill.sources import SourceState
from prefill.transform import ENDLESS, display, transformed
from subjects.file import Held, SubjectFile, Value

State = Literal["fresh", "stale", "expired", "unavailable", "withheld", "not_held", "conflicting"]
Datasets = Mapping[str, SourceState]
_SERIOUS: tuple[State, ...] = ("expired", "conflicting", "stale")


@dataclass(frozen=True)
class Reason:
    """Why a field is not simply fresh."""

    zh: str
    en: str


@dataclass(frozen=True)
class FieldAnswer:
    """One field. `value` is what the form takes, `display` what people read; both None where there is none.

    `as_of` is when its source was last read (UTC), `load` and `run` the load that brought the value as it is, `disputed_by`
    the departments that say otherwise, `typed` whether the form leaves it to the applicant.
    """

    name: str
    label: str
    label_en: str
    state: State
    required: bool
    editable: bool
    typed: bool = False
    value: Value | None = field(default=None, repr=False)
    display: str | None = field(default=None, repr=False)
    display_en: str | None = field(default=None, repr=False)
    element: str | None = None
    reasons: tuple[Reason, ...] = ()
    department: str | None = None
    department_en: str | None = None
    dataset: str | None = None
    dataset_title: str | None = None
    dataset_title_en: str | None = None
    column: str | None = None
    as_of: datetime | None = None
    valid_until: str | None = None
    load: int | None = None
    run: str | None = None
    disputed_by: tuple[str, ...] = ()
    input: str = "text"
    options: tuple[Option, ...] = ()
    seal: str | None = None


@dataclass(frozen=True)
class Summary:
    """How many fields a form asked, how many were prefilled, and how many are left to type."""

    asked: int
    prefilled: int
    left: int


@dataclass(frozen=True)
class Answer:
    """A form's fields for one subject, who is named by pseudonym."""

    form: str
    version: str
    title: str
    title_en: str
    subject_kind: str
    subject: str
    answered_at: datetime
    fields: tuple[FieldAnswer, ...]

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON values; moments are UTC, ISO 8601."""
        found: dict[str, Any] = _plain({**asdict(self), "summary": asdict(summarise(self))})
        return found


def prefill(
    form: Form,
    file: SubjectFile | None,
    datasets: Datasets,
    now: datetime,
    *,
    subject: str,
    key: SealKey,
    withheld: Collection[str] = (),
    select: Mapping[str, Mapping[str, str]] | None = None,
    timezone: str = "Asia/Shanghai",
) -> Answer:
    """The form answered. `subject` is the pseudonym, `withheld` names fields outside the grant; `file` is None for a subject without one.

    `timezone` is the city's (IANA name): validity ends with the day there.
    `select` picks the entry of a list by its values where the newest is not meant: {"food_licences": {"licence_no": "…"}}.
    """
    today = now.astimezone(ZoneInfo(timezone)).date()
    asking = _Asking(form, file, datasets, now, today, subject, key, select or {})
    fields = tuple(asking.withheld(f) if f.name in withheld else asking.answer(f) for f in form.fields)
    return Answer(form.id, form.version, form.title, form.title_en, form.subject, subject, now, fields)


def summarise(answer: Answer) -> Summary:
    """How much of the form fills itself in."""
    prefilled = sum(f.value is not None for f in answer.fields)
    return Summary(len(answer.fields), prefilled, len(answer.fields) - prefilled)


@dataclass(frozen=True)
class _Asking:
    form: Form
    file: SubjectFile | None
    datasets: Datasets
    now: datetime
    today: date
    subject: str
    key: SealKey
    select: Mapping[str, Mapping[str, str]]

    def withheld(self, asked: FormField) -> FieldAnswer:
        return _blank(asked, "withheld", (Reason("不在授权范围内", "outside the grant"),))

    def answer(self, asked: FormField) -> FieldAnswer:
        if asked.path is None:
            return _blank(asked, "not_held", (Reason("由申请人填写", "left to the applicant"),))
        held = None
        if self.file is not None:
            held = asked.path.find(self.file, self.select.get(getattr(asked.path, "list", ""), {}))
        value = transformed(held.value, asked.transform) if held else None
        return self.absent(asked) if held is None or value is None else self.found(asked, held, value)

    def absent(self, asked: FormField) -> FieldAnswer:
        doubts = [reason for dataset in asked.suppliers if (reason := self.doubt(dataset))]
        state: State = "unavailable" if doubts else "not_held"
        none = Reason("来源中没有该项记录", "no source holds it")
        return _blank(asked, state, tuple(doubts) or (none,), self.datasets.get(next(iter(asked.suppliers), "")))

    def found(self, asked: FormField, held: Held, value: Value) -> FieldAnswer:
        origin = held.provenance
        source = self.datasets.get(origin.dataset)
        reasons = self.reasons(held)
        place = Place(self.form.id, self.form.version, self.subject, asked.name, asked.locked)
        return FieldAnswer(
            name=asked.name,
            label=asked.label,
            label_en=asked.label_en,
            state=next((state for state in _SERIOUS if state in reasons), "fresh"),
            required=asked.required,
            editable=not asked.locked,
            value=value,
            display=display(value, asked.labels, "长期", decimal=asked.decimal),
            display_en=display(value, asked.labels_en, "no end", decimal=asked.decimal),
            element=asked.element,
            reasons=tuple(reasons.values()),
            department=origin.department or None,
            department_en=origin.department_en or None,
            dataset=origin.dataset or None,
            dataset_title=origin.title or None,
            dataset_title_en=origin.title_en or None,
            column=origin.column or None,
            as_of=source.as_of if source else None,
            valid_until=held.valid_until,
            load=origin.load or None,
            run=origin.run,
            disputed_by=tuple(dict.fromkeys(o.provenance.department for o in held.others)),
            input=asked.input,
            options=asked.options,
            seal=seal(place, value, self.now, self.key),
        )

    def reasons(self, held: Held) -> dict[State, Reason]:
        found: dict[State, Reason] = {}
        until = held.valid_until
        if until is not None and until[:10] != ENDLESS and until[:10] < self.today.isoformat():
            found["expired"] = Reason(f"有效期至{until[:10]}，已过", f"was valid until {until[:10]}")
        if held.conflict:
            zh = "、".join(dict.fromkeys(o.provenance.department for o in held.others))
            en = ", ".join(dict.fromkeys(o.provenance.department_en for o in held.others))
            found["conflicting"] = Reason(f"{zh}的记录与此不同", f"the record of {en} differs")
        if held.provenance.dataset and (doubt := self.doubt(held.provenance.dataset)):
            found["stale"] = doubt
        return found

    def doubt(self, dataset: str) -> Reason | None:
        """Why the dataset's records may not be the newest; None where they are fresh."""
        source = self.datasets.get(dataset)
        if source is None or source.status == "never":
            title, title_en = (source.title, source.title_en) if source else (dataset, dataset)
            return Reason(f"“{title}”尚未接入数据", f"{title_en} has never been loaded")
        why = f" ({source.reason})" if source.reason else ""
        since = f"{source.as_of:%Y-%m-%d %H:%M}Z" if source.as_of else "—"
        if source.status == "held":
            zh, en = "新数据未通过检查", "a newer delivery is held back"
        elif source.status == "failed":
            zh, en = "最近一次更新失败", "the last update failed"
        elif source.late(self.now):
            zh, en, why = "超过更新时限", "it is late", ""
        else:
            return None
        return Reason(f"“{source.title}”{zh}{why}，数据截至{since}", f"{source.title_en}: {en}{why}, as of {since}")


def _blank(
    asked: FormField, state: State, reasons: tuple[Reason, ...], source: SourceState | None = None
) -> FieldAnswer:
    """A field without a value: always open to typing, unless it is withheld."""
    return FieldAnswer(
        name=asked.name,
        label=asked.label,
        label_en=asked.label_en,
        state=state,
        required=asked.required,
        editable=True,
        typed=asked.path is None,
        element=asked.element if state != "withheld" else None,
        reasons=reasons,
        department=source.department if source else None,
        department_en=source.department_en if source else None,
        dataset=source.dataset if source else None,
        dataset_title=source.title if source else None,
        dataset_title_en=source.title_en if source else None,
        as_of=source.as_of if source else None,
        input=asked.input,
        options=asked.options,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return value
