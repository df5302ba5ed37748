"""Secrets and passwords as hashes: scrypt with its parameters beside the digest, so that a later cost leaves old hashes valid."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

SECRET_COST: Mapping[str, int] = {"n": 2**14, "r": 8, "p": 1}
"""For secrets that a machine made: nobody guesses those."""
PASSWORD_COST: Mapping[str, int] = {"n": 2**14, "r": 8, "p": 5}
"""For passwords that a person thought of (OWASP's equal choices for scrypt)."""


def hash_secret(secret: str, salt: bytes, cost: Mapping[str, int] = SECRET_COST) -> str:
    """The secret's scrypt hash with its parameters, as one line of text.

    >>> hash_secret("a long enough secret", bytes(16)).split("$")[:4]
    ['scrypt', '16384', '8', '1']
    """
    digest = hashlib.scrypt(secret.encode(), salt=salt, dklen=32, **cost)
    parts = (*(str(v) for v in cost.values()), base64.b64encode(salt).decode(), base64.b64encode(digest).decode())
    return "$".join(("scrypt", *parts))


def secret_matches(secret: str, stored: str) -> bool:
    """Whether the secret is the one that was hashed; takes its time either way."""
    _, n, r, p, salt, digest = stored.split("$")
    tried = hashlib.scrypt(secret.encode(), salt=base64.b64decode(salt), dklen=32, n=int(n), r=int(r), p=int(p))
    return hmac.compare_digest(tried, base64.b64decode(digest))


def nobody(cost: Mapping[str, int]) -> str:
    """A hash that no secret fits and that takes as long to say so."""
    parts = (
        *(str(v) for v in cost.values()),
        base64.b64encode(bytes(16)).decode(),
        base64.b64encode(bytes(32)).decode(),
    )
    return "$".join(("scrypt", *parts))
