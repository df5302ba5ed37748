"""Public keys of others, as JWK sets (RFC 7517): checked when they are registered, loaded when a signature is checked.

The list of algorithms is fixed here, whatever a token's header claims: Ed25519, ECDSA on P-256 and RSASSA-PSS, as FAPI 2.0 (5.4.1) has them.
Neither `none` nor any algorithm with a shared secret is on it, so that nobody can sign with a public key as if it were one.
"""

import json
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import KeySet, guess_key
from joserfc.jws import CompactSignature, JWSRegistry
from joserfc.util import json_b64decode, urlsafe_b64decode

from schemas.errors import Invalid

ALGORITHMS = ("Ed25519", "EdDSA", "ES256", "PS256")
"""What others may sign with. `EdDSA` is the older name of Ed25519 (RFC 8037), which most libraries still write."""
RSA_BITS = range(2048, 4097)
"""How long an RSA key may be: shorter ones are broken (FAPI 2.0, 5.4.1), longer ones cost every check."""


class Listed(JWSRegistry):
    """Knows the algorithms of a list alone."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__()
        self._names = names

    def get_alg(self, name: str) -> JWSAlgModel:
        """The algorithm of this name. Raises UnsupportedAlgorithmError."""
        if name not in self._names:
            raise UnsupportedAlgorithmError("the algorithm is not on the list")
        return self.algorithms[name]


REGISTRY = Listed(ALGORITHMS)
"""What every check of a signature is given."""
_PARTS = {"OKP": ("crv", "x"), "EC": ("crv", "x", "y"), "RSA": ("n", "e")}
_CURVES = {"OKP": "Ed25519", "EC": "P-256"}
_USUAL_EXPONENT = 65537
_MOST, _MOST_HEADERS = 10, 64
_TODO = 'give {"keys": [...]} with public Ed25519, P-256 or RSA keys (2048 to 4096 bits), each with a kid of its own'


def checked(text: str) -> str:
    """The key set in one spelling, with only what is public and needed.

    Raises:
        Invalid: it is no JWK set, holds a private key, a key of another kind, none, too many, or two of one `kid`.
    """
    try:
        found = [_public(key) for key in json.loads(text)["keys"]]
        loaded = KeySet.import_key_set({"keys": found})
        for key in loaded.keys:
            key.public_key  # noqa: B018 - a point that is not on its curve shows here
    except (ValueError, TypeError, KeyError, JoseError) as error:
        raise Invalid("this is no JWK set of public signing keys", todo=_TODO) from error
    kids = [key["kid"] for key in found]
    if not 0 < len(found) <= _MOST or len({*kids}) < len(kids):
        raise Invalid(f"a key set holds 1 to {_MOST} keys, each with a kid of its own", todo=_TODO)
    return json.dumps({"keys": found}, sort_keys=True)


class Keys:
    """The keys of a set that was checked; none where there is no set."""

    def __init__(self, text: str | None) -> None:
        self._keys = KeySet.import_key_set(json.loads(text)) if text else KeySet([])
        self._checks: dict[bytes, Callable[[bytes, bytes], Any]] = {}

    def signed(self, header: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the key that a JWS header (as it came, encoded) names made the signature; what a header says is looked at once.

        Raises:
            JoseError, ValueError, TypeError: the header is none, names no key of these, or an algorithm that is not the key's or not listed.
        """
        check = self._checks.get(header)
        if check is None:
            check = self._checks[header] = self._check(header)
        return bool(check(message, signature))

    def _check(self, header: bytes) -> Callable[[bytes, bytes], Any]:
        said = json_b64decode(header)
        if "crit" in said:
            raise ValueError("the header asks for something that is not understood here")
        REGISTRY.check_header(said)
        algorithm = REGISTRY.get_alg(said["alg"])
        key = guess_key(self._keys, CompactSignature(said, b""), use="sig")
        algorithm.check_key(key)
        if len(self._checks) >= _MOST_HEADERS:
            self._checks.clear()
        return partial(algorithm.verify, key=key)


def _public(key: dict[str, Any]) -> dict[str, str | list[str]]:
    kind = key["kty"]
    if "d" in key or kind not in _PARTS or key.get("crv") != _CURVES.get(kind) or key.get("use", "sig") != "sig":
        raise ValueError("not a public signing key")
    if kind == "RSA" and (_number(key["n"]).bit_length() not in RSA_BITS or _number(key["e"]) != _USUAL_EXPONENT):
        raise ValueError("an RSA key that is too short, too long or not of the usual kind")
    return {name: str(key[name]) for name in ("kty", *_PARTS[kind], "kid")}


def _number(text: Any) -> int:
    return int.from_bytes(urlsafe_b64decode(str(text).encode()), "big")
