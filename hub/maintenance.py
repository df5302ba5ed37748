"""Upkeep of what the hub keeps, and the way back when the ledger's pipeline tables are lost."""

import json
from typing import Any

from hub.console import library
from hub.core import Hub
from hub.pulling import pipeline, pushes
from hub.registration import registering
from hub.repair import disputes
from hub.sharing import request_clocks
from hub.telling import deliver, lineage_events, notify
from lake import upkeep as lake_upkeep
from lake.durable import write_atomically
from ledger import budgets, contracts, loads, runs


def upkeep(hub: Hub) -> dict[str, Any]:
    """One round: tell the ledger what it missed, refresh bases, clean landings, find late datasets, send messages."""
    applied = contracts.applied(hub.ledger)
    told = sum(pipeline.catch_up(hub, contract) for contract in applied.values())
    bases = [name for name, contract in applied.items() if lake_upkeep.refresh_base(hub.lake, contract) is not None]
    cleaned = sum(
        lake_upkeep.clean_landing(hub.lake, contract, now=hub.clock(), running=lambda: runs.unfinished(hub.ledger))
        for contract in applied.values()
    )
    tries = sum(lake_upkeep.clean_history(hub.lake, name, now=hub.clock()) for name in applied)
    pipeline.clear_work(hub)
    late = notify.find_late(hub, applied)
    budgets.prune(hub.audit, hub.today())
    lineage_events.catch_up(hub)
    return {
        "told": told,
        "bases": bases,
        "landings removed": cleaned,
        "tries removed": tries,
        "batches removed": sum(pushes.clean(hub, contract) for contract in applied.values()),
        "registrations forgotten": registering.clean(hub),
        "late": list(late),
        **remind(hub),
        "messages forgotten": deliver.clean(hub),
    }


def remind(hub: Hub) -> dict[str, Any]:
    """What cannot wait for the night: settle disputes, find disputes and requests that are overdue, send messages that are due."""
    settled = disputes.settle_all(hub)
    return {
        "disputes settled": settled,
        "disputes overdue": len(disputes.find_overdue(hub)),
        **request_clocks.find_due(hub),
        "messages sent": deliver.send(hub),
    }


def rebuild(hub: Hub) -> dict[str, Any]:
    """Empty the pipeline tables and fill them from the lake's commits. Contracts, grants and audit are not touched."""
    runs.forget(hub.ledger)
    loads.forget(hub.ledger)
    applied = contracts.applied(hub.ledger)
    return {name: pipeline.catch_up(hub, contract, news=False) for name, contract in sorted(applied.items())}


def write_catalog(hub: Hub) -> dict[str, Any]:
    """Write every entry to HOME/catalog.json, for those who harvest files; returns how many."""
    found = library.catalog(hub).everything()
    text = json.dumps([e.to_json() for e in found], ensure_ascii=False, indent=1, default=str)
    write_atomically(hub.settings.home.absolute() / "catalog.json", text.encode())
    return {"entries": len(found)}
