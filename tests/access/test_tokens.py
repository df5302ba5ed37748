"""A token opens the door for five minutes, for the client it was issued to, on the hub that issued it."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import OKPKey

from access.tokens import Tokens
from schemas.errors import Unauthenticated

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
KEY = b"k" * 32
OTHER_KEY = b"o" * 32
ISSUER = "http://127.0.0.1:8900"
OURS = Tokens([KEY], issuer=ISSUER)
GOOD = {"iss": ISSUER, "aud": ISSUER, "sub": "portal", "jti": "1"}
TIMES = {"iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 300}


def signed(claims: dict[str, object], *, key: bytes = KEY, typ: str = "at+jwt") -> str:
    pem = Ed25519PrivateKey.from_private_bytes(key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return jwt.encode({"alg": "Ed25519", "typ": typ}, claims, OKPKey.import_key(pem), ["Ed25519"])


def signed_with_secret(secret: bytes) -> str:
    text = f"{part({'alg': 'HS256', 'typ': 'at+jwt'})}.{part({**GOOD, **TIMES})}"
    mac = hmac.new(secret, text.encode(), "sha256").digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def part(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_fresh_token_names_its_client_and_its_life() -> None:
    token = OURS.issue("portal", now=NOW, jti="1")
    assert token.expires_in == 300
    assert OURS.verify(token.access_token, now=NOW) == "portal"
    assert token.access_token not in repr(token)


def test_a_token_lives_until_its_last_second_and_not_beyond() -> None:
    token = OURS.issue("portal", now=NOW, jti="1").access_token
    assert OURS.verify(token, now=NOW + timedelta(seconds=299)) == "portal"
    with pytest.raises(Unauthenticated, match=r"expired.*POST /oauth/token"):
        OURS.verify(token, now=NOW + timedelta(seconds=300))


def test_a_token_changed_on_the_way_is_refused() -> None:
    head, body, signature = OURS.issue("portal", now=NOW, jti="1").access_token.split(".")
    other = OURS.issue("another", now=NOW, jti="1").access_token.split(".")[1]
    for changed in (f"{head}.{other}.{signature}", f"{head}.{body}.", f"{head}.{body}", "not a token", "", "ä.ö.ü"):
        with pytest.raises(Unauthenticated):
            OURS.verify(changed, now=NOW)


def test_a_token_signed_with_another_key_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="not one of ours"):
        OURS.verify(signed({**GOOD, **TIMES}, key=OTHER_KEY), now=NOW)


def test_a_token_of_another_algorithm_is_refused_even_when_its_signature_fits() -> None:
    public = Ed25519PrivateKey.from_private_bytes(KEY).public_key()
    with_public_key_as_secret = signed_with_secret(public.public_bytes_raw())
    unsigned = f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part({**GOOD, **TIMES})}."
    for token in (with_public_key_as_secret, unsigned):
        with pytest.raises(Unauthenticated):
            OURS.verify(token, now=NOW)


@pytest.mark.parametrize(
    "claims",
    [
        {**GOOD, **TIMES, "iss": "http://elsewhere"},
        {**GOOD, **TIMES, "aud": "http://elsewhere"},
        {**GOOD, "iat": TIMES["iat"]},
        {**GOOD, "exp": TIMES["exp"]},
        {**{k: v for k, v in GOOD.items() if k != "sub"}, **TIMES},
        {**GOOD, **TIMES, "iat": TIMES["iat"] + 60},
        {**GOOD, **TIMES, "exp": "soon"},
    ],
)
def test_a_well_signed_token_with_wrong_or_missing_claims_is_refused(claims: dict[str, object]) -> None:
    with pytest.raises(Unauthenticated):
        OURS.verify(signed(claims), now=NOW)


def test_a_token_made_for_something_else_is_not_an_access_token() -> None:
    assert OURS.verify(signed({**GOOD, **TIMES}), now=NOW) == "portal"
    with pytest.raises(Unauthenticated, match="not an access token"):
        OURS.verify(signed({**GOOD, **TIMES}, typ="id+jwt"), now=NOW)


def test_after_rotation_old_tokens_live_on_and_new_ones_need_the_new_key() -> None:
    old = OURS.issue("portal", now=NOW, jti="1").access_token
    rotated = Tokens([OTHER_KEY, KEY], issuer=ISSUER)
    assert rotated.verify(old, now=NOW) == "portal"
    new = rotated.issue("portal", now=NOW, jti="2").access_token
    assert Tokens([OTHER_KEY], issuer=ISSUER).verify(new, now=NOW) == "portal"
    with pytest.raises(Unauthenticated):
        OURS.verify(new, now=NOW)
