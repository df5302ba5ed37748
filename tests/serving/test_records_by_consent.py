"""Records on a subject's consent: it opens the rows about that subject, in the columns it names, to the client it names, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from records_bench import PURPOSE, Bench

from access.consent import pairwise, salt
from access.keys import checked
from hub import trail
from ledger import credentials
from ledger.audit import links
from ledger.credentials import Issuer

PROVIDER = "https://id.test"
KEY = OKPKey.generate_key("Ed25519", {"kid": "one"})
QUERY = "/v1/datasets/houses/records/query"
ROWS = [
    {"id": "h1", "district": "A", "owner": "P1", "floors": 3, "fee": None},
    {"id": "h2", "district": "A", "owner": "P2", "floors": 7, "fee": None},
    {"id": "h3", "district": "B", "owner": "P1", "floors": 2, "fee": None},
]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    found = Bench.at(tmp_path)
    found.publish(ROWS)
    public = checked(json.dumps(KeySet([KEY]).as_dict(private=False)))
    credentials.put_issuer(found.hub.ledger, Issuer(PROVIDER, public), found.clock())
    found.allow(basis="consent")
    return found


def statement(bench: Bench, subject: str = "P1", **changes: Any) -> str:
    at = int(bench.clock().timestamp())
    name = pairwise(salt(bench.hub.key("pairwise"), PROVIDER), "portal", "person", subject)
    claims = {
        "iss": PROVIDER, "aud": "http://hub.test", "sub": name, "client_id": "portal", "purpose": PURPOSE, "target": "dataset:houses",
        "fields": ["id", "district"], "jti": "c1", "iat": at, "exp": at + 60, **changes,
    }  # fmt: skip
    return jwt.encode({"alg": "Ed25519", "kid": KEY.kid}, claims, KEY, ["Ed25519"])


def ask(bench: Bench, consent: str, subject: str = "p1", **more: Any) -> Any:
    return bench.post(QUERY, case=None, kind="person", subject=subject, consent=consent, **more)


def test_a_consent_opens_its_subjects_rows_in_the_columns_it_names(bench: Bench) -> None:
    answer = ask(bench, statement(bench))
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["fields"] == ["id", "district"]
    assert [(row["id"], row["district"]) for row in page["records"]] == [("h1", "A"), ("h3", "B")]
    assert all("floors" not in row and "owner" not in row for row in page["records"])
    (entry,) = [b for b in (json.loads(link.body) for link in links(bench.hub.audit)) if b["kind"] == "entry"]
    assert (entry["basis"], entry["evidence"], entry["subject"]) == (
        "consent",
        "c1",
        trail.called(bench.hub, "person", "P1"),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "somebody else"},
        {"client_id": "stranger"},
        {"purpose": "curiosity"},
        {"target": "dataset:cars"},
        {"target": "form:houses"},
        {"aud": "http://elsewhere.test"},
        {"fields": []},
        {"exp": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_consent_to_anything_else_opens_nothing(bench: Bench, changes: dict[str, Any]) -> None:
    answer = ask(bench, statement(bench, **changes))
    assert answer.status_code == 403, answer.text
    assert "h1" not in answer.text


def test_a_consent_does_not_open_another_subjects_rows_nor_those_of_all(bench: Bench) -> None:
    assert ask(bench, statement(bench), subject="p2").status_code == 403
    assert bench.post(QUERY, case=None, consent=statement(bench)).status_code == 403
