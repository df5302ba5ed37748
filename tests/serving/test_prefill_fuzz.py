"""schemathesis asks the prefill routes whatever their own description allows and forbids: no fault, no undescribed answer, no stray value."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
import schemathesis.specs.openapi.checks as of_openapi
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from serving_city import ID, PURPOSE, SIGNER, City, Clock, compose

from access.audit import AuditLog
from ledger.database import Database, audit_tables, ledger_tables

CHECKS = [
    checks.not_a_server_error, of_openapi.status_code_conformance, of_openapi.content_type_conformance,
    of_openapi.response_schema_conformance, of_openapi.negative_data_rejection,
]  # fmt: skip
PATHS = ("/v1/prefill", "/v1/prefill/verify")
CALM = settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck])


@pytest.fixture(scope="module")
def one_city(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    folder = tmp_path_factory.mktemp("fuzz")
    for name in ("ledger.db", "audit.db"):
        shutil.copy(made / name, folder / name)
    ledger, audit = (
        Database(f"sqlite:///{folder}/{n}.db", t) for n, t in (("ledger", ledger_tables), ("audit", audit_tables))
    )
    clock = Clock()
    with AuditLog(audit, chain="fuzz", signer=SIGNER, clock=clock) as log:
        yield compose(ledger, audit, log, clock, folder / "lake")
    ledger.dispose()
    audit.dispose()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_asked_the_answer_is_one_that_is_described(one_city: City, path: str, mode: GenerationMode) -> None:
    operation = schemathesis.openapi.from_asgi("/openapi.json", one_city.app)[path]["POST"]
    token = {"Authorization": f"Bearer {one_city.token()}"}

    @CALM
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: schemathesis.Case) -> None:
        answer = case.call(headers=token)
        # A body that is too large is turned away too, by a status that schemathesis does not count among the refusals.
        case.validate_response(answer, checks=CHECKS[:-1] if answer.status_code == 413 else CHECKS)

    asked()


@CALM
@given(
    form=st.sampled_from(["hk_macao_permit_renewal", "person", "nothing"]),
    subject=st.sampled_from([ID, "440308199901101513"]),
    case=st.sampled_from(["2026-17", ""]),
    purpose=st.sampled_from([PURPOSE, "another"]),
    client=st.sampled_from(["portal", "ungranted"]),
    fields=st.lists(st.sampled_from(["name", "mobile", "travel_permits", "reason", "salary"]), max_size=3),
)
def test_values_leave_for_the_granted_alone(one_city: City, client: str, **wish: object) -> None:
    answer = one_city.post("/v1/prefill", wish, one_city.token(client))
    assert answer.status_code < 500
    lawful = (client, wish["purpose"], wish["case"]) == ("portal", PURPOSE, "2026-17")
    assert "林小满" not in answer.text or (lawful and wish["subject"] == ID)
    assert lawful or answer.status_code in (403, 404, 422)
    assert json.loads(answer.content)
