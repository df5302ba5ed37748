"""Subject files, built in bulk from current views: everybody's, or only those that new loads touched.

1. `plan` asks the ledger which kinds lag behind, and opens a build of each in the store (the fence against older builds).
2. `build_bucket` makes the files of one hash bucket: one SQL statement joins all sources, batches stream into the store. Buckets
   are independent: a loop on one machine, mapped tasks on many. Doing one twice gives the same files.
3. `finish` removes what a full build no longer found, then marks the work done. Killed before that, it is planned again.

Files hold what the rows and their loads say, never the hour of the build: rebuilding the touched gives the same bytes as rebuilding all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from lake import crash
from ledger import subject_work
from ledger.database import Database
from ledger.loads import Load
from ledger.subject_store import SubjectStore
from schemas.contract import Contract
from schemas.errors import Superseded
from subjects import statement
from subjects.file import as_of
from subjects.histories import Histories
from subjects.kinds import Kind, Kinds

_BATCH = 2000


@dataclass(frozen=True)
class Work:
    """One kind's build as it travels between tasks: no personal data. `build` is its number in the store."""

    pending: subject_work.Pending
    build: int

    def to_json(self) -> dict[str, Any]:
        """The work as plain JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Work":
        """The inverse of `to_json`."""
        return Work(subject_work.Pending(**value["pending"]), value["build"])


@dataclass(frozen=True)
class Built:
    """What a build did: files written and removed, and by `dataset.column` the rows whose identifier fits no kind."""

    kind: str
    written: int = 0
    removed: int = 0
    unlinked: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: "Built") -> "Built":
        names = self.unlinked.keys() | other.unlinked.keys()
        unlinked = {n: self.unlinked.get(n, 0) + other.unlinked.get(n, 0) for n in sorted(names)}
        return Built(self.kind, self.written + other.written, self.removed + other.removed, unlinked)


@dataclass(frozen=True)
class Sources:
    """All that a build reads: declared kinds, applied contracts, histories, and the published loads for provenance."""

    kinds: Kinds
    contracts: Mapping[str, Contract]
    histories: Histories
    loads: Iterable[Load]


@dataclass(frozen=True)
class Room:
    """What a build may use: memory in MB, threads, and a folder to spill into."""

    folder: Path | None = None
    memory_mb: int = 1024
    threads: int = 2


def plan(
    ledger: Database,
    store: SubjectStore,
    kinds: Kinds,
    contracts: Mapping[str, Contract],
    latest: Mapping[str, int],
    at: datetime,
) -> list[Work]:
    """The builds to do now; `latest` is each dataset's newest published load. Planning voids unfinished builds of the same kinds."""
    wanted = {
        name: subject_work.Wanted(kind.datasets, statement.digest(kind, kinds, contracts))
        for name, kind in kinds.items()
    }
    work = subject_work.pending(ledger, latest, wanted)
    begun = [Work(pending, store.begin(pending.kind, pending.upto, at)) for pending in work]
    crash.point("subjects.planned")
    return begun


def build_bucket(
    work: Work,
    sources: Sources,
    store: SubjectStore,
    at: datetime,
    bucket: int = 0,
    buckets: int = 1,
    room: Room = Room(),
) -> Built:
    """Build one bucket's files into the store; rows without a usable identifier are counted in bucket 0.

    Raises:
        Superseded: a later build has begun, or the declaration changed since the plan.
    """
    kind = sources.kinds[work.pending.kind]
    if statement.digest(kind, sources.kinds, sources.contracts) != work.pending.declaration:
        raise Superseded(f"the declaration of {kind.name} has changed since the plan", todo="plan the build again")
    built = Built(kind.name)
    with _connect(room) as con:
        _views(con, kind, sources, work.pending.upto)
        if bucket == 0:
            built += Built(kind.name, unlinked=_unlinked(con, kind, sources))
        for batch in _files(con, kind, sources, work.pending, bucket, buckets):
            kept = [(key, body.encode()) for key, body in batch if body is not None]
            gone = [key for key, body in batch if body is None]
            store.put_many(kind.name, work.build, kept, at)
            crash.point("subjects.stored")
            built += Built(kind.name, len(kept), store.delete_many(kind.name, work.build, gone) if gone else 0)
    return built


def finish(work: Work, ledger: Database, store: SubjectStore, at: datetime) -> Built:
    """End a build whose every bucket is in the store: sweep after a full one, then mark it done.

    Raises:
        Superseded: a later build has begun.
    """
    full = work.pending.since is None
    swept = store.sweep(work.pending.kind, work.build) if full else 0
    crash.point("subjects.swept")
    subject_work.mark(ledger, work.pending, at)
    crash.point("subjects.marked")
    return Built(work.pending.kind, removed=swept)


def build(
    work: Work,
    sources: Sources,
    ledger: Database,
    store: SubjectStore,
    at: datetime,
    buckets: int = 1,
    room: Room = Room(),
) -> Built:
    """The whole build in one process: every bucket in turn, then `finish`."""
    built = Built(work.pending.kind)
    for bucket in range(buckets):
        built += build_bucket(work, sources, store, at, bucket, buckets, room)
    return built + finish(work, ledger, store, at)


def _connect(room: Room) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(f"SET memory_limit = '{room.memory_mb:d}MB'")
    con.execute(f"SET threads = {room.threads:d}")
    con.execute("SET preserve_insertion_order = false")
    if room.folder is not None:
        con.execute(f"SET temp_directory = {statement.literal(str(room.folder))}")
    return con


def _views(con: duckdb.DuckDBPyConnection, kind: Kind, sources: Sources, upto: Mapping[str, int]) -> None:
    for dataset in kind.datasets:
        sources.histories.view(con, sources.contracts[dataset], statement.view_name(dataset), upto[dataset])
    con.execute("CREATE TABLE loads (dataset VARCHAR, load BIGINT, run VARCHAR, as_of VARCHAR)")
    facts = [[x.dataset, x.load, x.run, _utc(as_of(x))] for x in sources.loads if x.load <= upto.get(x.dataset, 0)]
    if facts:
        con.executemany("INSERT INTO loads VALUES ($1, $2, $3, $4)", facts)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _unlinked(con: duckdb.DuckDBPyConnection, kind: Kind, sources: Sources) -> dict[str, int]:
    counts = {}
    for dataset, by in kind.links:
        linked = statement.linked(kind, sources.kinds, sources.contracts[dataset], by)
        view = statement.quote(statement.view_name(dataset))
        row = con.execute(f"SELECT count(*) FROM {view} WHERE NOT ({linked})").fetchone()
        counts[f"{dataset}.{by}"] = int(row[0]) if row else 0
    return {link: count for link, count in counts.items() if count}


def _files(
    con: duckdb.DuckDBPyConnection,
    kind: Kind,
    sources: Sources,
    pending: subject_work.Pending,
    bucket: int,
    buckets: int,
) -> Iterator[list[tuple[str, str | None]]]:
    if pending.since is not None:
        _touched(con, kind, sources, pending.since, pending.upto)
    query = statement.query(kind, sources.kinds, sources.contracts, touched=pending.since is not None)
    rows = con.execute(query, {"bucket": bucket, "buckets": buckets})
    while batch := rows.fetchmany(_BATCH):
        yield batch


def _touched(
    con: duckdb.DuckDBPyConnection, kind: Kind, sources: Sources, since: Mapping[str, int], upto: Mapping[str, int]
) -> None:
    con.execute("CREATE TABLE found (_k VARCHAR)")
    for i, (dataset, by) in enumerate(kind.links):
        if since[dataset] == upto[dataset]:
            continue
        sources.histories.touched(con, sources.contracts[dataset], by, since[dataset], upto[dataset], f"touched_{i}")
        usable = statement.usable(kind, sources.kinds, sources.contracts[dataset], by)
        con.execute(
            f"INSERT INTO found SELECT CAST(key AS VARCHAR) FROM "
            f"(SELECT t.key AS {statement.quote(by)}, t.key AS key FROM touched_{i} AS t(key)) WHERE {usable}"
        )
    con.execute("CREATE TABLE touched AS SELECT DISTINCT _k FROM found")
