"""What all steps of a run share: the lease renewed meanwhile, the end with its reason, the gate called alike, the facts of a commit."""

import shutil
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import connectors
from hub.core import Hub
from hub.telling import lineage_events, notify
from lake import changes, current, hashing, landing
from lake.durable import says_disk_is_full
from lake.history import History
from lake.history import Load as Commit
from lake.session import Connection
from ledger import loads, runs
from ledger.runs import Run
from quality import gate
from quality.prepared import Prepared
from quality.standardise import Delivery
from quality.table_rules import Past
from quality.verdict import Verdict
from schemas.contract import Contract
from schemas.errors import DeliveryHeld, HubError, Retry, SourceDamaged, StorageFull, Superseded

SEQ_BITS = 32
"""A row's `_seq` is its run's landing number shifted by this, plus its place in the delivery."""
View = Callable[[Connection, str], None]


def work_folder(hub: Hub, run: Run) -> Path:
    """Where a run's work files lie until it ends; they hold personal data."""
    return hub.settings.work / run.dataset / run.run


def view_of(lake: Path, contract: Contract, load: int | None = None) -> View:
    """A function that creates a view of the dataset's current rows, pinned at `load` (None: the head now), in somebody else's session."""
    pinned = load if load is not None else History(lake, contract.dataset).number
    return lambda con, name: current.create_view(con, lake, contract, name, pinned)


def landed(hub: Hub, dataset: str, run: str) -> landing.Manifest:
    """The sealed landing of a run. Raises SourceDamaged if there is none."""
    manifest = landing.manifest(hub.lake, dataset, run)
    if manifest is None:
        raise SourceDamaged(f"{dataset}: run {run} has no landing", todo=f"hub pull {dataset}")
    return manifest


def deliveries(hub: Hub, contract: Contract, manifest: landing.Manifest) -> Generator[Delivery, None, None]:
    """A landing's files, an archive's members each for itself, decoded as they are asked for."""
    for file, path in landing.files(hub.lake, manifest):
        yield from connectors.deliveries(path, file.media, contract.source, name=file.source)


def judged(
    hub: Hub, contract: Contract, delivered: Generator[Delivery, None, None], workdir: Path, *, first_seq: int, against: View,
    docs: Path | None = None, load: int = 0, prepared: Prepared | None = None,
) -> Verdict:  # fmt: skip
    """The gate over a delivery, held against current as `against` shows it.

    Its files lie in `workdir`, which begins empty but for what is `prepared`.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    _empty(workdir, but=prepared.folder if prepared else None)
    pins = {name: History(hub.lake, name).number for name in contract.references}
    with closing(delivered):  # a file that turns out damaged is let go of at once
        verdict = gate.judge(
            contract,
            delivered,
            workdir=workdir,
            first_seq=first_seq,
            today=hub.today(),
            current=against,
            references={name: view_of(hub.lake, hub.contract(name), load) for name, load in pins.items()},
            pins=pins,
            docs=docs,
            past=past(hub, contract, before=load),
            memory_mb=hub.settings.judge_memory_mb,
            load=load,
            prepared=prepared,
        )
    if prepared is not None:
        shutil.rmtree(prepared.folder, ignore_errors=True)
    return verdict


def past(hub: Hub, contract: Contract, *, before: int) -> Past:
    """What rules about size, age and shape compare a delivery with: the hour, and the pulls before load `before` (0: all), newest first."""
    loads = reversed([x for x in History(hub.lake, contract.dataset).loads() if not before or x.load < before])
    return Past(hub.clock(), tuple((x.rows, x.counts.get("delivered", 0)) for x in loads if x.kind == "pull")[:100])


def delivered(workdir: Path, manifest: landing.Manifest, verdict: Verdict) -> changes.Delivered:
    """A judged delivery as the lake takes it."""
    return changes.Delivered(
        passes=workdir / "passes.parquet",
        keys=workdir / "keys.parquet",
        complete=manifest.complete,
        consistent=manifest.consistent,
        unkeyable=verdict.counts.unkeyable,
        next_seq=verdict.next_seq,
        fit_for=verdict.fit_for,
    )


def facts_of(
    hub: Hub, run: Run, contract: Contract, found: changes.Changes, *, kind: str, verdict: dict[str, Any],
    watermark: str | None, origin: Mapping[str, Any], counts: Mapping[str, int] | None = None, manifest: str = "",
) -> Commit:  # fmt: skip
    """What the run's commit says of itself."""
    head = History(hub.lake, run.dataset).head()
    return Commit(
        dataset=run.dataset, load=run.load, run=run.run, landing=run.landing, kind=kind, published_at=hub.clock().isoformat(),
        as_of=run.started_at.isoformat(), watermark=watermark, rows=found.rows, changed=found.changed,
        counts={**(counts or {}), **found.counts}, verdict=verdict, contract_version=contract.version,
        key=contract.key, manifest=manifest, content=found.content, absent=found.absent, origin=dict(origin),
        hashing=hashing.fingerprint(), hashed_since=hashing.since(head.hashing, head.hashed_since, run.load) if head else 1,
    )  # fmt: skip


@contextmanager
def working(hub: Hub, run: Run, contract: Contract, step: str, *, quietly: bool = False) -> Iterator[None]:
    """Renew the lease from a thread while the step works; end the run with its reason if the step fails; note how long it took.

    If it is done `quietly`, a failure concerns its caller alone: it is neither the dataset's state nor an incident.

    Raises:
        Retry: an unforeseen error, without its message.
    """
    stop = threading.Event()
    ttl = timedelta(seconds=hub.settings.lease_seconds)

    def renew() -> None:
        while not stop.wait(ttl.total_seconds() / 3):
            with suppress(Exception):  # the ledger may answer again at the next turn; the lease only saves work
                runs.renew(hub.ledger, run, now=hub.clock(), ttl=ttl)

    thread = threading.Thread(target=renew, name=f"lease-{run.dataset}", daemon=True)
    thread.start()
    began = hub.clock()
    lineage_events.tell(hub, run.run)
    try:
        with told_plainly(run.dataset):
            yield
    except HubError as error:
        with suppress(Exception):  # if it is the ledger that fails, the next claim ends this run
            _failed(hub, run, contract, error, quietly=quietly)
        raise
    finally:
        stop.set()
        thread.join()
        with suppress(Exception):
            runs.remark(hub.ledger, run.run, seconds={step: round((hub.clock() - began).total_seconds(), 3)})
        lineage_events.tell(hub, run.run)


@contextmanager
def told_plainly(dataset: str) -> Iterator[None]:
    """Raise an unforeseen error as StorageFull or Retry, without its message, which may hold personal data."""
    try:
        yield
    except HubError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told without its text
        raise _fault(dataset, error) from None


def _empty(folder: Path, *, but: Path | None) -> None:
    for entry in folder.iterdir():
        if entry == but:
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _fault(dataset: str, error: Exception) -> Retry:
    """Its kind and where it came from."""
    if says_disk_is_full(error):
        return StorageFull(
            f"{dataset}: no space is left for what the hub writes", todo=f"free space, then: hub pull {dataset}"
        )
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    where = " > ".join(places[-4:])
    return Retry(
        f"{dataset}: {type(error).__name__} inside the hub at {where}", todo="try again; if it stays, report this"
    )


def _failed(hub: Hub, run: Run, contract: Contract, error: HubError, *, quietly: bool) -> None:
    """End the run. A dry run tells its caller alone: it is neither the dataset's state nor an incident."""
    phase = "held" if isinstance(error, DeliveryHeld) else "superseded" if isinstance(error, Superseded) else "failed"
    now = hub.clock()
    shutil.rmtree(work_folder(hub, run), ignore_errors=True)
    ended = runs.close(hub.ledger, run.run, phase, now=now, reason=str(error))
    if ended and not quietly and phase != "superseded" and not runs.find(hub.ledger, run.run).facts.get("dry"):
        loads.set_state(hub.ledger, run.dataset, phase, error.what, now)
        notify.troubled(hub, contract, phase, error)
