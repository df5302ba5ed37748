"""Subject files, built in bulk from current views into the lake: everybody's, or only those that new loads or merges touched.

1. `plan` compares each kind's pointer in the lake with the newest loads and decisions, and the store with the lake.
2. `build_bucket` writes the files of one hash bucket as a Parquet part. Buckets are independent: a loop on one machine, mapped tasks on
   many. Doing one twice leaves a part that nobody names.
3. `publish` names the parts in the next pointer. Killed before that, nothing has happened; after it, the build stands.
4. `subjects.load` brings what is published into the online store.

Files hold what the rows and their loads say, never the hour of the build: rebuilding the touched gives the same files as rebuilding all.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lake import crash, subject_builds
from lake.subject_builds import Head, Part
from ledger import subject_work
from ledger.database import Database
from ledger.loads import Load
from ledger.subject_store import SubjectStore
from ledger.subject_work import Pending
from schemas.contract import Contract
from schemas.errors import Superseded
from subjects import layout, packing, statement
from subjects.assemble import Collision
from subjects.kinds import Kind, Kinds
from subjects.merges import Merged
from subjects.reading import connected, files, views
from subjects.statement import Share
from subjects.work import ROOM, Room, Sources, Work

_SALTS = 5
CHANGED_SHARE = 0.2


def plan(
    lake: Path,
    ledger: Database,
    store: SubjectStore,
    kinds: Kinds,
    contracts: Mapping[str, Contract],
    latest: Mapping[str, Load],
    decided: Mapping[str, int],
    buckets: int = 1,
    *,
    full: bool = False,
) -> list[Work]:
    """What to do now: `latest` is each dataset's newest published load, `decided` each kind's last decision; `full` asks for everybody."""
    held = subject_work.built(ledger)
    works = []
    for name, kind in sorted(kinds.items()):
        upto = {dataset: latest[dataset].load if dataset in latest else 0 for dataset in kind.datasets}
        head = subject_builds.head(lake, name)
        if head is None and not any(upto.values()):
            continue
        declaration = statement.digest(kind, kinds, contracts)
        now = (declaration, upto, decided.get(name, 0))
        due = head is None or full or now != (head.declaration, head.upto, head.merges)
        loaded = store.loaded(name)
        if head is not None and not due and loaded == head.build and held.get(name) == upto:
            continue
        since = None if full or head is None else _since(head, declaration, upto, latest)
        build = head.build if head is not None and not due else max(head.build if head else 0, store.begun(name)) + 1
        pending = Pending(name, upto, since, declaration)
        decisions = (head.merges if head else 0, decided.get(name, 0))
        shares = buckets if since is None else 1
        works.append(Work(pending, build, head.version if head else 0, due, decisions, shares, loaded))
    crash.point("subjects.planned")
    return works


def build_bucket(work: Work, sources: Sources, lake: Path, bucket: int = 0, room: Room = ROOM) -> Part:
    """Write one bucket's files into the lake; nobody sees them until they are published.

    Raises:
        Superseded: the declaration changed since the plan.
    """
    kind = sources.kinds[work.kind]
    if statement.digest(kind, sources.kinds, sources.contracts) != work.pending.declaration:
        raise Superseded(f"the declaration of {kind.name} has changed since the plan", todo="plan the build again")
    with connected(room) as con:
        now = views(con, kind, sources, work)
        return _written(con, kind, sources, work, lake, bucket, now, room)


def publish(work: Work, sources: Sources, lake: Path, parts: Iterable[Part]) -> Head:
    """Make the parts of a build the kind's files; telling it again changes nothing.

    Raises:
        Superseded: another build came first.
    """
    kind, pending = sources.kinds[work.kind], work.pending
    before = subject_builds.head(lake, work.kind) if pending.since is not None else None
    kept = () if before is None else tuple(p for p in before.parts if p.build < work.build)
    written = sorted(parts, key=lambda part: -part.rows)
    shape = written[:1] if before is None else []  # one part at least, as it tells the columns
    head = Head(
        kind=work.kind,
        version=work.version + 1,
        build=work.build,
        declaration=pending.declaration,
        upto=pending.upto,
        merges=work.merges[1],
        base=work.build if before is None else before.base,
        parts=(*kept, *shape, *(p for p in written[len(shape) :] if p.rows)),
        layout=dict(packing.layout(kind, sources.contracts).value),
    )
    return subject_builds.publish(lake, head)


def build(work: Work, sources: Sources, lake: Path, room: Room = ROOM) -> None:
    """Every bucket, as many at a time as there are threads, then `publish`; nothing where the work is only to be loaded."""
    if not work.due:
        return
    workers = min(room.threads, work.buckets)
    one = partial(build_bucket, work, sources, lake, room=room.shared_by(workers))
    with ThreadPoolExecutor(workers) as pool:
        publish(work, sources, lake, list(pool.map(lambda bucket: one(bucket=bucket), range(work.buckets))))


def _since(head: Head, declaration: str, upto: Mapping[str, int], latest: Mapping[str, Load]) -> dict[str, int] | None:
    """The loads that the files already hold; None where everybody is to be built: made otherwise, begun anew, or changed for the most part."""
    since = {dataset: head.upto.get(dataset, -1) for dataset in upto}
    if head.declaration != declaration or any(not 0 <= since[d] <= upto[d] for d in upto):
        return None
    fresh = (latest[d] for d in upto if since[d] < upto[d])
    return None if any(load.facts.get("changed", 0) > CHANGED_SHARE * load.rows for load in fresh) else since


def _written(
    con: duckdb.DuckDBPyConnection,
    kind: Kind,
    sources: Sources,
    work: Work,
    lake: Path,
    bucket: int,
    now: Merged,
    room: Room,
) -> Part:
    """The bucket as one part; written again under another salt in the case, one in a million cities, that two hashes are one."""
    path = subject_builds.new_part(lake, kind.name, work.build, bucket)
    for salt in range(_SALTS):
        share = Share(bucket, work.buckets, bool(now.aliases), salt, some=work.pending.since is not None)
        try:
            rows, gone = _write(con, kind, sources, work, path, share, now, room)
        except Collision:
            continue
        return subject_builds.settled(path, rows, gone, work.build)
    raise AssertionError("identifiers collide under every salt")


def _write(
    con: duckdb.DuckDBPyConnection,
    kind: Kind,
    sources: Sources,
    work: Work,
    path: Path,
    share: Share,
    now: Merged,
    room: Room,
) -> tuple[int, int]:
    rows = gone = 0
    shape = layout.schema(kind, sources.contracts)
    with pq.ParquetWriter(path, shape, compression="zstd", compression_level=1, use_dictionary=False) as writer:
        for table in files(con, kind, sources, work.pending.upto, share, now, _subjects(con, sources, work), room):
            if table.num_rows:
                writer.write_table(table)
            rows += table.num_rows
            if work.pending.since is not None:
                con.register("found", table.select(["_id"]))
                con.execute("DELETE FROM touched WHERE _k IN (SELECT _id FROM found)")
                con.unregister("found")
        if work.pending.since is not None:
            missing = con.sql("SELECT _k AS _id FROM touched").to_arrow_table()
            gone = missing.num_rows
            writer.write_table(_padded(missing.append_column("_gone", pa.array([True] * gone, pa.bool_())), shape))
    return rows + gone, gone


def _subjects(con: duckdb.DuckDBPyConnection, sources: Sources, work: Work) -> int:
    """About how many subjects a bucket has: those touched, or as many as its longest dataset has rows."""
    if work.pending.since is not None:
        [(touched,)] = con.execute("SELECT count(*) FROM touched").fetchall()
        return int(touched)
    upto = work.pending.upto
    return max((x.rows for x in sources.loads if x.load == upto.get(x.dataset)), default=0) // work.buckets


def _padded(table: pa.Table, shape: pa.Schema) -> pa.Table:
    rows = table.num_rows
    present = {name: table[name] for name in table.column_names}
    return pa.table([present.get(f.name, pa.nulls(rows, f.type)) for f in shape], schema=shape)
