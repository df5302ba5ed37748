"""An ID token counts only from the provider's own key, for this hub, sign-in and moment; claims become an account and take none over."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from access import openid
from access.openid import Client
from access.sealing import Sealer
from schemas.errors import Unauthenticated

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
ISSUER = "https://id.city.example/realms/city"
CLIENT = Client(ISSUER, "cityhub", "https://hub.example/back", {"roles": "realm.roles"})
KEY = RSAKey.generate_key(2048, {"kid": "r1"})
CURVE = ECKey.generate_key("P-256", {"kid": "e1"})
JWKS = json.loads(json.dumps(KeySet([KEY, CURVE]).as_dict(private=False)))
POLICE = "11440300MB2C90001A"


def claims(**changes: Any) -> dict[str, Any]:
    at = int(NOW.timestamp())
    whole = {
        "iss": ISSUER, "aud": "cityhub", "sub": "u-1", "nonce": "n", "iat": at, "exp": at + 300, "name": "周敏",
        "department": POLICE, "realm": {"roles": ["Editor", "offline_access"]}, **changes,
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}


def token(key: RSAKey | ECKey = KEY, alg: str = "RS256", **changes: Any) -> str:
    return jwt.encode({"alg": alg, "kid": key.kid}, claims(**changes), key, algorithms=[alg])


@pytest.mark.parametrize(("key", "alg"), [(KEY, "RS256"), (KEY, "PS256"), (CURVE, "ES256")])
def test_a_token_of_the_provider_counts(key: RSAKey | ECKey, alg: str) -> None:
    assert openid.claims_of(token(key, alg), JWKS, CLIENT, "n", NOW)["sub"] == "u-1"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://id.city.example/realms/other"}, {"iss": None}, {"aud": "another"}, {"aud": ["cityhub", "another"]},
        {"aud": ["cityhub"], "azp": "another"}, {"aud": None}, {"nonce": "of another sign-in"}, {"nonce": None},
        {"exp": int(NOW.timestamp()) - 61}, {"iat": int(NOW.timestamp()) + 120}, {"exp": None}, {"exp": "soon"},
    ],
)  # fmt: skip
def test_a_token_for_another_place_or_moment_does_not_count(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        openid.claims_of(token(**changes), JWKS, CLIENT, "n", NOW)


def test_a_token_signed_by_another_key_or_with_a_shared_secret_or_not_at_all_does_not_count() -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "r1"})
    public = json.dumps(KEY.as_dict(private=False)).encode()
    header, body, _ = token().split(".")
    unsigned = f"eyJhbGciOiJub25lIn0.{body}."
    shared = jwt.encode({"alg": "HS256", "kid": "r1"}, claims(), OctKey.import_key(public), algorithms=["HS256"])
    for forged in (token(stranger), unsigned, shared, f"{header}.{body}.", "no token", "é"):
        with pytest.raises(Unauthenticated):
            openid.claims_of(forged, JWKS, CLIENT, "n", NOW)


@pytest.mark.filterwarnings("ignore:.*2048")
def test_a_key_that_is_too_short_is_none() -> None:
    short = RSAKey.generate_key(1024, {"kid": "short"})
    jwks = json.loads(json.dumps(KeySet([short, CURVE]).as_dict(private=False)))
    with pytest.raises(Unauthenticated):
        openid.claims_of(token(short), jwks, CLIENT, "n", NOW)


def test_claims_become_an_account_whose_name_no_local_account_can_have() -> None:
    account = openid.account_of(claims(), CLIENT)
    assert (account.name, account.shown) == ("u-1@id.city.example/realms/city", "周敏")
    assert (account.roles, account.department, account.password_hash) == (frozenset({"editor"}), POLICE, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"realm": {"roles": []}}, {"realm": None}, {"realm": {"roles": "king"}}, {"department": None}, {"department": "police"},
        {"realm": {"roles": ["client"]}}, {"sub": None}, {"sub": "a\nb"}, {"sub": "x" * 300},
    ],
)  # fmt: skip
def test_somebody_whose_claims_are_not_in_order_is_not_let_in(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        openid.account_of(claims(**changes), CLIENT)


def test_the_browser_brings_back_its_own_sign_in_and_soon() -> None:
    sealer, numbers = Sealer(b"k" * 32), iter("abc")
    asked, address = openid.begin(CLIENT, f"{ISSUER}/auth?x=1", "/my", NOW, lambda: next(numbers))
    assert address.startswith(f"{ISSUER}/auth?x=1&response_type=code")
    assert asked.verifier not in address.partition("code_challenge=")[2][:10]
    kept = openid.seal(asked, sealer, b"n" * 12)
    assert openid.unseal(kept, "a", sealer, NOW + timedelta(minutes=9)) == asked
    for text, state, at in (
        (kept, "another", NOW),
        (kept, "a", NOW + timedelta(minutes=11)),
        (kept, "a", NOW - timedelta(minutes=1)),
        ("", "a", NOW),
        ("forged", "a", NOW),
        (openid.seal(asked, Sealer(b"x" * 32), b"n" * 12), "a", NOW),
    ):
        with pytest.raises(Unauthenticated):
            openid.unseal(text, state, sealer, at)
