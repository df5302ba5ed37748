"""Short-lived bearer tokens: issued for a client's secret (OAuth 2 client credentials), verified on every call.

A token is a JWT (RFC 9068 profile) signed with Ed25519 (RFC 9864) and nothing else; the algorithm list is fixed here,
whatever a token's header claims. Keys come in as values: rotation hands in the new one and, while old tokens live,
the old one.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import KeySet, OKPKey
from joserfc.jwt import ClaimsOption

from schemas.errors import Unauthenticated

ALGORITHMS = ("Ed25519",)
LIFETIME = timedelta(minutes=5)
_AGAIN = "ask for a new one: POST /oauth/token with client_id, client_secret and grant_type=client_credentials"


@dataclass(frozen=True)
class Token:
    """What the token endpoint answers: the token and its life in seconds."""

    access_token: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True)
class Caller:
    """Whom a verified token speaks for, its number, and when it runs out."""

    client: str
    jti: str
    expires: datetime


class Tokens:
    """Issues and verifies one hub's tokens. `issuer` is the hub's own address: a token of another hub is not ours."""

    def __init__(
        self, keys: Sequence[bytes] | Callable[[], Sequence[bytes]], *, issuer: str, lifetime: timedelta = LIFETIME
    ) -> None:
        """`keys` are secrets of 32 random bytes; the first signs, all of them verify.

        Given as a function they are asked for again at every issue, and whenever a token fits none: so a rotation is seen at once.
        """
        self._ask = keys if callable(keys) else lambda: keys
        self._secrets: tuple[bytes, ...] = ()
        self._renew()
        self._issuer = issuer
        self._lifetime = int(lifetime.total_seconds())

    @property
    def public_keys(self) -> dict[str, Any]:
        """The public halves as a JWK set, for whoever wants to check a token without asking."""
        self._renew()
        keys = [{**key.as_dict(private=False), "alg": ALGORITHMS[0], "use": "sig"} for key in self._known.keys]
        return {"keys": keys}

    def issue(self, client_id: str, *, now: datetime, jti: str) -> Token:
        """A token that says who calls, until five minutes from `now`; `jti` is its unique number."""
        self._renew()
        at = int(now.timestamp())
        claims = {"iss": self._issuer, "aud": self._issuer, "sub": client_id, "client_id": client_id, "jti": jti}
        header = {"alg": ALGORITHMS[0], "typ": "at+jwt", "kid": self._signing.kid}
        text = jwt.encode(header, {**claims, "iat": at, "exp": at + self._lifetime}, self._signing, list(ALGORITHMS))
        return Token(text, self._lifetime)

    def verify(self, token: str, *, now: datetime) -> str:
        """The client id that the token speaks for; else Unauthenticated with what to do."""
        return self.read(token, now=now).client

    def read(self, token: str, *, now: datetime) -> Caller:
        """Whom the token speaks for and how long; else Unauthenticated with what to do."""
        try:
            decoded = self._decoded(token)
            self._rules(now).validate(decoded.claims)
        except ExpiredTokenError as error:
            _refuse("the token has expired", error)
        except (JoseError, ValueError) as error:
            _refuse("the token is not one of ours, or was changed on the way", error)
        if decoded.header.get("typ") != "at+jwt":
            _refuse("the token is not an access token", None)
        claims = decoded.claims
        return Caller(str(claims["sub"]), str(claims["jti"]), datetime.fromtimestamp(claims["exp"], UTC))

    def _decoded(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self._known, algorithms=list(ALGORITHMS))
        except (JoseError, ValueError):
            if not self._renew():
                raise
            return jwt.decode(token, self._known, algorithms=list(ALGORITHMS))

    def _renew(self) -> bool:
        """Take the keys as they are now; whether they are others than before."""
        secrets = tuple(self._ask())
        if secrets == self._secrets:
            return False
        loaded = [_key(secret) for secret in secrets]
        self._secrets, self._signing, self._known = secrets, loaded[0], KeySet([*loaded])
        return True

    def _rules(self, now: datetime) -> jwt.JWTClaimsRegistry:
        required: ClaimsOption = {"essential": True}
        ours: ClaimsOption = {"essential": True, "value": self._issuer}
        at = int(now.timestamp())
        return jwt.JWTClaimsRegistry(at, iss=ours, aud=ours, sub=required, exp=required, iat=required, jti=required)


def _key(secret: bytes) -> OKPKey:
    public = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": _text(secret), "x": _text(public)})
    key.ensure_kid()
    return key


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def _refuse(what: str, cause: Exception | None) -> NoReturn:
    raise Unauthenticated(what, todo=_AGAIN) from cause
