"""What departments push: who may, what became of a batch, and how a pull follows.

A batch is *received* when its receipt is written, *landed* when a run has read it, then *published* (or *superseded* by a complete one
that came later), *held* or *failed* with the run's reason; what the data office set aside is *discarded*.
"""

from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import httpx

from access import clients
from connectors.inbox import Receipt, sealed
from hub.core import Hub
from lake import inbox, landing, quarantine
from lake.inbox import Door
from lake.session import session
from ledger import contracts, loads, runs
from ledger.loads import Load
from schemas.contract import Contract
from schemas.errors import NotFound

_PHASES = {"landed": "landed", "judged": "landed", "held": "held", "failed": "failed"}
_SHOWN = 100


def door(hub: Hub, client: str, code: str) -> Door:
    """Where the client's batches for a dataset, by name or resource code, come in.

    Raises:
        Forbidden: the client has no push right for it, or there is no such dataset.
        NotFound: the dataset is pulled, not pushed.
    """
    contract = _pushed(hub, client, code)
    limit = hub.settings.push_max_mb << 20
    return Door(hub.lake, contract.dataset, client, contract.source.sync, limit, hub.clock)


def became(hub: Hub, client: str, code: str, id_: str) -> dict[str, Any]:
    """The receipt and what has become of its batch; raises as `door` does, and NotFound for an unknown receipt."""
    receipt = inbox.find(hub.lake, _pushed(hub, client, code).dataset, id_)
    return {**asdict(receipt), **_state(hub, receipt)}


def arrivals(hub: Hub, dataset: str) -> list[dict[str, Any]]:
    """All batches in a dataset's inbox, oldest first, each with what became of it."""
    _push_contract(hub, dataset)
    found = sealed(inbox.folder(hub.lake, dataset))
    return [
        {
            "id": r.id, "received": r.received_at[:19], "media": r.media, "bytes": r.bytes, "records": r.records,
            "complete": r.complete, **{k: v for k, v in _state(hub, r).items() if k in ("status", "load", "reason")},
        }
        for r in found
    ]  # fmt: skip


def discard(hub: Hub, dataset: str, id_: str, reason: str) -> dict[str, Any]:
    """Set a batch aside that cannot or must not be read. Raises NotFound."""
    receipt = inbox.find(hub.lake, _push_contract(hub, dataset).dataset, id_)
    inbox.discard(hub.lake, receipt, reason=reason, at=hub.clock())
    return {"id": receipt.id, **_state(hub, receipt)}


def clean(hub: Hub, contract: Contract) -> int:
    """Upkeep of one inbox: remove what is published and past retention; returns how many batches."""
    if contract.source.kind != "push":
        return 0
    newest = next(iter(loads.history(hub.ledger, contract.dataset)), None)
    return inbox.clean(hub.lake, contract, now=hub.clock(), published=_watermark(newest) if newest else "")


def wake(hub: Hub, dataset: str) -> None:
    """Ask Airflow for one run of the dataset's DAG at the next full minute: it reads all that arrives until then.

    Airflow knows the run by that minute, so many pushes make one run. If Airflow cannot be asked, the schedule comes anyway.
    """
    settings = hub.settings
    if not settings.airflow_url:
        return
    start = hub.clock().replace(second=0, microsecond=0) + timedelta(minutes=1)
    token = settings.airflow_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
    run = {"dag_run_id": f"push__{start:%Y-%m-%dT%H:%M}", "logical_date": None, "run_after": start.isoformat()}
    with suppress(httpx.HTTPError), httpx.Client(base_url=settings.airflow_url, headers=headers, timeout=10) as client:
        client.post(f"/api/v2/dags/dataset.{dataset}/dagRuns", json=run)


def _pushed(hub: Hub, client: str, code: str) -> Contract:
    dataset = code
    if "/" in code:
        coded = (c.dataset for c in contracts.applied(hub.ledger).values() if c.resource_code == code)
        dataset = next(coded, "")
    clients.require_push(hub.ledger, client, dataset)
    return _push_contract(hub, dataset)


def _push_contract(hub: Hub, dataset: str) -> Contract:
    versions = contracts.versions(hub.ledger, dataset)
    if not versions or versions[-1].contract.source.kind != "push":
        raise NotFound(
            f"{dataset!r} is no dataset that is pushed",
            todo="kind: push in its contract, then: hub contract apply FILE",
        )
    return versions[-1].contract


def _state(hub: Hub, receipt: Receipt) -> dict[str, Any]:
    reason = inbox.discard_reason(hub.lake, receipt)
    if reason is not None:
        return {"status": "discarded", "reason": reason}
    history = reversed(loads.history(hub.ledger, receipt.dataset))
    covering = next((load for load in history if _watermark(load) >= receipt.id), None)
    if covering is not None:
        return _published(hub, receipt, covering)
    for run in runs.recent(hub.ledger, receipt.dataset, 20):
        manifest = landing.manifest(hub.lake, run.dataset, run.run) if run.phase in _PHASES else None
        if manifest is not None and receipt.name in {file.source for file in manifest.files}:
            why = {"reason": run.reason.partition(" → ")[0]} if run.reason else {}
            counts = {"counts": run.facts["counts"]} if "counts" in run.facts else {}
            return {"status": _PHASES[run.phase], "run": run.run, **why, **counts, **_set_aside(hub, receipt)}
    return {"status": "received"}


def _published(hub: Hub, receipt: Receipt, load: Load) -> dict[str, Any]:
    manifest = landing.manifest(hub.lake, load.dataset, load.run)
    told = {"load": load.load, "published_at": load.published_at.isoformat()}
    if manifest is not None and receipt.name not in {file.source for file in manifest.files}:
        return {"status": "superseded", **told}
    broken = [
        {k: rule[k] for k in ("id", "column", "severity", "unexpected", "fix_zh", "fix_en")}
        for rule in load.facts.get("verdict", {}).get("rules", ())
        if rule["unexpected"]
    ]
    batches = {"batches": len(manifest.files)} if manifest is not None else {}
    return {
        "status": "published",
        **told,
        **batches,
        "counts": load.counts,
        "rules": broken,
        **_set_aside(hub, receipt),
    }


def _set_aside(hub: Hub, receipt: Receipt) -> dict[str, Any]:
    """This batch's records that are in quarantine now: their numbers and the rules they broke, never a value."""
    with session(hub.settings.work, 512) as con:
        quarantine.create_view(con, hub.lake, receipt.dataset, "q")
        rows = con.execute(
            "SELECT _row, reasons, count(*) OVER () FROM q WHERE _file = $1 ORDER BY _row LIMIT $2",
            [receipt.name, _SHOWN],
        ).fetchall()
    records = [{"record": number, "rules": reasons} for number, reasons, _ in rows]
    return {"quarantined": rows[0][2] if rows else 0, "records_quarantined": records}


def _watermark(load: Load) -> str:
    mark = str(load.facts.get("watermark") or "")
    return mark if mark.isdecimal() else ""
