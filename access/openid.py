"""What an identity provider says of a person who signs in (OpenID Connect, authorization code with PKCE): checked, and mapped to an account.

1. `begin` makes what the browser takes along: state (RFC 6749), nonce (OIDC Core 3.1.2.1) and the challenge of a verifier (RFC 7636). The
   browser keeps them sealed in a cookie of its own; the provider never sees the verifier before it is proven.
2. `claims_of` reads the ID token: an algorithm of the fixed list, a key of the provider's own set, its issuer, this client as audience, the
   nonce, and its times.
3. `account_of` maps claims to an account: its name is the provider's subject at the provider, so that no local account is taken over.
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from access.accounts import ROLES, checked_roles
from access.keys import RSA_BITS, Listed
from access.sealing import Sealer
from ledger.accounts import Account
from schemas.errors import HubError, Invalid, Unauthenticated

ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")
"""What providers may sign with: public keys only, and never `none`."""
LONGEST = timedelta(minutes=10)
_SKEW = timedelta(seconds=60)
_REGISTRY = Listed(ALGORITHMS)
_PLACE = "openid"
_TODO = "sign in again; if it goes on, tell the data office"


@dataclass(frozen=True)
class Client:
    """This hub as the provider knows it: `claims` tells which claims name department, roles and portal (a path of names, with dots)."""

    issuer: str
    client_id: str
    redirect_uri: str
    claims: Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """One sign-in under way: what the answer must bring back, and where the browser wants to go."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    next: str
    at: float


def begin(client: Client, endpoint: str, next_: str, now: datetime, number: Callable[[], str]) -> tuple[Asked, str]:
    """What to remember, and the provider's address to go to; `number` makes random texts of 256 bits."""
    asked = Asked(number(), number(), number(), next_, now.timestamp())
    challenge = urlsafe_b64encode(hashlib.sha256(asked.verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code", "scope": "openid profile", "client_id": client.client_id, "redirect_uri": client.redirect_uri,
        "state": asked.state, "nonce": asked.nonce, "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    return asked, f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def seal(asked: Asked, sealer: Sealer, nonce: bytes) -> str:
    """What the browser keeps meanwhile and cannot read."""
    return urlsafe_b64encode(sealer.seal(asdict(asked), _PLACE, nonce=nonce)).decode()


def unseal(text: str, state: str, sealer: Sealer, now: datetime) -> Asked:
    """The sign-in that this browser began, if the answer is to it. Raises Unauthenticated."""
    try:
        asked = Asked(**sealer.open(urlsafe_b64decode(text.encode()), _PLACE))
    except (HubError, ValueError, TypeError):
        raise Unauthenticated("this browser began no sign-in", todo=_TODO) from None
    if asked.state != state or not 0 <= now.timestamp() - asked.at <= LONGEST.total_seconds():
        raise Unauthenticated("this answer belongs to another sign-in, or comes too late", todo=_TODO)
    return asked


def claims_of(token: str, jwks: Mapping[str, Any], client: Client, nonce: str, now: datetime) -> dict[str, Any]:
    """The claims of an ID token that counts. Raises Unauthenticated."""
    try:
        claims = jwt.decode(token, _keys(jwks), registry=_REGISTRY).claims
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        issued, expires = float(claims["iat"]), float(claims["exp"])
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Unauthenticated("the ID token fits no key of the provider", todo=_TODO) from error
    at, skew = now.timestamp(), _SKEW.total_seconds()
    party = claims.get("azp", client.client_id if len(audience) == 1 else None)
    if claims.get("iss") != client.issuer or client.client_id not in audience or party != client.client_id:
        raise Unauthenticated("the ID token is of another provider, or for another client", todo=_TODO)
    if claims.get("nonce") != nonce:
        raise Unauthenticated("the ID token belongs to another sign-in", todo=_TODO)
    if expires <= at - skew or issued > at + skew:
        raise Unauthenticated("the ID token has expired, or is from the future", todo=_TODO)
    return dict(claims)


def account_of(claims: Mapping[str, Any], client: Client) -> Account:
    """The account of whom the claims describe. Raises Unauthenticated for somebody without a role that is in order."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 200 or not subject.isprintable():
        raise Unauthenticated("the ID token names nobody", todo=_TODO)
    given = _found(claims, client.claims.get("roles", "roles"))
    named = given if isinstance(given, list) else str(given or "").split()
    roles = frozenset(role for role in ROLES if role in {str(one).lower() for one in named})
    department, portal = (str(_found(claims, client.claims.get(name, name)) or "") for name in ("department", "client"))
    try:
        checked_roles(roles, department, portal)
    except Invalid as error:
        raise Unauthenticated(f"your account at the provider is not in order here: {error.what}", todo=_TODO) from None
    shown = str(claims.get("name") or claims.get("preferred_username") or subject)[:200]
    host = client.issuer.partition("://")[2].rstrip("/")
    return Account(f"{subject}@{host}"[:320], shown, department, roles, portal)


def _keys(jwks: Mapping[str, Any]) -> KeySet:
    """The provider's signing keys, without those that no algorithm of the list uses and those that are too short."""
    listed = [
        key
        for key in json.loads(json.dumps(jwks))["keys"]
        if key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
    ]
    keys = KeySet.import_key_set({"keys": listed}).keys
    return KeySet([key for key in keys if not isinstance(key, RSAKey) or key.public_key.key_size >= RSA_BITS.start])


def _found(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by names with dots where claims lie in one another; None where there is none."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
