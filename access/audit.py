"""The audit chain: who asked what about whom, durable before any value leaves, and impossible to change unseen.

1. `AuditLog.write` hands an entry to the one writer thread of this process and waits until it is on disk. Whoever
   waits at the same moment shares one transaction (group commit), so many callers cost little more than one.
2. Every entry carries sha256(hash before + canonical text); the chain's head is signed (Ed25519) with it.
3. A chain's first entry pins the heads of the chains before it, so that none can vanish once a later one began.
4. `access.audit_verify` walks everything and names each edit, deletion, reordering and truncation. What it cannot
   see: the newest chain cut back to an older copy of its signed head. Against that, keep copies of heads outside.

An entry tells field names, never values, and the subject by a keyed pseudonym. No audit, no answer.
"""

import hashlib
import hmac
import json
import queue
import threading
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from access.audit_seal import Signer
from ledger import audit as store
from ledger.audit import Head, Link
from ledger.database import Database
from schemas.errors import AuditUnavailable

_GENESIS = bytes(32)
_BATCH = 512
_PATIENCE_SECONDS = 15.0


@dataclass(frozen=True)
class Entry:
    """One request about one subject: field names and the result, never values. `subject` is a pseudonym."""

    client: str
    purpose: str
    form: str
    fields: tuple[str, ...]
    subject: str
    result: str


def pseudonym(key: bytes, kind: str, identifier: str) -> str:
    """The same 32 hex digits for the same subject under the same key, and no way back without it.

    >>> pseudonym(b"k" * 32, "person", "ｘ1") == pseudonym(b"k" * 32, "person", " X1 ")
    True
    """
    folded = unicodedata.normalize("NFKC", identifier).strip().upper()
    return hmac.new(key, f"{kind}\x00{folded}".encode(), hashlib.sha256).hexdigest()[:32]


def canonical(body: dict[str, Any]) -> str:
    """The one spelling of an entry's body that is hashed: keys sorted, no blanks, characters as they are."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def chained(before: bytes, body: str) -> bytes:
    """The hash of an entry: sha256 over the hash before it and its canonical text."""
    return hashlib.sha256(before + body.encode()).digest()


class AuditLog:
    """The chain of this process. Use as a context manager, or call `close`; start it after any fork."""

    def __init__(self, db: Database, *, chain: str, signer: Signer, clock: Callable[[], datetime]) -> None:
        """`chain` is a name no other process has used or uses."""
        self._db = db
        self._chain = chain
        self._signer = signer
        self._clock = clock
        self._queue: queue.SimpleQueue[tuple[Entry, Future[None]] | None] = queue.SimpleQueue()
        self._tip: Head | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"audit-{chain}", daemon=True)
        self._thread.start()

    def submit(self, entry: Entry) -> Future[None]:
        """A future that is done when the entry is durable, or fails with AuditUnavailable."""
        if self._closed:
            raise AuditUnavailable("the audit log is closed", todo="try again in a moment")
        done: Future[None] = Future()
        self._queue.put((entry, done))
        return done

    def write(self, entry: Entry) -> None:
        """Return only when the entry is durable; else AuditUnavailable, and nothing may be disclosed."""
        waiting = self.submit(entry)
        try:
            waiting.result(timeout=_PATIENCE_SECONDS)
        except FutureTimeout as error:
            waiting.cancel()
            raise _unavailable() from error

    def close(self) -> None:
        """Write what is waiting, then stop."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        open_for_more = True
        while open_for_more:
            waiting, open_for_more = self._gather()
            if not waiting:
                continue
            try:
                self._commit([entry for entry, _ in waiting])
            except Exception as error:  # noqa: BLE001 - whatever the database raises, every waiting caller must hear of it
                self._tip = None
                for _, done in waiting:
                    done.set_exception(_unavailable(error))
            else:
                for _, done in waiting:
                    done.set_result(None)

    def _gather(self) -> tuple[list[tuple[Entry, Future[None]]], bool]:
        """Everything that waits now (at least one item, at most a batch), and whether more may come."""
        waiting: list[tuple[Entry, Future[None]]] = []
        item = self._queue.get()
        while item is not None:
            if item[1].set_running_or_notify_cancel():
                waiting.append(item)
            if len(waiting) == _BATCH or self._queue.empty():
                return waiting, True
            item = self._queue.get()
        return waiting, False

    def _commit(self, entries: Sequence[Entry]) -> None:
        tip = self._tip or store.heads(self._db).get(self._chain)
        bodies = [{"kind": "open", "pins": self._pins()}] if tip is None else []
        bodies += [{"kind": "entry", **asdict(entry)} for entry in entries]
        seq, before = (-1, _GENESIS) if tip is None else (tip.seq, tip.hash)
        links: list[Link] = []
        for body in bodies:
            seq += 1
            text = canonical({**body, "chain": self._chain, "seq": seq, "at": _stamp(self._clock())})
            before = chained(before, text)
            links.append(Link(self._chain, seq, text, before))
        head = Head(self._chain, seq, before, self._signer.sign(self._chain, seq, before))
        store.append(self._db, links, head)
        self._tip = head

    def _pins(self) -> dict[str, list[int | str]]:
        """The heads that no earlier chain has pinned at their present place."""
        pinned = {pin for link in store.links(self._db, first_only=True) for pin in pins(link.body)}
        now = {(head.chain, head.seq, head.hash.hex()) for head in store.heads(self._db).values()}
        return {chain: [seq, digest] for chain, seq, digest in sorted(now - pinned)}


def pins(body: str) -> list[tuple[str, int, str]]:
    """The (chain, seq, hash) triples that a chain's first entry pins; none in one that was tampered with."""
    pinned = read(body).get("pins")
    if not isinstance(pinned, dict) or not all(isinstance(pin, list) for pin in pinned.values()):
        return []
    return [(chain, *pin) for chain, pin in pinned.items() if [type(part) for part in pin] == [int, str]]


def read(body: str) -> dict[str, Any]:
    """An entry's body; empty where it is not one that a log wrote."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _unavailable(cause: Exception | None = None) -> AuditUnavailable:
    error = AuditUnavailable(
        "the request could not be written to the audit, so nothing was disclosed",
        todo="try again; if it goes on, look at the audit database's disk and server",
    )
    error.__cause__ = cause
    return error
