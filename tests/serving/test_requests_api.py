"""Requests over HTTP: a client asks, follows and withdraws; it learns why and never by whom; what is wrong is named by its field."""

import asyncio
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response
from hypothesis import HealthCheck, given, settings
from requests_bench import APPROVER, CIVIL, MARKET, Bench, bench, person

from hub.sharing import requests
from hub.web import services
from serving.app import create_app

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

WISH = {
    "dataset": "food_licences", "fields": ["licence_no", "status"], "purpose": "巡查", "basis": "duty", "legal": "食品安全法第一百一十条",
    "days": 365, "quota": 500, "contact": "市场监管局信息中心",
}  # fmt: skip
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@dataclass
class Api:
    """The application over a bench; the token is the client's name."""

    bench: Bench

    def __post_init__(self) -> None:
        self.services = replace(services(self.bench.hub), authenticate=lambda token: token)
        self.app = create_app(self.services)

    def call(self, method: str, path: str, client: str = "portal", **more: Any) -> Response:
        async def one() -> Response:
            async with AsyncClient(transport=ASGITransport(self.app), base_url="http://hub.test") as http:
                return await http.request(method, path, headers={"Authorization": f"Bearer {client}"}, **more)

        return asyncio.run(one())

    def ask(self, client: str = "portal", **changes: Any) -> Response:
        return self.call("POST", "/v1/requests", client, json={**WISH, **changes})


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with bench(tmp_path_factory.mktemp("requests"), api_url="http://hub.test") as made:
        yield Api(made)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Api]:
    """One of its own, whose desk has looked at nothing yet."""
    with bench(tmp_path, api_url="http://hub.test") as made:
        yield Api(made)


def test_a_client_asks_and_follows_its_request_to_the_grant(api: Api) -> None:
    asked = api.ask(purpose="first")
    assert (asked.status_code, asked.json()["state"], asked.json()["due_on"]) == (201, "requested", "2026-10-19")
    path = asked.headers["Location"]
    requests.approve(api.bench.hub, api.bench.offer, asked.json()["request"], person("canary-approver"), "同意")
    shown = api.call("GET", path)
    assert (shown.json()["state"], shown.json()["provider"]) == ("granted", "市市场监督管理局")
    assert [(step["deed"], step["reason"]) for step in shown.json()["steps"]] == [
        ("requested", ""),
        ("granted", "同意"),
    ]
    assert "canary" not in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    assert shown.json()["request"] in [row["request"] for row in api.call("GET", "/v1/requests").json()]


def test_said_again_it_is_the_same_request(api: Api) -> None:
    first, again = api.ask(purpose="twice"), api.ask(purpose="twice")
    assert (again.status_code, again.json()) == (201, first.json())


def test_what_is_unconditional_is_granted_in_the_answer_and_opens_its_addresses(fresh: Api) -> None:
    asked = fresh.ask(dataset="companies", fields=["org_name"], client="other")
    assert (asked.json()["state"], len(asked.json()["steps"])) == ("granted", 2)
    (granted,) = fresh.call("GET", "/v1/grants", "other").json()
    assert (granted["grant"], granted["request"]) == (asked.json()["grant"], asked.json()["request"])
    assert (granted["live"], granted["evidence"], granted["row_filter"]) == (True, "case", "")
    assert "http://hub.test/v1/disputes" in [way["url"] for way in granted["opens"] if way["method"] == "POST"]


def test_every_address_that_a_grant_opens_is_one_of_the_interfaces(fresh: Api) -> None:
    fresh.ask("other", dataset="", form="food_licence_renewal", fields=["establish_date"], purpose="form")
    fresh.ask("other", dataset="companies", fields=["org_name"])
    described = json.loads(fresh.call("GET", "/openapi.json").text)["paths"]
    for granted in fresh.call("GET", "/v1/grants", "other").json():
        assert granted["opens"]
        assert not [way for way in granted["opens"] if way["method"] == "POST" and way["url"].endswith("/records")], (
            "a push right is no grant"
        )
        for way in granted["opens"]:
            path = way["url"].removeprefix("http://hub.test").replace(f"/{granted['name']}", "/{}")
            plain = {re.sub(r"\{[^/]+\}", "{}", p, count=1): methods for p, methods in described.items()}
            assert way["method"].lower() in plain[path], way


def test_anothers_request_is_not_found_like_one_that_is_not_there(api: Api) -> None:
    number = api.ask(purpose="mine").json()["request"]
    for path in (f"/v1/requests/{number}", "/v1/requests/r000000000000", "/v1/requests/%00"):
        answers = [api.call("GET", path, "other"), api.call("POST", f"{path}/withdraw", "other")]
        assert [(a.status_code, a.json()["detail"]) for a in answers] == [(404, "there is no such request")] * 2


def test_a_client_withdraws_what_is_not_decided(api: Api) -> None:
    number = api.ask(purpose="withdrawn").json()["request"]
    done = api.call("POST", f"/v1/requests/{number}/withdraw", json={"reason": "no need"})
    assert (done.json()["state"], done.json()["steps"][-1]["reason"]) == ("withdrawn", "no need")
    again = api.call("POST", f"/v1/requests/{number}/withdraw")
    assert (again.status_code, again.headers["Content-Type"]) == (409, "application/problem+json")


def test_a_refusal_is_read_with_its_reason(api: Api) -> None:
    number = api.ask(purpose="refused").json()["request"]
    requests.refuse(api.bench.hub, number, APPROVER, "目的与职责无关")
    assert api.call("GET", f"/v1/requests/{number}").json()["steps"][-1]["reason"] == "目的与职责无关"


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"dataset": ""}, 422, "dataset"),
        ({"form": "food_licence_renewal"}, 422, "dataset"),
        ({"dataset": "no_such"}, 404, "dataset"),
        ({"fields": ["no_such"]}, 422, "fields"),
        ({"row_filter": "1 = 1"}, 422, "row_filter"),
        ({"purpose": ""}, 422, "purpose"),
        ({"purpose": "a\u0000b"}, 422, "purpose"),
        ({"legal": "x" * 401}, 422, "legal"),
        ({"days": 0}, 422, "days"),
        ({"quota": "many"}, 422, "quota"),
        ({"basis": "whim"}, 422, "basis"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(api: Api, changes: dict[str, Any], status: int, field: str) -> None:
    answer = api.ask(**changes)
    problem = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert problem.get("field", "") == field or any(e.startswith(f"{field}:") for e in problem.get("errors", ()))


@pytest.mark.parametrize(
    "path", ["/v1/requests", "/v1/requests/{number}", "/v1/requests/{number}/withdraw", "/v1/grants"]
)
@pytest.mark.filterwarnings("ignore")
def test_random_requests_find_no_fault_and_no_answer_that_is_not_described(api: Api, path: str) -> None:
    described = schemathesis.openapi.from_asgi("/openapi.json", api.app)
    operations = [found.ok() for found in described.include(path=path).get_all_operations()]
    assert operations
    for operation in operations:

        @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            case.validate_response(case.call(headers={"Authorization": "Bearer portal"}), checks=CHECKS)

        ask()


def test_people_see_what_concerns_them_and_may_do_what_is_said_with_it(tmp_path: Path) -> None:
    with bench(tmp_path) as made:
        desk = services(made.hub).approvals
        chief, editor = person("zhang"), person("qian", CIVIL, "editor")
        auditor, office, stranger = person("a", "", "auditor"), person("wu", "", "office"), person("x", CIVIL)
        portal = person("sun", "", "client", client="portal")
        wish = {k: v for k, v in WISH.items() if k != "dataset"} | {"kind": "dataset", "name": "food_licences"}
        row = desk.open(editor, "portal", wish)
        number = row["request"]
        may = {a.name: desk.shown(a, number)["may"] for a in (chief, editor, auditor, office, stranger, portal)}
        assert may == {
            "zhang": ["approve", "refuse", "extend"], "qian": ["withdraw"], "a": [], "wu": [], "x": [], "sun": ["withdraw"],
        }  # fmt: skip
        assert [len(desk.listed(a, "decide", "")) for a in (chief, editor, office)] == [1, 0, 0]
        assert [len(desk.listed(a, "asked", "")) for a in (chief, editor, portal)] == [0, 1, 1]
        assert "by" not in desk.shown(portal, number)["steps"][0]
        assert desk.clocks(chief) == {"open": 1, "to_decide": 1, "soon": 0, "overdue": 0, "undelivered": 0}
        made.day("2026-10-20")
        assert [r["request"] for r in desk.overdue(office)] == [number]
        assert desk.shown(office, number)["may"] == ["approve", "refuse"]
        assert desk.approve(chief, number, "")["state"] == "granted"
        assert desk.revoke(office, number, "误用")["steps"][-1]["deed"] == "revoked"
        with pytest.raises(Exception, match="no request"):
            desk.shown(person("y", "11310100MADEM0046A"), number)
        made_delegation = desk.delegate(chief, MARKET, made.hub.today(), "出差", person="li")
        assert desk.delegations(person("li", CIVIL, "editor")) == [made_delegation]
        desk.end_delegation(chief, made_delegation["delegation"])
        assert desk.delegations(chief) == []
