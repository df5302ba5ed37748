"""Clients subscribe for themselves: told by a webhook of their own when a dataset that they hold a grant for is published.

1. The address is held to the same list as all others (ADR 0013), and to HTTPS in production; it names no user and no password.
2. The key that messages are signed with is made of the hub's own and the subscription's number, told once, and stored nowhere.
3. What is sent is the event `dataset.published`, through the outbox like all others: dataset, load, counts, no record.
"""

import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from hub.core import Hub
from hub.sharing.subscription_keys import KEYS, key
from hub.telling.events import has_grant
from ledger import subscriptions
from ledger.subscriptions import Subscription, name_of
from schemas.contract import Contact
from schemas.errors import ContractInvalid, Forbidden, Invalid, NotFound, TooMany
from serving import services

MOST = 50
_TYPES = ("dataset.published",)


def subscriptions_of(hub: Hub) -> services.Subscriptions:
    """What the routes call."""

    def subscribe(client: str, dataset: str, url: str) -> dict[str, Any]:
        return _subscribe(hub, client, dataset, url)

    def listed(client: str) -> Sequence[dict[str, Any]]:
        return [_told(one) for one in subscriptions.of_client(hub.ledger, client)]

    def unsubscribe(client: str, number: str) -> None:
        one = next((s for s in subscriptions.of_client(hub.ledger, client) if s.number == number), None)
        if one is None:
            raise NotFound("there is no such subscription", todo="GET /v1/subscriptions lists yours")
        subscriptions.unsubscribe(hub.ledger, one.dataset, one.name)

    return services.Subscriptions(subscribe, listed, unsubscribe)


def _subscribe(hub: Hub, client: str, dataset: str, url: str) -> dict[str, Any]:
    if not has_grant(hub, client, dataset):
        raise Forbidden("no grant for this dataset", todo="see what you have: GET /v1/grants", reason="no-grant")
    _check(hub, url)
    if len(subscriptions.of_client(hub.ledger, client)) >= MOST:
        raise TooMany(
            f"you have {MOST} subscriptions already", todo="DELETE /v1/subscriptions/{id} those that you need no more"
        )
    number = secrets.token_hex(8)
    reference = f"{KEYS}{client}/{number}"
    one = Subscription(dataset, name_of(client, number), Contact(url, "cloudevents"), hub.clock(), _TYPES, reference)
    subscriptions.subscribe(hub.ledger, one)
    return {**_told(one), "secret": key(hub, reference)}


def _check(hub: Hub, url: str) -> None:
    try:
        address = urlsplit(url)
        plain = address.hostname and not address.username and not address.password and not address.fragment
        address.port  # noqa: B018 - a ValueError where it is none
        right = bool(plain) and address.scheme in ("https", *(() if hub.settings.production else ("http",)))
        if right:
            hub.guard.check(address.hostname, "url")
    except (ValueError, ContractInvalid):
        right = False
    if not right:
        raise Invalid(
            "url is no address that the hub may send to", todo="as in https://portal.example/hook", field="url"
        )


def _told(one: Subscription) -> dict[str, Any]:
    """The subscription as its client sees it; the host only, as a webhook's path may be a secret."""
    return {
        "id": one.number,
        "dataset": one.dataset,
        "host": urlsplit(one.contact.url).hostname,
        "types": [f"cityhub.{kind}" for kind in one.types],
        "subscribed_at": one.subscribed_at.isoformat(),
    }
