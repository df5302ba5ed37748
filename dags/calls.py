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
    from hub import pipeline

    with _hub() as hub:
        run = pipeline.claim(hub, dataset, f"airflow:{airflow_run}", full=full, dry_run=dry_run)
        return pipeline.read(hub, run.run, now_because=now_because).run


def judge(run: str) -> str:
    """Judge a landed run."""
    from hub import pipeline

    with _hub() as hub:
        return pipeline.judge(hub, run).run


def publish(run: str, *, dry_run: bool, accept_deletions: bool) -> dict[str, Any]:
    """Publish a judged run; returns the counts for the asset's event."""
    from hub import pipeline
    from schemas.errors import DeliveryHeld

    with _hub() as hub:
        done = pipeline.publish(hub, run, dry_run=dry_run, accept_deletions=accept_deletions)
        if done.phase == "held":  # a cleared task of a run that was held before
            raise DeliveryHeld(done.reason)
        return {"run": done.run, "load": done.load, "outcome": done.phase, **done.facts.get("counts", {})}


def plan_subjects() -> list[dict[str, Any]]:
    """The shares of the pending subject builds: one per kind and bucket."""
    from hub import subject_files

    with _hub() as hub:
        buckets = hub.settings.subject_buckets
        return [
            {"work": work, "bucket": bucket, "label": f"{work['pending']['kind']} {bucket + 1}/{buckets}"}
            for work in subject_files.plan(hub)
            for bucket in range(buckets)
        ]


def build_subjects(share: dict[str, Any]) -> dict[str, Any]:
    """Build one share."""
    from hub import subject_files

    with _hub() as hub:
        return subject_files.build_bucket(hub, share["work"], share["bucket"])


def finish_subjects(shares: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mark each kind's build done."""
    from hub import subject_files

    with _hub() as hub:
        return [subject_files.finish(hub, share["work"]) for share in shares if share["bucket"] == 0]


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
    from hub import reconcile

    with _hub() as hub:
        return reconcile.due(hub)


def reconcile_dataset(dataset: str, airflow_run: str) -> dict[str, Any]:
    """Compare one dataset with its source; returns the counts."""
    from hub import reconcile

    with _hub() as hub:
        run = reconcile.reconcile(hub, dataset, owner=f"airflow:reconcile:{airflow_run}")
        counts: dict[str, Any] = run.facts.get("counts", {})
        return counts


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
    from hub import named_secrets
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
