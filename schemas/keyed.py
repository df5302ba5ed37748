"""HMAC-SHA-256 (RFC 2104) for whoever makes many digests under few keys: a key's two halves are begun once, which is most of the cost."""

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 64


def digest(key: bytes, message: bytes) -> bytes:
    """The 32 bytes of HMAC-SHA-256; the same as `hmac.digest` gives.

    >>> digest(b"Jefe", b"what do ya want for nothing?").hex()[:16]
    '5bdcc146bf60754e'
    """
    begun, outer = _halves(key)
    inner, outer = begun.copy(), outer.copy()
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=64)
def _halves(key: bytes) -> "tuple[_Hash, _Hash]":
    block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return sha256(bytes(b ^ 0x36 for b in block)), sha256(bytes(b ^ 0x5C for b in block))
