"""Values that only the hub can read: sealed before they are stored, opened for who may see them.

AES-256-GCM under one 32-byte key, bound to the place it was made for, so that a ciphertext moved elsewhere does not open. The first
byte names the algorithm, so that another can follow beside what was sealed before.
"""

import json
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import Stop

_AES_256_GCM = b"\x01"
_NONCE = 12


class Sealer:
    """Seals and opens JSON values under one key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, value: Any, place: str, *, nonce: bytes) -> bytes:
        """The ciphertext of a JSON value; `place` says where it belongs, `nonce` is 12 random bytes, never used twice."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return _AES_256_GCM + nonce + self._cipher.encrypt(nonce, text, place.encode())

    def open(self, sealed: bytes, place: str) -> Any:
        """What was sealed for this place. Raises Stop where it does not open under this key, and says nothing of what is in it."""
        nonce, text = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            if sealed[:1] != _AES_256_GCM:
                raise InvalidTag
            return json.loads(self._cipher.decrypt(nonce, text, place.encode()))
        except (InvalidTag, ValueError):
            raise Stop(
                f"{place}: what is sealed here does not open under this hub's key",
                todo="bring HOME/keys back from its backup",
            ) from None
