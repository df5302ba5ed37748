"""schemathesis asks every route of the API whatever its description allows and forbids: no fault, no answer that is not described."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import schemathesis.specs.openapi.checks as of_openapi
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from records_bench import Bench
from schemathesis import GenerationMode, checks

from serving.app import create_app
from serving.push import MEDIA

CHECKS = [
    checks.not_a_server_error, of_openapi.status_code_conformance, of_openapi.content_type_conformance,
    of_openapi.response_schema_conformance,
]  # fmt: skip
OURS = ("/v1/datasets/{name}/", "/v1/receipts/", "/v1/subscriptions")
"""Routes that turn away whatever their description forbids; the others may overlook what they do not know."""
CALM = settings(max_examples=8, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck])
ROW = {"id": "h1", "district": "A", "owner": "P1", "floors": 1, "fee": None}


@schemathesis.serializer(*MEDIA)
def as_it_is(_context: Any, value: Any) -> bytes:
    """Pushed batches: any bytes."""
    return value if isinstance(value, bytes) else repr(value).encode()


@pytest.mark.timeout(900)
def test_whatever_is_asked_the_answer_is_one_that_is_described(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path)
    bench.publish([ROW])
    bench.allow()
    described = schemathesis.openapi.from_asgi("/openapi.json", create_app(bench.services))
    operations = [found.ok() for found in described.get_all_operations()]
    token = {"Authorization": f"Bearer {bench.token()}"}
    faults = []
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                ask(operation, mode, token)
            except Exception as fault:  # noqa: BLE001 - all of them are told at the end
                faults.append(f"{operation.label} {mode}: {fault}")
    assert not faults, "\n".join(faults)
    assert len(operations) > 30


def ask(operation: Any, mode: GenerationMode, token: dict[str, str]) -> None:
    held = [*CHECKS, *([of_openapi.negative_data_rejection] if operation.path.startswith(OURS) else [])]

    @CALM
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=token, checks=held)

    with suppress(Unsatisfiable):  # nothing is forbidden where nothing is asked
        asked()
