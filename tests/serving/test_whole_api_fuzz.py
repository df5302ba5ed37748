"""schemathesis asks every route of the API whatever its description allows and forbids: no fault, no answer that is not described."""

from typing import Any

import pytest
import schemathesis
import schemathesis.specs.openapi.checks as of_openapi
from hypothesis import HealthCheck, Phase, given, settings
from records_bench import Bench
from schemathesis import GenerationMode, checks

CHECKS = [
    checks.not_a_server_error, of_openapi.status_code_conformance, of_openapi.content_type_conformance,
    of_openapi.response_schema_conformance,
]  # fmt: skip
CALM = settings(max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck])
ROW = {"id": "h1", "district": "A", "owner": "P1", "floors": 1, "fee": None}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    found = Bench.at(tmp_path_factory.mktemp("fuzz"))
    found.publish([ROW])
    found.allow()
    return found


def routes() -> list[tuple[str, str]]:
    """Every method and path of the description."""
    from tempfile import TemporaryDirectory
    from pathlib import Path

    with TemporaryDirectory() as folder:
        described: dict[str, Any] = (
            Bench.at(Path(folder)).services and Bench.at(Path(folder)).http.get("/openapi.json").json()
        )
    return [(method.upper(), path) for path, methods in described["paths"].items() for method in methods]


@pytest.mark.parametrize(("method", "path"), routes())
def test_whatever_is_asked_the_answer_is_one_that_is_described(bench: Bench, method: str, path: str) -> None:
    from serving.app import create_app

    app = create_app(bench.services)
    operation = schemathesis.openapi.from_asgi("/openapi.json", app)[path][method]
    token = {"Authorization": f"Bearer {bench.token()}"}
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @CALM
        @given(case=operation.as_strategy(generation_mode=mode))
        def asked(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=token, checks=CHECKS)

        asked()
