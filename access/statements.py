"""Short statements that others sign (JWT): a client's assertion of who it is (RFC 7523), an identity provider's of what a subject agreed to.

Both are checked alike: an algorithm of the fixed list, a key that is registered for the signer, the hub as audience, a short life, a number
of its own (`jti`). What is wrong is told to the sender, who wrote it; it depends on nothing that the hub holds.
"""

from binascii import a2b_base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc.errors import JoseError
from msgspec import DecodeError
from msgspec.json import decode

from access.keys import Keys
from schemas.struct import Quick

_SKEW = timedelta(seconds=30)
_LONGEST = 8192
_STANDARD = bytes.maketrans(b"-_+/=", b"+/...")
"""From the alphabet of URLs to the standard one; what only that one has becomes a character of neither."""
_LAST = b"AEIMQUYcgkosw048", b"AQgw"
UNSIGNED = "its signature fits no registered key, or its algorithm is not one of Ed25519, ES256 and PS256"


class Unacceptable(Exception):
    """Why a statement does not count, for who sent it."""


class Statement(Quick, frozen=True):
    """The claims of a statement that counts, and when it runs out."""

    claims: dict[str, Any]
    expires: datetime

    def text(self, name: str, longest: int = 200) -> str:
        """A claim that must be a text of 1 to `longest` characters. Raises Unacceptable."""
        value = self.claims.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            raise Unacceptable(f"{name} is not a text of 1 to {longest} characters")
        return value


class Opened(Quick, frozen=True):
    """A statement as it came, read and not yet believed: `issuer` tells whose keys to check it with.

    It is a JWS in its compact form (RFC 7515): `message` (the encoded `header` and the payload) and the `signature` of that.
    """

    claims: dict[str, Any]
    issuer: str
    header: bytes
    message: bytes
    signature: bytes


def opened(text: str) -> Opened:
    """What a statement says. Raises Unacceptable where it is none."""
    if len(text) > _LONGEST:
        raise Unacceptable("it is too long")
    message, _, signature = text.encode().rpartition(b".")
    header, _, payload = message.partition(b".")
    try:
        claims = decode(_decoded(payload))
        return Opened(claims, str(claims["iss"]), header, message, _decoded(signature))
    except (ValueError, TypeError, KeyError, IndexError, DecodeError) as error:
        raise Unacceptable("it is not a signed JWT with an issuer") from error


def _decoded(text: bytes) -> bytes:
    """Base64url without padding (RFC 7515, 2), in its one spelling: the last character's idle bits are zero. Raises ValueError."""
    pad = -len(text) % 4
    found = a2b_base64(text.translate(_STANDARD) + b"=" * pad, strict_mode=True)
    if pad and text[-1] not in _LAST[pad - 1]:
        raise ValueError("bits that say nothing")
    return found


def check(
    said: Opened, keys: Keys, *, issuer: str, audiences: Sequence[str], longest: timedelta, now: datetime
) -> Statement:
    """The statement, if `issuer` signed it for one of the `audiences` and its life is no longer than `longest`.

    Raises:
        Unacceptable: with what is wrong.
    """
    claims = said.claims
    try:
        genuine = keys.signed(said.header, said.message, said.signature)
    except (JoseError, ValueError, TypeError) as error:
        raise Unacceptable(UNSIGNED) from error
    if not genuine:
        raise Unacceptable(UNSIGNED)
    given = claims.get("aud")
    if claims.get("iss") != issuer or not {*audiences}.intersection(given if isinstance(given, list) else [given]):
        raise Unacceptable("its issuer or audience is another")
    return Statement(claims, _expiry(claims, longest, now))


def _expiry(claims: dict[str, Any], longest: timedelta, now: datetime) -> datetime:
    """When the statement ends. A clock may be half a minute wrong, either way."""
    issued, expires = _moment(claims, "iat"), _moment(claims, "exp")
    begins = _moment(claims, "nbf") if "nbf" in claims else issued
    if max(issued, begins) > now + _SKEW:
        raise Unacceptable("it is from the future: look at your clock")
    if expires <= now:
        raise Unacceptable("it has expired")
    if expires - issued > longest:
        raise Unacceptable(f"it lives for more than {int(longest.total_seconds())} seconds")
    return expires


def _moment(claims: dict[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1 << 36:
        raise Unacceptable(f"{name} is not a moment, in seconds since 1970")
    return datetime.fromtimestamp(value, UTC)
