"""Signatures of what is sent to webhooks, after the Standard Webhooks convention (symmetric, `v1`).

The receiver shares a key with the hub, recomputes HMAC-SHA-256 over id, timestamp and body, and turns away what is older than a few
minutes: a message that somebody kept cannot be played again. The id stays the same when a message is tried again.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error
from datetime import datetime

from schemas.errors import SourceDenied

_PREFIX = "whsec_"
_SHORTEST = 24


def headers(secret: str, message: str, body: bytes, now: datetime) -> dict[str, str]:
    """The three headers that prove a body: its message id, the moment in seconds, the signature.

    `secret` is the shared key: `whsec_` and base64 of 24 to 64 random bytes. Raises SourceDenied for one that is not; it is not shown.
    """
    stamp = str(int(now.timestamp()))
    digest = hmac.digest(_key(secret), f"{message}.{stamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (Error, ValueError):
        key = b""
    if len(key) < _SHORTEST:
        raise SourceDenied(
            "the webhook's secret is not whsec_ and base64 of at least 24 random bytes",
            todo="make one: python3 -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\"",
        )
    return key
