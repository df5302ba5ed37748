"""Prefill over HTTP on what it rests: a consent opens what it names and is in the audit; budgets and quotas hold, from wherever it is asked."""

import json
from dataclasses import replace
from typing import Any

import pytest
from httpx import Response
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from serving_city import ID, PURPOSE, City, Http

from access.consent import pairwise, salt
from access.keys import checked
from ledger import audit as audit_store
from ledger import budgets, credentials, grants
from ledger.budgets import MARGIN
from ledger.credentials import Issuer
from ledger.grants import Grant

PROVIDER = "http://id.test"
KEY = OKPKey.generate_key("Ed25519", {"kid": "id-1"})
FORM = "hk_macao_permit_renewal"
OTHER = "440308199901101520"
BY_DUTY = {"form": FORM, "subject": ID, "purpose": PURPOSE, "case": "2026-17"}


def entries(city: City) -> list[dict[str, Any]]:
    bodies = [json.loads(link.body) for link in audit_store.links(city.audit)]
    return [body for body in bodies if body["kind"] == "entry"]


@pytest.fixture
def consenting(city: City) -> City:
    """The city with an identity provider, and a grant on consent for a client that has no other."""
    public = checked(json.dumps(KeySet([KEY]).as_dict(private=False)))
    credentials.put_issuer(city.ledger, Issuer(PROVIDER, public), city.clock())
    fields = frozenset({"name", "sex", "mobile"})
    given = Grant("by-consent", "ungranted", "form", FORM, PURPOSE, "consent", city.clock(), fields=fields)
    grants.allow(city.ledger, given, city.clock())
    return city


def statement(city: City, **changes: Any) -> str:
    at = int(city.clock().timestamp())
    claims = {
        "iss": PROVIDER, "aud": "http://hub.test", "sub": pairwise(salt(b"w" * 32, PROVIDER), "ungranted", "person", ID),
        "client_id": "ungranted", "purpose": PURPOSE, "target": f"form:{FORM}", "fields": ["name", "mobile", "permit_no"],
        "jti": "consent-7", "iat": at, "exp": at + 60, **changes,
    }  # fmt: skip
    return jwt.encode({"alg": "Ed25519", "kid": KEY.kid}, claims, KEY, ["Ed25519"])


def ask(city: City, consent: str, **more: Any) -> Response:
    wish = {"form": FORM, "subject": ID, "purpose": PURPOSE, "consent": consent, **more}
    return city.post("/v1/prefill", wish, city.token("ungranted"))


def test_a_consent_opens_what_it_names_and_the_grant_allows_and_which_it_was_is_in_the_audit(consenting: City) -> None:
    answer = ask(consenting, statement(consenting))
    states = {f["name"]: f["state"] for f in answer.json()["fields"] if not f["typed"]}
    assert {name for name, state in states.items() if state != "withheld"} == {"name", "mobile"}
    (entry,) = entries(consenting)
    assert (entry["basis"], entry["evidence"], entry["fields"]) == ("consent", "consent-7", ["name", "mobile"])
    assert entry["grants"] == ["by-consent"]


@pytest.mark.parametrize(
    ("claims", "asked", "reason"),
    [
        ({}, {"subject": OTHER}, "no-consent"),
        ({"client_id": "portal"}, {}, "no-consent"),
        ({"purpose": "another"}, {}, "no-consent"),
        ({"target": "form:person"}, {}, "no-consent"),
        ({"fields": ["citizen_id"]}, {}, "no-grant"),
        ({"exp": 1}, {}, "no-consent"),
        ({}, {"case": "2026-17"}, "two-bases"),
        ({}, {"purpose": "another"}, "no-grant"),
    ],
)  # fmt: skip
def test_a_consent_to_anything_else_opens_nothing_and_nobody_is_looked_up(
    consenting: City, claims: dict[str, Any], asked: dict[str, str], reason: str
) -> None:
    looked: list[Any] = []
    prefill = replace(consenting.services.prefill, files=looked.append, world=looked.append)
    http = Http(consenting.with_services(prefill=prefill))
    wish = {"form": FORM, "subject": ID, "purpose": PURPOSE, "consent": statement(consenting, **claims), **asked}
    headers = {"Authorization": f"Bearer {consenting.token('ungranted')}"}
    refused = http.post("/v1/prefill", json=wish, headers=headers)
    assert (refused.status_code, refused.json()["reason"]) == (403, reason)
    assert "林小满" not in refused.text
    assert [entry["result"] for entry in entries(consenting)] == [f"refused: {reason}"]
    assert looked == [], "so known and unknown subjects take as long"


def walk(city: City, subjects: list[str], **more: Any) -> list[int]:
    """What each ask is answered with, each by a token of its own and as if from another address."""
    found = []
    for number, subject in enumerate(subjects):
        token = city.tokens.issue("portal", now=city.clock(), jti=f"walk {number}").access_token
        headers = {
            "Authorization": f"Bearer {token}",
            "X-Forwarded-For": f"10.0.{number}.7",
            "Forwarded": f"for=10.0.{number}.7",
        }
        found.append(
            city.http.post("/v1/prefill", json={**BY_DUTY, "subject": subject, **more}, headers=headers).status_code
        )
    return found


def test_a_walk_is_stopped_over_the_budget_from_wherever_it_asks_and_the_known_are_answered_on(city: City) -> None:
    budgets.set_budget(city.ledger, "portal", PURPOSE, 3 - MARGIN)
    strangers = [f"4403081999011016{n:02d}" for n in range(6)]
    assert walk(city, [ID, *strangers]) == [200, 404, 404, 429, 429, 429, 429], "asking about nobody costs as much"
    assert walk(city, [ID, strangers[0], f" {ID} ", strangers[2]]) == [200, 404, 200, 429]
    assert [e["result"] for e in entries(city)].count("over budget") == 5
    forms = [{"form": FORM}, {"form": "person", "fields": ["name"]}]
    batch = {"forms": forms, "purpose": PURPOSE, "case": "2026-17"}
    known, stranger = (city.post("/v1/prefill", {**batch, "subject": one}).json()["answers"] for one in (ID, OTHER))
    assert ["answer" in one for one in known] == [True, True]
    assert [one["problem"]["status"] for one in stranger] == [429, 429]


def test_a_quota_counts_answers_by_the_day(city: City) -> None:
    given = Grant("few", "ungranted", "form", FORM, PURPOSE, "duty", city.clock(), quota=2)
    grants.allow(city.ledger, given, city.clock())
    token = city.token("ungranted")
    asked = [city.post("/v1/prefill", BY_DUTY, token) for _ in range(3)]
    assert [a.status_code for a in asked] == [200, 200, 429]
    assert "林小满" not in asked[-1].text
    assert entries(city)[-1]["result"] == "over quota"
