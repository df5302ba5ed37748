"""Seals: what a portal gets with each value and hands back with the submitted form, so that a change shows.

A seal is `v1.KEY.EXPIRY.VALUE.MAC`. VALUE is a keyed digest of the value in its place (form, version, subject pseudonym, field, expiry),
MAC one over the place, whether the field is locked, and VALUE. So a seal proves by itself what was given; nothing is kept.
"""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from prefill.forms import Form
from prefill.transform import shown
from subjects.file import Value

Verdict = Literal["unchanged", "changed", "tampered", "expired", "typed"]
_SHORTEST_KEY = 32
_VERSION = "v1"


@dataclass(frozen=True)
class SealKey:
    """A key for seals: its id (no dot in it), at least 32 secret bytes, and how long a seal holds."""

    id: str
    secret: bytes = field(repr=False)
    lifetime: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if len(self.secret) < _SHORTEST_KEY or "." in self.id:
            raise ValueError(f"seal key {self.id!r}: at least {_SHORTEST_KEY} bytes and an id without dots are wanted")

    def digest(self, *parts: str) -> str:
        """A keyed digest of the parts, as URL-safe text."""
        text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
        return urlsafe_b64encode(hmac.digest(self.secret, text.encode(), "sha256")[:18]).decode()


@dataclass(frozen=True)
class Place:
    """What a value was given for: form, its version, the subject's pseudonym, the field and whether it was locked."""

    form: str
    version: str
    subject: str
    field: str
    locked: bool

    @property
    def parts(self) -> tuple[str, ...]:
        """The place as texts."""
        return (self.form, self.version, self.subject, self.field, "locked" if self.locked else "editable")


def seal(place: Place, value: Value, now: datetime, key: SealKey) -> str:
    """The seal of a value given at `now`."""
    expiry = str(int((now + key.lifetime).timestamp()))
    digest = key.digest("value", *place.parts, expiry, shown(value))
    return ".".join((_VERSION, key.id, expiry, digest, key.digest("seal", *place.parts, expiry, digest)))


def verify(
    place: Place, value: Value | None, sealed: str | None, now: datetime, keys: Mapping[str, SealKey]
) -> Verdict:
    """What became of a value that came back with a submitted form.

    `unchanged`; `changed` by the applicant, who may; `tampered`: a forged or borrowed seal, or a changed locked value; `expired`:
    given too long ago; `typed`: it has no seal.
    """
    if not sealed:
        return "typed"
    parts = sealed.split(".")
    if len(parts) != 5 or parts[0] != _VERSION or parts[1] not in keys or not parts[2].isdecimal():
        return "tampered"
    _, key_id, expiry, digest, mac = parts
    key = keys[key_id]
    if not _same(mac, key.digest("seal", *place.parts, expiry, digest)):
        return "tampered"
    given = "" if value is None else shown(value)
    same = _same(digest, key.digest("value", *place.parts, expiry, given))
    if not same and place.locked:
        return "tampered"
    if now > datetime.fromtimestamp(int(expiry), UTC):
        return "expired"
    return "unchanged" if same else "changed"


def verify_form(
    form: Form,
    subject: str,
    submitted: Mapping[str, tuple[Value | None, str | None]],
    now: datetime,
    keys: Mapping[str, SealKey],
) -> dict[str, Verdict]:
    """A verdict for every field of the form, from (value, seal) by field name; `subject` is the pseudonym of the answer."""
    return {
        f.name: verify(
            Place(form.id, form.version, subject, f.name, f.locked), *submitted.get(f.name, (None, None)), now, keys
        )
        for f in form.fields
    }


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())
