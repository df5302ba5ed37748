"""A field whose existence is private and that a client was not granted: whether it is held shows nowhere, not in a byte, tag or choice of entry."""

from dataclasses import replace
from typing import Any

import pytest
from httpx import Response
from serving_city import ID, PURPOSE, City, Http, subject_file

from ledger import grants
from ledger.grants import Grant
from prefill.forms import Form
from subjects.file import SubjectFile

FORM = "hk_macao_permit_renewal"
WISH = {"form": FORM, "subject": ID, "purpose": PURPOSE, "case": "2026-17"}
HELD = subject_file()
CHANGED = subject_file(mobile="13911111111")
NOT_HELD = subject_file(mobile=None)


def ask(city: City, file: SubjectFile, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """What a client without a grant for `mobile` and `valid_to` is told, both of which are private."""
    given = Grant(
        "g", "ungranted", "form", FORM, PURPOSE, "duty", city.clock(), fields=frozenset({"name", "sex", "permit_no"})
    )
    grants.allow(city.ledger, given, city.clock())
    form: Form = city.services.forms()[FORM]
    hiding = replace(form, fields=tuple(replace(f, private=f.name in ("mobile", "valid_to")) for f in form.fields))

    app = city.with_services(
        forms=lambda: {FORM: hiding}, prefill=replace(city.services.prefill, files=lambda _asked: [file])
    )
    token = {"Authorization": f"Bearer {city.token('ungranted')}"}
    return Http(app).post("/v1/prefill", json={**WISH, **more}, headers={**token, **(headers or {})})


@pytest.mark.parametrize("other", [CHANGED, NOT_HELD], ids=["of another value", "not held"])
def test_a_private_field_is_answered_byte_for_byte_as_if_it_were_not_held(city: City, other: SubjectFile) -> None:
    held, without = ask(city, HELD), ask(city, other)
    fields = {f["name"]: f for f in held.json()["fields"]}
    assert (fields["name"]["value"], fields["mobile"]["state"]) == ("林小满", "not_held")
    assert fields["citizen_id"]["state"] == "withheld"
    assert held.content == without.content
    assert dict(held.headers) == dict(without.headers)


def test_a_tag_does_not_tell_that_a_private_field_changed(city: City) -> None:
    tag = {"If-None-Match": ask(city, HELD).headers["etag"]}
    assert [ask(city, file, tag).status_code for file in (HELD, CHANGED, NOT_HELD)] == [304, 304, 304]
    assert ask(city, subject_file(name="林大满"), tag).status_code == 200


@pytest.mark.parametrize("guess", ["2026-02-20", "2030-01-01"])
def test_no_entry_is_selected_by_what_is_withheld_so_no_guess_at_it_is_confirmed(city: City, guess: str) -> None:
    refused = ask(city, HELD, select={"travel_permits": {"valid_to": guess}})
    assert (refused.status_code, refused.json()["field"]) == (422, "select")
    assert "travel_permits.permit_no" in refused.json()["todo"]
    assert "2026-02-20" not in refused.text
    unknown = ask(city, HELD, select={"travel_permits": {"nothing": guess}})
    assert unknown.content == refused.content.replace(b"valid_to", b"nothing")
    known = ask(city, HELD, select={"travel_permits": {"permit_no": "C90000017"}})
    assert {f["name"]: f["value"] for f in known.json()["fields"]}["permit_no"] == "C90000017"
