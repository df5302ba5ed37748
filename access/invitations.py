"""Invitations: a link that opens one form for one subject, without telling whom to anybody who sees the address.

The token is AES-256-GCM over form, subject, the record meant and the expiry; the hub alone can read it. It is a key to the subject's
values for as long as it holds: it is handed to that subject (by the renewal reminder), and every use leaves an audit entry.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import Invalid

LIFETIME = timedelta(hours=24)
_NONCE = 12


@dataclass(frozen=True)
class Invitation:
    """Whom a link is for: the form, the subject, and which record of which list is meant."""

    form: str
    subject: str = field(repr=False)
    select: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)


class Invitations:
    """Seals and opens invitations under one 32-byte key."""

    def __init__(self, key: bytes, lifetime: timedelta = LIFETIME) -> None:
        self._cipher = AESGCM(key)
        self._lifetime = lifetime

    def seal(self, invitation: Invitation, *, now: datetime, nonce: bytes) -> str:
        """The token, as URL-safe text; `nonce` is 12 random bytes, never used twice."""
        expiry = int((now + self._lifetime).timestamp())
        text = json.dumps([invitation.subject, invitation.select, expiry], ensure_ascii=False).encode()
        sealed = nonce + self._cipher.encrypt(nonce, text, invitation.form.encode())
        return urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, token: str, form: str, *, now: datetime) -> Invitation:
        """What the token says. Raises Invalid for one that is expired, changed, or meant for another form."""
        try:
            sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            text = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], form.encode())
        except (ValueError, InvalidTag):
            raise Invalid(
                "this link is not one of ours, or was changed on the way", todo="open the form by itself"
            ) from None
        subject, select, expiry = json.loads(text)
        if now.timestamp() >= expiry:
            raise Invalid("this link has expired", todo="open the form by itself, or ask for a new link")
        return Invitation(form, subject, select)
