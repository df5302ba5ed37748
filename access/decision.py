"""The one place where it is decided what a client may see: a pure function of client, ask, grants, consent and the hour.

1. The evidence that comes with an ask names the basis: a consent, a case number (duty), or neither (open). Both at once is refused: one
   basis is used, and it is the one that the audit records.
2. Of the client's grants those count that are for this form or dataset, this purpose and this basis, at this hour.
3. A consent counts only for the client, subject, purpose, form or dataset that it names, and only before it runs out.
4. Allowed is what is asked, granted and, with a consent, consented to. The rest is withheld, or `hidden` where a field's existence is itself
   private: then the answer says of it what it says of a field that nobody holds.

Nothing here looks at a subject's record, so a refusal cannot tell whether there is one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from ledger.grants import Basis, Grant, Kind
from schemas.errors import Forbidden
from schemas.struct import Quick

OWN_USES = "own-uses"
"""The form and the purpose of a citizen's look at who used their data."""
Reason = Literal["granted", "no-grant", "no-consent", "two-bases"]


_OFFICE = "ask the data office for a grant, or use a purpose you were granted; see what you have: GET /v1/grants"
_REFUSALS = {
    "granted": ("nothing was asked for", "name the fields"),
    "no-grant": ("no grant for this, for this purpose, on this basis", _OFFICE),
    "no-consent": (
        "the consent does not cover this",
        "have the subject's identity provider sign one for this very request",
    ),
    "two-bases": ("a consent and a case number at once", "send the one that the request rests on"),
}
_NO_EVIDENCE = (
    "no grant for this, for this purpose, without a case number or consent",
    "send the `case` or `consent` that your grant rests on; see what you have: GET /v1/grants",
)


class Ask(Quick, frozen=True):
    """What a client wants: fields of a form or dataset, for a purpose, on its evidence.

    `subject`: the pairwise name (`access.consent.pairwise`) of whom it is about, "" where rows of many are asked for. `case`: the case
    number of a duty. `private`: those of the fields whose mere existence is private.
    """

    kind: Kind
    name: str
    purpose: str
    fields: tuple[str, ...]
    subject: str = ""
    case: str = ""
    private: frozenset[str] = frozenset()


class Consent(Quick, frozen=True):
    """What a subject agreed to, as its identity provider signed it and `access.consent` verified it; `id` names the statement."""

    id: str
    issuer: str
    client: str
    subject: str
    purpose: str
    kind: Kind
    name: str
    fields: frozenset[str]
    expires: datetime


class Decision(Quick, frozen=True):
    """Which fields may be answered, in the order asked, and why.

    `withheld` are told as such, `hidden` are answered exactly as a field that nobody holds. `grants` are those it rests on; whoever reads rows
    holds each field to a grant that has it, and the rows to that grant's filter. `evidence` is the consent's id or the case number. `detail` says
    what is wrong with a consent that could not be read.
    """

    allowed: tuple[str, ...]
    withheld: tuple[str, ...]
    hidden: tuple[str, ...]
    basis: Basis
    evidence: str
    grants: tuple[Grant, ...]
    reason: Reason
    detail: str = ""

    @property
    def granted(self) -> bool:
        """Whether any field may be answered; if not, the whole ask is refused."""
        return bool(self.allowed)

    def refusal(self) -> Forbidden:
        """The refusal as an answer: it depends on what the caller sent and was granted, on nothing else."""
        what, todo = _REFUSALS[self.reason]
        if self.reason == "no-grant" and self.basis == "open":
            what, todo = _NO_EVIDENCE
        return Forbidden(f"{what}: {self.detail}" if self.detail else what, todo=todo, reason=self.reason)


def decide(client: str, ask: Ask, grants: Iterable[Grant], consent: Consent | None, now: datetime) -> Decision:
    """What `client` may have of what it asks, under these of its grants, on this consent (None: it brought none), at this hour."""
    basis: Basis = "consent" if consent is not None else "duty" if ask.case else "open"
    evidence = consent.id if consent is not None else ask.case
    if consent is not None and ask.case:
        return refused(ask, "two-bases", basis, evidence)
    wanted = client, ask.kind, ask.name, ask.purpose, basis
    fitting = [g for g in grants if (g.client, g.kind, g.name, g.purpose, g.basis) == wanted and g.live(now)]
    if not fitting:
        return refused(ask, "no-grant", basis, evidence)
    if consent is not None and not _covers(consent, client, ask, now):
        return refused(ask, "no-consent", basis, evidence)
    allowed = ask.fields
    if consent is not None and not consent.fields.issuperset(allowed):
        allowed = tuple(f for f in allowed if f in consent.fields)
    if None not in [g.fields for g in fitting]:
        granted = {f for g in fitting for f in g.fields or ()}
        allowed = allowed if granted.issuperset(allowed) else tuple(f for f in allowed if f in granted)
    if not allowed:
        return refused(ask, "no-grant", basis, evidence)
    used = tuple([g for g in fitting if g.fields is None or not g.fields.isdisjoint(allowed)])
    return Decision(allowed, *_others(ask, allowed), basis, evidence, used, "granted")


def refused(ask: Ask, reason: Reason, basis: Basis, evidence: str = "", detail: str = "") -> Decision:
    """The decision that nothing of the ask may be answered."""
    return Decision((), *_others(ask, ()), basis, evidence, (), reason, detail)


def _covers(consent: Consent, client: str, ask: Ask, now: datetime) -> bool:
    named = (consent.client, consent.subject, consent.purpose, consent.kind, consent.name)
    return (
        bool(ask.subject) and named == (client, ask.subject, ask.purpose, ask.kind, ask.name) and now < consent.expires
    )


def _others(ask: Ask, allowed: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if len(allowed) == len(ask.fields):
        return (), ()
    rest = [f for f in ask.fields if f not in allowed]
    return tuple(f for f in rest if f not in ask.private), tuple(f for f in rest if f in ask.private)
