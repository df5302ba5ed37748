"""What the tests of access share: an hour, key pairs, a client with a grant, and a desk over databases of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from access.audit import AuditLog
from access.audit_seal import Signer
from access.consent import pairwise, salt
from access.desk import Desk
from access.keys import REGISTRY, checked
from access.signin import SignIn
from access.tokens import Tokens
from ledger import clients as client_store
from ledger import credentials, grants
from ledger.clients import Client
from ledger.credentials import Issuer
from ledger.database import Database, audit_tables, ledger_tables
from ledger.grants import Grant

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HUB = "https://hub.test"
PROVIDER = "https://id.test"
ID = "440308199901101512"
PAIRWISE = b"w" * 32
SIGNER = Signer(b"a" * 32)
EDWARDS = OKPKey.generate_key("Ed25519", {"kid": "one"})
CURVE = ECKey.generate_key("P-256", {"kid": "two"})
PRIMES = RSAKey.generate_key(2048, {"kid": "three"})


def jwks(*keys: OKPKey | ECKey | RSAKey) -> str:
    """The public halves, as they are registered."""
    return checked(json.dumps(KeySet([*keys]).as_dict(private=False)))


def signed(claims: dict[str, Any], key: OKPKey | ECKey | RSAKey = EDWARDS, alg: str = "Ed25519") -> str:
    return jwt.encode({"alg": alg, "kid": key.kid}, claims, key, registry=REGISTRY)


def times(seconds: int = 60, at: datetime = NOW) -> dict[str, int]:
    return {"iat": int(at.timestamp()), "exp": int(at.timestamp()) + seconds}


def statement(identifier: str = ID, client: str = "portal", **changes: Any) -> str:
    """A consent to the form `renewal`, with claims changed; None takes a claim out."""
    subject = pairwise(salt(PAIRWISE, PROVIDER), client, "person", identifier)
    claims = {
        "iss": PROVIDER, "aud": HUB, "sub": subject, "client_id": client, "purpose": "renewal", "target": "form:renewal",
        "fields": ["name", "mobile"], "jti": "consent-1", **times(), **changes,
    }  # fmt: skip
    return signed({name: value for name, value in claims.items() if value is not None})


def grant(**changes: Any) -> Grant:
    base = {
        "id": "g1", "client": "portal", "kind": "form", "name": "renewal", "purpose": "renewal", "basis": "consent",
        "begins": NOW - timedelta(days=1),
    }  # fmt: skip
    return Grant(**{**base, **changes})


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Office:
    """A process of the hub: its own connections, memory and audit chain."""

    ledger: Database
    audit: Database
    log: AuditLog
    desk: Desk
    sign_in: SignIn
    tokens: Tokens
    clock: Clock
    seconds: list[float]

    def token(self, client: str = "portal") -> str:
        return self.tokens.issue(client, now=self.clock(), jti=f"t{next(_serial)}").access_token


_serial = count()


@contextmanager
def office(
    ledger_url: str, audit_url: str, name: str = "one", clock: Clock | None = None, budget: int = 1000
) -> Iterator[Office]:
    """A process over these databases; `seconds[0]` is what its monotonic clock shows."""
    ledger, audit = Database(ledger_url, ledger_tables), Database(audit_url, audit_tables)
    ledger.create()
    audit.create()
    clock, seconds = clock or Clock(), [0.0]
    tokens = Tokens([b"k" * 32], issuer=HUB)
    with AuditLog(audit, chain=name, signer=SIGNER, clock=clock) as log:
        desk = Desk(
            ledger,
            log,
            tokens,
            audience=HUB,
            pairwise_key=PAIRWISE,
            clock=clock,
            budget=budget,
            monotonic=lambda: seconds[0],
        )
        sign_in = SignIn(
            ledger, tokens, audiences=(HUB, f"{HUB}/oauth/token"), clock=clock, number=lambda: f"t{next(_serial)}"
        )
        yield Office(ledger, audit, log, desk, sign_in, tokens, clock, seconds)
    ledger.dispose()
    audit.dispose()


def furnish(ledger: Database) -> None:
    """A client with a key, a provider with a key, a grant for a form on consent."""
    for client in ("portal", "stranger"):
        client_store.put(ledger, Client(client, "门户", "Portal", "-"), NOW)
    credentials.put_keys(ledger, "portal", jwks(EDWARDS, CURVE, PRIMES), NOW)
    credentials.put_issuer(ledger, Issuer(PROVIDER, jwks(EDWARDS)), NOW)
    grants.allow(ledger, grant(), NOW)


def urls(folder: Path) -> tuple[str, str]:
    return f"sqlite:///{folder}/ledger.db", f"sqlite:///{folder}/audit.db"
