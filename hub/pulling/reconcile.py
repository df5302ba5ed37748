"""Reconcile: the source swept whole and compared with what is published, to find what cursors cannot.

1. Current is pinned at the head's load; then the source is read in full, in its one snapshot, without being landed.
2. The sweep goes through the gate, so that its rows are standardised, hashed and set aside just as a pull would have them.
3. By key and hash: `missing` (a late row), `changed` (a silent change), `gone` (a deletion). What the next pull brings by itself is
   `pending`: rows at or after the bound that it starts from, files not read yet, everything where each pull reads everything.
   Rows set aside are `quarantined`.
4. The run ends as `reconciled` with the counts; findings open an incident, a sweep without any closes it. `repair` pulls in full, through the gate.

A source without a snapshot is swept a second time before a key counts as gone. Memory does not grow with the table.
"""

import hashlib
import json
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

import connectors
from connectors import Part, Reading, bounds
from connectors.batches import number, numbered_schema
from hub.core import Hub
from hub.pulling import admission, pipeline
from hub.pulling.approach import approach
from hub.pulling.steps import judged, view_of, work_folder, working
from hub.repair import quarantined
from hub.telling import notify
from lake import changes, current
from lake.current import literal, quote
from lake.history import History
from lake.history import Load as Commit
from lake.session import Connection, session
from ledger import contracts, runs
from ledger.runs import Run
from quality.standardise import Delivery
from quality.verdict import Verdict
from schemas import expressions
from schemas.contract import Contract, Source
from schemas.errors import HubError, Stop

FOUND = ("missing", "changed", "gone")


@dataclass
class Sweep:
    """What a sweep left in its folder, and which of its files no pull has read yet."""

    folder: Path
    verdict: Verdict
    complete: bool
    consistent: bool
    unread: tuple[str, ...] = ()


@dataclass
class Differences:
    """How published rows and the source's differ: a count of each kind, and a few keys of each, masked."""

    counts: dict[str, int] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)

    @property
    def found(self) -> int:
        """Differences that no pull would settle by itself."""
        return sum(self.counts.get(kind, 0) for kind in FOUND)


def reconcile(hub: Hub, dataset: str, *, owner: str, samples: int = 10, now_because: str = "") -> Run:
    """Compare source and published rows; the run's facts hold `counts` and up to `samples` masked keys of each kind.

    Raises:
        Stop: nothing is published yet, or the department sends its records itself.
        Busy: a pull is at work.
    """
    contract = hub.contract(dataset)
    if contract.source.kind == "push":
        raise Stop(f"{dataset} is pushed: there is no source to ask", todo="ask the department for a complete batch")
    if History(hub.lake, dataset).head() is None:
        raise Stop(f"nothing of {dataset} is published yet", todo=f"hub pull {dataset}")
    run = pipeline.claim(hub, dataset, owner, dry_run=True)
    with admission.admitted(hub, run, contract, now_because), working(hub, run, contract, "reconcile"):
        head = History(hub.lake, dataset).head()
        assert head is not None  # noqa: S101 — histories only grow
        work = work_folder(hub, run)
        with _sweeping(hub, contract, head) as sweep:
            first = sweep(work / "first")
            found = _compare(hub, contract, head, [first], samples)
            if found.counts["gone"] and not first.consistent:
                found = _compare(hub, contract, head, [first, sweep(work / "second")], samples)
        shutil.rmtree(work, ignore_errors=True)
    now = hub.clock()
    runs.close(hub.ledger, run.run, "reconciled", now=now, against=head.load, counts=found.counts, keys=found.keys)
    _tell(hub, contract, found)
    return runs.find(hub.ledger, run.run)


def repair(hub: Hub, dataset: str, *, owner: str, accept_deletions: bool = False, now_because: str = "") -> Run:
    """Pull everything through the gate and publish what differs; the incident ends with it."""
    run = pipeline.pull(
        hub, dataset, owner=owner, full=True, accept_deletions=accept_deletions, now_because=now_because
    )
    notify.recovered(hub, hub.contract(dataset), "differs")
    return run


def due(hub: Hub) -> list[str]:
    """The datasets whose contract asks for a reconciliation now, and that have something published."""
    last = runs.last_ended(hub.ledger, "reconciled")
    return [
        name
        for name, contract in sorted(contracts.applied(hub.ledger).items())
        if contract.reconcile_days is not None
        and contract.source.kind != "push"
        and (
            name not in last or hub.clock() - last[name] >= timedelta(days=contract.reconcile_days) - timedelta(hours=1)
        )
        and History(hub.lake, name).number
    ]


@contextmanager
def _sweeping(hub: Hub, contract: Contract, head: Commit) -> Iterator[Any]:
    """A function that sweeps the source into a folder; the source is open meanwhile."""
    with hub.open_source(contract.source) as source:
        way = approach(contract, source, head, full=True)

        def sweep(folder: Path) -> Sweep:
            unread: list[str] = []
            with source.read(way.columns, None) as reading:
                delivered = _delivered(reading, contract.source, folder.with_suffix(".spool"), head.watermark, unread)
                against = view_of(hub.lake, contract, head.load)
                verdict = judged(hub, contract, delivered, folder, first_seq=0, against=against)
                return Sweep(folder, verdict, reading.complete, reading.consistent, tuple(unread))

        yield sweep


def _delivered(
    reading: Reading, source: Source, spool: Path, watermark: str | None, unread: list[str]
) -> Generator[Delivery, None, None]:
    """The reading's parts as batches; files pass through `spool` one at a time, and those that no pull has read are named in `unread`."""
    known = _files(watermark)
    for part in reading.parts():
        if part.batches is not None:
            yield part.name, _numbered(part)
            continue
        digest = hashlib.sha256()
        spool.parent.mkdir(parents=True, exist_ok=True)
        with spool.open("wb") as file:
            for chunk in part.chunks or ():
                digest.update(chunk)
                file.write(chunk)
        new = known.get(part.name) != digest.hexdigest() and digest.hexdigest() not in known.values()
        for name, batches in connectors.deliveries(spool, part.media, source, name=part.name):
            unread += [name] if new else []
            yield name, batches
    spool.unlink(missing_ok=True)


def _numbered(part: Part) -> Iterator[pa.RecordBatch]:
    first, schema = 1, numbered_schema(part.schema or pa.schema([]))
    for batch in part.batches or ():
        yield number(batch, schema, first)
        first += batch.num_rows


def _files(watermark: str | None) -> dict[str, str]:
    """The files that a watermark of files (`connectors.files`) names, with their hashes; a watermark of another kind names none."""
    try:
        content = json.loads(watermark or "{}")
    except ValueError:
        return {}
    pairs = content.items() if isinstance(content, dict) else ()
    return {name: str(each[0]) for name, each in pairs if isinstance(each, list) and each}


def _compare(hub: Hub, contract: Contract, head: Commit, sweeps: Sequence[Sweep], samples: int) -> Differences:
    """Published rows against the first sweep; a key is gone if no sweep has it."""
    first, found = sweeps[0], Differences()
    key = ", ".join(quote(k) for k in contract.key)
    with session(first.folder, hub.settings.judge_memory_mb) as con:
        current.create_view(con, hub.lake, contract, "published", head.load)
        keys = ", ".join(literal(str(s.folder / "keys.parquet")) for s in sweeps)
        passes = changes.passed(first.folder / "passes.parquet")
        fresh = ", ".join("p." + quote(k) for k in contract.key)
        sure = first.complete and not first.verdict.counts.unkeyable
        gone = f"SELECT {key} FROM published ANTI JOIN read_parquet([{keys}]) USING ({key})"
        kind = f"CASE WHEN {_pending(con, contract, head, first)} THEN 'pending' WHEN k._seq IS NULL THEN 'missing' ELSE 'changed' END"
        leaving = literal("pending" if _reads_all(contract, head) else "gone")
        con.execute(
            f"CREATE TEMP TABLE differences AS SELECT {fresh}, {kind} AS kind FROM {passes} p LEFT JOIN published k USING ({key}) "
            f"WHERE k._seq IS NULL OR k._hash <> p._hash UNION ALL "
            f"SELECT {key}, {leaving} FROM ({gone}) WHERE {str(sure).lower()}"
        )
        counted = dict(con.execute("SELECT kind, count(*) FROM differences GROUP BY 1").fetchall())
        texts = ", ".join(f"{quote(k)}::VARCHAR" for k in contract.key)
        for kind in FOUND:
            rows = con.execute(
                f"SELECT to_json([{texts}])::VARCHAR FROM differences WHERE kind = '{kind}' ORDER BY {key} LIMIT {samples:d}"
            ).fetchall()
            if rows:
                found.keys[kind] = [quarantined.masked(text) for (text,) in rows]
    counts = first.verdict.counts
    found.counts = {
        "source": counts.delivered, "published": head.rows, "quarantined": counts.rejected,
        **{kind: int(counted.get(kind, 0)) for kind in (*FOUND, "pending")},
    }  # fmt: skip
    return found


def _reads_all(contract: Contract, head: Commit) -> bool:
    """Whether the next pull reads everything, so that it settles every difference by itself."""
    return contract.source.sync == "snapshot" or head.watermark is None


def _pending(con: Connection, contract: Contract, head: Commit, sweep: Sweep) -> str:
    """The predicate of swept rows `p` that the next pull brings by itself."""
    if _reads_all(contract, head) or head.watermark is None:
        return "true"
    if contract.source.kind not in ("sql", "rest"):
        return f"p._file IN ({', '.join(map(literal, sweep.unread))})" if sweep.unread else "false"
    cursor = contract.column(str(contract.source.cursor))
    value = str(bounds.start(bounds.Bound.from_json(head.watermark), contract.source.lag))
    start = expressions.normalise(cursor, literal(value), timezone=contract.source.timezone)
    row = con.execute(f"SELECT CAST({start} AS VARCHAR)").fetchone()
    after = f"p.{quote(cursor.name)} >= CAST({literal(row[0])} AS {cursor.sql_type})" if row and row[0] else "false"
    return f"(p.{quote(cursor.name)} IS NULL OR {after})"


def _tell(hub: Hub, contract: Contract, found: Differences) -> None:
    if not found.found:
        notify.recovered(hub, contract, "differs")
        return
    shown = ", ".join(f"{found.counts[kind]} {kind}" for kind in FOUND if found.counts[kind])
    reason = f"{contract.dataset}: {shown} of {found.counts['source']} rows of the source"
    notify.troubled(hub, contract, "differs", HubError(reason, todo=f"hub reconcile {contract.dataset} --apply"))
