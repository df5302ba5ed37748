"""Telling the owner of a dataset, and who subscribed: once when trouble begins, once when it is over.

The messages are queued in the ledger together with the incident, then sent; what cannot be sent now is sent later.
They name the dataset, the reason and the next command to type, never a record.
"""

from datetime import datetime, timedelta

from hub.core import Hub
from hub.telling import deliver, events
from hub.telling.events import Event
from lake.history import AMENDING
from lake.history import Load as Commit
from ledger import incidents, loads
from ledger.outbox import Message
from schemas.contract import Contract
from schemas.errors import HubError
from schemas.messages import in_both

TITLES = {
    "failed": ("取数失败", "pull failed"),
    "held": ("数据暂缓发布", "load held"),
    "late": ("数据逾期未更新", "data overdue"),
    "drift": ("来源结构变化", "source drifted"),
    "differs": ("与来源不一致", "differs from its source"),
    "dangling": ("被引用的记录已不存在", "referenced records are gone"),
    "recovered": ("已恢复", "recovered"),
}


def troubled(hub: Hub, contract: Contract, kind: str, error: HubError) -> None:
    """Open an incident of the dataset, unless one is open, and tell its contact."""
    messages = _messages(hub, contract, kind, error.what, error.todo)
    if incidents.begin(hub.ledger, contract.dataset, kind, error.what, now=hub.clock(), messages=messages):
        deliver.send(hub)


def recovered(hub: Hub, contract: Contract, kind: str = "failed") -> None:
    """Close the dataset's incident of this kind or its like, if one is open, and tell its contact."""
    messages = _messages(hub, contract, "recovered", "", f"hub catalog show {contract.dataset}")
    if incidents.finish(hub.ledger, contract.dataset, kind, now=hub.clock(), messages=messages):
        deliver.send(hub)


def published(hub: Hub, contract: Contract, commit: Commit) -> tuple[Message, ...]:
    """The messages that tell of a published load, for who subscribed; its run's id is the event's, so that it is the same however often told."""
    data = {"load": commit.load, "run": commit.run, "kind": commit.kind, "rows": commit.rows, "counts": commit.counts}
    line = f"批次 load {commit.load}: {commit.changed} 行变更 rows changed"
    event = Event(
        "dataset.published",
        contract,
        ("数据已发布", "load published"),
        (line,),
        data,
        f"loads/{commit.load}",
        commit.run,
    )
    return events.messages(hub, event)


def find_late(hub: Hub, contracts: dict[str, Contract]) -> tuple[str, ...]:
    """Datasets whose promised cycle and latency have passed since the last load; each opens an incident."""
    newest, now = loads.latest(hub.ledger), hub.clock()
    late = []
    for dataset, contract in contracts.items():
        if contract.cycle_hours is None or dataset not in newest:
            continue
        allowed = timedelta(hours=contract.cycle_hours + (contract.latency_hours or 0))
        since = _delivered_at(hub, newest[dataset])
        if now - since > allowed:
            hours = (now - since).total_seconds() / 3600
            reason = f"{dataset}: last published {hours:.0f} h ago, promised every {contract.cycle_hours:.0f} h"
            troubled(hub, contract, "late", HubError(reason, todo=f"hub pull {dataset}"))
            late.append(dataset)
    return tuple(late)


def _messages(hub: Hub, contract: Contract, kind: str, reason: str, todo: str) -> tuple[Message, ...]:
    lines = (in_both(reason), f"下一步 next: {in_both(todo)}" if todo else "")
    data = {"kind": kind, **({"reason": reason} if reason else {})}
    event = Event(f"dataset.{kind}", contract, TITLES[kind], lines, data)
    return events.messages(hub, event, [events.owner(hub, contract)])


def _delivered_at(hub: Hub, newest: loads.Load) -> datetime:
    """When the source last delivered something that was published: a correction by upload is no delivery."""
    if newest.facts.get("kind") not in AMENDING:
        return newest.published_at
    found = (x for x in loads.history(hub.ledger, newest.dataset) if x.facts.get("kind") not in AMENDING)
    return next(found, newest).published_at
