"""Subject files, forms and what falls due, wired from the declarations, the ledger and the lake.

The build travels as JSON between tasks: `plan` → `build_bucket` for each kind and bucket → `publish` → `load` for each share → `finish`;
`build_all` does it in one process.
"""

import unicodedata
from dataclasses import asdict
from datetime import datetime
from typing import Any

from hub.core import Hub
from lake.subject_builds import Part
from ledger import authorities, contracts, loads, subject_merges
from ledger.subject_keys import SubjectKeys
from ledger.subject_store import SubjectStore
from prefill import forms as form_files
from prefill.forms import Form
from schemas.errors import NotFound
from subjects import build, declare, due, histories, past
from subjects import load as loading
from subjects.due import Due
from subjects.file import SubjectFile
from subjects.kinds import Kind
from subjects.work import Built, Room, Sources, Work


def kinds(hub: Hub, *, as_declared: bool = False) -> dict[str, Kind]:
    """The subject kinds, checked against the applied contracts; confirmed authoritative sources first, or in the order `as_declared`."""
    confirmed = {} if as_declared else {(a.subject, a.element): a.dataset for a in authorities.held(hub.ledger)}
    return declare.load(hub.settings.declared / "subjects", contracts.applied(hub.ledger), confirmed)


def forms(hub: Hub) -> dict[str, Form]:
    """The declared forms."""
    return form_files.load(hub.settings.declared / "forms", kinds(hub), contracts.applied(hub.ledger))


def every_form(hub: Hub) -> dict[str, Form]:
    """The declared forms, and each subject kind as a form of its own."""
    applied = contracts.applied(hub.ledger)
    return {**forms(hub), **{name: form_files.of_kind(kind, applied) for name, kind in kinds(hub).items()}}


def keys(hub: Hub) -> SubjectKeys:
    """The subject store's keys: those in use, those that rows may still be under, and the one that names subjects for good."""
    return SubjectKeys.of(hub.keys("subject"), hub.key("subject-name"))


def store(hub: Hub) -> SubjectStore:
    """The subject store under the hub's keys."""
    return SubjectStore(hub.subjects, keys(hub), lambda: keys(hub))


def plan(hub: Hub, *, full: bool = False) -> list[dict[str, Any]]:
    """The builds and loads that new loads and decisions ask for, as JSON."""
    return [work.to_json() for work in _plan(hub, full=full)]


def build_bucket(hub: Hub, work: dict[str, Any], bucket: int) -> dict[str, Any]:
    """Build one bucket of one kind into the lake; returns its part."""
    return asdict(build.build_bucket(Work.from_json(work), sources(hub), hub.lake, bucket, room(hub)))


def publish(hub: Hub, work: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    """Make a build's parts the kind's files."""
    parsed = Work.from_json(work)
    if parsed.due:
        build.publish(parsed, sources(hub), hub.lake, [Part(**part) for part in parts])


def load(hub: Hub, work: dict[str, Any], share: int) -> dict[str, Any]:
    """Load one share of a published build into the store; returns what was written."""
    parsed = Work.from_json(work)
    return asdict(loading.load(parsed, sources(hub), hub.lake, store(hub), hub.clock(), share, room(hub)))


def finish(hub: Hub, work: dict[str, Any]) -> dict[str, Any]:
    """Say that a build is in the store, once all its shares are."""
    return asdict(loading.finish(Work.from_json(work), hub.ledger, hub.lake, store(hub), hub.clock()))


def build_all(hub: Hub, *, full: bool = False) -> list[Built]:
    """Every pending build and load, in this process."""
    done = []
    for work in _plan(hub, full=full):
        given, use = sources(hub), room(hub)
        build.build(work, given, hub.lake, use)
        done.append(loading.load_all(work, given, hub.lake, hub.ledger, store(hub), hub.clock(), use))
    return done


def subject(hub: Hub, kind: str, identifier: str) -> SubjectFile | None:
    """The file of a subject, however its identifier was typed (full-width digits, a small x, blanks)."""
    found = store(hub).get(kind, folded(identifier))
    return None if found is None else SubjectFile.of(found)


def subject_as_of(hub: Hub, kind: str, identifier: str, moment: datetime) -> SubjectFile | None:
    """The file of a subject as it would have been built at an earlier moment, from the loads and decisions there were."""
    kind_of(hub, kind)
    given, decisions = sources(hub), subject_merges.decisions(hub.subjects, keys(hub), kind)
    upto = {
        d: max((x.load for x in given.loads if x.dataset == d and x.published_at <= moment), default=0)
        for d in given.contracts
    }
    decided = max((d.seq for d in decisions if d.at <= moment), default=0)
    return past.file_as_of(kind, folded(identifier), given, upto, decided, keys(hub), room(hub))


def folded(identifier: str) -> str:
    """An identifier as registers write it."""
    return unicodedata.normalize("NFKC", identifier).replace(" ", "").upper()


def kind_of(hub: Hub, name: str) -> Kind:
    """The declared kind of this name. Raises NotFound with the kinds there are."""
    declared = kinds(hub)
    if name not in declared:
        raise NotFound(f"no subject kind {name!r} (declared: {', '.join(declared)})", todo="see subjects/*.yaml")
    return declared[name]


def falling_due(hub: Hub, days: int) -> list[Due]:
    """Permits and licences that expire within so many days, soonest first."""
    latest = {name: load.load for name, load in loads.latest(hub.ledger).items()}
    applied = contracts.applied(hub.ledger)
    return due.due(kinds(hub), applied, histories.of_lake(hub.lake), latest, today=hub.today(), within_days=days)


def sources(hub: Hub) -> Sources:
    """All that a build reads."""
    applied, declared, ring = contracts.applied(hub.ledger), kinds(hub), keys(hub)
    told = [load for name in applied for load in loads.history(hub.ledger, name)]
    decisions = {kind: subject_merges.decisions(hub.subjects, ring, kind) for kind in declared}
    return Sources(declared, applied, histories.of_lake(hub.lake), told, decisions)


def _plan(hub: Hub, *, full: bool) -> list[Work]:
    return build.plan(
        hub.lake, hub.ledger, store(hub), kinds(hub), contracts.applied(hub.ledger), loads.latest(hub.ledger),
        subject_merges.newest(hub.subjects), hub.settings.subject_buckets, full=full,
    )  # fmt: skip


def room(hub: Hub) -> Room:
    """What a build may use."""
    hub.settings.work.mkdir(parents=True, exist_ok=True)
    return Room(hub.settings.work, hub.settings.judge_memory_mb)
