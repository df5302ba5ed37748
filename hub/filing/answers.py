"""What the hub answers without HTTP: the catalog as it is now, a form filled from a file, a link that opens one."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter

from access.consent import folded
from access.invitations import Invitation, Invitations
from hub.core import Hub
from hub.filing import subject_files
from hub.registration import registry
from ledger import contracts
from prefill import answer, personas, sources
from prefill.answer import Asked, Select
from prefill.envelope import Answer
from prefill.forms import Form
from prefill.personas import Persona
from prefill.seal import SealKey
from prefill.sources import SourceState
from prefill.world import World
from schemas.contract import Contract
from schemas.errors import Retry
from schemas.windows import opens
from subjects.due import Due
from subjects.file import SubjectFile
from subjects.kinds import Kind

_LOG = logging.getLogger("hub.filing.answers")
LOOK = 1.0
STALE = 10.0
PATIENCE = 1.0
States = tuple[Mapping[str, SourceState], dict[Any, Any]]


def seal_key(hub: Hub) -> SealKey:
    """The key of the seals that are given now."""
    return SealKey("s1", hub.key("seal"))


def handle(key: bytes, client: str, kind: str, identifier: str) -> str:
    """How a client is told of a subject: the same however the identifier is spelled, and another name for each client."""
    text = f"{client}\0{kind}\0{folded(identifier)}"
    return blake2b(text.encode(), key=key, digest_size=16).hexdigest()


def states(hub: Hub, kind: Kind) -> dict[str, SourceState]:
    """The state of a kind's sources, read now."""
    return sources.read(hub.ledger, contracts.applied(hub.ledger, kind.datasets), kind.name, partial(next_pull, hub))


def next_pull(hub: Hub, contract: Contract) -> datetime | None:
    """When the department is asked next, by the dataset's schedule and the hours that it allows; None where neither tells."""
    cron, zone = registry.entry(contract, hub.settings.timezone)["schedule"], ZoneInfo(hub.settings.timezone)
    if cron is None:
        return None
    moment: datetime = croniter(cron, hub.clock().astimezone(zone)).get_next(datetime)
    return opens(contract.source.windows, moment, zone) or moment


@dataclass
class _Held:
    """States that were read, under which revision and when, and when the revision was last looked at."""

    states: States
    revision: object
    read: float
    looked: float


@dataclass
class Watched:
    """The state of the sources as a serving process sees it: at most about a second old while there is much to do.

    Once a second the revision is looked at; a read that is due is made by a thread of its own while the last one goes on to serve. Where that
    is older than `STALE` seconds, because nobody has asked for a while, whoever asks waits for the read until `PATIENCE` seconds after it
    began: if the ledger does not answer, nothing is told.
    """

    read: Callable[[str], Mapping[str, SourceState]]
    revision: Callable[[], object]
    monotonic: Callable[[], float] = time.monotonic
    _held: dict[str, _Held] = field(default_factory=dict)
    _reading: dict[str, tuple[threading.Thread, float]] = field(default_factory=dict)
    _waking: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, kind: str) -> States:
        """The states of the kind's sources, and a place to keep what follows from them."""
        now, held = self.monotonic(), self._held.get(kind)
        if held is None:
            return self._refresh(kind, self.revision())
        if now - held.looked <= LOOK:
            return held.states
        revision = self._looked()
        if revision is not None and revision == held.revision and now - held.read <= STALE:
            held.looked = now
            return held.states
        reader, began = self._wake(kind, revision)
        if now - held.looked <= STALE:
            return held.states
        reader.join(max(0, began + PATIENCE - now))
        held = self._held[kind]
        if now - held.looked > STALE:
            raise Retry(
                "the ledger does not answer, so nothing can be said of the sources", todo="try again in a moment"
            )
        return held.states

    def _looked(self) -> object:
        """The revision; None where the ledger does not tell: the read that follows finds out why."""
        try:
            return self.revision()
        except Exception:  # noqa: BLE001 - whatever keeps the ledger from answering
            return None

    def _wake(self, kind: str, revision: object) -> tuple[threading.Thread, float]:
        """The read that is under way, or begins now, and since when."""
        with self._waking:  # whoever finds a read may join it: it has started
            found = self._reading.get(kind)
            if found is None:
                reader = threading.Thread(target=self._read, args=(kind, revision), name=f"states-{kind}", daemon=True)
                found = self._reading[kind] = reader, self.monotonic()
                reader.start()
            return found

    def threads(self) -> list[threading.Thread]:
        """The reads that are under way."""
        return [reader for reader, _ in self._reading.values()]

    def _read(self, kind: str, revision: object) -> None:
        try:
            self._refresh(kind, revision)
        except Exception:  # noqa: BLE001 - whatever keeps the ledger from answering, the last states serve on until they are too old
            _LOG.exception("the state of the sources could not be read; the last one goes on to serve")
        finally:
            del self._reading[kind]

    def _refresh(self, kind: str, revision: object) -> States:
        """Read now; the `revision` was looked at before, so that what comes meanwhile is read again."""
        began, found = self.monotonic(), (self.read(kind), dict[Any, Any]())
        self._held[kind] = _Held(found, revision, began, began)
        return found


def prefiller(hub: Hub) -> Callable[[Form, SubjectFile, Select], Answer]:
    """A function that answers a form from a subject's file, with the sources' state at that moment; for the hub's own use."""
    key, names = seal_key(hub), hub.key("handle")

    def prefill(form: Form, file: SubjectFile, select: Select) -> Answer:
        world = World(states(hub, subject_files.kind_of(hub, form.subject)), hub.clock(), key, hub.settings.timezone)
        subject = handle(names, "hub", form.subject, file.identifier)
        return answer.prefill(form, file, world, Asked(select=select), client="hub", subject=subject)

    return prefill


def made_personas(hub: Hub) -> Sequence[Persona]:
    """The personas of every kind, in the order of the kinds."""
    kinds, forms = subject_files.kinds(hub), subject_files.forms(hub)
    applied = contracts.applied(hub.ledger)
    return [one for kind in kinds.values() for one in personas.build(kind, forms.values(), applied)]


def link(hub: Hub, found: Due) -> str:
    """A link that opens the form which renews what falls due, filled in; it holds for a day and tells nobody whom it is for."""
    invitation = Invitation(found.form, found.identifier, {found.list: dict(found.record)})
    token = Invitations(hub.key("invitation")).seal(invitation, now=hub.clock(), nonce=os.urandom(12))
    return f"{hub.settings.api_url}/forms/{found.form}?invitation={token}"
