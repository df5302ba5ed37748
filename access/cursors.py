"""Where a reader stands in pages of rows: a text that only the hub can read, good for one question alone.

AES-256-GCM over the load that is read and the last row's place, bound to the question (client, dataset, columns, conditions). So the
keys in it are told to nobody, a page of one question continues no other, and all pages are of one load, whatever is published meanwhile.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import Invalid

_NONCE = 12


@dataclass(frozen=True)
class Place:
    """A load, and the last row that was told of it, as the texts that it is ordered by."""

    load: int
    after: tuple[str, ...] = field(default=(), repr=False)


class Cursors:
    """Seals and opens cursors under one 32-byte key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, place: Place, question: str, *, nonce: bytes) -> str:
        """The cursor as URL-safe text; `nonce` is 12 random bytes, never used twice."""
        text = json.dumps([place.load, *place.after], ensure_ascii=False).encode()
        return urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, text, question.encode())).decode().rstrip("=")

    def open(self, cursor: str, question: str) -> Place:
        """The place that a cursor names. Raises Invalid for one that was changed, or is another question's."""
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            text = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], question.encode())
        except (ValueError, InvalidTag):
            raise Invalid(
                "cursor is none of this question's", todo="ask as before with `next` of the last page, or begin without", field="cursor"
            ) from None  # fmt: skip
        load, *after = json.loads(text)
        return Place(load, tuple(after))
