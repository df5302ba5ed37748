"""Telling the owner of a dataset: once when trouble begins, once when it is over.

The message is queued in the ledger together with the incident, then sent; what cannot be sent now is sent by upkeep later.
It names the dataset, the reason and the next command to type, never a record.
"""

from datetime import timedelta
from typing import Any

import httpx

from connectors.http_logs import quiet
from hub.core import Hub
from ledger import incidents, loads
from ledger.incidents import Message
from schemas.contract import Contact, Contract
from schemas.errors import HubError

TITLES = {
    "failed": ("取数失败", "pull failed"),
    "held": ("数据暂缓发布", "load held"),
    "late": ("数据逾期未更新", "data overdue"),
    "drift": ("来源结构变化", "source drifted"),
    "differs": ("与来源不一致", "differs from its source"),
    "recovered": ("已恢复", "recovered"),
}


def troubled(hub: Hub, contract: Contract, kind: str, error: HubError) -> None:
    """Open an incident of the dataset, unless one is open, and tell its contact."""
    message = _message(hub, contract, kind, error.what, error.todo)
    if incidents.begin(hub.ledger, contract.dataset, kind, error.what, now=hub.clock(), message=message):
        send(hub)


def recovered(hub: Hub, contract: Contract, kind: str = "failed") -> None:
    """Close the dataset's incident of this kind or its like, if one is open, and tell its contact."""
    message = _message(hub, contract, "recovered", "", f"hub catalog show {contract.dataset}")
    if incidents.finish(hub.ledger, contract.dataset, kind, now=hub.clock(), message=message):
        send(hub)


def find_late(hub: Hub, contracts: dict[str, Contract]) -> tuple[str, ...]:
    """Datasets whose promised cycle and latency have passed since the last load; each opens an incident."""
    newest, now = loads.latest(hub.ledger), hub.clock()
    late = []
    for dataset, contract in contracts.items():
        if contract.cycle_hours is None or dataset not in newest:
            continue
        allowed = timedelta(hours=contract.cycle_hours + (contract.latency_hours or 0))
        if now - newest[dataset].published_at > allowed:
            hours = (now - newest[dataset].published_at).total_seconds() / 3600
            reason = f"{dataset}: last published {hours:.0f} h ago, promised every {contract.cycle_hours:.0f} h"
            troubled(hub, contract, "late", HubError(reason, todo=f"hub pull {dataset}"))
            late.append(dataset)
    return tuple(late)


def send(hub: Hub) -> int:
    """Send what waits in the outbox; returns how many messages arrived.

    A webhook that does not answer is tried again later, and its other messages wait behind: they keep their order and cost no time.
    """
    arrived = 0
    silent = set()
    for message in incidents.unsent(hub.ledger):
        if message.url in silent:
            continue
        try:
            _post(hub, message)
        except (httpx.HTTPError, httpx.InvalidURL, HubError):
            silent.add(message.url)
            incidents.tried(hub.ledger, message, sent_at=None)
        else:
            incidents.tried(hub.ledger, message, sent_at=hub.clock())
            arrived += 1
    return arrived


def _post(hub: Hub, message: Message) -> None:
    """Send one message; a webhook that a contract names is held to the guard, the operator's own is not."""
    quiet()  # a webhook's key stands in its query
    own = message.url == hub.settings.notify_url
    with httpx.Client(timeout=5, transport=None if own else hub.guard.transport()) as client:
        client.post(message.url, json=message.body).raise_for_status()


def render(style: str, title: str, text: str) -> dict[str, Any]:
    """The body that a webhook of this style takes: plain JSON, 企业微信 (wecom) or 钉钉 (dingtalk) markdown."""
    if style == "wecom":
        return {"msgtype": "markdown", "markdown": {"content": f"**{title}**\n{text}"}}
    if style == "dingtalk":
        return {"msgtype": "markdown", "markdown": {"title": title, "text": f"#### {title}\n\n{text}"}}
    return {"title": title, "text": text}


def _message(hub: Hub, contract: Contract, kind: str, reason: str, todo: str) -> Message | None:
    contact = contract.contact
    if contact is None and hub.settings.notify_url:
        contact = Contact(hub.settings.notify_url, hub.settings.notify_format)
    if contact is None:
        return None
    zh, en = TITLES[kind]
    lines = [
        f"{contract.title} ({contract.dataset}), {contract.provider}",
        reason,
        f"下一步 next: {todo}" if todo else "",
    ]
    body = render(contact.format, f"{zh} / {en}: {contract.title}", "\n".join(line for line in lines if line))
    return Message(
        0, contact.url, {**body, "dataset": contract.dataset, "kind": kind} if contact.format == "plain" else body, 0
    )
