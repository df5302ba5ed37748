"""The calls that task bodies make: the hub is composed, its errors are told to Airflow in Airflow's terms.

What a person must act on fails the task at once; what may pass is tried again. Heavy imports happen inside the calls.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.core import Hub


def index() -> dict[str, dict[str, Any]]:
    """The compiled index; empty before the first contract is applied."""
    path = Path(os.environ.get("HUB_HOME", "var")) / "index.json"
    if not path.exists():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
    return found


def read(dataset: str, airflow_run: str, *, full: bool, dry_run: bool = False, now_because: str = "") -> str:
    """Claim the dataset for this Airflow run and land it; returns the hub's run id."""
    from hub.pulling import pipeline

    with _hub() as hub:
        run = pipeline.claim(hub, dataset, f"airflow:{airflow_run}", full=full, dry_run=dry_run)
        return pipeline.read(hub, run.run, now_because=now_because).run


def judge(run: str) -> str:
    """Judge a landed run."""
    from hub.pulling import pipeline

    with _hub() as hub:
        return pipeline.judge(hub, run).run


def publish(run: str, *, dry_run: bool, accept_deletions: bool) -> dict[str, Any]:
    """Publish a judged run; returns the counts for the asset's event."""
    from hub.pulling import pipeline
    from schemas.errors import DeliveryHeld

    with _hub() as hub:
        done = pipeline.publish(hub, run, dry_run=dry_run, accept_deletions=accept_deletions)
        if done.phase == "held":  # a cleared task of a run that was held before
            raise DeliveryHeld(done.reason)
        return {"run": done.run, "load": done.load, "outcome": done.phase, **done.facts.get("counts", {})}


def plan_subjects() -> list[dict[str, Any]]:
    """The pending subject builds, one per kind."""
    from hub.filing import subject_files

    with _hub() as hub:
        return subject_files.plan(hub)


def shares(works: list[dict[str, Any]], *, due: bool) -> list[dict[str, Any]]:
    """One share per kind and bucket, of the builds that are `due` or of all."""
    return [
        {"work": work, "bucket": bucket, "label": f"{work['pending']['kind']} {bucket + 1}/{work['buckets']}"}
        for work in works
        if work["due"] or not due
        for bucket in range(work["buckets"])
    ]


def build_subjects(share: dict[str, Any]) -> dict[str, Any]:
    """Build one share into the lake; returns its part."""
    from hub.filing import subject_files

    with _hub() as hub:
        part = subject_files.build_bucket(hub, share["work"], share["bucket"])
    return {"kind": share["work"]["pending"]["kind"], "part": part}


def publish_subjects(works: list[dict[str, Any]], built: list[dict[str, Any]]) -> None:
    """Make each kind's parts its files."""
    from hub.filing import subject_files

    with _hub() as hub:
        for work in works:
            subject_files.publish(hub, work, [b["part"] for b in built if b["kind"] == work["pending"]["kind"]])


def load_subjects(share: dict[str, Any]) -> dict[str, Any]:
    """Load one share into the store."""
    from hub.filing import subject_files

    with _hub() as hub:
        return subject_files.load(hub, share["work"], share["bucket"])


def finish_subjects(works: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Say of each kind that it is in the store."""
    from hub.filing import subject_files

    with _hub() as hub:
        return [subject_files.finish(hub, work) for work in works]


def refresh_catalog() -> dict[str, Any]:
    """Write the catalog's entries; returns how many."""
    from hub import maintenance

    with _hub() as hub:
        return maintenance.write_catalog(hub)


def upkeep() -> dict[str, Any]:
    """One round of upkeep."""
    from hub import maintenance

    with _hub() as hub:
        return maintenance.upkeep(hub)


def remind() -> dict[str, Any]:
    """Settle disputes, find overdue ones, send messages that are due."""
    from hub import maintenance

    with _hub() as hub:
        return maintenance.remind(hub)


def due_reconciliations() -> list[str]:
    """The datasets whose contract asks for a comparison with their source now."""
    from hub.pulling import reconcile

    with _hub() as hub:
        return reconcile.due(hub)


def reconcile_dataset(dataset: str, airflow_run: str) -> dict[str, Any]:
    """Compare one dataset with its source; returns the counts."""
    from hub.pulling import reconcile

    with _hub() as hub:
        run = reconcile.reconcile(hub, dataset, owner=f"airflow:reconcile:{airflow_run}")
        counts: dict[str, Any] = run.facts.get("counts", {})
        return counts


def moved_references() -> list[str]:
    """The datasets of which a referenced one has published since."""
    from hub.pulling import judging

    with _hub() as hub:
        return list(judging.due(hub))


def seek_references(dataset: str, airflow_run: str) -> dict[str, Any]:
    """Judge one dataset's references again; returns the counts."""
    from hub.pulling import judging

    with _hub() as hub:
        found = judging.seek_references(hub, dataset, owner=f"airflow:references:{airflow_run}")
        return {"dataset": dataset, "released": found.released, "dangling": found.dangling}


@contextmanager
def _hub() -> Iterator["Hub"]:
    from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

    from hub.core import Hub
    from schemas.errors import HubError, OutsideHours, Retry

    try:
        yield Hub(secret=secret)
    except OutsideHours as early:  # no try is used up, no slot of the pool is held
        opens = datetime.fromisoformat(str(early.facts["opens"]))
        raise AirflowRescheduleException(opens) from None  # type: ignore[no-untyped-call]
    except Retry:
        raise
    except HubError as error:
        raise AirflowFailException(str(error)) from None


def secret(reference: str) -> str:
    """Resolve a contract's secret reference; `airflow:CONNECTION` gives `login:password`, or the password alone.

    Airflow is told to mask whatever was found, in case any of it ever came into a log.
    """
    from airflow.sdk.log import mask_secret

    kind, _, name = reference.partition(":")
    found = _connection(name) if kind == "airflow" else _named(reference)
    for part in {found, found.partition(":")[2]} - {""}:
        mask_secret(part)
    return found


def _named(reference: str) -> str:
    from hub.registration import named_secrets
    from hub.settings import Settings

    return named_secrets.look_up(reference, Settings().secret_files)


def _connection(name: str) -> str:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    from schemas.errors import SourceDenied

    try:
        connection = Connection.get(name)
    except AirflowNotFoundException:
        raise SourceDenied(f"Airflow has no connection {name}", todo=f"airflow connections add {name} …") from None
    return ":".join(part for part in (connection.login, connection.password) if part)
