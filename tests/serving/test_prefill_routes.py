"""What portals rely on at the two prefill routes beside values: seals that come back, tags, drafts, batches, fields without a form, limits."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response
from serving_city import ID, PURPOSE, City, Http

from hub.core import Hub
from hub.filing.prefilling import prefilling
from hub.settings import Settings
from ledger import audit as audit_store
from ledger.database import Database, subject_tables
from serving.app import create_app
from serving.headers import HEADERS, OF_DOCUMENTS
from serving.prefill import MOST_BYTES
from subjects.file import SubjectFile

FORM = "hk_macao_permit_renewal"
WISH = {"form": FORM, "subject": ID, "purpose": PURPOSE, "case": "2026-17"}


def answered(city: City, **more: Any) -> dict[str, Any]:
    response = city.post("/v1/prefill", {**WISH, **more})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def submitted(answer: dict[str, Any], **typed: Any) -> dict[str, Any]:
    """The form as a browser sends it back, with what the applicant typed instead."""
    return {f["name"]: {"value": typed.get(f["name"], f["value"]), "seal": f["seal"]} for f in answer["fields"]}


def verdicts(city: City, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    response = city.post("/v1/prefill/verify", {"form": FORM, "subject": ID, "fields": fields, **more})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def results(city: City) -> list[str]:
    entries = [json.loads(link.body) for link in audit_store.links(city.audit)]
    return [entry["result"] for entry in entries if entry["kind"] == "entry"]


def test_every_outcome_of_a_submitted_form_is_told_and_nothing_is_kept_for_it(city: City) -> None:
    answer = answered(city)
    before = len(results(city))
    same = verdicts(city, submitted(answer))
    assert (same["intact"], set(same["verdicts"].values())) == (True, {"unchanged", "typed"})
    changed = submitted(answer, mobile="13900000000", name="别人", delivery="post")
    changed["sex"]["seal"] = None
    found = verdicts(city, changed)
    assert not found["intact"]
    told = {"mobile": "changed", "name": "tampered", "sex": "tampered", "delivery": "typed", "permit_no": "unchanged"}
    assert told.items() <= found["verdicts"].items()
    city.clock.now += timedelta(hours=25)
    late = verdicts(city, submitted(answer, mobile="13900000000"))
    assert (late["verdicts"]["citizen_id"], late["verdicts"]["mobile"], late["intact"]) == (
        "out_of_date",
        "changed",
        False,
    )
    assert len(results(city)) == before


def kept(city: City, tmp_path: Path) -> tuple[list[str], dict[str, bytes]]:
    """All that the hub keeps: every row of its databases, and every other file."""
    rows = []
    for db in (city.ledger, city.audit):
        with closing(sqlite3.connect(db.engine.url.database or "")) as plain:
            rows += [*plain.iterdump()]
    files = {str(f): f.read_bytes() for f in tmp_path.rglob("*") if f.is_file() and ".db" not in f.name}
    return rows, files


def test_a_comparison_leaves_nothing_behind_in_databases_files_or_logs(
    city: City, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fields = submitted(answered(city), mobile="13900000000")
    before = kept(city, tmp_path)
    with caplog.at_level("DEBUG"):
        assert verdicts(city, fields)["intact"]
        assert city.post("/v1/prefill/verify", {"form": FORM, "subject": ID}).status_code == 422
    assert kept(city, tmp_path) == before
    assert [word for word in (ID, "林小满", "13900000000") if word in caplog.text] == []


def test_seals_of_another_subject_client_or_version_do_not_fit(city: City) -> None:
    fields = submitted(answered(city))
    for other in ({"subject": "440308199901101513"}, {"version": "0.9.0"}):
        found = verdicts(city, fields, **other)["verdicts"]
        assert {found[name] for name in ("name", "mobile")} == {"tampered"}
    body = {"form": FORM, "subject": ID, "fields": fields}
    elsewhere = city.post("/v1/prefill/verify", body, city.token("demo-portal")).json()
    assert elsewhere["verdicts"]["name"] == "tampered"
    assert verdicts(city, fields, subject=f" {ID.lower()} ")["intact"]


def test_each_client_gets_a_name_of_its_own_for_the_subject(city: City) -> None:
    mine = answered(city)["subject"]
    theirs = city.post("/v1/prefill", WISH, city.token("demo-portal")).json()["subject"]
    assert answered(city, subject=ID.lower())["subject"] == mine
    assert mine != theirs
    assert ID not in mine


def test_an_answer_is_not_sent_again_while_there_is_nothing_new_and_the_look_is_audited(city: City) -> None:
    first = city.post("/v1/prefill", WISH)
    tag, token = first.headers["etag"], {"Authorization": f"Bearer {city.token()}"}
    assert first.json()["etag"] == tag
    again = city.http.post("/v1/prefill", json=WISH, headers={**token, "If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    refused = city.http.post("/v1/prefill", json=WISH)
    wanted = {name.lower(): value for name, value in HEADERS.items() if name not in OF_DOCUMENTS}
    for answer in (first, again, refused):
        assert answer.headers.items() >= wanted.items()
    assert results(city) == ["answered", "answered"]
    city.clock.now += timedelta(days=1)
    token = {"Authorization": f"Bearer {city.token()}"}
    other = city.http.post("/v1/prefill", json=WISH, headers={**token, "If-None-Match": tag})
    assert (other.status_code, other.headers["etag"] != tag) == (200, True)


def test_a_resumed_draft_is_refreshed_field_by_field(city: City) -> None:
    draft = submitted(answered(city), mobile="13900000000")
    city.clock.now += timedelta(days=30)
    fields = {f["name"]: f for f in answered(city, draft=draft, version="1.0.0")["fields"]}
    assert (fields["name"]["draft"], fields["mobile"]["draft"]) == ("current", "kept")
    assert fields["mobile"]["value"] == "13800000000"
    assert verdicts(city, submitted({"fields": [*fields.values()]}))["intact"]


def test_a_batch_answers_each_form_by_itself_and_audits_each(city: City) -> None:
    forms = [{"form": FORM, "fields": ["name"]}, {"form": "person", "fields": ["name", "mobile"]}, {"form": "nothing"}]
    wish = {name: value for name, value in WISH.items() if name != "form"}
    one, two, three = city.post("/v1/prefill", {**wish, "forms": forms}).json()["answers"]
    assert [f["value"] for f in one["answer"]["fields"]] == ["林小满"]
    assert [f["state"] for f in two["answer"]["fields"]] == ["fresh", "withheld"]
    assert (three["problem"]["status"], "answer" in three) == (404, False)
    assert results(city) == ["answered", "answered"]


def test_fields_are_had_without_a_form_and_only_those_that_are_granted(city: City) -> None:
    wish = {"subject": ID, "purpose": PURPOSE, "case": "2026-17"}
    body = city.post(
        "/v1/prefill", {**wish, "fields": ["person.name", "person.travel_permits", "person.mobile"]}
    ).json()
    fields = {f["name"]: f for f in body["fields"]}
    assert (body["form"], fields["name"]["value"], fields["name"]["editable"]) == ("person", "林小满", False)
    (row,) = fields["travel_permits"]["value"]
    assert row == {"permit_no": "C90000017", "valid_to": "2026-02-20"}
    assert fields["travel_permits"]["rows"][0]["state"] == "expired"
    assert (fields["mobile"]["state"], fields["mobile"]["value"], fields["mobile"]["department"]) == (
        "withheld",
        None,
        None,
    )


def test_nested_rows_come_back_sealed(city: City) -> None:
    wish = {"subject": ID, "purpose": PURPOSE, "case": "2026-17", "fields": ["person.travel_permits"]}
    answer = city.post("/v1/prefill", wish).json()
    sent = submitted(answer)
    good = city.post("/v1/prefill/verify", {"form": "person", "subject": ID, "fields": sent}).json()
    assert good["verdicts"] == {"travel_permits": "unchanged"}
    sent["travel_permits"]["value"][0]["valid_to"] = "2036-02-20"
    bad = city.post("/v1/prefill/verify", {"form": "person", "subject": ID, "fields": sent}).json()
    assert bad["verdicts"] == {"travel_permits": "tampered"}


def test_without_case_or_consent_nothing_is_granted(city: City) -> None:
    assert city.post("/v1/prefill", {**WISH, "case": ""}).status_code == 403
    assert city.post("/v1/prefill", {**WISH, "consent": "not.a.statement"}).status_code == 403
    assert all(result.startswith("refused: ") for result in results(city))


@pytest.mark.parametrize("path", ["/v1/prefill", "/v1/prefill/verify"])
def test_bodies_that_are_too_large_or_no_json_are_refused_before_they_are_read(city: City, path: str) -> None:
    token = {"Authorization": f"Bearer {city.token()}"}
    large = city.http.post(path, content=b" " * (MOST_BYTES + 1), headers={**token, "Content-Type": "application/json"})
    assert (large.status_code, large.json()["title"]) == (413, "too large")

    async def pieces() -> Any:
        for _ in range(9):
            yield b" " * (MOST_BYTES // 8)

    chunked = city.http.post(path, content=pieces(), headers={**token, "Content-Type": "application/json"})
    assert chunked.status_code == 413
    form = city.http.post(
        path, content=b"form=x", headers={**token, "Content-Type": "application/x-www-form-urlencoded"}
    )
    assert form.status_code == 415
    assert city.http.get(path, headers=token).status_code == 405


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"form": FORM, "subject": ID, "fields": {"salary": {"value": "1"}}}, "no field salary"),
        ({"form": FORM, "subject": ID, "fields": {"name": {"value": {"a": 1}}}}, "$.fields"),
        ({"form": FORM, "subject": ID}, "fields"),
        ({"form": "nothing", "subject": ID, "fields": {}}, "no form"),
    ],
)
def test_a_malformed_submission_is_told_where(city: City, body: dict[str, Any], named: str) -> None:
    answer = city.post("/v1/prefill/verify", body)
    assert answer.status_code in (404, 422)
    assert named in answer.json()["detail"]


def test_the_description_of_the_api_holds_both_routes_with_their_structures(city: City) -> None:
    paths = city.http.get("/openapi.json").json()["paths"]
    asked = paths["/v1/prefill"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert asked["required"] == ["subject", "purpose"]
    assert "seal" in json.dumps(paths["/v1/prefill"]["post"]["responses"]["200"])
    assert "out_of_date" in json.dumps(paths["/v1/prefill/verify"])
    assert "$ref" not in json.dumps(paths["/v1/prefill"]["post"]["requestBody"])


class Slow:
    """Files that come when they are let, and say which thread was kept waiting for them."""

    def __init__(self, city: City) -> None:
        self.files, self.asked, self.go, self.by = city.services.prefill.files, threading.Event(), threading.Event(), ""

    def __call__(self, asked: Sequence[tuple[str, str]]) -> Sequence[SubjectFile | None]:
        self.by = threading.current_thread().name
        self.asked.set()
        assert self.go.wait(20)
        return self.files(asked)


def test_a_server_that_is_slow_with_files_keeps_nobody_else_waiting(city: City) -> None:
    slow = Slow(city)
    app = create_app(replace(city.services, prefill=replace(city.services.prefill, files=slow, waits=True)))
    headers = {"Authorization": f"Bearer {city.token('portal')}"}

    async def both() -> tuple[int, int]:
        async with AsyncClient(transport=ASGITransport(app), base_url="http://hub.test") as client:
            form = asyncio.create_task(client.post("/v1/prefill", json=WISH, headers=headers))
            assert await asyncio.to_thread(slow.asked.wait, 20)
            other = await client.get("/v1/forms", headers=headers)
            assert not form.done()
            slow.go.set()
            return other.status_code, (await form).status_code

    assert asyncio.run(both()) == (200, 200)
    assert slow.by.startswith("prefill")


def test_files_of_this_machine_are_read_on_the_loop(city: City) -> None:
    slow = Slow(city)
    slow.go.set()
    app = create_app(replace(city.services, prefill=replace(city.services.prefill, files=slow, waits=False)))
    headers = {"Authorization": f"Bearer {city.token('portal')}"}
    assert Http(app).post("/v1/prefill", json=WISH, headers=headers).status_code == 200
    assert slow.by == threading.main_thread().name


def test_a_fault_of_our_own_is_told_without_its_details_and_goes_on_to_the_servers_log(city: City) -> None:
    def broken(_asked: Sequence[tuple[str, str]]) -> Sequence[SubjectFile | None]:
        raise RuntimeError(f"no file of {ID}")

    app = create_app(replace(city.services, prefill=replace(city.services.prefill, files=broken)))
    headers = {"Authorization": f"Bearer {city.token('portal')}"}

    async def asked(*, logged: bool) -> Response:
        transport = ASGITransport(app, raise_app_exceptions=logged)
        async with AsyncClient(transport=transport, base_url="http://hub.test") as client:
            return await client.post("/v1/prefill", json=WISH, headers=headers)

    told = asyncio.run(asked(logged=False))
    assert (told.status_code, told.json()["detail"]) == (500, "a fault of the hub itself")
    assert told.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
    assert ID not in told.text
    with pytest.raises(RuntimeError, match="no file"):
        asyncio.run(asked(logged=True))


def test_only_a_hub_whose_files_and_rights_are_its_own_does_not_wait_for_a_server(tmp_path: Path) -> None:
    for name in ("subjects", "forms"):
        (tmp_path / name).mkdir()
    own = Settings(home=tmp_path, declarations=tmp_path, personas="off")
    away = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    assert not prefilling(Hub(own)).waits
    hub = Hub(own)
    vars(hub)["subjects"] = Database(away, subject_tables)
    assert prefilling(hub).waits
