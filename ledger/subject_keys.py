"""The keys of the subject store: one secret in use and those before it, each the source of a key for every purpose.

From a secret come, by HMAC-SHA-256 over the purpose's name: the key that turns identifiers into the store's look-up keys, and an AES-256-GCM
key for each class of sensitivity. A row says by which secret it was written (`id`), so several may be in use until `rotate` has come by.
What a subject is called elsewhere (`pseudonym`) hangs on a secret that is never rotated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.keyed import digest

_SHORTEST = 32
_BLOCK = 64
LOOKUP_BYTES = 16


@dataclass(frozen=True)
class KeySet:
    """All keys that come from one secret of at least 32 bytes."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < _SHORTEST:
            raise ValueError(f"a subject key is shorter than {_SHORTEST} bytes")

    @cached_property
    def id(self) -> bytes:
        """Four bytes that name the secret and tell nothing of it."""
        return self._key("id")[:4]

    def lookup(self, kind: str, identifier: str) -> bytes:
        """Where the subject's row is: 16 bytes that without the key nobody can make of an identifier."""
        return digest(self._lookup, f"{kind}\0{identifier}".encode())[:LOOKUP_BYTES]

    def pads(self, kind: str) -> tuple[bytes, bytes]:
        """What goes before identifier and digest where the same is computed from SHA-256 alone: sha256(outer + sha256(inner + identifier))."""
        key = self._lookup.ljust(_BLOCK, b"\0")
        return bytes(b ^ 0x36 for b in key) + f"{kind}\0".encode(), bytes(b ^ 0x5C for b in key)

    def cipher(self, name: str) -> AESGCM:
        """The cipher of a class."""
        found = self._ciphers.get(name)
        if found is None:
            found = self._ciphers[name] = AESGCM(self._key(f"class {name}"))
        return found

    @cached_property
    def _lookup(self) -> bytes:
        return self._key("lookup")

    @cached_property
    def _ciphers(self) -> dict[str, AESGCM]:
        return {}

    def _key(self, purpose: str) -> bytes:
        return digest(self.secret, b"subject store\0" + purpose.encode())


@dataclass(frozen=True)
class SubjectKeys:
    """The secret in use, those that rows may still be under, and the one that names subjects for good."""

    sets: tuple[KeySet, ...]
    naming: bytes = field(repr=False)

    @staticmethod
    def of(secrets: Sequence[bytes], naming: bytes) -> "SubjectKeys":
        """Keys from these secrets, the one in use first."""
        return SubjectKeys(tuple(KeySet(secret) for secret in secrets), naming)

    @property
    def current(self) -> KeySet:
        """The keys that everything new is written under."""
        return self.sets[0]

    def under(self, key_id: bytes) -> KeySet | None:
        """The keys of this id, if they are ours."""
        for one in self.sets:
            if one.id == key_id:
                return one
        return None

    def pseudonym(self, kind: str, identifier: str) -> str:
        """What the subject is called where its identifier must not stand (seals), as hex: the same for good."""
        return digest(self.naming, f"subject\0{kind}\0{identifier}".encode()).hex()
