"""Subject files, forms and what falls due, wired from the declarations, the ledger and the lake.

The build travels as JSON between tasks: `plan` → `build_bucket` for each kind and bucket → `finish`; `build_all` does it in one process.
"""

import unicodedata
from dataclasses import asdict
from typing import Any

from hub.core import Hub
from ledger import contracts, loads
from ledger.subject_store import SubjectKey, SubjectStore
from prefill import forms as form_files
from prefill.forms import Form
from schemas.errors import NotFound
from subjects import build, declare, due, histories
from subjects.build import Built, Room, Sources, Work
from subjects.due import Due
from subjects.file import SubjectFile
from subjects.kinds import Kind


def kinds(hub: Hub) -> dict[str, Kind]:
    """The declared subject kinds, checked against the applied contracts."""
    return declare.load(hub.settings.declared / "subjects", contracts.applied(hub.ledger))


def forms(hub: Hub) -> dict[str, Form]:
    """The declared forms."""
    return form_files.load(hub.settings.declared / "forms", kinds(hub), contracts.applied(hub.ledger))


def store(hub: Hub) -> SubjectStore:
    """The subject store under the hub's pseudonym key."""
    return SubjectStore(hub.subjects, SubjectKey("k1", hub.key("subject")))


def plan(hub: Hub) -> list[dict[str, Any]]:
    """The builds that new loads ask for, as JSON."""
    latest = {name: load.load for name, load in loads.latest(hub.ledger).items()}
    applied = contracts.applied(hub.ledger)
    return [w.to_json() for w in build.plan(hub.ledger, store(hub), kinds(hub), applied, latest, hub.clock())]


def build_bucket(hub: Hub, work: dict[str, Any], bucket: int) -> dict[str, Any]:
    """Build one bucket of one kind; returns what was written."""
    parsed = Work.from_json(work)
    buckets = hub.settings.subject_buckets
    return asdict(build.build_bucket(parsed, _sources(hub), store(hub), hub.clock(), bucket, buckets, _room(hub)))


def finish(hub: Hub, work: dict[str, Any]) -> dict[str, Any]:
    """Mark a build done once all its buckets are in the store."""
    return asdict(build.finish(Work.from_json(work), hub.ledger, store(hub), hub.clock()))


def build_all(hub: Hub) -> list[Built]:
    """Every pending build, in this process."""
    done = []
    for work in plan(hub):
        parsed = Work.from_json(work)
        total = build.build(
            parsed, _sources(hub), hub.ledger, store(hub), hub.clock(), hub.settings.subject_buckets, _room(hub)
        )
        done.append(total)
    return done


def subject(hub: Hub, kind: str, identifier: str) -> SubjectFile | None:
    """The file of a subject, however its identifier was typed (full-width digits, a small x, blanks)."""
    folded = unicodedata.normalize("NFKC", identifier).replace(" ", "").upper()
    found = store(hub).get(kind, folded)
    return None if found is None else SubjectFile.of(found)


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


def _sources(hub: Hub) -> Sources:
    applied = contracts.applied(hub.ledger)
    told = [load for name in applied for load in loads.history(hub.ledger, name)]
    return Sources(kinds(hub), applied, histories.of_lake(hub.lake), told)


def _room(hub: Hub) -> Room:
    hub.settings.work.mkdir(parents=True, exist_ok=True)
    return Room(hub.settings.work, hub.settings.judge_memory_mb)
