"""A record's way through, as steps that can be killed at any instant and tried again.

1. `claim`: tell the ledger what the lake knows, take the lease, get the next load number.
2. `read`: the connector streams into landing; the manifest seals it. A database's rows are standardised on their way, aside.
3. `judge`: landed bytes are standardised, unless they were, and judged; passes, rejects and verdict lie in the run's work folder.
4. `publish`: what differs from current is appended, quarantine is committed, the load is committed; then the ledger is told.

Each step finds out what is already done instead of undoing it. A run ends published, held, failed, superseded or dry, with a reason.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from connectors import Connector, bounds
from hub.core import Hub
from hub.pulling import admission
from hub.pulling.approach import Approach, approach, gone
from hub.pulling.steps import (
    SEQ_BITS,
    delivered,
    deliveries,
    facts_of,
    judged,
    landed,
    told_plainly,
    view_of,
    work_folder,
    working,
)
from hub.repair import disputes
from hub.telling import notify
from lake import changes, crash, landing, quarantine
from lake.durable import sync_file, sync_folder
from lake.history import AMENDING, History
from lake.history import Load as Commit
from lake.session import session
from ledger import contracts, loads, runs
from ledger.runs import Run
from quality import prepared
from quality.prepared import Preparing
from quality.verdict import Verdict
from schemas.contract import Contract
from schemas.errors import DeliveryHeld, HubError, Stop, Superseded

DONE = ("published", "held", "dry")
"""Phases that no step leads out of: clearing a task of such a run in Airflow does nothing again."""
Progress = Callable[[int], None]


def pull(
    hub: Hub, dataset: str, *, owner: str, full: bool = False, dry_run: bool = False, accept_deletions: bool = False,
    now_because: str = "", progress: Progress | None = None,
) -> Run:  # fmt: skip
    """All steps in one process: what `hub pull` does."""
    run = claim(hub, dataset, owner, full=full, dry_run=dry_run)
    run = read(hub, run.run, now_because=now_because, progress=progress)
    run = judge(hub, run.run)
    return publish(hub, run.run, dry_run=dry_run, accept_deletions=accept_deletions)


def claim(hub: Hub, dataset: str, owner: str, *, full: bool = False, dry_run: bool = False) -> Run:
    """The run that `owner` may work on, new or taken up again. Raises Busy while another run holds the lease.

    However a dry run ends, it is not the dataset's state.
    """
    with told_plainly(dataset):
        return _claim(hub, dataset, owner, full=full, dry_run=dry_run)


def read(hub: Hub, run_id: str, *, now_because: str = "", progress: Progress | None = None) -> Run:
    """Land what the source has to say. A landing that is sealed already is kept; a run that has ended well is let be.

    `now_because` is the reason for asking outside the department's hours, kept with the run.
    """
    run = _open(hub, run_id)
    if run.phase in DONE:
        return run
    contract = hub.contract(run.dataset)
    manifest = landing.manifest(hub.lake, run.dataset, run.run)
    asking = admission.admitted(hub, run, contract, now_because) if manifest is None else nullcontext()
    with told_plainly(run.dataset), asking, working(hub, run, contract, "read"):
        if manifest is None:
            with hub.open_source(contract.source) as source:
                manifest = _land(hub, run, contract, source, progress)
        else:  # by a try of this run that was killed, perhaps before the disk had its name
            sync_folder(landing.folder(hub.lake, run.dataset, run.run))
        return runs.advance(hub.ledger, run, "landed", **_of_reading(manifest, contract, run))


def judge(hub: Hub, run_id: str) -> Run:
    """Standardise and judge the landing; the verdict and its files lie in the run's work folder."""
    run = _open(hub, run_id)
    if run.phase in DONE:
        return run
    contract = hub.contract(run.dataset)
    with working(hub, run, contract, "judge"):
        manifest, work = landed(hub, run.dataset, run.run), work_folder(hub, run)
        crash.point("judge.before-verdict")
        first = run.landing << SEQ_BITS
        verdict = judged(
            hub, contract, deliveries(hub, contract, manifest), work, first_seq=first,
            against=view_of(hub.lake, contract, run.load - 1), docs=hub.settings.docs, load=run.load,
            prepared=prepared.find(contract, work, _digest(manifest), first_seq=first, load=run.load),
        )  # fmt: skip
        for file in work.glob("*.*"):
            sync_file(file)
        crash.point("judge.after-verdict")
        drifted = {"drift": [asdict(finding) for finding in verdict.drift]} if verdict.drift else {}
        return runs.advance(
            hub.ledger, run, "judged", outcome=verdict.outcome, counts=asdict(verdict.counts), **drifted
        )


def publish(hub: Hub, run_id: str, *, dry_run: bool = False, accept_deletions: bool = False) -> Run:
    """Append what changed and commit it, or hold the load; then tell the ledger."""
    run = _open(hub, run_id)
    if run.phase in DONE:
        return run
    contract = hub.contract(run.dataset)
    if dry_run:
        runs.remark(hub.ledger, run.run, dry=True)
    with working(hub, run, contract, "publish"):
        history = History(hub.lake, run.dataset)
        done = history.find(run.run)
        if done is not None:
            history.sync()  # a try of this run was killed, perhaps before the disk had its commit
        else:
            done = _publish(hub, run, contract, dry_run=dry_run, accept_deletions=accept_deletions)
        if done is not None:
            crash.point("tell.before")
            tell(hub, contract, done)
            crash.point("tell.after")
        shutil.rmtree(work_folder(hub, run), ignore_errors=True)
    return runs.find(hub.ledger, run.run)


def clear_work(hub: Hub) -> None:
    """Remove the work folders of runs that were killed: they hold personal data."""
    folders = [folder for name in contracts.applied(hub.ledger) for folder in (hub.settings.work / name).glob("*")]
    running = runs.unfinished(hub.ledger)
    for folder in folders:
        if folder.name not in running:
            shutil.rmtree(folder, ignore_errors=True)


def rollback(hub: Hub, dataset: str, *, to: int, reason: str, owner: str) -> Run:
    """Restate current as it was at load `to`, as a new load. The next pull reads on from that load's watermark."""
    contract = hub.contract(dataset)
    history = {load.load: load for load in History(hub.lake, dataset).loads()}
    if to not in history:
        raise Stop(
            f"{dataset} has no load {to} (loads 1 to {max(history, default=0)})", todo=f"hub runs list {dataset}"
        )
    run = claim(hub, dataset, owner)
    with working(hub, run, contract, "publish"), session(work_folder(hub, run), hub.settings.judge_memory_mb) as con:
        table = History(hub.lake, dataset)
        table.prepare(contract)
        first = run.landing << SEQ_BITS
        found = changes.restore(con, hub.lake, contract, to=to, load=run.load, run=run.run, first_seq=first)
        verdict = {"outcome": "rollback", "to": to, "reason": reason}
        commit = facts_of(
            hub, run, contract, found, kind="rollback", verdict=verdict, watermark=history[to].watermark,
            origin=history[to].origin,
        )  # fmt: skip
        table.commit(commit, found.file, contract)
        tell(hub, contract, commit)
    shutil.rmtree(work_folder(hub, run), ignore_errors=True)
    return runs.find(hub.ledger, run.run)


def catch_up(hub: Hub, contract: Contract, *, news: bool = True) -> int:
    """Tell the ledger of every commit it has not heard of, as `tell` does; returns how many."""
    history = History(hub.lake, contract.dataset)
    known = loads.known(hub.ledger, contract.dataset)
    untold = [load for load in history.loads() if load.load > known] if history.number > known else []
    if untold:
        history.sync()  # whoever committed was killed, perhaps before the disk had it
    for load in untold:
        tell(hub, contract, load, news=news)
    return len(untold)


def tell(hub: Hub, contract: Contract, commit: Commit, *, news: bool = True) -> None:
    """Record a published load, end its run, close the dataset's incident and the disputes that it settles. Telling twice changes nothing.

    Without `news` nobody is sent an event: what is told again from the lake was news once.
    """
    at = datetime.fromisoformat(commit.published_at)
    loads.tell(
        hub.ledger,
        loads.Load(
            dataset=commit.dataset, load=commit.load, run=commit.run, published_at=at, rows=commit.rows,
            counts=commit.counts, facts=asdict(commit),
        ),
        notify.published(hub, contract, commit) if news else (),
    )  # fmt: skip
    of_source = commit.kind not in AMENDING
    if of_source:
        loads.set_state(hub.ledger, commit.dataset, "ok", "", at)
    runs.close(hub.ledger, commit.run, "published", now=hub.clock(), load=commit.load, counts=commit.counts)
    if of_source:
        notify.recovered(hub, contract)
    _tell_drift(hub, contract, commit)
    with suppress(Exception):  # the load is published whatever comes of it; upkeep settles what was missed
        disputes.settle(hub, contract)


def _tell_drift(hub: Hub, contract: Contract, commit: Commit) -> None:
    """Tell the contact once that a source drifted, where the mode publishes all the same, and once that it is as agreed again."""
    if commit.kind != "pull":
        return
    drifted = [
        f"{f['name']}: {f['zh']} / {f['en']}" for f in commit.verdict.get("drift", ()) if f["mode"] != "quarantine"
    ]
    if drifted:
        reason = f"{commit.dataset}: {'; '.join(drifted)}"
        notify.troubled(hub, contract, "drift", HubError(reason, todo=f"hub contract evolve {commit.dataset}"))
    else:
        notify.recovered(hub, contract, "drift")


def _claim(hub: Hub, dataset: str, owner: str, *, full: bool, dry_run: bool) -> Run:
    contract = hub.contract(dataset)
    catch_up(hub, contract)
    _stop_if_behind(hub, contract)
    history = History(hub.lake, dataset)
    floor = max((load.landing for load in history.loads()), default=0)
    floor = max([floor, *(int(c["landing"]) for c in quarantine.commits(hub.lake, dataset).values())])
    ttl = timedelta(seconds=hub.settings.lease_seconds)
    run = runs.claim(
        hub.ledger, dataset, owner, load=history.number + 1, landing_floor=floor, now=hub.clock(), ttl=ttl, full=full
    )
    if dry_run:
        runs.remark(hub.ledger, run.run, dry=True)
    crash.point("read.claimed")
    return run


def _stop_if_behind(hub: Hub, contract: Contract) -> None:
    """Raise Stop if the ledger knows more loads than the lake has: going on would give their numbers to other rows."""
    dataset, known = contract.dataset, loads.known(hub.ledger, contract.dataset)
    there = History(hub.lake, dataset).number
    if there < known:
        error = Stop(
            f"{dataset}: the lake ends at load {there}, but load {known} was published: the lake is damaged or an old copy",
            todo=f"see the runbook interrupted.md, then: hub pull {dataset}",
        )
        loads.set_state(hub.ledger, dataset, "failed", error.what, hub.clock())
        notify.troubled(hub, contract, "failed", error)
        raise error


def _publish(hub: Hub, run: Run, contract: Contract, *, dry_run: bool, accept_deletions: bool) -> Commit | None:
    """The commit, or None for a dry run. Raises DeliveryHeld after recording what is in quarantine."""
    verdict, work, manifest = _verdict(hub, run), work_folder(hub, run), landed(hub, run.dataset, run.run)
    table = History(hub.lake, run.dataset)
    head = table.head()
    with session(work, hub.settings.judge_memory_mb) as con:

        def record(*, held: bool) -> None:
            quarantine.record(
                con, hub.lake, contract, work / "rejects.parquet", work / "keys.parquet", run=run.run,
                landing=run.landing, rules=verdict.rules_version, held=held, complete=manifest.complete,
                at=hub.clock().isoformat(),
            )  # fmt: skip

        try:
            _hold_if_told(run, verdict, head)
            if not dry_run:
                table.prepare(contract)
            found = changes.find(
                con, hub.lake, contract, delivered(work, manifest, verdict), load=run.load, run=run.run,
                absent_before=head.absent if head else "", accept_deletions=accept_deletions,
                rows_before=head.rows if head else 0,
            )  # fmt: skip
        except DeliveryHeld:
            if not dry_run:
                record(held=True)
            raise
        crash.point("append.written")
        if dry_run:
            if found.file is not None:
                found.file.unlink()
            runs.close(hub.ledger, run.run, "dry", now=hub.clock(), counts={**asdict(verdict.counts), **found.counts})
            return None
        record(held=False)
        facts = facts_of(
            hub, run, contract, found, kind="pull", verdict=verdict.to_json(), watermark=manifest.watermark,
            origin=run.facts.get("origin", {}), counts=asdict(verdict.counts), manifest=_digest(manifest),
        )  # fmt: skip
        table.commit(facts, found.file, contract)
    return facts


def _land(hub: Hub, run: Run, contract: Contract, source: Connector, progress: Progress | None) -> landing.Manifest:
    """Read and land; what is not in the landing itself is kept with the run before the first byte comes."""
    way = approach(contract, source, History(hub.lake, run.dataset).head(), full=run.full)
    runs.remark(hub.ledger, run.run, **_of_approach(way))
    missing = gone(contract, source) if contract.source.kind != "sql" else nullcontext()
    preparing = Preparing(
        contract, work_folder(hub, run), first_seq=run.landing << SEQ_BITS, load=run.load, memory_mb=hub.settings.judge_memory_mb
    )  # fmt: skip
    with missing, preparing:
        reading = preparing.watched(source.read(way.columns, way.watermark))
        at = hub.clock().isoformat()
        manifest = landing.land(hub.lake, run.dataset, run.run, reading, landed_at=at, progress=progress)
        preparing.seal(_digest(manifest))
    return manifest


def _of_approach(way: Approach) -> dict[str, Any]:
    notes = {"notes": list(way.notes)} if way.notes else {}
    hold = {"hold": way.hold} if way.hold else {}
    return {"origin": way.origin, "emptied": way.emptied, **notes, **hold}


def _hold_if_told(run: Run, verdict: Verdict, head: Commit | None) -> None:
    """Raise DeliveryHeld for what the gate, the table or an emptied source says against publishing."""
    reasons = [f"{r.zh} / {r.en}" for r in verdict.reasons]
    if run.facts.get("hold"):
        reasons.append(str(run.facts["hold"]))
    if not reasons and run.facts.get("emptied") and not verdict.counts.delivered and head is not None and head.rows:
        reasons.append("本次报送为空,而已有数据 / empty delivery of a source that had rows")
    if reasons:
        raise DeliveryHeld(f"{run.dataset}: {'; '.join(reasons)}", todo=f"hub quarantine list {run.dataset}")


def _open(hub: Hub, run_id: str) -> Run:
    run = runs.find(hub.ledger, run_id)
    if run.phase == "superseded":
        raise Superseded(f"{run.dataset}: run {run.run} was superseded", todo=f"hub pull {run.dataset}")
    return run


def _verdict(hub: Hub, run: Run) -> Verdict:
    """The run's verdict; judged again unless the ledger knows that it was judged to the end."""
    path = work_folder(hub, run) / "verdict.json"
    if run.phase != "judged" or not path.exists():
        judge(hub, run.run)
    return Verdict.from_json(json.loads(path.read_bytes()))


def _of_reading(manifest: landing.Manifest, contract: Contract, run: Run) -> dict[str, Any]:
    """What a run keeps of its reading: rows where the source counts them, the bound, and how far behind the run's start it lies."""
    rows = [file.rows for file in manifest.files]
    bound = bounds.shown(manifest.watermark, contract.source.timezone)
    lag = (run.started_at - bound).total_seconds() if isinstance(bound, datetime) else None
    return {
        "bytes": manifest.bytes,
        "files": len(rows),
        **({"rows": sum(rows)} if min(rows, default=0) >= 0 else {}),
        **({"bound": str(bound)} if bound is not None else {}),
        **({"lag": round(lag, 3)} if lag is not None else {}),
        **({"note": manifest.note} if manifest.note else {}),
    }


def _digest(manifest: landing.Manifest) -> str:
    return hashlib.sha256(json.dumps(asdict(manifest), sort_keys=True, ensure_ascii=False).encode()).hexdigest()
