"""Whatever a stranger sends to the routes of access, the answer is one that the interface's description knows, and never a fault."""

import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from serving_city import City

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

ROUTES = (
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/jwks",
    "/.well-known/oauth-authorization-server",
    "/v1/grants",
    "/v1/uses",
)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.filterwarnings("ignore")
def test_random_requests_find_no_fault_and_no_answer_that_is_not_described(city: City, path: str) -> None:
    described = schemathesis.openapi.from_asgi("/openapi.json", city.app)
    token = {"Authorization": f"Bearer {city.token()}"}
    (operation,) = [found.ok() for found in described.include(path=path).get_all_operations()]

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(headers=token)
        case.validate_response(answer, checks=CHECKS)

    ask()
