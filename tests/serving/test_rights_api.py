"""A client sees its own grants; a citizen sees, on a statement of their own, who used their data, when, for what."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from serving_city import ID, City, Http, subject_file

from access.audit import Entry, pseudonym
from access.audit_trail import uses
from access.consent import pairwise, salt
from access.decision import OWN_USES
from access.keys import checked
from ledger import credentials, grants
from ledger.credentials import Issuer
from ledger.grants import Grant
from subjects.file import SubjectFile

PROVIDER = "http://id.test"
KEY = OKPKey.generate_key("Ed25519", {"kid": "id-1"})
FORMER = ("440308199901101555", "440308990110151")
"""Identifiers that were merged into the citizen's."""


@pytest.fixture
def citizens(city: City) -> Http:
    """The application with the audit behind it, a provider, and a portal that may show citizens their uses."""
    import json

    credentials.put_issuer(
        city.ledger, Issuer(PROVIDER, checked(json.dumps(KeySet([KEY]).as_dict(private=False)))), city.clock()
    )
    given = Grant("own", "portal", "form", OWN_USES, OWN_USES, "consent", city.clock())
    grants.allow(city.ledger, given, city.clock())

    def used(subjects: Collection[str], before: datetime | None, most: int) -> list[dict[str, Any]]:
        found = uses(city.audit, subjects=subjects, result="answered", until=before, most=most)
        names = ("who", "purpose", "form", "basis", "fields")
        return [
            {"at": u.at, "client": {"zh": "门户", "en": u.body["client"]}, **{n: u.body.get(n, "") for n in names}}
            for u in found
        ]

    file = subject_file()
    merged = SubjectFile(file.kind, {**file.body, "former": list(FORMER)})
    prefill = replace(
        city.services.prefill,
        files=lambda asked: [merged if kind == "person" and one in (ID, *FORMER) else None for kind, one in asked],
    )
    return Http(city.with_services(uses=used, prefill=prefill))


def statement(city: City, identifier: str = ID, **changes: Any) -> str:
    at = int(city.clock().timestamp())
    claims = {
        "iss": PROVIDER, "aud": "http://hub.test", "sub": pairwise(salt(b"w" * 32, PROVIDER), "portal", "person", identifier),
        "client_id": "portal", "purpose": OWN_USES, "target": f"form:{OWN_USES}", "fields": ["uses"], "jti": "c1", "iat": at, "exp": at + 60,
        **changes,
    }  # fmt: skip
    return jwt.encode({"alg": "Ed25519", "kid": KEY.kid}, claims, KEY, ["Ed25519"])


def ask(city: City, http: Http, **changes: Any) -> Any:
    body = {"kind": "person", "subject": ID, "consent": statement(city), **changes}
    return http.post("/v1/uses", json=body, headers={"Authorization": f"Bearer {city.token()}"})


def used(city: City, number: int, identifier: str = ID, result: str = "answered") -> None:
    subject = pseudonym(b"p" * 32, "person", identifier)
    city.services.desk.write(
        Entry("portal", f"purpose {number}", "f", ("name",), subject, result, "duty", "case 1", "officer 7")
    )


def test_a_citizen_sees_who_used_their_data_and_the_look_is_in_the_audit(city: City, citizens: Http) -> None:
    used(city, 1)
    used(city, 2, "440308199901101520")
    used(city, 3, result="refused: no-grant")
    found = ask(city, citizens)
    assert (found.status_code, found.headers["cache-control"]) == (200, "no-store")
    (use,) = found.json()["uses"]
    assert (use["purpose"], use["client"]["zh"], use["who"], use["basis"], use["fields"]) == (
        "purpose 1",
        "门户",
        "officer 7",
        "duty",
        ["name"],
    )
    assert use["at"].startswith("2026-03-02T08:00:00")
    again = ask(city, citizens, limit=1).json()["uses"]
    assert [(u["purpose"], u["basis"]) for u in again] == [(OWN_USES, "consent")]


@pytest.mark.parametrize("asked", [ID, *FORMER])
def test_a_citizen_whose_identifier_changed_sees_the_uses_under_every_one_of_them(
    city: City, citizens: Http, asked: str
) -> None:
    for number, identifier in enumerate((ID, *FORMER, "440308199901101539")):
        used(city, number, identifier)
        city.clock.now += timedelta(seconds=1)
    told = ask(city, citizens, subject=asked, consent=statement(city, asked)).json()["uses"]
    assert [u["purpose"] for u in told] == ["purpose 2", "purpose 1", "purpose 0"]


def test_the_next_page_begins_before_a_moment(city: City, citizens: Http) -> None:
    used(city, 1)
    before = ask(city, citizens, before=city.clock().isoformat()).json()
    assert before == {"uses": []}


@pytest.mark.parametrize(
    "changes",
    [{"subject": "440308199901101520"}, {"kind": "enterprise"}, {"consent": "x"}, {"subject": "nobody at all"}],
)
def test_without_the_subjects_own_statement_nothing_is_told(
    city: City, citizens: Http, changes: dict[str, str]
) -> None:
    used(city, 1)
    refused = ask(city, citizens, **changes)
    assert (refused.status_code, refused.json()["reason"]) == (403, "no-consent")
    assert ID not in refused.text


def test_a_consent_to_something_else_does_not_show_the_uses(city: City, citizens: Http) -> None:
    refused = ask(city, citizens, consent=statement(city, purpose="renewal", target="form:renewal"))
    assert refused.status_code == 403
    (last,) = uses(city.audit, most=1)
    assert last.body["result"] == "refused: no-consent"


@pytest.mark.parametrize(
    "changes", [{"limit": 0}, {"before": "yesterday"}, {"before": "2026-03-02T08:00:00"}, {"extra": 1}, {"subject": ""}]
)
def test_a_malformed_request_is_told_which_field(city: City, citizens: Http, changes: dict[str, Any]) -> None:
    refused = ask(city, citizens, **changes)
    assert refused.status_code == 422
    assert next(iter(changes)) in refused.json()["detail"]


def test_a_client_sees_its_own_grants_and_no_others(city: City) -> None:
    mine = city.get("/v1/grants").json()
    assert {g["purpose"] for g in mine}
    assert {g["grant"] for g in mine} == {g.id for g in grants.standing(city.ledger, "portal")}
    assert city.get("/v1/grants", city.token("ungranted")).json() == []
