"""POST /v1/prefill answers a granted form for a purpose, leaves an audit entry first, and tells a stranger nothing."""

import json
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from serving_city import ID, PURPOSE, SIGNER, City, Http

from access.audit import Charged
from access.audit_verify import verify
from access.desk import Desk
from ledger import audit as audit_store
from schemas.errors import AuditUnavailable, TooMany

FORM = "hk_macao_permit_renewal"
WISH = {"form": FORM, "subject": ID, "purpose": PURPOSE, "case": "2026-17"}


def entries(city: City) -> list[dict[str, Any]]:
    """What the audit holds, without the chain's opening entry."""
    bodies = [json.loads(link.body) for link in audit_store.links(city.audit)]
    return [body for body in bodies if body["kind"] == "entry"]


def watching(city: City, kind: type[Desk]) -> Desk:
    """The city's desk, as one of another class."""
    other = kind.__new__(kind)
    other.__dict__ = city.services.desk.__dict__
    return other


def test_a_granted_form_comes_back_with_values_origins_and_states(city: City) -> None:
    answer = city.post("/v1/prefill", WISH)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    body = answer.json()
    fields = {field["name"]: field for field in body["fields"]}
    assert (fields["name"]["value"], fields["name"]["state"], fields["name"]["department"]) == (
        "林小满",
        "fresh",
        "市公安局",
    )
    assert (fields["sex"]["value"], fields["sex"]["display"], fields["sex"]["editable"]) == ("2", "女性", False)
    assert (fields["valid_to"]["state"], fields["valid_to"]["valid_until"]) == ("expired", "2026-02-20")
    assert (fields["reason"]["value"], fields["reason"]["typed"]) == (None, True)
    assert body["summary"] == {"asked": 8, "prefilled": 6, "left": 2}
    assert fields["name"]["seal"]
    assert ID not in answer.text.replace(fields["citizen_id"]["value"], "", 3)
    assert len(body["subject"]) == 32


def test_only_the_fields_asked_for_are_answered_and_audited(city: City) -> None:
    body = city.post("/v1/prefill", {**WISH, "fields": ["mobile", "name"]}).json()
    assert [field["name"] for field in body["fields"]] == ["name", "mobile"]
    assert entries(city)[-1]["fields"] == ["name", "mobile"]


def test_the_entry_of_a_list_that_is_meant_reaches_the_prefill(city: City) -> None:
    missing = {"travel_permits": {"permit_no": "C00000000"}}
    body = city.post("/v1/prefill", {**WISH, "fields": ["permit_no"], "select": missing}).json()
    assert body["fields"][0]["value"] is None
    present = {"travel_permits": {"permit_no": "C90000017"}}
    body = city.post("/v1/prefill", {**WISH, "fields": ["permit_no"], "select": present}).json()
    assert body["fields"][0]["value"] == "C90000017"


def test_the_audit_entry_names_fields_and_pseudonym_and_never_a_value(city: City) -> None:
    assert city.post("/v1/prefill", WISH).status_code == 200
    (entry,) = entries(city)
    assert (entry["client"], entry["purpose"], entry["form"], entry["result"]) == ("portal", PURPOSE, FORM, "answered")
    assert "valid_to" in entry["fields"]
    text = json.dumps(entry, ensure_ascii=False)
    assert all(value not in text for value in (ID, "林小满", "13800000000", "C90000017"))
    assert verify(city.audit, [SIGNER.public_pem]).ok


def test_each_spelling_of_an_identifier_is_one_subject_in_the_audit(city: City) -> None:
    city.post("/v1/prefill", WISH)
    city.post("/v1/prefill", {**WISH, "subject": f"  {ID} "})
    first, second = entries(city)
    assert first["subject"] == second["subject"]


def test_the_audit_entry_is_durable_before_the_answer_leaves(city: City) -> None:
    order: list[str] = []

    class Watched(Desk):
        def submit(self, asked: Sequence[Charged]) -> "Future[list[TooMany | None]]":
            done, results = super().submit(asked), [entry.result for entry, _ in asked]
            done.add_done_callback(lambda _: order.append(f"{results} with {len(entries(city))} on disk"))
            return done

    http = Http(city.with_services(desk=watching(city, Watched)))
    token = {"Authorization": f"Bearer {city.token()}"}
    assert http.post("/v1/prefill", json=WISH, headers=token).status_code == 200
    assert order == ["['answered'] with 1 on disk"]


@pytest.mark.parametrize("subject", [ID, "440308199901101513"])
def test_without_audit_there_is_no_answer_and_no_value(city: City, subject: str) -> None:
    class Broken(Desk):
        def submit(self, _asked: Sequence[Charged]) -> "Future[list[TooMany | None]]":
            raise AuditUnavailable("the request could not be written to the audit", todo="try again")

    http = Http(city.with_services(desk=watching(city, Broken)))
    answer = http.post(
        "/v1/prefill", json={**WISH, "subject": subject}, headers={"Authorization": f"Bearer {city.token()}"}
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["type"] == "urn:cityhub:problem:audit-unavailable"
    assert "林小满" not in answer.text


@pytest.mark.parametrize(
    ("client", "wish"),
    [("ungranted", WISH), ("portal", {**WISH, "purpose": "营销"})],
    ids=["no grant at all", "another purpose"],
)
def test_without_a_grant_known_and_unknown_subjects_answer_alike(city: City, client: str, wish: dict[str, str]) -> None:
    known = city.post("/v1/prefill", wish, city.token(client))
    unknown = city.post("/v1/prefill", {**wish, "subject": "440308199901101513"}, city.token(client))
    assert known.status_code == unknown.status_code == 403
    assert known.content == unknown.content
    assert [entry["result"] for entry in entries(city)] == ["refused: no-grant"] * 2


def test_an_unknown_subject_is_a_404_that_repeats_no_identifier_and_leaves_an_entry(city: City) -> None:
    answer = city.post("/v1/prefill", {**WISH, "subject": "440308199901101513"})
    assert answer.status_code == 404
    assert "440308199901101513" not in answer.text
    assert "identifier" in answer.json()["todo"]
    assert [entry["result"] for entry in entries(city)] == ["no file"]


def test_an_unknown_form_is_a_404_that_says_where_the_forms_are(city: City) -> None:
    answer = city.post("/v1/prefill", {**WISH, "form": "nothing"})
    assert (answer.status_code, answer.json()["todo"]) == (404, "GET /v1/forms lists them")
    assert entries(city) == []


def test_a_field_that_the_form_does_not_have_is_named(city: City) -> None:
    answer = city.post("/v1/prefill", {**WISH, "fields": ["name", "salary"]})
    assert answer.status_code == 422
    assert "salary" in answer.json()["detail"]
    assert entries(city) == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"form": FORM, "purpose": PURPOSE}, "subject"),
        ({"subject": ID, "purpose": PURPOSE}, "neither a form nor fields"),
        ({"subject": ID, "purpose": PURPOSE, "fields": ["person.name", "firm.name"]}, "neither a form nor fields"),
        ({**WISH, "forms": [{"form": FORM}]}, "with `forms`"),
        ({**WISH, "purpose": "a\u0000b"}, "purpose"),
        ({**WISH, "subject": 440308199901101512}, "subject"),
        ({**WISH, "subject": ID * 10}, "subject"),
        ({**WISH, "extra": ID}, "extra"),
        ({**WISH, "fields": "name"}, "fields"),
        ([WISH], "object"),
    ],
)
def test_a_malformed_request_names_the_field_and_never_repeats_its_value(city: City, body: Any, named: str) -> None:
    answer = city.post("/v1/prefill", body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert named in answer.json()["detail"]
    assert ID[:10] not in answer.text


def test_broken_json_is_a_422_problem(city: City) -> None:
    headers = {"Authorization": f"Bearer {city.token()}", "Content-Type": "application/json"}
    answer = city.http.post("/v1/prefill", content=b'{"form": ', headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_an_unknown_address_and_a_wrong_method_are_problems_too(city: City) -> None:
    assert city.get("/v1/nothing").json()["status"] == 404
    assert city.get("/v1/prefill").json()["status"] == 405


def test_the_forms_are_listed_with_their_fields_in_both_languages(city: City) -> None:
    form, person = city.get("/v1/forms").json()
    assert (person["form"], person["fields"][0]["entry"]) == ("person", "locked")
    assert (form["form"], form["subject"], form["title"]["zh"]) == (FORM, "person", "往来港澳通行证换发")
    assert {"name": "name", "label": {"zh": "姓名", "en": "Name"}, "typed": False}.items() <= form["fields"][1].items()


def test_datasets_are_listed_searched_and_shown_by_name_and_by_resource_code(city: City) -> None:
    assert [one["dataset"] for one in city.get("/v1/datasets").json()["datasets"]] == [
        "residents",
        "travel_permits",
        "marriages",
    ]
    assert [one["dataset"] for one in city.get("/v1/datasets?q=婚姻").json()["datasets"]] == ["marriages"]
    by_name, by_code = city.get("/v1/datasets/residents").json(), city.get("/v1/datasets/301001%2F000001").json()
    assert by_name == by_code
    assert (by_name["measured"]["rows"], by_name["measured"]["freshness"]) == (19_874, "fresh")
    assert city.get("/v1/datasets/nothing").status_code == 404
