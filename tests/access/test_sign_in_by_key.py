"""A client signs in with its private key: once per assertion, with the algorithms on the list, under the keys that are registered now."""

import base64
import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from access_bench import CURVE, EDWARDS, HUB, NOW, PRIMES, Office, furnish, jwks, office, signed, times, urls
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey

from access.keys import REGISTRY, checked
from ledger import clients as client_store
from ledger import credentials
from schemas.errors import Invalid, Unauthenticated

GOOD = {"iss": "portal", "sub": "portal", "aud": f"{HUB}/oauth/token", "jti": "a1", **times()}


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Office]:
    with office(*urls(tmp_path)) as found:
        furnish(found.ledger)
        yield found


def assertion(key: Any = EDWARDS, alg: str = "Ed25519", **changes: Any) -> str:
    return signed({k: v for k, v in {**GOOD, **changes}.items() if v is not None}, key, alg)


@pytest.mark.parametrize(
    ("key", "alg"), [(EDWARDS, "Ed25519"), (EDWARDS, "EdDSA"), (CURVE, "ES256"), (PRIMES, "PS256")]
)
@pytest.mark.parametrize("audience", [HUB, f"{HUB}/oauth/token", [f"{HUB}/oauth/token", "other"]])
def test_a_signed_assertion_gets_a_token(here: Office, key: Any, alg: str, audience: Any) -> None:
    token = here.sign_in.by_assertion(assertion(key, alg, aud=audience), "portal")
    assert here.desk.caller(token.access_token).client == "portal"


def test_an_assertion_counts_once_in_all_processes_together(tmp_path: Path, here: Office) -> None:
    text = assertion()
    with office(*urls(tmp_path), name="two") as there, ThreadPoolExecutor(8) as pool:
        tries = [pool.submit((here, there)[n % 2].sign_in.by_assertion, text) for n in range(16)]
        errors = [t.exception() for t in tries]
    assert sum(error is None for error in errors) == 1
    assert all("used before" in str(error) for error in errors if error)


def test_what_was_used_up_is_forgotten_when_it_has_expired_by_itself(here: Office) -> None:
    assert credentials.use_up(here.ledger, "portal", "x", NOW + timedelta(seconds=5), now=NOW)
    assert not credentials.use_up(here.ledger, "portal", "x", NOW + timedelta(seconds=5), now=NOW)
    assert credentials.use_up(here.ledger, "portal", "x", NOW + timedelta(seconds=9), now=NOW + timedelta(seconds=6))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "stranger"}, {"sub": "stranger"}, {"sub": None}, {"iss": None}, {"aud": "https://other.test"}, {"aud": None},
        {"jti": None}, {"jti": ""}, {"jti": "x" * 201}, {"exp": None}, {"iat": None}, {"exp": "soon"},
        times(301), times(60, NOW - timedelta(seconds=61)), times(60, NOW + timedelta(seconds=90)), {"iss": "nobody", "sub": "nobody"},
    ],
)  # fmt: skip
def test_an_assertion_that_says_anything_else_is_refused(here: Office, changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        here.sign_in.by_assertion(assertion(**changes))
    assert refused.value.facts["error"] == "invalid_client"


def test_an_unknown_client_and_a_wrong_key_are_told_the_same(here: Office) -> None:
    told = []
    strange = OKPKey.generate_key("Ed25519", {"kid": "one"})
    for text in (
        assertion(strange),
        assertion(strange, iss="nobody", sub="nobody"),
        assertion(strange, iss="stranger", sub="stranger"),
    ):
        with pytest.raises(Unauthenticated) as refused:
            here.sign_in.by_assertion(text)
        told.append(str(refused.value).partition(",")[0])
    assert len({*told}) == 1


def unsigned(alg: str, mac: bytes = b"") -> str:
    text = f"{encoded(json.dumps({'alg': alg, 'kid': 'one'}).encode())}.{encoded(json.dumps(GOOD).encode())}"
    return f"{text}.{encoded(hmac.digest(mac, text.encode(), 'sha256')) if mac else ''}"


def test_no_signature_and_a_public_key_used_as_a_secret_are_refused(here: Office) -> None:
    public = EDWARDS.as_pem(private=False)
    raw = base64.urlsafe_b64decode(EDWARDS.as_dict(private=False)["x"] + "=")
    for text in (
        unsigned("none"),
        unsigned("None"),
        unsigned("HS256", public),
        unsigned("HS256", raw),
        unsigned("Ed25519"),
        "..",
        "x",
    ):
        with pytest.raises(Unauthenticated):
            here.sign_in.by_assertion(text)


@pytest.mark.parametrize("alg", ["RS256", "PS384", "PS512"])
def test_an_rsa_key_signs_with_one_algorithm_alone(here: Office, alg: str) -> None:
    text = jwt.encode({"alg": alg, "kid": PRIMES.kid}, GOOD, PRIMES, [alg])
    with pytest.raises(Unauthenticated):
        here.sign_in.by_assertion(text, "portal")


def test_a_key_of_one_kind_is_not_taken_for_one_of_another(here: Office) -> None:
    for alg, key, named in (("PS256", PRIMES, CURVE), ("ES256", CURVE, PRIMES), ("Ed25519", EDWARDS, PRIMES)):
        text = jwt.encode({"alg": alg, "kid": named.kid}, GOOD, key, registry=REGISTRY)
        with pytest.raises(Unauthenticated):
            here.sign_in.by_assertion(text, "portal")


def test_a_client_rotates_its_key_by_registering_both_and_then_the_new_one(here: Office) -> None:
    new = OKPKey.generate_key("Ed25519", {"kid": "three"})
    credentials.put_keys(here.ledger, "portal", jwks(EDWARDS, new), NOW)
    for number, key in enumerate((EDWARDS, new)):
        assert here.sign_in.by_assertion(assertion(key, jti=f"r{number}"))
    credentials.put_keys(here.ledger, "portal", jwks(new), NOW)
    assert here.sign_in.by_assertion(assertion(new, jti="r3"))
    with pytest.raises(Unauthenticated):
        here.sign_in.by_assertion(assertion(EDWARDS, jti="r4"))


def test_a_client_switched_off_gets_no_token(here: Office) -> None:
    client_store.set_active(here.ledger, "portal", False)
    with pytest.raises(Unauthenticated):
        here.sign_in.by_assertion(assertion())


BAD_SETS = {
    "a private key": {"keys": [EDWARDS.as_dict(private=True)]},
    "a shared secret": {"keys": [OctKey.generate_key(256, {"kid": "s"}).as_dict()]},
    "RSA, private": {"keys": [PRIMES.as_dict(private=True)]},
    "RSA, too short": {"keys": [{**PRIMES.as_dict(private=False), "n": encoded(b"\xff" * 255)}]},
    "RSA, too long": {"keys": [{**PRIMES.as_dict(private=False), "n": encoded(b"\xff" * 513)}]},
    "RSA, another exponent": {"keys": [{**PRIMES.as_dict(private=False), "e": encoded(b"\x03")}]},
    "RSA without a modulus": {"keys": [{k: v for k, v in PRIMES.as_dict(private=False).items() if k != "n"}]},
    "another curve": {"keys": [ECKey.generate_key("P-384", {"kid": "p"}).as_dict(private=False)]},
    "a key for encryption": {"keys": [{**EDWARDS.as_dict(private=False), "use": "enc"}]},
    "no key": {"keys": []},
    "no kid": {"keys": [{k: v for k, v in EDWARDS.as_dict(private=False).items() if k != "kid"}]},
    "two of one kid": {"keys": [EDWARDS.as_dict(private=False)] * 2},
    "too many": {"keys": [OKPKey.generate_key("Ed25519", {"kid": f"{n}"}).as_dict(private=False) for n in range(11)]},
    "a point off its curve": {"keys": [{**CURVE.as_dict(private=False), "x": CURVE.as_dict(private=False)["y"]}]},
    "no set": ["x"],
}


@pytest.mark.parametrize("name", BAD_SETS)
def test_a_key_set_with_anything_but_public_signing_keys_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        checked(json.dumps(BAD_SETS[name]))
    with pytest.raises(Invalid):
        checked("{")


def test_the_hubs_own_key_is_rotated_without_anybody_noticing() -> None:
    from access.tokens import Tokens

    ring = [b"k" * 32]
    first, second = Tokens(lambda: ring, issuer=HUB), Tokens(lambda: ring, issuer=HUB)
    old = first.issue("portal", now=NOW, jti="1").access_token
    ring[:] = [b"n" * 32, b"k" * 32]
    new = first.issue("portal", now=NOW, jti="2").access_token
    assert [second.verify(token, now=NOW) for token in (old, new)] == ["portal", "portal"]
    assert [key["alg"] for key in second.public_keys["keys"]] == ["Ed25519", "Ed25519"]
    assert all("d" not in key for key in second.public_keys["keys"])
    ring[:] = [b"n" * 32]
    third = Tokens(lambda: ring, issuer=HUB)
    assert third.verify(new, now=NOW) == "portal"
    with pytest.raises(Unauthenticated):
        third.verify(old, now=NOW)
