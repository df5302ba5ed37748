"""Consent: a short-lived statement that the citizen's identity provider signs, never the portal alone.

    iss  the identity provider          sub      the subject, pairwise: another name with every client
    aud  this hub                       client_id, purpose, target ("form:ID" or "dataset:ID"), fields
    jti, iat, exp                       at most 15 minutes

1. The provider is registered with its public keys, and is given a salt once. `pairwise` under that salt is how it calls a subject towards a
   client; the hub, which is told the identifier in the request, finds the same name and so knows that the consent is about that very subject.
   A portal cannot use it for anybody else, and two portals cannot match their subjects.
2. `read` checks signature, audience, life and form. Whether it covers an ask is `access.decision`'s to say.
"""

import base64
import unicodedata
from datetime import datetime, timedelta
from functools import lru_cache
from typing import get_args

from access.decision import Consent
from access.keys import Keys
from access.statements import Opened, Statement, Unacceptable, check
from ledger.grants import Kind
from schemas.keyed import digest

LONGEST = timedelta(minutes=15)
_MOST_FIELDS = 500
_KINDS: tuple[Kind, ...] = get_args(Kind)


def folded(identifier: str) -> str:
    """The one spelling of an identifier, however it was typed (full-width digits, a small x, blanks).

    >>> folded(" ４4030819990101151x ")
    '44030819990101151X'
    """
    return unicodedata.normalize("NFKC", identifier).replace(" ", "").upper()


@lru_cache(maxsize=64)
def salt(secret: bytes, issuer: str) -> bytes:
    """The 32 bytes that the hub and one identity provider share: made of the hub's own key, so that none is stored."""
    return digest(secret, f"pairwise salt\0{issuer}".encode())


def pairwise(salt: bytes, client: str, kind: str, identifier: str) -> str:
    """How the identity provider calls the subject towards the client: base64url of HMAC-SHA-256 over client, kind and identifier.

    >>> pairwise(bytes(32), "portal", "person", "x")[:8]
    't_QdByCd'
    """
    name = digest(salt, f"{client}\0{kind}\0{folded(identifier)}".encode())
    return base64.urlsafe_b64encode(name).decode().rstrip("=")


def read(statement: Opened, keys: Keys, *, audience: str, now: datetime) -> Consent:
    """The consent that a statement of the issuer of these keys tells. Raises Unacceptable with what is wrong."""
    issuer = statement.issuer
    found = check(statement, keys, issuer=issuer, audiences=[audience], longest=LONGEST, now=now)
    kind, _, name = found.text("target").partition(":")
    target = next((k for k in _KINDS if k == kind), None)
    if target is None or not name:
        raise Unacceptable('target is not "form:ID" or "dataset:ID"')
    return Consent(
        id=found.text("jti"), issuer=issuer, client=found.text("client_id", 64), subject=found.text("sub"),
        purpose=found.text("purpose"), kind=target, name=name, fields=_fields(found), expires=found.expires,
    )  # fmt: skip


def _fields(statement: Statement) -> frozenset[str]:
    fields = statement.claims.get("fields")
    if not isinstance(fields, list) or len(fields) > _MOST_FIELDS or not {*map(type, fields)} <= {str}:
        raise Unacceptable(f"fields is not a list of at most {_MOST_FIELDS} names")
    return _set(tuple(fields))


@lru_cache(maxsize=64)
def _set(fields: tuple[str, ...]) -> frozenset[str]:
    """One set for all statements that name the same fields: thousands are kept."""
    return frozenset(fields)
