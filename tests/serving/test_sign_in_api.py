"""Over HTTP a client signs in with its key, revokes its tokens, and finds the hub's own keys and what the endpoint can do."""

import json
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from serving_city import SECRET, City, Http

from access.keys import ALGORITHMS, checked
from access.signin import SignIn
from access.tokens import ALGORITHMS as OWN_ALGORITHMS
from ledger import credentials
from serving.signin import ASSERTION

KEY = OKPKey.generate_key("Ed25519", {"kid": "portal-1"})


def assertion(city: City, **changes: Any) -> str:
    at = int(city.clock().timestamp())
    claims = {
        "iss": "portal", "sub": "portal", "aud": "http://hub.test/oauth/token", "jti": "1", "iat": at, "exp": at + 60, **changes,
    }  # fmt: skip
    return jwt.encode({"alg": "Ed25519", "kid": KEY.kid}, claims, KEY, ["Ed25519"])


def ask(city: City, text: str, **form: str) -> Any:
    credentials.put_keys(city.ledger, "portal", checked(json.dumps(KeySet([KEY]).as_dict(private=False))), city.clock())
    body = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": text, **form}
    return city.http.post("/oauth/token", data=body)


def test_a_signed_assertion_gets_a_token_that_opens_the_routes(city: City) -> None:
    answer = ask(city, assertion(city))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert city.get("/v1/forms", answer.json()["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("changes", "form", "status", "error"),
    [
        ({"aud": "http://elsewhere"}, {}, 401, "invalid_client"),
        ({"sub": "ungranted"}, {}, 401, "invalid_client"),
        ({}, {"client_id": "ungranted"}, 401, "invalid_client"),
        ({}, {"client_assertion_type": "urn:other"}, 400, "invalid_request"),
        ({}, {"client_assertion": "x.y.z"}, 401, "invalid_client"),
        ({}, {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, 400, "unsupported_grant_type"),
    ],
)
def test_anything_else_is_refused_in_oauths_words(city: City, changes: Any, form: Any, status: int, error: str) -> None:
    answer = ask(city, assertion(city, **changes), **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["todo"]


def test_an_assertion_that_came_before_is_refused(city: City) -> None:
    text = assertion(city)
    assert ask(city, text).status_code == 200
    again = ask(city, text)
    assert (again.status_code, "used before" in again.json()["detail"]) == (401, True)


def test_where_secrets_are_not_taken_the_key_is_the_only_way(city: City) -> None:
    strict = SignIn(
        city.ledger, city.tokens, audiences=("http://hub.test",), clock=city.clock, number=lambda: "9", secrets=False
    )
    http = Http(city.with_services(sign_in=strict))
    refused = http.post(
        "/oauth/token", data={"grant_type": "client_credentials", "client_id": "portal", "client_secret": SECRET}
    )
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    known = http.get("/.well-known/oauth-authorization-server").json()
    assert known["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]


def test_client_libraries_find_the_endpoint_its_algorithms_and_the_hubs_keys(city: City) -> None:
    known = city.http.get("/.well-known/oauth-authorization-server").json()
    assert known["token_endpoint"] == "http://hub.test/oauth/token"
    assert known["token_endpoint_auth_signing_alg_values_supported"] == [*ALGORITHMS]
    keys = KeySet.import_key_set(city.http.get("/oauth/jwks").json())
    token = jwt.decode(city.token(), keys, algorithms=list(OWN_ALGORITHMS))
    assert token.claims["client_id"] == "portal"
    assert all("d" not in key for key in city.http.get("/oauth/jwks").json()["keys"])


def test_a_client_revokes_its_own_token_and_nobody_elses(city: City) -> None:
    mine, other = (
        city.tokens.issue("portal", now=city.clock(), jti="m"),
        city.tokens.issue("demo-portal", now=city.clock(), jti="o"),
    )

    def revoke(by: str, token: str) -> int:
        return city.http.post(
            "/oauth/revoke", data={"token": token}, headers={"Authorization": f"Bearer {by}"}
        ).status_code

    assert revoke(mine.access_token, other.access_token) == 200
    assert revoke(mine.access_token, "no token at all") == 200
    assert city.get("/v1/forms", other.access_token).status_code == 200
    assert revoke(mine.access_token, mine.access_token) == 200
    refused = city.get("/v1/forms", mine.access_token)
    assert (refused.status_code, "revoked" in refused.json()["detail"]) == (401, True)
    city.clock.now += timedelta(seconds=301)
    assert city.get("/v1/forms", mine.access_token).status_code == 401
