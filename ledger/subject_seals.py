"""What stands in a row of the subject store: a file, encrypted class by class, or a pointer to the file that an identifier was merged into.

The first byte says which, and so by which cipher (AES-256-GCM; another can follow beside it). Every ciphertext is bound to its row's key and
its class: moved elsewhere it does not open.
"""

import json
import os
from collections.abc import Iterator, Sequence

from cryptography.exceptions import InvalidTag

from ledger.subject_keys import KeySet
from schemas.errors import Stop

NONCE_BYTES = 12
_FILE, POINTER = b"\x01", b"\x02"
_POINTED = "L4"


def file_bodies(
    keys: KeySet, classes: Sequence[str], files: Sequence[tuple[bytes, Sequence[bytes]]]
) -> Iterator[bytes]:
    """The body of each file, from its place and the text of each class: for each class length, nonce and ciphertext.

    This is what a load of millions spends its time on, so ciphers and random bytes are got ready for all of them.
    """
    ciphers = [(name.encode(), keys.cipher(name).encrypt) for name in classes]
    random, at = os.urandom(NONCE_BYTES * len(classes) * len(files)), 0
    for place, texts in files:
        body = _FILE
        for (name, encrypt), text in zip(ciphers, texts, strict=True):
            nonce = random[at : at + NONCE_BYTES]
            at += NONCE_BYTES
            secret = encrypt(nonce, text, place + name)
            body += len(secret).to_bytes(4, "big") + nonce + secret
        yield body


def pointer_body(keys: KeySet, place: bytes, former: str, survivor: str) -> bytes:
    """The body of a pointer: whom it is of, and whose file to look at."""
    return POINTER + sealed(keys, place, json.dumps([former, survivor]).encode(), os.urandom(NONCE_BYTES))


def sealed(keys: KeySet, place: bytes, text: bytes, nonce: bytes) -> bytes:
    """A text of the most sensitive class, encrypted for a place."""
    return nonce + keys.cipher(_POINTED).encrypt(nonce, text, place + _POINTED.encode())


def opened(keys: KeySet, place: bytes, secret: bytes) -> bytes:
    """What `sealed` made of it.

    Raises:
        Stop: as for a file.
    """
    return _decrypted(keys, place, _POINTED, secret[:NONCE_BYTES], secret[NONCE_BYTES:])


def is_file(body: bytes) -> bool:
    """Whether the body is a file and no pointer."""
    return body[:1] == _FILE


def file_texts(keys: KeySet, place: bytes, classes: Sequence[str], body: bytes) -> dict[str, bytes]:
    """The text of each class of a file.

    Raises:
        Stop: it was made for another place or under another key, or is damaged.
    """
    texts, at = {}, 1
    for name in classes:
        begin = at + 4 + NONCE_BYTES
        end = begin + int.from_bytes(body[at : at + 4], "big")
        texts[name] = _decrypted(keys, place, name, body[at + 4 : begin], body[begin:end])
        at = end
    return texts


def pointed(keys: KeySet, place: bytes, body: bytes) -> tuple[str, str]:
    """Whom a pointer is of, and whose file it names.

    Raises:
        Stop: as for a file.
    """
    former, survivor = json.loads(opened(keys, place, body[1:]))
    return str(former), str(survivor)


def _decrypted(keys: KeySet, place: bytes, name: str, nonce: bytes, secret: bytes) -> bytes:
    try:
        return keys.cipher(name).decrypt(nonce, secret, place + name.encode())
    except (InvalidTag, ValueError):
        raise Stop(
            "a subject file does not open: it is damaged, or not where it belongs",
            todo="build it again: hub subject build --full",
        ) from None
