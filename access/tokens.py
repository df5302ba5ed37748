"""Short-lived bearer tokens: issued for a client's secret (OAuth 2 client credentials), verified on every call.

A token is a JWT (RFC 9068 profile) signed with ES256 and nothing else; the algorithm list is fixed here, whatever a
token's header claims. Keys come in as values: rotation hands in the new key and, while old tokens live, the old one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, KeySet
from joserfc.jwt import ClaimsOption

from schemas.errors import Unauthenticated

ALGORITHMS = ("ES256",)
LIFETIME = timedelta(minutes=5)
_AGAIN = "ask for a new one: POST /oauth/token with client_id, client_secret and grant_type=client_credentials"


@dataclass(frozen=True)
class Token:
    """What the token endpoint answers: the token and its life in seconds."""

    access_token: str = field(repr=False)
    expires_in: int


def new_key() -> str:
    """A fresh signing key as PEM text, to be kept as a secret."""
    pem: bytes = ECKey.generate_key("P-256").as_pem(private=True)
    return pem.decode()


class Tokens:
    """Issues and verifies one hub's tokens. `issuer` is the hub's own address: a token of another hub is not ours."""

    def __init__(self, keys: Sequence[str], *, issuer: str, lifetime: timedelta = LIFETIME) -> None:
        """`keys` are PEM texts; the first signs, all of them verify."""
        loaded = [ECKey.import_key(pem) for pem in keys]
        for key in loaded:
            key.ensure_kid()
        self._signing = loaded[0]
        self._known = KeySet([*loaded])
        self._issuer = issuer
        self._lifetime = int(lifetime.total_seconds())

    def issue(self, client_id: str, *, now: datetime, jti: str) -> Token:
        """A token that says who calls, until five minutes from `now`; `jti` is its unique number."""
        at = int(now.timestamp())
        claims = {"iss": self._issuer, "aud": self._issuer, "sub": client_id, "client_id": client_id, "jti": jti}
        header = {"alg": ALGORITHMS[0], "typ": "at+jwt", "kid": self._signing.kid}
        text = jwt.encode(header, {**claims, "iat": at, "exp": at + self._lifetime}, self._signing, list(ALGORITHMS))
        return Token(text, self._lifetime)

    def verify(self, token: str, *, now: datetime) -> str:
        """The client id that the token speaks for; else Unauthenticated with what to do."""
        try:
            decoded = jwt.decode(token, self._known, algorithms=list(ALGORITHMS))
            self._rules(now).validate(decoded.claims)
        except ExpiredTokenError as error:
            _refuse("the token has expired", error)
        except (JoseError, ValueError) as error:
            _refuse("the token is not one of ours, or was changed on the way", error)
        if decoded.header.get("typ") != "at+jwt":
            _refuse("the token is not an access token", None)
        return str(decoded.claims["sub"])

    def _rules(self, now: datetime) -> jwt.JWTClaimsRegistry:
        required: ClaimsOption = {"essential": True}
        ours: ClaimsOption = {"essential": True, "value": self._issuer}
        at = int(now.timestamp())
        return jwt.JWTClaimsRegistry(at, iss=ours, aud=ours, sub=required, exp=required, iat=required, jti=required)


def _refuse(what: str, cause: Exception | None) -> NoReturn:
    raise Unauthenticated(what, todo=_AGAIN) from cause
