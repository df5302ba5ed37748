"""The audit chain: who asked what about whom, durable before any value leaves, and impossible to change unseen.

1. `Log.write` hands an entry to a chain's one writer and waits until it is on disk; `submit` hands over several at once. `AuditLog`'s writer
   is a thread of this process, `access.audit_process.AuditProcess`'s a process of its own, for a server that many wait for. Whatever waits at
   the same moment shares one transaction (group commit), so many callers cost little more than one. In it each entry is charged to its
   client's budget and quotas (`ledger.budgets`); over a limit, that is its result, and the caller gets TooMany instead.
2. Every entry carries sha256(hash before + canonical text); the chain's head is signed (Ed25519) with it.
3. A chain's first entry, and one a minute from then on, pins the heads of the other chains, so that none can be cut back unseen.
4. `access.audit_verifier` walks everything and names each edit, deletion, reordering and truncation. What it cannot see by itself: the
   very newest end of all, cut back to an older signed head. Against that `anchor` takes a signed head a minute to another place.

An entry tells field names, never values, and the subject by a keyed pseudonym. No audit, no answer.
"""

import hashlib
import json
import queue
import threading
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Self
from zoneinfo import ZoneInfo

from msgspec.json import Encoder

from access.audit_seal import Signer
from access.audit_verifier import pins_of
from ledger import audit as store
from ledger.audit import Head, Link
from ledger.budgets import Limits, Verdict, charge, spend
from ledger.database import Database, Plain
from schemas.errors import AuditUnavailable, TooMany
from schemas.keyed import digest
from schemas.struct import Quick

_GENESIS = bytes(32)
_BATCH = 512
_SORTED = Encoder(order="sorted")
ANCHOR_EVERY = timedelta(minutes=1)
PATIENCE_SECONDS = 15.0
_ALWAYS = ("client", "purpose", "form", "fields", "subject", "result")
_OVER = {
    "over budget": "the client has asked about more different subjects for this purpose than its budget allows",
    "over quota": "the grant's answers for today are used up",
}


class Entry(Quick, frozen=True):
    """One request about one subject: field names and the result, never values.

    `form`: the form or dataset. `fields`: those answered, or asked for where nothing was. `subject`: a pseudonym. `basis` and `evidence`: why it
    was lawful, and the consent's id or case number (`access.decision.Decision`). `who`: the person at the client, as the client calls them
    (a staff number); "" for the citizen themself. `grants`: the ids of the grants it rests on. `detail`: how much of what was answered, where
    that is rows of a dataset.
    """

    client: str
    purpose: str
    form: str
    fields: tuple[str, ...]
    subject: str
    result: str
    basis: str = ""
    evidence: str = ""
    who: str = ""
    grants: tuple[str, ...] = ()
    detail: str = ""


_NAMES = Entry.__struct_fields__


def pseudonym(key: bytes, kind: str, identifier: str) -> str:
    """The same 32 hex digits for the same subject under the same key, and no way back without it.

    >>> pseudonym(b"k" * 32, "person", "ｘ1") == pseudonym(b"k" * 32, "person", " X1 ")
    True
    """
    folded = unicodedata.normalize("NFKC", identifier).strip().upper()
    return digest(key, f"{kind}\x00{folded}".encode()).hex()[:32]


def canonical(body: dict[str, Any]) -> str:
    """The one spelling of an entry's body that is hashed: keys sorted, no blanks, characters as they are."""
    return _SORTED.encode(body).decode()


def chained(before: bytes, body: str) -> bytes:
    """The hash of an entry: sha256 over the hash before it and its canonical text."""
    return hashlib.sha256(before + body.encode()).digest()


Charged = tuple[Entry, Limits | None]
"""An entry and what it is charged to; no limits (a refusal, an entry about no subject): nothing."""


@dataclass(frozen=True)
class _Waiting:
    asked: Sequence[Charged]
    done: Future[list[TooMany | None]]


class Log(ABC):
    """Where entries go. Use as a context manager, or call `close`."""

    def __init__(self, db: Database, *, clock: Callable[[], datetime], timezone: str) -> None:
        self._db, self._clock, self._zone = db, clock, ZoneInfo(timezone)

    @abstractmethod
    def submit(self, asked: Sequence[Charged]) -> Future[list[TooMany | None]]:
        """A future that is done when the entries are durable, with what each is told that is over a limit; or fails with AuditUnavailable."""

    @abstractmethod
    def close(self) -> None:
        """Write what is waiting, then stop."""

    def write(self, entry: Entry, limits: Limits | None = None) -> None:
        """Return only when the entry is durable; else AuditUnavailable or TooMany, and nothing may be disclosed."""
        waiting = self.submit([(entry, limits)])
        try:
            (over,) = waiting.result(timeout=PATIENCE_SECONDS)
        except FutureTimeout as error:
            waiting.cancel()
            raise unavailable() from error
        if over is not None:
            raise over

    def charge(self, limits: Limits, subjects: Collection[str]) -> None:
        """Charge the budget for the many subjects of one answer, before its entry is written; TooMany if they are over it."""
        try:
            within = spend(self._db, limits, subjects, self._clock().astimezone(self._zone).date())
        except Exception as error:
            raise unavailable(error) from error
        if not within:
            raise _too_many("over budget")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AuditLog(Log):
    """The chain of this process, written by a thread; start it after any fork."""

    def __init__(
        self,
        db: Database,
        *,
        chain: str,
        signer: Signer,
        clock: Callable[[], datetime],
        timezone: str = "Asia/Shanghai",
        anchor: Callable[[Head], None] = lambda _head: None,
    ) -> None:
        """`chain` is a name no other process has used or uses; `timezone` says when a day of a quota begins.

        `anchor` keeps a signed head somewhere else; it is called before the answers whose entries it stands for may leave.
        """
        super().__init__(db, clock=clock, timezone=timezone)
        self._chain = chain
        self._signer = signer
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._tip: Head | None = None
        self._pinned: dict[str, list[int | str]] = {}
        self._anchored = datetime.min.replace(tzinfo=UTC)
        self._anchor = anchor
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"audit-{chain}", daemon=True)
        self._thread.start()

    def submit(self, asked: Sequence[Charged]) -> Future[list[TooMany | None]]:
        """See `Log`."""
        if self._closed:
            raise closed()
        done: Future[list[TooMany | None]] = Future()
        self._queue.put(_Waiting(asked, done))
        return done

    def close(self) -> None:
        """See `Log`."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        if self._tip is not None:
            with suppress(OSError):
                self._anchor(self._tip)

    def _run(self) -> None:
        open_for_more = True
        while open_for_more:
            waiting, open_for_more = self._gather()
            if not waiting:
                continue
            try:
                told = iter(self._commit([one for group in waiting for one in group.asked]))
            except Exception as error:  # noqa: BLE001 - whatever the database raises, every waiting caller must hear of it
                self._tip = None
                for group in waiting:
                    group.done.set_exception(unavailable(error))
            else:
                for group in waiting:
                    group.done.set_result(refusals(islice(told, len(group.asked))))

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """All that waits now (at least one group, at most about a batch of entries), and whether more may come."""
        waiting: list[_Waiting] = []
        entries, item = 0, self._queue.get()
        while item is not None:
            if item.done.set_running_or_notify_cancel():
                waiting.append(item)
                entries += len(item.asked)
            if entries >= _BATCH or self._queue.empty():
                return waiting, True
            item = self._queue.get()
        return waiting, False

    def _commit(self, waiting: Sequence[Charged]) -> list[Verdict]:
        """Charge and write all that waits in one transaction; the verdict of each."""
        now = self._clock()
        tip = self._tip or store.heads(self._db).get(self._chain)
        due = now - self._anchored >= ANCHOR_EVERY
        bodies = self._opening(tip, due=due)
        with self._db.quick() as plain:
            verdicts = self._charge(plain, waiting, now)
            bodies += [_body(entry, verdict) for (entry, _), verdict in zip(waiting, verdicts, strict=True)]
            links = self._links(bodies, tip, now)
            last = links[-1]
            head = Head(self._chain, last.seq, last.hash, self._signer.sign(self._chain, last.seq, last.hash))
            store.append(plain, links, head)
        self._tip = head
        if due:
            self._anchor(head)
            self._anchored = now
        return verdicts

    def _charge(self, plain: Plain, waiting: Sequence[Charged], now: datetime) -> list[Verdict]:
        limited = [(limits, entry.subject) for entry, limits in waiting if limits is not None]
        found = iter(charge(plain, limited, now.astimezone(self._zone).date()))
        return ["" if limits is None else next(found) for _, limits in waiting]

    def _links(self, bodies: Sequence[dict[str, Any]], tip: Head | None, now: datetime) -> list[Link]:
        seq, before = (-1, _GENESIS) if tip is None else (tip.seq, tip.hash)
        links: list[Link] = []
        stamp = _stamp(now)
        for body in bodies:
            seq += 1
            text = canonical({**body, "chain": self._chain, "seq": seq, "at": stamp})
            before = chained(before, text)
            links.append(Link(self._chain, seq, text, before, now, str(body.get("subject", ""))))
        return links

    def _opening(self, tip: Head | None, *, due: bool) -> list[dict[str, Any]]:
        """The entry that opens the chain, or the minute's anchor if other chains moved on."""
        if tip is not None and not due:
            return []
        heads: dict[str, list[int | str]] = {
            h.chain: [h.seq, h.hash.hex()] for h in store.heads(self._db).values() if h.chain != self._chain
        }
        if tip is None:
            self._pinned = self._pinned_before()
        moved = {chain: place for chain, place in sorted(heads.items()) if self._pinned.get(chain) != place}
        self._pinned = {**self._pinned, **moved}
        return [{"kind": "open" if tip is None else "anchor", "pins": moved}] if moved or tip is None else []

    def _pinned_before(self) -> dict[str, list[int | str]]:
        """What the entries that opened earlier chains pinned last."""
        opened = sorted(store.links(self._db, first_only=True), key=lambda link: link.at)
        return {chain: [seq, digest] for link in opened for chain, seq, digest in pins_of(link.body)}


def read(body: str) -> dict[str, Any]:
    """An entry's body; empty where it is not one that a log wrote."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _body(entry: Entry, verdict: Verdict) -> dict[str, Any]:
    body = {"kind": "entry", **{name: value for name in _NAMES if (value := getattr(entry, name)) or name in _ALWAYS}}
    return {**body, "result": verdict} if verdict else body


def refusals(verdicts: Iterable[Verdict]) -> list[TooMany | None]:
    """What each is told whose entry is durable: None, or that it is over a limit."""
    return [_too_many(verdict) if verdict else None for verdict in verdicts]


def _too_many(verdict: Verdict) -> TooMany:
    return TooMany(_OVER[verdict], todo="ask the data office", limit=verdict)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def closed() -> AuditUnavailable:
    """What is told when nothing more is taken."""
    return AuditUnavailable("the audit log is closed", todo="try again in a moment")


def unavailable(cause: Exception | None = None) -> AuditUnavailable:
    """What whoever waits is told where an entry could not be written, or not in time."""
    error = AuditUnavailable(
        "the request could not be written to the audit, so nothing was disclosed",
        todo="try again; if it goes on, look at the audit database's disk and server",
    )
    error.__cause__ = cause
    return error
