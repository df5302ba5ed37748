"""Seals: what a portal gets with each field and hands back with the submitted form, so that a change shows. Nothing is kept for it.

1. Under the hub's key and what an answer was for (client, form, version, subject) every answer has a key of its own.
2. A seal is `3.KEY.KIND.UNTIL.[VALUE.]MAC`. KIND is L for a locked value, E for an editable one, B for a field left blank; VALUE, only of
   an editable one, is a keyed digest of the value, so that "changed by the applicant" can be told from "forged".
3. `verify` needs the value and its seal alone. A seal of another client, form, version, subject or field does not fit.

Digests are BLAKE2b (RFC 7693): an answer's key is made in its keyed mode, and a seal is what it gives of that key and the text, in one block
where the keyed mode takes two (BLAKE2b has no length extension). The first number names the construction, so that another can follow.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Literal

from msgspec.json import encode

from prefill.transform import shown
from schemas.struct import Quick
from subjects.file import Value

Verdict = Literal["unchanged", "changed", "tampered", "out_of_date", "typed"]
Sealed = Value | list[dict[str, Value | None]]
Kind = Literal["L", "E", "B"]
_SHORTEST_KEY = 32
_VERSION = "3"


@dataclass(frozen=True)
class SealKey:
    """A key for seals: its id (no dot in it), at least 32 secret bytes, and how long a seal holds."""

    id: str
    secret: bytes = field(repr=False)
    lifetime: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if not _SHORTEST_KEY <= len(self.secret) <= 64 or "." in self.id:
            raise ValueError(f"seal key {self.id!r}: {_SHORTEST_KEY} to 64 bytes and an id without dots are wanted")


class Place(Quick, frozen=True):
    """What an answer was for: the client, the form and its version, and the subject's pseudonym."""

    client: str
    form: str
    version: str
    subject: str

    def key(self, under: SealKey) -> "blake2b":
        """The hash that every seal given here begins with: it has taken in the answer's own key, of 32 bytes."""
        about = encode((self.client, self.form, self.version, self.subject))
        return blake2b(blake2b(about, key=under.secret, digest_size=32).digest(), digest_size=16)


class Sealer:
    """Seals the fields of one answer. `until` is when its seals end, unless a value's own validity ends before."""

    def __init__(self, place: Place, now: datetime, key: SealKey) -> None:
        self._key = place.key(key)
        self._head = f"{_VERSION}.{key.id}"
        self._until = int((now + key.lifetime).timestamp())
        self._ends = str(self._until)

    def tag(self, content: bytes) -> str:
        """A keyed digest of anything else about the answer."""
        digest = self._key.copy()
        digest.update(b"tag\0" + content)
        return digest.hexdigest()

    def ends(self, until: float | None = None) -> str:
        """When a seal ends, as it says so: `until`, the moment a value's validity ends (Unix seconds), if that is sooner."""
        return self._ends if until is None or until > self._until else str(int(until))

    def seal(self, name: str, value: Sealed | None, *, locked: bool, until: float | None = None) -> str:
        """The seal of a field's value, or of its having none."""
        ends = self.ends(until)
        if value is None:
            return f"{self._head}.B.{ends}.{_mac(self._key, 'B', name, ends, '')}"
        return self.text(name, canonical(value), ends, locked=locked)

    def text(self, name: str, text: str, ends: str, *, locked: bool) -> str:
        """The seal of a value as `canonical` spells it: the digests of `_mac`, made here because every field of every answer has one or two."""
        digest, about = self._key.copy(), f"\0{name}\0{ends}\0"
        if locked:
            digest.update(f"L{about}{text}".encode())
            return f"{self._head}.L.{ends}.{digest.hexdigest()}"
        digest.update(f"V{about}{text}".encode())
        told, digest = digest.hexdigest(), self._key.copy()
        digest.update(f"E{about}{told}".encode())
        return f"{self._head}.E.{ends}.{told}.{digest.hexdigest()}"


def verify(
    place: Place, name: str, value: Sealed | None, sealed: str | None, now: datetime, keys: Mapping[str, SealKey],
    *, locked: bool = False,
) -> Verdict:  # fmt: skip
    """What became of a field that came back with a submitted form; `locked`: the form does not let it be typed once it was filled in.

    `unchanged`; `changed` by the applicant, who may; `typed`: the hub had given nothing; `tampered`: a forged or borrowed seal, a changed
    locked value, or a locked field whose seal was taken off; `out_of_date`: unchanged, but given too long ago, or no longer valid.
    """
    if not sealed:
        return "tampered" if locked else "typed"
    parts = sealed.split(".")
    if len(parts) not in (5, 6) or parts[0] != _VERSION or parts[1] not in keys or not _number(parts[3]):
        return "tampered"
    key, kind, ends = place.key(keys[parts[1]]), parts[2], str(int(parts[3]))
    text = "" if value is None else canonical(value)
    blank = value is None or value in ("", [])
    match kind, len(parts):
        case "L", 5:
            same = genuine = _same(parts[4], _mac(key, "L", name, ends, text))
        case "E", 6:
            genuine = _same(parts[5], _mac(key, "E", name, ends, parts[4]))
            same = _same(parts[4], _mac(key, "V", name, ends, text))
        case "B", 5:
            genuine, same = _same(parts[4], _mac(key, "B", name, ends, "")), blank
        case _:
            return "tampered"
    if not genuine:
        return "tampered"
    if not same:
        return "typed" if kind == "B" else "changed"
    return "out_of_date" if now > datetime.fromtimestamp(int(ends), UTC) else "unchanged"


def canonical(value: Sealed) -> str:
    """The one spelling of a value that is sealed; what a web form makes of a number or a truth value is spelled alike.

    >>> canonical(3), canonical("3"), canonical([{"b": 1, "a": None}])
    ('3', '3', '[{"a":null,"b":"1"}]')
    """
    if not isinstance(value, list):
        return shown(value)
    rows = [{name: None if held is None else shown(held) for name, held in row.items()} for row in value]
    return json.dumps(rows, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _mac(key: "blake2b", kind: str, name: str, ends: str, text: str) -> str:
    """The digest of a seal's kind, field, end and text under the answer's key."""
    digest = key.copy()
    digest.update(f"{kind}\0{name}\0{ends}\0{text}".encode())
    return digest.hexdigest()


def _number(text: str) -> bool:
    """Whether the text is a moment that a seal may name: digits, and no more of them than a year 9999 has."""
    return text.isascii() and text.isdecimal() and len(text) < 12 and int(text) < 253402300800


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())
