"""From the lake's subject files into the online store: only what the store does not hold, and never faster than it can forget.

DuckDB packs rows and computes look-up keys in one thread, a second encrypts, a third writes; each holds a few thousand rows.
Rows come sorted by their keys, so that the store's index grows page by page and not all over.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from lake import crash, subject_builds
from lake.subject_builds import Head
from ledger import subject_work
from ledger.database import Database
from ledger.subject_rows import Row
from ledger.subject_store import Packed, SubjectStore
from schemas.errors import Superseded
from subjects import packing
from subjects.file import facts_of
from subjects.packing import Layout
from subjects.reading import connected
from subjects.work import ROOM, Built, Room, Sources, Work

_BATCH = 8000


def load(
    work: Work, sources: Sources, lake: Path, store: SubjectStore, at: datetime, share: int = 0, room: Room = ROOM
) -> Built:
    """Load one share of the work's files; doing it again changes nothing.

    Raises:
        Superseded: the lake or the store holds a later build.
    """
    head = _head(work, lake)
    upto = head.upto
    told = {(x.dataset, x.load): facts_of(x) for x in sources.loads if x.load <= upto.get(x.dataset, 0)}
    store.begin(work.kind, work.build, upto, head.layout, told, at)
    crash.point("subjects.begun")
    removed = _remove(work, lake, head, store, room) if share == 0 and not _everybody(work, head) else 0
    written, made = 0, Layout(head.layout)
    with ThreadPoolExecutor(2) as pool:
        writing: Future[None] | None = None
        for files in _ahead(pool, _files(work, sources, lake, head, store, share, room)):
            rows = store.sealed(work.kind, work.build, made.classes, files)
            written += len(files)
            if writing is not None:
                writing.result()
            writing = pool.submit(_write, work, store, rows)
        if writing is not None:
            writing.result()
    return Built(work.kind, written, removed)


def finish(work: Work, ledger: Database, lake: Path, store: SubjectStore, at: datetime) -> Built:
    """End a load whose every share is in the store: sweep after one of everybody, then say that it is done.

    Raises:
        Superseded: the lake or the store holds a later build.
    """
    head = _head(work, lake)
    swept = store.sweep(work.kind, work.build) if _everybody(work, head) else 0
    crash.point("subjects.swept")
    store.finish(work.kind, work.build)
    crash.point("subjects.finished")
    subject_work.mark(ledger, work.pending, at)
    crash.point("subjects.marked")
    return Built(work.kind, removed=swept)


def load_all(
    work: Work, sources: Sources, lake: Path, ledger: Database, store: SubjectStore, at: datetime, room: Room = ROOM
) -> Built:
    """Every share in turn, then `finish`."""
    done = [load(work, sources, lake, store, at, share, room) for share in range(work.buckets)]
    return sum([*done, finish(work, ledger, lake, store, at)], Built(work.kind))


def _head(work: Work, lake: Path) -> Head:
    head = subject_builds.head(lake, work.kind)
    if head is None or head.build != work.build:
        raise Superseded(f"build {work.build} of {work.kind} files is not the lake's newest", todo="hub subject build")
    return head


def _everybody(work: Work, head: Head) -> bool:
    """Whether the store lacks more than the parts behind the base."""
    return work.loaded < head.base


def _remove(work: Work, lake: Path, head: Head, store: SubjectStore, room: Room) -> int:
    """Remove the subjects that have no file any more; those merged into another get a pointer when that one is written."""
    parts, removed = head.since(work.loaded), 0
    if not any(part.gone for part in parts):
        return 0
    with connected(room) as con:
        rows = con.execute(f"SELECT _id FROM ({subject_builds.live(lake, head, parts)}) WHERE _gone")
        while batch := rows.fetchmany(_BATCH):
            removed += store.delete_many(work.kind, work.build, [row[0] for row in batch])
    return removed


def _write(work: Work, store: SubjectStore, rows: list[Row]) -> None:
    store.write(work.kind, work.build, rows)
    crash.point("subjects.stored")


def _ahead(pool: ThreadPoolExecutor, batches: Iterator[list[Packed]]) -> Iterator[list[Packed]]:
    """The batches, each fetched by the pool while the one before it is in use."""
    coming: Future[list[Packed]] = pool.submit(next, batches, [])
    while batch := coming.result():
        coming = pool.submit(next, batches, [])
        yield batch


def _files(
    work: Work, sources: Sources, lake: Path, head: Head, store: SubjectStore, share: int, room: Room
) -> Iterator[list[Packed]]:
    """The share's files in batches: place, identifiers if any were merged, and the text of each class."""
    parts, made = head.parts if _everybody(work, head) else head.since(work.loaded), Layout(head.layout)
    if not parts:
        return
    kind = sources.kinds[work.kind]
    texts = ", ".join(f"encode({text})" for text in packing.sections(kind, sources.contracts, made))
    inner, outer = store.keys.current.pads(work.kind)
    with connected(room) as con:
        rows = con.execute(
            "SELECT unhex(left(sha256($outer || unhex(sha256($inner || encode(_id)))), 32)) AS place, "
            f"CASE WHEN _former IS NOT NULL THEN _id END, _former, {texts} FROM ({subject_builds.live(lake, head, parts)}) "
            f"WHERE _gone IS NULL AND hash(_id) % {work.buckets:d} = {share:d} ORDER BY place",
            {"inner": inner, "outer": outer},
        )
        while batch := rows.fetchmany(_BATCH):
            yield batch
