"""What happened, as those who want to know are told: one `Event`, written for each address as its kind takes it.

1. Whoever records a fact makes its event first, and hands the messages to the ledger, which queues them in the fact's own transaction.
2. An event goes to those it concerns (`concerned`) and to those who subscribed to its type, each address under one key once.
3. People read words in both languages (plain JSON, 企业微信, 钉钉, e-mail); programs read CloudEvents 1.0 in structured JSON.

An event names datasets, counts, rules and tickets, never a record.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from hub.core import Hub
from ledger import grants, subscriptions
from ledger.outbox import Message
from schemas.contract import Contact, Contract

Style = Literal["plain", "wecom", "dingtalk", "cloudevents"]
TYPES = (
    "dataset.published", "dataset.held", "dataset.failed", "dataset.late", "dataset.drift", "dataset.differs", "dataset.dangling",
    "dataset.recovered",
    "contract.breaking", "contract.deprecated", "contract.retired",
    "dispute.opened", "dispute.accepted", "dispute.corrected", "dispute.rejected", "dispute.closed", "dispute.overdue",
    "request.opened", "request.extended", "request.approved", "request.granted", "request.refused", "request.withdrawn", "request.due",
    "request.overdue", "request.undelivered",
)  # fmt: skip
"""Every type of event, without the prefix `cityhub.` of its CloudEvents name. A test holds the reference page to this list."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a dataset: its type, what to call it (Chinese, English), lines for people, facts for programs.

    `subject` is the thing below the dataset, if it is one (a load, a ticket). The same `id` is the same event.
    """

    type: str
    contract: Contract
    title: tuple[str, str]
    lines: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    subject: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


def messages(hub: Hub, event: Event, concerned: Iterable[Contact | None] = ()) -> tuple[Message, ...]:
    """The event's messages: to those concerned, and to those who subscribed to its type and dataset.

    A client's own subscription has a key of its own and is no concern of another at the same address; it lasts as long as a grant does.
    """
    wanted = [s for s in subscriptions.of(hub.ledger, event.contract.dataset) if s.wants(event.type)]
    found: dict[str, tuple[Contact, str | None]] = {
        contact.url: (contact, None) for contact in concerned if contact is not None
    }
    found |= {s.contact.url: (s.contact, s.secret) for s in wanted if not s.client}
    own = [(s.contact, s.secret) for s in wanted if s.client and has_grant(hub, s.client, event.contract.dataset)]
    return tuple(_message(hub, event, contact, secret) for contact, secret in (*found.values(), *own))


def has_grant(hub: Hub, client: str, dataset: str) -> bool:
    """Whether the client holds a grant for the dataset at this hour."""
    now = hub.clock()
    standing = grants.standing(hub.ledger, client)
    return any(g.kind == "dataset" and g.name == dataset and g.live(now) for g in standing)


def owner(hub: Hub, contract: Contract) -> Contact | None:
    """Whom a dataset's trouble concerns: its contract's contact, else the data office, if settings name it."""
    return contract.contact or office(hub)


def office(hub: Hub) -> Contact | None:
    """The data office's own address, if settings name it."""
    return Contact(hub.settings.notify_url, hub.settings.notify_format) if hub.settings.notify_url else None


def envelope(hub: Hub, event: Event) -> dict[str, Any]:
    """The event as CloudEvents 1.0, structured JSON."""
    contract = event.contract
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": f"{hub.settings.api_url}/v1/datasets/{contract.dataset}",
        "type": f"cityhub.{event.type}",
        "subject": event.subject or contract.dataset,
        "time": hub.clock().isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"dataset": contract.dataset, "provider_code": contract.provider_code, **event.data},
    }


def _message(hub: Hub, event: Event, contact: Contact, secret: str | None) -> Message:
    body = envelope(hub, event) if contact.format == "cloudevents" else _words(event, contact.format)
    return Message(0, contact.url, body, 0, event.id, contact.format, secret)


def _words(event: Event, style: Style) -> dict[str, Any]:
    """What people read: plain JSON (e-mail is made from it), or markdown for 企业微信 (wecom) and 钉钉 (dingtalk)."""
    contract = event.contract
    title = f"{' / '.join(event.title)}: {contract.title}"
    text = "\n".join((f"{contract.title} ({contract.dataset}), {contract.provider}", *filter(None, event.lines)))
    if style == "wecom":
        return {"msgtype": "markdown", "markdown": {"content": f"**{title}**\n{text}"}}
    if style == "dingtalk":
        return {"msgtype": "markdown", "markdown": {"title": title, "text": f"#### {title}\n\n{text}"}}
    kind = event.type.partition(".")[2]
    return {"title": title, "text": text, "dataset": contract.dataset, "kind": kind, **event.data}
