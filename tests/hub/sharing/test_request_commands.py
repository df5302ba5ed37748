"""hub request, delegation, grant export and apply: from the asking to a reviewed file, as people type it."""

import json
from pathlib import Path

import pytest
from command_line import Run
from requests_bench import CIVIL, MARKET, bench


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the demo city's contracts and two clients."""
    with bench(tmp_path / "home"):
        monkeypatch.setenv("HUB_LANGUAGE", "en")
    monkeypatch.setenv("LOGNAME", "zhang")
    return tmp_path / "home"


ASK = (
    "request",
    "open",
    "portal",
    "--purpose",
    "巡查",
    "--basis",
    "duty",
    "--legal",
    "食品安全法",
    "--dataset",
    "food_licences",
    "--field",
    "status",
)


def test_a_request_is_asked_decided_and_ends_in_a_file_that_can_be_applied(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(*ASK, "--department", CIVIL, "--json")
    asked = json.loads(out)
    assert (code, asked["state"], asked["requested_by"], asked["may"]) == (0, "requested", "zhang", ["withdraw"])
    code, _, error = run("request", "approve", asked["request"], "--department", MARKET)
    assert (code, "nobody decides on what he asked for" in error) == (3, True)
    monkeypatch.setenv("LOGNAME", "wang")
    assert run("request", "refuse", asked["request"], "--department", MARKET)[0] == 2, "a reason is wanted"
    code, _, error = run("request", "approve", asked["request"])
    assert (code, "another department decides" in error) == (3, True)
    assert asked["request"] in run("request", "list", "--decide", "--department", MARKET)[1]
    code, out, _ = run("request", "approve", asked["request"], "--reason", "同意", "--department", MARKET)
    assert (code, "granted" in out, "同意" in out) == (0, True, True)
    assert json.loads(run("request", "clocks", "--json")[1])["undelivered"] == 0
    text = run("grant", "export")[1]
    assert f"request: {asked['request']}" in text
    file = tmp_path / "grants.yaml"
    file.write_text(text, encoding="utf-8")
    assert "nothing changes" in run("grant", "apply", str(file))[1]
    file.write_text("grants: []", encoding="utf-8")
    dry = json.loads(run("grant", "apply", str(file), "--dry-run", "--json")[1])
    assert [row["change"] for row in dry] == ["ended"]
    assert run("grant", "export")[1] == text
    run("grant", "apply", str(file))
    assert run("grant", "export")[1] == "grants: []\n"
    assert json.loads(run("request", "show", asked["request"], "--json")[1])["state"] == "revoked"


def test_a_delegation_is_added_listed_and_revoked(run: Run) -> None:
    given = ("--until", "2099-12-31", "--why", "出差", "--person", "li", "--department", MARKET)
    made = json.loads(run("delegation", "add", *given, "--json")[1])
    assert (made["person"], made["by"], made["until"]) == ("li", "zhang", "2099-12-31")
    assert made["delegation"] in run("delegation", "list")[1]
    assert run("delegation", "revoke", made["delegation"], "--department", CIVIL)[0] == 3
    assert run("delegation", "revoke", made["delegation"], "--department", MARKET)[0] == 0
    assert "no delegation" in run("delegation", "list")[1]
