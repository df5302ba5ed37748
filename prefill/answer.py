"""A form answered from a subject's file: a pure function of form, file, the sources' state and the hour.

1. Each field's paths are followed in the file, in their order; the first value that is still valid counts, else the first there is. A field
   outside the grant (`withheld`, `hidden`) is passed over before anything is made of it; a hidden one is answered as one that nobody holds.
2. What is found gets a state: `expired` (its validity is over), `conflicting` (departments disagree), `stale` (its source is late, held or
   failed) or `fresh`; where several are true the first names the state and all are among the reasons.
3. What is not found is `not_held` only if every dataset that may supply it is fresh: absence is only as good as the source.
   Otherwise it is `unavailable`, with the reason and when the source is asked next. Nothing is ever silently blank.
4. Every field that has a source gets a seal, and where the applicant's draft was sent, a word on what became of its value.
5. Most values are plain, and of those only the value and its seal are made anew for each answer: what else is told of a field of one load is
   alike for everybody, and kept in `World.frames`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from prefill.envelope import Answer, CellLabel, Choice, Draft, FieldAnswer, Reason, RowAnswer, State, Summary
from prefill.forms import Form, FormField
from prefill.seal import Place, Sealed, Sealer, canonical, verify
from prefill.sources import zone
from prefill.transform import ENDLESS, display, transformed
from prefill.world import World
from schemas.struct import Quick
from subjects.file import Held, Item, Provenance, SubjectFile, Value
from subjects.packing import Cells, Layout, Origin, Packed, Plain, together

Select = Mapping[str, Mapping[str, str]]
_SERIOUS: tuple[State, ...] = ("expired", "conflicting", "stale")
_NOT_GRANTED = (Reason("不在授权范围内", "outside the grant"),)
_LEFT = (Reason("由申请人填写", "left to the applicant"),)
_NOBODY = (Reason("来源中没有该项记录", "no source holds it"),)
_ANY: Mapping[str, str] = {}


class Asked(Quick, frozen=True):
    """What is asked of a form. No `fields`: all of them; `withheld` and `hidden` are outside the grant, the latter without saying so.

    `select` picks the entry of a list by its values where the newest is not meant: {"food_licences": {"licence_no": "…"}}; `draft` is
    (value, seal) by field, as a draft that is resumed holds them, given under the form's `draft_version`.
    """

    fields: Collection[str] = ()
    withheld: Collection[str] = ()
    hidden: Collection[str] = ()
    select: Select = msgspec.field(default_factory=dict)
    draft: Mapping[str, tuple[Sealed | None, str | None]] = msgspec.field(default_factory=dict)
    draft_version: str = ""


_ALL = Asked()


def prefill(
    form: Form, file: SubjectFile | None, world: World, asked: Asked = _ALL, *, client: str, subject: str
) -> Answer:
    """The form answered for `client`. `subject` is the pseudonym that it gets; `file` is None for a subject without one."""
    place = Place(client, form.id, form.version, subject)
    answering = _Answering(form, file, world, asked, place, Sealer(place, world.now, world.key))
    all_of_it = not asked.fields or len(asked.fields) == len(form.fields)
    wanted = form.fields if all_of_it else tuple(f for f in form.fields if f.name in asked.fields)
    told = answering.told(wanted)
    fields = tuple([one for one, _ in told])
    filled = len(fields) - [f.value for f in fields].count(None)
    return Answer(
        form=form.id, version=form.version, title=form.title, title_en=form.title_en, subject_kind=form.subject,
        subject=subject, answered_at=world.answered_at, etag=answering.etag(wanted, told),
        summary=Summary(len(fields), filled, len(fields) - filled), fields=fields, sandbox=world.sandbox,
    )  # fmt: skip


_Told = tuple[FieldAnswer, tuple[Any, ...]]
"""What is told of a field, and what the answer's tag has of it."""
_Plains = tuple[Origin, Sequence[tuple[FormField, str]], Callable[[Cells], Sequence[Any]]]
"""Fields whose plain values come from one origin, each with its source's column, and what reads their values."""


@dataclass(slots=True)
class _Answering:
    form: Form
    file: SubjectFile | None
    world: World
    asked: Asked
    place: Place
    sealer: Sealer
    packed: Packed | None = None
    plains: "Sequence[_Plains]" = ()

    def __post_init__(self) -> None:
        if self.file is not None and self.file.packed is not None and not self.asked.select and not self.asked.draft:
            self.packed = self.file.packed
            key = self.form.id, self.packed.made
            known = self.world.frames.get(key)
            self.plains = self.world.frames.setdefault(key, _plains(self.form, key[1])) if known is None else known

    def told(self, wanted: Sequence[FormField]) -> "list[_Told]":
        """The fields' answers."""
        plain = {} if self.packed is None or self.file is None else self.plainly(wanted, self.packed, self.file)
        return [plain.get(of.name) or self.otherwise(of) for of in wanted]

    def plainly(self, wanted: Sequence[FormField], packed: Packed, file: SubjectFile) -> "dict[str, _Told]":
        """The fields with a value of which nothing is to be said but where it came from, in as few steps as can be: most are."""
        found: dict[str, _Told] = {}
        cells, seal = packed.cells, self.sealer.text
        outside = {*self.asked.withheld, *self.asked.hidden}
        only = {of.name for of in wanted} - outside if outside or wanted is not self.form.fields else None
        for origin, fields, read in self.plains:
            load, until = origin.load(cells), origin.until(cells)
            if self.over(until) or self.world.doubt(origin.dataset) is not None:
                continue
            frames: dict[str, FieldAnswer] = self.world.frames.setdefault((self.form.id, origin, load), {})
            ends, tag = self.sealer.ends(self.ends(until)), ("fresh", until, origin.dataset or None, load or None)
            for (of, column), value in zip(fields, read(cells), strict=False):
                name = of.name
                if value is None or value.__class__ is list or (only is not None and name not in only):
                    continue
                frame = frames.get(name)
                if frame is None:
                    facts = packed.told(origin.dataset, load)
                    frame = frames[name] = self.frame(of, file.provenance(facts, origin.dataset, column))
                text = value if value.__class__ is str else canonical(value)
                zh, en = (text, text) if text is value and not of.reworded and text != ENDLESS else _read(of, value)
                sealed = seal(name, text, ends, locked=of.locked)
                answer = replace(frame, value=value, display=zh, display_en=en, valid_until=until, seal=sealed)
                found[name] = answer, (value, tag)
        return found

    def otherwise(self, of: FormField) -> "_Told":
        """A field of which more is to be said than its value and origin, or that has none."""
        f = self.field(of)
        tag = f.value, (f.state, f.valid_until, f.dataset, f.load)
        return f, (*tag, f.disputed_by, f.rows, f.left_out) if f.disputed_by or f.rows else tag

    def field(self, of: FormField) -> FieldAnswer:
        if of.typed:
            return self.blank(of, "not_held", _LEFT)
        if of.name in self.asked.withheld:
            return self.blank(of, "withheld", _NOT_GRANTED)
        if self.file is None or of.name in self.asked.hidden:
            return self.absent(of)
        if of.rows is not None:
            return self.nested(of, self.file)
        found = self.find(of, self.file)
        if found is None:
            disputed = self.disputed(of, self.file)
            return self.conflicting(of, disputed) if disputed else self.absent(of)
        return self.found(of, *found)

    def find(self, of: FormField, file: SubjectFile) -> tuple[Held, Value] | None:
        """The first value still valid, else the first there is."""
        first, select, today = None, self.asked.select, self.world.today
        for path in of.paths:
            held = path.find(file, select.get(getattr(path, "list", ""), _ANY) if select else _ANY)
            if held is None:
                continue
            value = held.value if of.transform is None else transformed(held.value, of.transform)
            if value is None:
                continue
            if held.valid_until is None or held.valid_until[:10] >= today:
                return held, value
            first = first or (held, value)
        return first

    def disputed(self, of: FormField, file: SubjectFile) -> tuple[Held, ...]:
        """What the sources say of a field whose policy prefers none of them."""
        names = [name for path in of.paths if (name := getattr(path, "field", ""))]
        return next((said for name in names if (said := file.disputed(name))), ())

    def found(self, of: FormField, held: Held, value: Value) -> FieldAnswer:
        """The value in its envelope, with what is to be said against it, and with the word on a draft."""
        doubt = self.world.doubt(held.provenance.dataset)
        frame = self.sealed(
            self.frame(of, held.provenance, stale=doubt is not None),
            of,
            value,
            held.valid_until,
            self.ends(held.valid_until),
        )
        reasons = self.reasons(held, doubt)
        others = [o.provenance for o in held.others]
        return replace(
            frame, state=next((state for state in _SERIOUS if state in reasons), "fresh"), reasons=tuple(reasons.values()),
            draft=self.drafted(of, frame.value), disputed_by=tuple(dict.fromkeys(o.department for o in others)),
            disputed_by_en=tuple(dict.fromkeys(o.department_en for o in others)),
        )  # fmt: skip

    def sealed(
        self, frame: FieldAnswer, of: FormField, value: Value, until: str | None, ends: float | None
    ) -> FieldAnswer:
        """What is told of the field with its value and seal; the seal ends with the value, where that is soon."""
        zh, en = _read(of, value)
        return replace(
            frame, value=value, display=zh, display_en=en, valid_until=until,
            seal=self.sealer.seal(of.name, value, locked=of.locked, until=ends),
        )  # fmt: skip

    def ends(self, until: str | None) -> float | None:
        """The moment at which a validity ends; None where it does not, or is over already."""
        return (
            None
            if until is None or until[:10] == ENDLESS or self.over(until)
            else _end_of(until[:10], self.world.timezone)
        )

    def frame(self, of: FormField, origin: Provenance, *, stale: bool = False) -> FieldAnswer:
        """What is told of a field of this origin whatever its value."""
        source = self.world.datasets.get(origin.dataset)
        return FieldAnswer(
            name=of.name, label=of.label, label_en=of.label_en, state="fresh", required=of.required, editable=not of.locked,
            element=of.element, department=origin.department or None, department_en=origin.department_en or None,
            dataset=origin.dataset or None, dataset_title=origin.title or None, dataset_title_en=origin.title_en or None,
            column=origin.column or None, as_of=source.as_of_text if source else None,
            available_at=source.available_text if source and stale else None, load=origin.load or None, run=origin.run,
            verdict=origin.verdict, input=of.input, options=_choices(of),
        )  # fmt: skip

    def conflicting(self, of: FormField, said: tuple[Held, ...]) -> FieldAnswer:
        """Departments disagree and none goes before the others: no value, and who they are."""
        zh = tuple(dict.fromkeys(held.provenance.department for held in said))
        en = tuple(dict.fromkeys(held.provenance.department_en for held in said))
        reason = Reason(f"{'、'.join(zh)}的记录不一致", f"the records of {', '.join(en)} differ")
        return self.blank(of, "conflicting", (reason,), disputed_by=zh, disputed_by_en=en)

    def absent(self, of: FormField) -> FieldAnswer:
        doubts = [reason for dataset in of.suppliers if (reason := self.world.doubt(dataset))]
        late = [self.world.datasets[d] for d in of.suppliers if d in self.world.datasets and self.world.doubt(d)]
        source = late[0] if late else self.world.datasets.get(next(iter(of.suppliers), ""))
        more: dict[str, Any] = {}
        if source is not None:
            more = {
                "department": source.department, "department_en": source.department_en, "dataset": source.dataset,
                "dataset_title": source.title, "dataset_title_en": source.title_en, "as_of": source.as_of_text,
                "available_at": source.available_text if doubts else None,
            }  # fmt: skip
        return self.blank(of, "unavailable" if doubts else "not_held", tuple(doubts) or _NOBODY, **more)

    def blank(self, of: FormField, state: State, reasons: tuple[Reason, ...], **more: Any) -> FieldAnswer:
        """A field without a value: open to typing."""
        return FieldAnswer(
            name=of.name, label=of.label, label_en=of.label_en, state=state, required=of.required, editable=True,
            typed=of.typed, element=of.element, reasons=reasons, input=of.input, options=_choices(of), items=_cells(of),
            draft=self.drafted(of, None), seal=None if of.typed else self.sealer.seal(of.name, None, locked=of.locked), **more,
        )  # fmt: skip

    def nested(self, of: FormField, file: SubjectFile) -> FieldAnswer:
        assert of.rows is not None  # noqa: S101 - the caller has looked
        everything = list(of.rows.rows(file, self.asked.select.get(of.rows.list, {})))
        if not everything:
            return self.absent(of)
        values, rows = zip(*(self.row(of, item) for item in everything[: of.most]), strict=True)
        origin = next(held.provenance for cell in of.items for item in everything if (held := _cell(cell, item)))
        doubt, source = self.world.doubt(of.rows.dataset), self.world.datasets.get(of.rows.dataset)
        return FieldAnswer(
            name=of.name, label=of.label, label_en=of.label_en, state="stale" if doubt else "fresh", required=of.required,
            editable=not of.locked, value=list(values), reasons=(doubt,) if doubt else (),
            department=origin.department, department_en=origin.department_en, dataset=origin.dataset,
            dataset_title=origin.title, dataset_title_en=origin.title_en, as_of=source.as_of_text if source else None,
            available_at=source.available_text if source and doubt else None, input=of.input, items=_cells(of),
            rows=rows, left_out=len(everything) - len(rows), draft=self.drafted(of, list(values)),
            seal=self.sealer.seal(of.name, list(values), locked=of.locked),
        )  # fmt: skip

    def row(self, of: FormField, item: Item) -> tuple[dict[str, Value | None], RowAnswer]:
        values: dict[str, Value | None] = {}
        zh: dict[str, str | None] = {}
        en: dict[str, str | None] = {}
        for cell in of.items:
            held = _cell(cell, item)
            value = transformed(held.value, cell.transform) if held else None
            values[cell.name] = value
            zh[cell.name] = None if value is None else display(value, cell.labels, "长期", decimal=cell.decimal)
            en[cell.name] = None if value is None else display(value, cell.labels_en, "no end", decimal=cell.decimal)
        until = item.entry["valid_until"]
        doubt = self.world.doubt(of.suppliers[0])
        state: State = "expired" if self.over(until) else "stale" if doubt else "fresh"
        return values, RowAnswer(state, zh, en, until, item.entry["load"], item.entry["run"])

    def reasons(self, held: Held, doubt: Reason | None) -> Mapping[State, Reason]:
        """Why the value is not simply fresh, by the state that it makes of it."""
        until, found = held.valid_until, dict[State, Reason]()
        if until is not None and self.over(until):
            found["expired"] = Reason(f"有效期至{until[:10]}，已过", f"was valid until {until[:10]}")
        if held.others:
            zh = "、".join(dict.fromkeys(o.provenance.department for o in held.others))
            en = ", ".join(dict.fromkeys(o.provenance.department_en for o in held.others))
            found["conflicting"] = Reason(f"{zh}的记录与此不同", f"the record of {en} differs")
        if doubt is not None:
            found["stale"] = doubt
        return found

    def over(self, until: str | None) -> bool:
        """Whether a validity has ended: after its last day."""
        return until is not None and until[:10] < self.world.today

    def drafted(self, of: FormField, value: Sealed | None) -> Draft | None:
        """What became of the draft's value: `current`, `renewed` (take the hub's), `kept` (it is the applicant's own), `tampered`."""
        if of.name not in self.asked.draft:
            return None
        theirs, sealed = self.asked.draft[of.name]
        place = Place(
            self.place.client, self.form.id, self.asked.draft_version or self.form.version, self.place.subject
        )
        verdict = verify(
            place, of.name, theirs, sealed, self.world.now, {self.world.key.id: self.world.key}, locked=of.locked
        )
        if verdict == "tampered":
            return "tampered"
        if theirs is not None and value is not None and canonical(theirs) == canonical(value):
            return "current"
        if verdict in ("changed", "typed"):
            return "kept"
        return "current" if theirs is None and value is None else "renewed"

    def etag(self, wanted: Sequence[FormField], told: "Sequence[_Told]") -> str:
        """A tag of all that is told but the hour: the same as long as there is nothing new, whatever else changes in the file."""
        form, whole = self.form, wanted is self.form.fields
        datasets = form.datasets if whole else tuple(dict.fromkeys(d for f in wanted for d in f.suppliers))
        shared = self.world.tagged(tuple(form.named) if whole else tuple(f.name for f in wanted), datasets)
        draft = sorted((name, list(one)) for name, one in self.asked.draft.items()) if self.asked.draft else ()
        own = msgspec.msgpack.encode(([tag for _, tag in told], draft))
        return f'W/"{self.sealer.tag(shared + own)}"'


def _plains(form: Form, made: Layout) -> Sequence[_Plains]:
    """Where the plain values of a form's fields stand in files of this layout: those that are read together."""
    found: dict[tuple[Any, ...], list[tuple[FormField, Plain]]] = {}
    for of in form.fields:
        plain = of.paths[0].plain(made) if of.paths and of.transform is None else None
        if plain is not None:
            found.setdefault((plain.origin, plain.of, plain.entries), []).append((of, plain))
    return [
        (origin, [(of, plain.column) for of, plain in some], together([plain for _, plain in some]))
        for (origin, _, _), some in found.items()
    ]


def _read(of: FormField, value: Value) -> tuple[str, str]:
    """How people read a value, in both languages."""
    zh = display(value, of.labels, "长期", decimal=of.decimal)
    return zh, display(value, of.labels_en, "no end", decimal=of.decimal)


def _cell(cell: FormField, item: Item) -> Held | None:
    path: Any = cell.paths[0]
    return item.held(path.column, path.dataset, path.source)


@lru_cache(maxsize=4096)
def _end_of(day: str, timezone: str) -> float:
    """The moment at which a day ends in the city, as Unix seconds."""
    return (datetime.combine(date.fromisoformat(day), time(), zone(timezone)) + timedelta(days=1)).timestamp()


def _choices(of: FormField) -> tuple[Choice, ...]:
    return tuple(Choice(o.value, o.label, o.label_en) for o in of.options) if of.options else ()


def _cells(of: FormField) -> tuple[CellLabel, ...]:
    return tuple(CellLabel(c.name, c.label, c.label_en, c.element) for c in of.items) if of.items else ()
