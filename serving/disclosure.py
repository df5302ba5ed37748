"""The one way a subject's values leave the hub: for the API and for the demonstration portal alike.

1. The form must exist, and the client must hold a grant for what it asks; both before any subject is looked up, so that a caller
   without a grant learns nothing from the answer.
2. The subject's file is found and the form answered from it, with only the fields that were asked for.
3. The audit entry is durable before anything is returned; refusals and misses leave an entry too. No audit, no answer.

Wishes that wait at the same moment are disclosed together: one look-up of their files, one commit of their entries. Each has its own outcome.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar, TypeVarTuple

import msgspec

from access.audit import Charged, Entry
from access.consent import folded
from access.decision import Ask, Decision
from access.desk import Subject
from ledger.budgets import Limits
from prefill.answer import Asked, Select, prefill
from prefill.envelope import Answer
from prefill.forms import Form
from prefill.personas import Persona
from prefill.seal import Sealed
from prefill.world import World
from schemas.errors import HubError, Invalid, NotFound, TooMany
from schemas.struct import Quick
from serving.services import Services
from subjects.file import SubjectFile

Given = TypeVarTuple("Given")
T = TypeVar("T")


class Wish(Quick, frozen=True):
    """Who wants what about whom, why, and on what evidence.

    No `fields`: all of the form; `select`: which entry of a list is meant; `consent` a statement of the identity provider, `case` a case
    number, `who` the person at the client; `draft` and `version`: a draft that is resumed, and the form's version it was given under.
    """

    client: str
    form: str
    subject: str
    purpose: str
    fields: tuple[str, ...] = ()
    select: Select = msgspec.field(default_factory=dict)
    consent: str = ""
    case: str = ""
    who: str = ""
    draft: Mapping[str, tuple[Sealed | None, str | None]] = msgspec.field(default_factory=dict)
    version: str = ""


Outcome = Answer | Exception


class Disclosure(NamedTuple):
    """Wishes that are answered and not yet told: `outcomes` may leave once what is `entered` of those at `places` is durable."""

    outcomes: list[Outcome]
    entered: list[Charged]
    places: list[int]

    def allowed(self, over: Sequence[TooMany | None]) -> list[Outcome]:
        """The outcomes, for what is over a limit that."""
        found = list(self.outcomes)
        for place, refusal in zip(self.places, over, strict=True):
            found[place] = refusal or found[place]
        return found


def disclose(services: Services, wish: Wish) -> Answer:
    """The form's fields for the subject; NotFound, Forbidden, Invalid, TooMany or AuditUnavailable instead."""
    prepared = prepare(services, [wish])
    for entry, limits in prepared.entered:
        services.desk.write(entry, limits)
    (outcome,) = prepared.outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def prepare(services: Services, wishes: Sequence[Wish]) -> Disclosure:
    """What `disclose` returns or raises of each, before its entry is written."""
    cases = [tried(_open, services, wish) for wish in wishes]
    files = iter(_files(services, [case for case in cases if isinstance(case, _Granted) and not case.persona]))
    worlds: dict[str, World] = {}
    replies = [_replied(case, files, worlds) if isinstance(case, _Granted) else case for case in cases]
    entered = [(place, reply) for place, reply in enumerate(replies) if isinstance(reply, _Reply)]
    return Disclosure(
        [reply.outcome if isinstance(reply, _Reply) else reply for reply in replies],
        [(reply.entry, reply.limits) for _, reply in entered],
        [place for place, _ in entered],
    )


def _replied(
    case: "_Granted", files: Iterator[SubjectFile | Exception | None], worlds: dict[str, World]
) -> "_Reply | Exception":
    file = None if case.persona else next(files)
    return file if isinstance(file, Exception) else tried(case.reply, file, worlds)


def _files(services: Services, cases: "Sequence[_Granted]") -> Sequence[SubjectFile | Exception | None]:
    """Their subjects' files; where one of them does not open the others are asked for by themselves."""
    try:
        return services.prefill.files([(case.form.subject, case.wish.subject) for case in cases]) if cases else ()
    except HubError as error:
        return [error] if len(cases) == 1 else [file for case in cases for file in _files(services, [case])]


def tried(step: Callable[[*Given], T], *given: *Given) -> T | Exception:
    """What a step returns, or what it raises: that is for its own asker alone."""
    try:
        return step(*given)
    except Exception as error:  # noqa: BLE001 - it is raised where the asker is answered
        return error


class _Reply(Quick, frozen=True):
    """What is answered once its audit entry is durable."""

    entry: Entry
    limits: Limits | None
    outcome: Outcome


class _Granted(Quick, frozen=True):
    """An ask that may be answered, before its subject is looked up."""

    services: Services
    wish: Wish
    form: Form
    asked: tuple[str, ...]
    bound: tuple[str, ...]
    decision: Decision
    persona: Persona | None

    def reply(self, found: SubjectFile | None, worlds: dict[str, World]) -> _Reply:
        """The form answered; `worlds` are those of the wishes before it, which it shares and adds to."""
        services, wish, persona = self.services, self.wish, self.persona
        file = persona.file if persona else found
        limits = None if persona else services.desk.limits(wish.client, wish.purpose, self.decision)
        if file is None:
            missing = NotFound("there is no file for this subject", todo="check the identifier and its kind")
            return _Reply(self.entry("no file", wish.subject), limits, missing)
        kind = self.form.subject
        world = worlds.get(kind) or worlds.setdefault(kind, services.prefill.world(kind))
        asked = Asked(
            self.asked, self.decision.withheld, self.decision.hidden, wish.select, wish.draft, wish.version
        )  # fmt: skip
        if persona:
            world, asked = persona.in_world(world), persona.asked(asked)
        subject = services.prefill.handle(wish.client, self.form.subject, wish.subject)
        answer = prefill(self.form, file, world, asked, client=wish.client, subject=subject)
        return _Reply(self.entry("persona" if persona else "answered", file.identifier), limits, answer)

    def entry(self, result: str, identifier: str) -> Entry:
        """The audit entry; the identifier as the file spells it, where there is one, is the same however it was asked."""
        d = self.decision
        return Entry(
            client=self.wish.client, purpose=self.wish.purpose, form=self.form.id, fields=d.allowed or self.bound, result=result,
            subject=self.services.pseudonym(self.form.subject, identifier), basis=d.basis, evidence=d.evidence,
            who=self.wish.who, grants=tuple([g.id for g in d.grants]),
        )  # fmt: skip


def _open(services: Services, wish: Wish) -> _Granted | _Reply:
    """What may be looked up, or the refusal."""
    form = services.forms().get(wish.form)
    if form is None:
        raise NotFound(f"there is no form {wish.form!r}", todo="GET /v1/forms lists them")
    asked = _asked(form, wish.fields)
    bound = form.bound if not wish.fields else tuple(name for name in asked if not form.named[name].typed)
    ask = Ask("form", form.id, wish.purpose, bound, case=wish.case, private=form.private)
    about = Subject(form.subject, wish.subject)
    decision = services.desk.decide(wish.client, ask, about=about, statement=wish.consent)
    personas = services.prefill.personas
    persona = personas.get((form.subject, folded(wish.subject))) if personas else None
    granted = _Granted(services, wish, form, asked, bound, decision, persona)
    if decision.granted:
        _check_select(form, decision.allowed, wish.select)
        return granted
    return _Reply(granted.entry(f"refused: {decision.reason}", wish.subject), None, decision.refusal())


def _check_select(form: Form, allowed: Sequence[str], select: Select) -> None:
    """Refuse to choose an entry by anything but what is told of it: else an answer would confirm guesses at what is withheld."""
    if not select:
        return
    wanted = {(name, column) for name, conditions in select.items() for column in conditions}
    told = form.told_of(allowed)
    if unknown := sorted(f"{name}.{column}" for name, column in wanted - told):
        raise Invalid(
            f"an entry cannot be selected by {', '.join(unknown)}",
            todo=f"select by what you are told of it: {', '.join(sorted(map('.'.join, told))) or 'nothing'}",
            field="select",
        )


def _asked(form: Form, fields: Sequence[str]) -> tuple[str, ...]:
    """The fields asked for, in the form's order, none for all of them; Invalid names what the form does not have."""
    if not fields:
        return ()
    unknown = sorted(set(fields) - form.named.keys())
    if unknown:
        raise Invalid(
            f"form {form.id!r} has no field {', '.join(unknown)}",
            todo=f"its fields: {', '.join(form.named)}",
            field="fields",
        )
    return tuple(name for name in form.named if name in fields)
