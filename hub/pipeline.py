"""A record's way through, as steps that can be killed at any instant and tried again.

1. `claim`: tell the ledger what the lake knows, take the lease, get the next load number.
2. `read`: the connector streams into landing; the manifest seals it.
3. `judge`: landed bytes are standardised and judged; passes, rejects and verdict lie in the run's work folder.
4. `publish`: what differs from current is appended, quarantine is committed, the load is committed; then the ledger is told.

Each step finds out what is already done instead of undoing it. A run ends published, held, failed, superseded or dry, with a reason.
"""

import hashlib
import json
import shutil
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import connectors
from connectors import bounds
from hub import admission, notify
from hub.core import Hub
from lake import changes, crash, current, landing, quarantine
from lake.durable import sync_file
from lake.history import History
from lake.history import Load as Commit
from lake.session import Connection, session
from ledger import contracts, loads, runs
from ledger.runs import Run
from quality import gate
from quality.verdict import Verdict
from schemas.contract import Contract
from schemas.errors import DeliveryHeld, HubError, Retry, SourceDamaged, Stop, Superseded

SEQ_BITS = 32
"""A row's `_seq` is its run's landing number shifted by this, plus its place in the delivery."""
DONE = ("published", "held", "dry")
"""Phases that no step leads out of: clearing a task of such a run in Airflow does nothing again."""
Progress = Callable[[int], None]


def pull(
    hub: Hub, dataset: str, *, owner: str, full: bool = False, dry_run: bool = False, accept_deletions: bool = False,
    now_because: str = "", progress: Progress | None = None,
) -> Run:  # fmt: skip
    """All steps in one process: what `hub pull` does."""
    run = claim(hub, dataset, owner, full=full)
    run = read(hub, run.run, now_because=now_because, progress=progress)
    run = judge(hub, run.run)
    return publish(hub, run.run, dry_run=dry_run, accept_deletions=accept_deletions)


def claim(hub: Hub, dataset: str, owner: str, *, full: bool = False) -> Run:
    """The run that `owner` may work on, new or taken up again. Raises Busy while another run holds the lease."""
    contract = hub.contract(dataset)
    catch_up(hub, contract)
    history = History(hub.lake, dataset)
    floor = max((load.landing for load in history.loads()), default=0)
    floor = max([floor, *(int(c["landing"]) for c in quarantine.commits(hub.lake, dataset).values())])
    ttl = timedelta(seconds=hub.settings.lease_seconds)
    run = runs.claim(
        hub.ledger, dataset, owner, load=history.number + 1, landing_floor=floor, now=hub.clock(), ttl=ttl, full=full
    )
    crash.point("read.claimed")
    return run


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
    with asking, _working(hub, run, contract, "read"):
        if manifest is None:
            head = History(hub.lake, run.dataset).head()
            watermark = head.watermark if head and not run.full else None
            with hub.open_source(contract.source) as source:
                reading = source.read(contract.columns, watermark)
                manifest = landing.land(
                    hub.lake, run.dataset, run.run, reading, landed_at=hub.clock().isoformat(), progress=progress
                )
        return runs.advance(hub.ledger, run, "landed", **_of_reading(manifest, contract, run))


def judge(hub: Hub, run_id: str) -> Run:
    """Standardise and judge the landing; the verdict and its files lie in the run's work folder."""
    run = _open(hub, run_id)
    if run.phase in DONE:
        return run
    contract = hub.contract(run.dataset)
    with _working(hub, run, contract, "judge"):
        manifest = _landed(hub, run)
        work = _work(hub, run)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        deliveries = (
            (landed.source, connectors.decode(path, landed.media, contract.source, name=landed.source))
            for landed, path in landing.files(hub.lake, manifest)
        )
        crash.point("judge.before-verdict")
        references = {d: _viewer(hub, hub.contract(d)) for d in contract.references}
        verdict = gate.judge(
            contract,
            deliveries,
            workdir=work,
            first_seq=run.landing << SEQ_BITS,
            today=hub.today(),
            current=_viewer(hub, contract, run.load - 1),
            references=references,
            docs=hub.settings.docs,
            memory_mb=hub.settings.judge_memory_mb,
        )
        for file in work.glob("*.*"):
            sync_file(file)
        crash.point("judge.after-verdict")
        return runs.advance(hub.ledger, run, "judged", outcome=verdict.outcome, counts=asdict(verdict.counts))


def publish(hub: Hub, run_id: str, *, dry_run: bool = False, accept_deletions: bool = False) -> Run:
    """Append what changed and commit it, or hold the load; then tell the ledger."""
    run = _open(hub, run_id)
    if run.phase in DONE:
        return run
    contract = hub.contract(run.dataset)
    with _working(hub, run, contract, "publish"):
        done = History(hub.lake, run.dataset).find(run.run)
        if done is None:
            done = _publish(hub, run, contract, dry_run=dry_run, accept_deletions=accept_deletions)
        if done is not None:
            crash.point("tell.before")
            tell(hub, contract, done)
            crash.point("tell.after")
        shutil.rmtree(_work(hub, run), ignore_errors=True)
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
    with _working(hub, run, contract, "publish"), session(_work(hub, run), hub.settings.judge_memory_mb) as con:
        table = History(hub.lake, dataset)
        table.prepare(contract)
        first = run.landing << SEQ_BITS
        found = changes.restore(con, hub.lake, contract, to=to, load=run.load, run=run.run, first_seq=first)
        verdict = {"outcome": "rollback", "to": to, "reason": reason}
        commit = _facts(hub, run, contract, found, kind="rollback", verdict=verdict, watermark=history[to].watermark)
        table.commit(commit, found.file, contract)
        tell(hub, contract, commit)
    shutil.rmtree(_work(hub, run), ignore_errors=True)
    return runs.find(hub.ledger, run.run)


def catch_up(hub: Hub, contract: Contract) -> int:
    """Tell the ledger of every commit it has not heard of; returns how many."""
    history = History(hub.lake, contract.dataset)
    known = loads.known(hub.ledger, contract.dataset)
    news = [load for load in history.loads() if load.load > known] if history.number > known else []
    for load in news:
        tell(hub, contract, load)
    return len(news)


def tell(hub: Hub, contract: Contract, commit: Commit) -> None:
    """Record a published load, end its run, and close the dataset's incident. Telling twice changes nothing."""
    at = datetime.fromisoformat(commit.published_at)
    loads.tell(
        hub.ledger,
        loads.Load(
            dataset=commit.dataset, load=commit.load, run=commit.run, published_at=at, rows=commit.rows,
            counts=commit.counts, facts=asdict(commit),
        ),
    )  # fmt: skip
    loads.set_state(hub.ledger, commit.dataset, "ok", "", at)
    runs.close(hub.ledger, commit.run, "published", now=hub.clock(), load=commit.load, counts=commit.counts)
    notify.recovered(hub, contract)


def _publish(hub: Hub, run: Run, contract: Contract, *, dry_run: bool, accept_deletions: bool) -> Commit | None:
    """The commit, or None for a dry run. Raises DeliveryHeld after recording what is in quarantine."""
    verdict, work, manifest = _verdict(hub, run), _work(hub, run), _landed(hub, run)
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
            if verdict.outcome == "hold":
                reasons = "; ".join(f"{r.zh} / {r.en}" for r in verdict.reasons)
                raise DeliveryHeld(f"{run.dataset}: {reasons}", todo=f"hub quarantine list {run.dataset}")
            if not dry_run:
                table.prepare(contract)
            found = changes.find(
                con, hub.lake, contract, _delivered(work, manifest, verdict), load=run.load, run=run.run,
                absent_before=head.absent if head else "", accept_deletions=accept_deletions,
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
        facts = _facts(
            hub, run, contract, found, kind="pull", verdict=verdict.to_json(), watermark=manifest.watermark,
            counts=asdict(verdict.counts), manifest=_digest(manifest),
        )  # fmt: skip
        table.commit(facts, found.file, contract)
    return facts


def _facts(
    hub: Hub, run: Run, contract: Contract, found: changes.Changes, *, kind: str, verdict: dict[str, Any],
    watermark: str | None, counts: Mapping[str, int] | None = None, manifest: str = "",
) -> Commit:  # fmt: skip
    now = hub.clock().isoformat()
    return Commit(
        dataset=run.dataset, load=run.load, run=run.run, landing=run.landing, kind=kind, published_at=now,
        as_of=run.started_at.isoformat(), watermark=watermark, rows=found.rows, changed=found.changed,
        counts={**(counts or {}), **found.counts}, verdict=verdict, contract_version=contract.version,
        key=contract.key, manifest=manifest, content=found.content, absent=found.absent,
    )  # fmt: skip


def _delivered(work: Path, manifest: landing.Manifest, verdict: Verdict) -> changes.Delivered:
    return changes.Delivered(
        passes=work / "passes.parquet",
        keys=work / "keys.parquet",
        complete=manifest.complete,
        consistent=manifest.consistent,
        unkeyable=verdict.counts.unkeyable,
        next_seq=verdict.next_seq,
    )


def _viewer(hub: Hub, contract: Contract, load: int | None = None) -> Callable[[Connection, str], None]:
    """A function that creates a view of the dataset's current rows, pinned at `load`, in somebody else's session."""
    pinned = load if load is not None else History(hub.lake, contract.dataset).number
    return lambda con, name: current.create_view(con, hub.lake, contract, name, pinned)


def _open(hub: Hub, run_id: str) -> Run:
    run = runs.find(hub.ledger, run_id)
    if run.phase == "superseded":
        raise Superseded(f"{run.dataset}: run {run.run} was superseded", todo=f"hub pull {run.dataset}")
    return run


def _work(hub: Hub, run: Run) -> Path:
    return hub.settings.work / run.dataset / run.run


def _landed(hub: Hub, run: Run) -> landing.Manifest:
    manifest = landing.manifest(hub.lake, run.dataset, run.run)
    if manifest is None:
        raise SourceDamaged(f"{run.dataset}: run {run.run} has no landing", todo=f"hub pull {run.dataset}")
    return manifest


def _verdict(hub: Hub, run: Run) -> Verdict:
    """The run's verdict; judged again unless the ledger knows that it was judged to the end."""
    path = _work(hub, run) / "verdict.json"
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


@contextmanager
def _working(hub: Hub, run: Run, contract: Contract, step: str) -> Iterator[None]:
    """Renew the lease from a thread while the step works; end the run with its reason if the step fails; note how long it took.

    Raises:
        Retry: an unforeseen error, without its message.
    """
    stop = threading.Event()
    ttl = timedelta(seconds=hub.settings.lease_seconds)

    def renew() -> None:
        while not stop.wait(ttl.total_seconds() / 3):
            runs.renew(hub.ledger, run, now=hub.clock(), ttl=ttl)

    thread = threading.Thread(target=renew, name=f"lease-{run.dataset}", daemon=True)
    thread.start()
    began = hub.clock()
    try:
        yield
    except HubError as error:
        _failed(hub, run, contract, error)
        raise
    except Exception as error:  # noqa: BLE001 — told without its text
        fault = _fault(run.dataset, error)
        _failed(hub, run, contract, fault)
        raise fault from None
    finally:
        stop.set()
        thread.join()
        runs.remark(hub.ledger, run.run, seconds={step: round((hub.clock() - began).total_seconds(), 3)})


def _fault(dataset: str, error: Exception) -> Retry:
    """An unforeseen error without its message, which may hold personal data: its type and where it came from."""
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    where = " > ".join(places[-4:])
    return Retry(
        f"{dataset}: {type(error).__name__} inside the hub at {where}", todo="try again; if it stays, report this"
    )


def _failed(hub: Hub, run: Run, contract: Contract, error: HubError) -> None:
    phase = "held" if isinstance(error, DeliveryHeld) else "superseded" if isinstance(error, Superseded) else "failed"
    now = hub.clock()
    shutil.rmtree(_work(hub, run), ignore_errors=True)
    if runs.close(hub.ledger, run.run, phase, now=now, reason=str(error)) and phase != "superseded":
        loads.set_state(hub.ledger, run.dataset, phase, error.what, now)
        notify.troubled(hub, contract, phase, error)
