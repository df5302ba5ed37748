"""OpenLineage events of every run, sent where `HUB_OPENLINEAGE_URL` says: as part of the run, and never failing it.

A run's start and its end are queued once, whichever step notices, and sent from the outbox: at once, and later if the collector does not
answer. A run that failed and was taken up again ends once more. Upkeep queues what a killed process left out.
"""

from contextlib import suppress
from typing import Any

from catalog import openlineage
from hub.core import Hub
from hub.telling import deliver
from ledger import contracts, loads, outbox, runs
from ledger.outbox import Message
from ledger.runs import Run

_RECENT = 500


def tell(hub: Hub, run_id: str) -> None:
    """Queue what is to be told of the run as it is now, and send it; whatever goes wrong is left to upkeep."""
    if not hub.settings.openlineage_url:
        return
    with suppress(Exception):
        if _queue(hub, runs.find(hub.ledger, run_id)):
            deliver.send(hub)


def catch_up(hub: Hub) -> int:
    """Queue what was not told of the newest runs; returns of how many."""
    if not hub.settings.openlineage_url:
        return 0
    return sum(_queue(hub, run) for run in runs.recent(hub.ledger, limit=_RECENT))


def _queue(hub: Hub, run: Run) -> bool:
    """Whether there was anything to tell that was not told before."""
    contract = contracts.applied(hub.ledger, [run.dataset]).get(run.dataset)
    if contract is None:
        return False
    url, namespace = hub.settings.openlineage_url, hub.settings.openlineage_namespace
    told: list[tuple[str, dict[str, Any]]] = [
        ("START", openlineage.event(namespace, run, contract, "START", run.started_at))
    ]
    kind = openlineage.event_type(run)
    if kind is not None:
        load = next((one for one in loads.history(hub.ledger, run.dataset, 5) if one.run == run.run), None)
        told.append((kind, openlineage.event(namespace, run, contract, kind, run.ended_at or hub.clock(), load)))
    with hub.ledger.write(alone=f"lineage:{run.run}") as connection:
        known = outbox.queued(connection, url, [f"{run.run}.{end}" for end, _ in told])
        new = [Message(0, url, body, 0, f"{run.run}.{end}") for end, body in told if f"{run.run}.{end}" not in known]
        outbox.queue(connection, new, hub.clock())
    return bool(new)
