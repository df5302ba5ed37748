"""The keys that messages to clients' own webhooks are signed with: made of the hub's own key and the subscription's name, stored nowhere."""

import base64
import hmac

from hub.core import Hub

KEYS = "hub-subscription:"
"""What a reference to such a key begins with."""


def key(hub: Hub, reference: str) -> str:
    """The key that a reference names, as Standard Webhooks write it."""
    digest = hmac.digest(hub.key("subscriptions"), reference.encode(), "sha256")
    return f"whsec_{base64.b64encode(digest).decode()}"
