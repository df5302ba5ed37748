"""Erasing a subject (个人信息保护法, article 47): from the lake, the subject files, tickets and scratch space; and the record that it was done.

1. The audit says that it begins, who asked for it and why, before anything is touched: by the subject's pseudonym, as everywhere in the audit.
2. Every dataset's rows that name the subject go (`lake.erase`), in landings, batches, history and quarantine alike, tickets about them, and
   uploaded files that name them of registrations that are not approved yet: the department uploads those again.
3. The subject's file goes. Everybody's files are built anew, as others' may name the subject: a spouse, a company's head.
4. Scratch space is emptied, SQLite files are written anew, so that no free page keeps what a table lost.
5. Every file below the hub's home is read (`hub.filing.naming`); what still names the subject, or cannot be read, is told. The audit says how it
   ended.

What departments still hold comes back with their next full delivery: the subject is erased there first. What the audit says of the subject stays,
under the pseudonym, as the law asks of a log. Killed in between, the same call again does what is left.
"""

from collections.abc import Iterator
from pathlib import Path

from access.audit import Entry
from access.consent import folded
from hub import trail
from hub.core import Hub
from hub.filing import subject_files
from hub.filing.naming import Unreadable, names_any
from hub.pulling import pipeline
from hub.repair import disputes
from lake import erase as lake_erase
from lake import subject_builds
from lake.session import session
from ledger import contracts, runs, subject_merges
from ledger import disputes as tickets
from schemas.errors import Busy


def erase(hub: Hub, kind: str, identifier: str, *, by: str, why: str) -> dict[str, object]:
    """Erase a subject; how much there was by dataset, and the files below the hub's home that still name it.

    Raises:
        Busy: a run is under way, which might bring back what is erased.
        NotFound: there is no such kind.
    """
    subject_files.kind_of(hub, kind)
    if runs.unfinished(hub.ledger):
        raise Busy("a run is under way", todo="wait until it has ended (hub runs list), then erase again")
    own, names = _called(hub, kind, identifier)
    subject = trail.called(hub, kind, identifier)

    def entry(result: str, datasets: tuple[str, ...] = ()) -> Entry:
        return Entry("hub", "erasure", kind, datasets, subject, result, "duty", why, by)

    with trail.open_log(hub, "erase") as log:
        log.write(entry("begun"))
        counts = _datasets(hub, names)
        counts["tickets"] = {"removed": _tickets(hub, names)}
        counts["uploads"] = {"removed": _uploads(hub, names)}
        counts["files"] = {"removed": _file(hub, kind, own)}
        pipeline.clear_work(hub)
        hub.subjects.scrub()
        hub.ledger.scrub()
        left = [str(path.relative_to(hub.settings.home.absolute())) for path in still_naming(hub, names)]
        found = {name: {k: v for k, v in count.items() if v} for name, count in counts.items()}
        found = {name: count for name, count in found.items() if count}
        log.write(entry("erased, but for files that still name it" if left else "erased", tuple(found)))
    return {"subject": subject, "erased": found, "still named in": left}


def still_naming(hub: Hub, names: frozenset[str]) -> Iterator[Path]:
    """Files below the hub's home, and of the lake, in which one of the names stands, or of which nobody can tell."""
    for root in {hub.settings.home.absolute(), hub.lake}:
        yield from (
            p for p in sorted(root.rglob("*")) if p.is_file() and not p.is_symlink() and _names_or_hides(p, names)
        )


def _names_or_hides(path: Path, names: frozenset[str]) -> bool:
    try:
        return names_any(path, names)
    except Unreadable:
        return True


def _called(hub: Hub, kind: str, identifier: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The subject's identifiers, and every spelling in which records may have them: a small x, a first-generation citizen ID."""
    file = subject_files.subject(hub, kind, identifier)
    own = {folded(identifier), *((file.identifier, *file.former) if file else ())}
    old = {i[:6] + i[8:17] for i in own if len(i) == len("110101199003070000") and i[6:8] == "19" and i[:17].isdigit()}
    return tuple(sorted(own)), frozenset(own | old | {i.lower() for i in own})


def _datasets(hub: Hub, names: frozenset[str]) -> dict[str, dict[str, int]]:
    counts = {}
    with session(hub.settings.work, hub.settings.judge_memory_mb) as con:
        for name, version in sorted(contracts.newest(hub.ledger).items()):
            counts[name] = lake_erase.erase(con, hub.lake, version.contract, names, at=hub.clock())
    return counts


def _tickets(hub: Hub, names: frozenset[str]) -> int:
    """Remove the tickets in whose sealed part the subject stands."""
    mine = [t.id for t in tickets.listed(hub.ledger) if any(n in str(vars(disputes.detail(hub, t))) for n in names)]
    tickets.remove(hub.ledger, mine)
    return len(mine)


def _uploads(hub: Hub, names: frozenset[str]) -> int:
    """Remove the uploaded files that name the subject, or cannot be read, of registrations that wait."""
    mine = [path for path in hub.settings.staging.glob("*/file.*") if _names_or_hides(path, names)]
    for path in mine:
        path.unlink()
    return len(mine)


def _file(hub: Hub, kind: str, identifiers: tuple[str, ...]) -> int:
    """Remove the subject's own file, wherever it lies, and build everybody else's anew."""
    removed = subject_files.store(hub).erase(kind, identifiers)
    subject_merges.erase(hub.subjects, subject_files.keys(hub), kind, frozenset(identifiers))
    subject_files.build_all(hub, full=True)
    for name in subject_files.kinds(hub):  # older pointers and the parts that they name go
        subject_builds.forget(hub.lake, name, identifiers if name == kind else ())
    return removed
