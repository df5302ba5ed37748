"""Public keys of others, as JWK sets (RFC 7517): checked when they are registered, loaded when a signature is checked.

The list of algorithms is fixed here, whatever a token's header claims: Ed25519 and ECDSA on P-256. Neither `none` nor any algorithm with a
shared secret is on it, so that nobody can sign with a public key as if it were one.
"""

import json
from collections.abc import Collection
from typing import Any

from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from schemas.errors import Invalid

ALGORITHMS = ("Ed25519", "EdDSA", "ES256")
"""What others may sign with. `EdDSA` is the older name of Ed25519 (RFC 8037), which most libraries still write."""


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
_CURVES = {("OKP", "Ed25519"), ("EC", "P-256")}
_MOST = 10
_TODO = 'give {"keys": [...]} with public Ed25519 or P-256 keys, each with a kid of its own'


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


def key_set(text: str | None) -> KeySet:
    """The keys of a set that was checked; none where there is no set."""
    return KeySet.import_key_set(json.loads(text)) if text else KeySet([])


def _public(key: dict[str, Any]) -> dict[str, str | list[str]]:
    if "d" in key or (key["kty"], key["crv"]) not in _CURVES or key.get("use", "sig") != "sig":
        raise ValueError("not a public signing key")
    names = ("kty", "crv", "x", "y", "kid") if key["kty"] == "EC" else ("kty", "crv", "x", "kid")
    return {name: str(key[name]) for name in names}
