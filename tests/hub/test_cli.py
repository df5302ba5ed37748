"""The command line's one grammar of failing: exit codes, errors on standard error, problem documents for machines."""

import json

from city_bench import CITY
from command_line import Run


def test_done_is_0_and_json_is_json(run: Run) -> None:
    code, out, _ = run("contract", "apply", str(CITY / "contracts"), "--json")
    assert code == 0
    assert len(json.loads(out)) == 7
    assert run("contract", "diff", str(CITY / "contracts" / "residents.odcs.yaml"))[1].strip() == "no difference"
    assert len(json.loads(run("catalog", "list", "居民 户籍", "--json")[1])) <= 7
    assert [e["dataset"] for e in json.loads(run("catalog", "list", "婚姻", "--json")[1])] == ["marriages"]


def test_failed_is_1_with_what_to_do_on_standard_error(run: Run) -> None:
    run("contract", "apply", str(CITY / "contracts"))
    code, out, err = run("pull", "travel_permits")
    assert (code, out) == (1, "")
    first, *_, last = err.strip().splitlines()
    assert first.startswith("✗ ")
    assert last.startswith("  → ")


def test_usage_is_2(run: Run) -> None:
    assert run("pull")[0] == 2
    assert run("due", "--within", "soon")[0] == 2


def test_refused_is_3_and_a_problem_document_for_machines(run: Run) -> None:
    code, _, err = run("pull", "nothing", "--json")
    assert code == 3
    problem = json.loads(err)
    assert (problem["type"], problem["status"]) == ("urn:cityhub:problem:not-found", 404)
    assert problem["todo"]


def test_a_client_can_be_switched_off_and_on_again(run: Run) -> None:
    def active() -> bool:
        return json.loads(run("client", "list", "--json")[1])[0]["active"]

    run("client", "add", "portal", "--form", "hk_macao_permit_renewal")
    assert active()
    assert run("client", "disable", "portal")[0] == 0
    assert not active()
    run("client", "add", "portal", "--form", "hk_macao_permit_renewal")
    assert active()
    assert run("client", "disable", "nobody")[0] == 3
