"""The command line's one grammar of failing: exit codes, errors on standard error, problem documents for machines."""

import json
import sys
from pathlib import Path

import pytest
from city_bench import CITY

from hub import cli


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HUB_DECLARATIONS", str(CITY))

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hub", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def test_done_is_0_and_json_is_json(hub) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = hub("contract", "apply", str(CITY / "contracts"), "--json")
    assert code == 0
    assert len(json.loads(out)) == 7
    assert hub("contract", "diff", str(CITY / "contracts" / "residents.odcs.yaml"))[1].strip() == "no difference"
    assert len(json.loads(hub("catalog", "list", "居民 户籍", "--json")[1])) <= 7
    assert [e["dataset"] for e in json.loads(hub("catalog", "list", "婚姻", "--json")[1])] == ["marriages"]


def test_failed_is_1_with_what_to_do_on_standard_error(hub) -> None:  # type: ignore[no-untyped-def]
    hub("contract", "apply", str(CITY / "contracts"))
    code, out, err = hub("pull", "travel_permits")
    assert (code, out) == (1, "")
    first, *_, last = err.strip().splitlines()
    assert first.startswith("✗ ")
    assert last.startswith("  → ")


def test_usage_is_2(hub) -> None:  # type: ignore[no-untyped-def]
    assert hub("pull")[0] == 2
    assert hub("due", "--within", "soon")[0] == 2


def test_refused_is_3_and_a_problem_document_for_machines(hub) -> None:  # type: ignore[no-untyped-def]
    code, _, err = hub("pull", "nothing", "--json")
    assert code == 3
    problem = json.loads(err)
    assert (problem["type"], problem["status"]) == ("urn:cityhub:problem:not-found", 404)
    assert problem["todo"]


def test_a_client_can_be_switched_off_and_on_again(hub) -> None:  # type: ignore[no-untyped-def]
    def active() -> bool:
        return json.loads(hub("client", "list", "--json")[1])[0]["active"]

    hub("client", "add", "portal", "--form", "hk_macao_permit_renewal")
    assert active()
    assert hub("client", "disable", "portal")[0] == 0
    assert not active()
    hub("client", "add", "portal", "--form", "hk_macao_permit_renewal")
    assert active()
    assert hub("client", "disable", "nobody")[0] == 3
