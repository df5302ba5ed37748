"""The desk: one value through which every request passes, fast enough for each of them. Serving calls nothing else of `access`.

1. `caller`: whom a bearer token speaks for.
2. `decide`: what the caller may have of what it asks (`access.decision`), under its grants and the consent it brought.
3. `submit` or `write`: the audit entry, charged to the client's budget and quotas. Only when it is durable may anything be answered.

Verified tokens, consents, grants and keys are kept in memory until they run out or anything of the kind changes in the ledger, in whatever
process: the ledger's revision is looked at once a second. If the ledger cannot be asked, nothing is believed for longer than `STALE` seconds.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from msgspec.structs import replace

from access import consent
from access.audit import Charged, Entry, Log
from access.clients import require_active
from access.decision import Ask, Consent, Decision, decide, refused
from access.keys import Keys
from access.statements import Unacceptable, opened
from access.tokens import Caller, Tokens
from ledger import access_revision, budgets, credentials, grants
from ledger.budgets import Limits
from ledger.database import Database
from ledger.grants import Grant
from schemas.errors import Retry, TooMany, Unauthenticated
from schemas.struct import Quick

LOOK = 1.0
STALE = 4.0
_MOST = 10_000
T = TypeVar("T")


class Subject(Quick, frozen=True):
    """Whom an ask is about, as the client names them."""

    kind: str
    identifier: str


@dataclass
class _Known:
    """What was read under one revision of the ledger, thrown away whole with the next: what a slow reader still adds is thrown away too."""

    revision: int
    callers: OrderedDict[str, Caller] = field(default_factory=OrderedDict)
    consents: OrderedDict[str, Consent] = field(default_factory=OrderedDict)
    grants: dict[str, tuple[Grant, ...]] = field(default_factory=dict)
    issuers: dict[str, Keys] | None = None
    revoked: frozenset[str] | None = None
    budgets: dict[tuple[str, str], int] | None = None


class Desk:
    """One process's desk; safe to use from several threads."""

    def __init__(
        self,
        ledger: Database,
        log: Log,
        tokens: Tokens,
        *,
        audience: str,
        pairwise_key: bytes,
        clock: Callable[[], datetime],
        budget: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`audience`: how statements name this hub; `budget`: distinct subjects of a client and purpose that were given none of their own."""
        self._ledger, self._log, self._tokens = ledger, log, tokens
        self._audience, self._pairwise_key, self._budget = audience, pairwise_key, budget
        self._clock, self._monotonic = clock, monotonic
        self._known = _Known(-1)
        self._next = self._seen = float("-inf")

    def caller(self, token: str) -> Caller:
        """Whom the token speaks for; else Unauthenticated: expired, revoked, not ours, or its client is switched off."""
        known, now = self._fresh(), self._clock()
        found = known.callers.get(token)
        if found is None or found.expires <= now:
            found = self._verified(known, token, now)
        return found

    def decide(self, client: str, ask: Ask, *, about: Subject | None = None, statement: str = "") -> Decision:
        """What the client may have. `statement` is the consent as it came, "" for none; `about` is whom it must be about."""
        known, now = self._fresh(), self._clock()
        given: Consent | None = None
        if statement:
            try:
                given = self._consent(known, statement, now)
            except Unacceptable as error:
                return refused(ask, "no-consent", "consent", detail=str(error))
            if about is not None:
                ask = replace(ask, subject=self.pairwise(given.issuer, client, about))
        return decide(client, ask, self._grants(known, client), given, now)

    def consent(self, statement: str) -> Consent:
        """The consent that a statement tells, whatever it is for. Raises `access.statements.Unacceptable`."""
        return self._consent(self._fresh(), statement, self._clock())

    def pairwise(self, issuer: str, client: str, about: Subject) -> str:
        """How the identity provider calls the subject towards the client."""
        return consent.pairwise(consent.salt(self._pairwise_key, issuer), client, about.kind, about.identifier)

    def grants(self, client: str) -> tuple[Grant, ...]:
        """The client's grants that are not revoked, whatever their period."""
        return self._grants(self._fresh(), client)

    def limits(self, client: str, purpose: str, decision: Decision) -> Limits:
        """What an answer under this decision is charged to."""
        known = self._fresh()
        if known.budgets is None:
            known.budgets = budgets.budgets(self._ledger)
        quotas = tuple([(g.id, g.quota) for g in decision.grants if g.quota is not None])
        return Limits(client, purpose, known.budgets.get((client, purpose), self._budget), quotas)

    def submit(self, asked: Sequence[Charged]) -> Future[list[TooMany | None]]:
        """A future that is done when all the entries are durable: for each None, or TooMany if it is over one of its limits.

        It fails with AuditUnavailable. Without limits (a refusal, an entry about no subject) nothing is charged.
        """
        return self._log.submit(asked)

    def write(self, entry: Entry, limits: Limits | None = None) -> None:
        """`submit` one, wait, and raise what it is told."""
        self._log.write(entry, limits)

    def charge(self, limits: Limits, subjects: Collection[str]) -> None:
        """Charge the budget for the many subjects of one answer, by pseudonym, before its entry is written; TooMany if they are over it."""
        self._log.charge(limits, subjects)

    def _fresh(self) -> _Known:
        now = self._monotonic()
        if now < self._next:
            return self._known
        self._next = now + LOOK
        try:
            revision = access_revision.current(self._ledger)
        except Exception as error:  # whatever keeps the ledger from answering
            if now - self._seen > STALE:
                self._next = now
                raise Retry("the ledger does not answer, so no right can be looked up", todo="try again") from error
            return self._known
        self._seen = now
        if revision != self._known.revision:
            self._known = _Known(revision)
        return self._known

    def _verified(self, known: _Known, token: str, now: datetime) -> Caller:
        found = self._tokens.read(token, now=now)
        if known.revoked is None:
            known.revoked = credentials.revoked(self._ledger)
        if found.jti in known.revoked:
            raise Unauthenticated("the token was revoked", todo="POST /oauth/token")
        require_active(self._ledger, found.client)
        return _keep(known.callers, token, found)

    def _consent(self, known: _Known, statement: str, now: datetime) -> Consent:
        found = known.consents.get(statement)
        if found is not None:
            return found
        if known.issuers is None:
            known.issuers = {i.issuer: Keys(i.jwks) for i in credentials.issuers(self._ledger)}
        said = opened(statement)
        keys_of = known.issuers.get(said.issuer)
        if keys_of is None:
            raise Unacceptable("its issuer is not registered here")
        read = consent.read(said, keys_of, audience=self._audience, now=now)
        return _keep(known.consents, statement, read)

    def _grants(self, known: _Known, client: str) -> tuple[Grant, ...]:
        found = known.grants.get(client)
        if found is None:
            found = known.grants[client] = grants.standing(self._ledger, client)
        return found


def _keep(kept: OrderedDict[str, T], name: str, value: T) -> T:
    """The value, kept; of too many the first goes, one at a time, for to let all of them go at once takes as long as fifty answers."""
    kept[name] = value
    if len(kept) > _MOST:
        kept.popitem(last=False)
    return value
