"""Replay: kept landings standardised and judged again after a contract change, without asking the source.

1. Which loads: from the given one to the head, each with its landing. One that was removed ends the replay before it begins.
2. A scratch lake in the run's work folder begins with current as of the load before. Into it go the landings in their order, by the very steps of a
   pull: the gate, the changes, deletions by delivered keys, quarantine. Rollbacks in between are repeated; earlier replays are not, since what
   they restated is judged anew.
3. One new load of kind `replay` makes the real current what the scratch lake holds. It is published like any other: quarantine first, then the
   one commit. Killed before it, nothing has happened; the watermark stays the head's.

An old landing cannot overwrite a newer one, for all that came after it is replayed too. A landing may be older than a column: what it lacks is
NULL, what the contract no longer names is left out. If a landing would be held under the contract, so is the replay.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hub.core import Hub
from hub.pulling import pipeline
from hub.pulling.steps import SEQ_BITS, delivered, deliveries, facts_of, judged, view_of, work_folder, working
from hub.repair import amending, returns
from lake import changes, crash, current, hashing, landing, quarantine
from lake.current import literal
from lake.durable import make_folder, sync_file, sync_folder
from lake.history import LANDED, History
from lake.history import Load as Commit
from lake.session import session
from ledger import runs
from ledger.runs import Run
from quality.rules import version
from schemas.contract import Contract
from schemas.errors import DeliveryHeld, Stop


@dataclass
class Scratch:
    """The lake in the work folder; its load numbers are the real ones less `offset`. `counts` sums up what was judged."""

    lake: Path
    contract: Contract
    offset: int
    counts: dict[str, int] = field(default_factory=dict)
    complete: bool = False

    def number(self, real: int) -> int:
        """The scratch load that stands for a real one."""
        return real - self.offset


def replay(hub: Hub, dataset: str, *, since: int, owner: str, accept_deletions: bool = False) -> Run:
    """Judge the landings of load `since` and all later ones again and publish the outcome as one new load.

    Raises:
        Stop: there is no such load, or a landing that is needed was removed; the next load from which it can be done is named.
        DeliveryHeld: a landing does not pass under the contract in force, or more rows would vanish than it allows.
    """
    contract = hub.contract(dataset)
    _planned(hub, contract, since)
    run = pipeline.claim(hub, dataset, owner)
    if run.phase in pipeline.DONE:
        return run
    with working(hub, run, contract, "replay"):
        loads = _planned(hub, contract, since)
        real = History(hub.lake, dataset)
        real.prepare(contract)
        scratch = _begin(hub, run, contract, loads, since)
        for load in loads[since - 1 :]:
            _repeat(hub, run, scratch, load)
        commit = _publish(hub, run, contract, scratch, loads, since, accept_deletions)
        crash.point("tell.before")
        pipeline.tell(hub, contract, commit)
        crash.point("tell.after")
        shutil.rmtree(work_folder(hub, run), ignore_errors=True)
    return runs.find(hub.ledger, run.run)


def _planned(hub: Hub, contract: Contract, since: int) -> tuple[Commit, ...]:
    """Every load of the dataset; those from `since` on are found fit to be replayed."""
    dataset = contract.dataset
    loads = History(hub.lake, dataset).loads()
    if not 1 <= since <= len(loads):
        raise Stop(f"{dataset} has no load {since} (loads 1 to {len(loads)})", todo=f"hub runs list {dataset}")
    for load in loads[since - 1 :]:
        before = _reaches_back_to(load)
        if before is not None and before < since:
            what = f"load {load.load} of {dataset} is a {load.kind} that reaches back to load {before}"
            raise Stop(what, todo=f"hub replay {dataset} --from {before}, or --from {load.load + 1}")
    removed = [x.load for x in loads[since - 1 :] if _has_landing(x) and not landing.manifest(hub.lake, dataset, x.run)]
    if removed:
        first = next((x.load for x in loads[removed[-1] :] if _has_landing(x)), None)
        todo = f"hub replay {dataset} --from {first}" if first else f"hub pull {dataset} --full"
        what = f"the landing of load {removed[-1]} of {dataset} was removed (kept for {contract.retention_days} days)"
        raise Stop(what, todo=todo)
    return loads


def _has_landing(load: Commit) -> bool:
    return load.kind in LANDED


def _reaches_back_to(load: Commit) -> int | None:
    """The first load that a rollback, a release or an earlier replay needs to be repeated: whose landing it judged, or the one after its state."""
    if load.kind == "rollback":
        return int(load.verdict["to"]) + 1
    return int(load.verdict["from"]) if load.kind in ("replay", "release") else None


def _begin(hub: Hub, run: Run, contract: Contract, loads: Sequence[Commit], since: int) -> Scratch:
    """A scratch lake that holds current as of the load before `since`."""
    work = work_folder(hub, run)
    shutil.rmtree(work, ignore_errors=True)
    modes = replace(contract.drift, columns="freeze" if contract.drift.columns == "freeze" else "evolve")
    scratch = Scratch(work / "lake", replace(contract, drift=modes), max(since - 2, 0))
    table = History(scratch.lake, contract.dataset)
    table.prepare(scratch.contract)
    if since > 1:
        before = loads[since - 2]
        with session(work, hub.settings.judge_memory_mb) as con:
            current.create_view(con, hub.lake, contract, "seed", before.load)
            columns = ", ".join(current.quote(c.name) for c in contract.columns)
            select = f"SELECT {columns}, 'upsert' AS _op, 1::BIGINT AS _load, _seq, _hash FROM seed"
            counts = {"new": before.rows, "updated": 0, "deleted": 0}
            found = changes.append(
                con, scratch.lake, contract, select, load=1, run=run.run, rows=before.rows, counts=counts
            )
        found = replace(found, absent=_carry(before.absent, hub.lake, scratch.lake, contract.dataset))
        table.commit(_scratched(before, 1, found), found.file, scratch.contract)
    return scratch


def _repeat(hub: Hub, run: Run, scratch: Scratch, load: Commit) -> None:
    """Put one load into the scratch lake as it would be under the contract in force."""
    table, number, work = History(scratch.lake, run.dataset), scratch.number(load.load), work_folder(hub, run)
    head = table.head()
    absent, rows = (head.absent, head.rows) if head else ("", 0)
    found = changes.Changes(None, rows, "", absent, {"new": 0, "updated": 0, "deleted": 0})
    with session(work, hub.settings.judge_memory_mb) as con:
        if load.kind == "rollback":
            to, first = scratch.number(int(load.verdict["to"])), load.landing << SEQ_BITS
            found = changes.restore(
                con, scratch.lake, scratch.contract, to=to, load=number, run=load.run, first_seq=first
            )
        elif _has_landing(load):
            found = _judge_again(hub, con, run, scratch, load, absent, rows)
    table.commit(_scratched(load, number, found), found.file, scratch.contract)


def _scratched(load: Commit, number: int, found: changes.Changes) -> Commit:
    """A load's facts in the scratch lake, where every row is hashed by the function in use."""
    return replace(
        load, load=number, rows=found.rows, changed=found.changed, absent=found.absent,
        hashing=hashing.fingerprint(), hashed_since=1,
    )  # fmt: skip


def _judge_again(
    hub: Hub, con: Any, run: Run, scratch: Scratch, load: Commit, absent: str, rows: int
) -> changes.Changes:
    """One landing through the gate and against the scratch lake's current."""
    contract, number = scratch.contract, scratch.number(load.load)
    returned = load.kind == "upload"
    manifest = landing.manifest(hub.lake, load.dataset, load.run)
    if manifest is None:
        raise Stop(f"the landing of load {load.load} of {load.dataset} was removed", todo="try again")
    work = work_folder(hub, run)
    folder = work / "judged"
    verdict = judged(
        hub, amending.lenient(contract) if returned else contract, deliveries(hub, contract, manifest), folder, first_seq=load.landing << SEQ_BITS,
        against=view_of(scratch.lake, contract, number - 1), load=number,
    )  # fmt: skip
    if verdict.outcome == "hold":
        reasons = "; ".join(f"{r.zh} / {r.en}" for r in verdict.reasons)
        what = f"{load.dataset}: load {load.load} would be held under contract {contract.version}: {reasons}"
        raise DeliveryHeld(what, todo="correct the contract, or replay from a later load")
    found = changes.find(
        con, scratch.lake, contract, delivered(folder, manifest, verdict), load=number, run=load.run,
        absent_before=absent, accept_deletions=True, rows_before=rows,
    )  # fmt: skip
    quarantine.record(
        con, scratch.lake, contract, folder / "rejects.parquet", folder / "keys.parquet", run=load.run,
        landing=load.landing, rules=verdict.rules_version, held=False, complete=manifest.complete, at=load.published_at,
        answered=returns.answered(hub.lake, load.dataset, load.run, work, {*returns.rejected(con, folder)}) if returned else None,
    )  # fmt: skip
    (folder / "keys.parquet").replace(work / f"keys-{number}.parquet")
    scratch.complete = scratch.complete or manifest.complete
    for name, count in asdict(verdict.counts).items():
        scratch.counts[name] = scratch.counts.get(name, 0) + count
    return found


def _publish(
    hub: Hub, run: Run, contract: Contract, scratch: Scratch, loads: Sequence[Commit], since: int, accept_deletions: bool
) -> Commit:  # fmt: skip
    """Make the real lake what the scratch one is, in one load."""
    work, table = work_folder(hub, run), History(hub.lake, run.dataset)
    end, head = History(scratch.lake, run.dataset).head(), loads[-1]
    with session(work, hub.settings.judge_memory_mb) as con:
        current.create_view(con, scratch.lake, contract, "wanted")
        first = run.landing << SEQ_BITS
        found = changes.restate(con, hub.lake, contract, load=run.load, run=run.run, first_seq=first)
        crash.point("append.written")
        _hold_if_too_many(contract, head.rows, found.counts["deleted"], accept_deletions)
        if scratch.counts:
            _record(hub, con, run, contract, scratch, loads[since - 1].landing)
        found = replace(found, absent=_carry(end.absent if end else "", scratch.lake, hub.lake, run.dataset))
        verdict = {"outcome": "replay", "from": since, "to": head.load}
        commit = facts_of(
            hub, run, contract, found, kind="replay", verdict=verdict, watermark=head.watermark, origin=head.origin, counts=scratch.counts
        )  # fmt: skip
        table.commit(commit, found.file, contract)
    return commit


def _record(hub: Hub, con: Any, run: Run, contract: Contract, scratch: Scratch, again_from: int) -> None:
    """Make the real quarantine hold, of what the replayed landings brought, just what the scratch one holds."""
    work = work_folder(hub, run)
    rejects = work / "rejects.parquet"
    quarantine.create_view(con, scratch.lake, run.dataset, "left_open")
    columns = "_key, _hash, _seq, _file, _row, reasons, delivered"
    con.execute(f"COPY (SELECT {columns} FROM left_open) TO {literal(str(rejects))} (FORMAT parquet)")
    quarantine.record(
        con, hub.lake, contract, rejects, work / "keys-*.parquet", run=run.run, landing=run.landing, rules=version(contract),
        held=False, complete=scratch.complete, at=hub.clock().isoformat(), again_from=again_from,
    )  # fmt: skip


def _hold_if_too_many(contract: Contract, before: int, deleted: int, accepted: bool) -> None:
    if deleted and not accepted and deleted > contract.limits.deleted * before:
        raise DeliveryHeld(
            f"{contract.dataset}: after the replay {deleted} of {before} rows would be gone, "
            f"more than the {contract.limits.deleted:.0%} that may vanish at once",
            todo=f"if that is right: hub replay {contract.dataset} --from LOAD --accept-deletions",
        )


def _carry(name: str, there: Path, here: Path, dataset: str) -> str:
    """Copy the file of keys that were absent once from one lake to another; its name, or none where there is none."""
    source, target = changes.absences(there, dataset) / name, changes.absences(here, dataset) / name
    if not name or not source.exists():
        return ""
    if not target.exists():
        make_folder(target.parent)
        shutil.copyfile(source, target)
        sync_file(target)
        sync_folder(target.parent)
    return name
