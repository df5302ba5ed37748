"""hub client, grant, provider, key and audit: what the data office types, and what it is shown and not shown."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from city_bench import CITY, hub_at
from command_line import Run
from joserfc.jwk import KeySet, OKPKey

from access.audit import Entry
from access.audit_verifier import main as verifier
from access.tokens import Tokens
from hub import cli, trail
from hub.core import Hub
from hub.settings import Settings
from ledger import budgets, credentials
from ledger.budgets import MARGIN, Limits
from schemas.errors import TooMany, Unauthenticated

ID = "440308199901101512"
KEY = OKPKey.generate_key("Ed25519", {"kid": "k1"})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HUB_LANGUAGE", "en")
    return tmp_path / "home"


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """What a command answers as JSON, or as text where it prints text; the code and the error if it ends with one."""

    def run(*words: str) -> Any:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["hub", *words])
        try:
            cli.main()
        except SystemExit as end:
            if end.code:
                shown = capsys.readouterr()
                return int(end.code), f"{shown.out}{shown.err}"
        shown = capsys.readouterr().out
        return json.loads(shown) if "--json" in words else shown

    return run


@pytest.fixture
def keys(tmp_path: Path) -> str:
    path = tmp_path / "portal.jwks.json"
    path.write_text(json.dumps(KeySet([KEY]).as_dict(private=False)), encoding="utf-8")
    return str(path)


def written(home: Path, *entries: Entry, limits: Limits | None = None) -> None:
    with trail.open_log(hub_at(home), "test") as log:
        for entry in entries:
            log.write(entry, limits)


def entry(subject: str = "s", client: str = "portal") -> Entry:
    return Entry(client, "renewal", "renewal_form", ("name",), subject, "answered", "duty", "case 1")


def test_a_client_with_keys_gets_no_secret_and_one_without_gets_one_that_production_refuses(
    hub: Run, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_keys = hub("client", "add", "portal", "--form", "renewal", "--purpose", "renewal", "--keys", keys, "--json")
    assert with_keys == {"client_id": "portal", "forms": ["renewal"], "purpose": "renewal", "basis": "duty"}
    assert len(hub("client", "add", "other", "--form", "renewal", "--json")["client_secret"]) >= 16
    assert [c["proves itself by"] for c in hub("client", "list", "--json")] == ["secret", "key"]
    monkeypatch.setenv("HUB_PRODUCTION", "true")
    code, error = hub("client", "add", "third", "--form", "renewal")
    assert (code, "--keys FILE" in error) == (3, True)


def test_a_private_key_is_refused_and_registered_nowhere(hub: Run, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "private.json"
    path.write_text(json.dumps(KeySet([KEY]).as_dict(private=True)), encoding="utf-8")
    assert hub("client", "add", "portal", "--form", "renewal", "--keys", str(path))[0] == 3
    hub("client", "add", "portal", "--form", "renewal")
    assert hub("client", "keys", "portal", str(path))[0] == 3
    assert credentials.keys(hub_at(home).ledger, "portal") is None


def test_keys_are_replaced_as_a_set(hub: Run, keys: str) -> None:
    hub("client", "add", "portal", "--form", "renewal")
    assert hub("client", "keys", "portal", keys, "--json") == {"client_id": "portal", "keys": ["k1"]}
    assert hub("client", "keys", "nobody", keys)[0] == 3


def test_a_grant_is_given_listed_and_revoked_with_its_reason(hub: Run) -> None:
    hub("client", "add", "portal", "--form", "renewal")
    words = ("grant", "add", "portal", "--purpose", "statistics", "--basis", "consent", "--dataset", "residents")
    given = hub(*words, "--field", "name", "--days", "3", "--quota", "7", "--legal", "条例第十二条", "--json")
    assert (given["for"], given["fields"], given["quota"], given["legal"]) == (
        "dataset residents",
        ["name"],
        7,
        "条例第十二条",
    )
    assert given["until"] == f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}"
    assert hub("grant", "revoke", given["grant"], "--why", "ended", "--json")["revoked"]
    assert [g["purpose"] for g in hub("grant", "list", "portal", "--json")] == ["service-application"]
    assert hub("grant", "revoke", given["grant"], "--why", "again")[0] == 3
    assert hub(*words, "--form", "renewal")[0] == 3
    assert hub("grant", "add", "nobody", "--purpose", "x", "--basis", "open", "--form", "f")[0] == 3


def test_a_grant_of_some_rows_keeps_conditions_that_fit_the_contract(hub: Run) -> None:
    hub("client", "add", "portal", "--form", "renewal")
    hub("contract", "apply", str(CITY / "contracts" / "residents.odcs.yaml"))
    words = ("grant", "add", "portal", "--purpose", "statistics", "--basis", "duty", "--dataset", "residents", "--rows")
    rows = [{"column": "hukou_region", "op": "prefix", "value": "3101"}]
    assert json.loads(hub(*words, json.dumps(rows), "--json")["rows"]) == rows
    code, complaint = hub(*words, '[{"column": "shoe_size", "op": "eq", "value": "42"}]')
    assert (code, "row_filter[0].column names no column" in complaint) == (3, True)


def test_a_provider_is_shown_its_salt_which_is_the_same_each_time_and_kept_nowhere(
    hub: Run, home: Path, keys: str
) -> None:
    first = hub("provider", "add", "https://id.test", "--keys", keys, "--json")
    again = hub("provider", "add", "https://id.test", "--keys", keys, "--json")
    other = hub("provider", "add", "https://other.test", "--keys", keys, "--json")
    assert first["pairwise_salt"] == again["pairwise_salt"] != other["pairwise_salt"]
    assert all(bytes.fromhex(first["pairwise_salt"]) not in file.read_bytes() for file in home.glob("*.db*"))
    assert [p["issuer"] for p in hub("provider", "list", "--json")] == ["https://id.test", "https://other.test"]
    assert hub("provider", "remove", "https://id.test", "--json")["removed"]
    assert hub("provider", "remove", "https://id.test")[0] == 3


def test_a_budget_is_shown_set_learned_and_released(hub: Run, home: Path) -> None:
    hub("client", "add", "portal", "--form", "renewal")
    two = Limits("portal", "renewal", 2 - MARGIN)
    written(home, entry("a"), entry("b"), limits=two)
    with pytest.raises(TooMany):
        written(home, entry("c"), limits=two)
    shown = hub("client", "budget", "portal", "renewal", "--json")
    assert (shown["budget"], shown["subjects"], shown["stopped"]) == (Settings().subject_budget, 2, True)
    (client,) = hub("client", "list", "--json")
    assert (client["subjects"], client["stopped"]) == ({"renewal": 2}, ["renewal"])
    shown = hub("client", "budget", "portal", "renewal", "5", "--release", "--json")
    assert (shown["budget"], shown["stopped"]) == (5, False)
    tomorrow = Hub(Settings(home=home), clock=lambda: datetime.now(UTC) + timedelta(days=1))
    with trail.open_log(tomorrow, "later") as log:
        log.write(entry("c"), Limits("portal", "renewal", 5))
    assert hub("client", "budget", "portal", "renewal", "--learn", "--json")["budget"] == 2
    assert budgets.budgets(hub_at(home).ledger) == {("portal", "renewal"): 2}


def test_the_audit_is_searched_exported_and_verified_without_the_hub(
    hub: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "elsewhere.jsonl"
    monkeypatch.setenv("HUB_AUDIT_ANCHORS", str(kept))
    it = Hub(Settings(home=home))
    with trail.open_log(it, "test") as log:
        log.write(entry(trail.called(it, "person", ID)))
        log.write(entry("somebody else", "other"))
    monkeypatch.setattr("typer.prompt", lambda *_args, **_more: f" {ID} ")
    found = hub("audit", "search", "--kind", "person", "--json")
    assert [(e["client"], e["evidence"], ID in str(e)) for e in found] == [("portal", "case 1", False)]
    assert len(hub("audit", "search", "--since", "2020-01-01", "--json")) == 2
    assert hub("audit", "search", "--client", "nobody", "--json") == []

    export, public, anchors = (str(tmp_path / name) for name in ("audit.jsonl", "public.pem", "heads.jsonl"))
    assert hub("audit", "export", export, "--json")["lines"] == 4
    Path(public).write_text(hub("audit", "keys"), encoding="utf-8")
    Path(anchors).write_text(hub("audit", "anchor"), encoding="utf-8")
    for safe in (anchors, str(kept)):
        assert verifier([export, "--keys", public, "--anchors", safe]) == 0
    assert hub("audit", "verify", "--json")["faults"] == []
    with it.audit.write() as connection:
        connection.exec_driver_sql("DELETE FROM audit_entry WHERE seq = 2")
        connection.exec_driver_sql("UPDATE audit_head SET seq = 1")
    code, error = hub("audit", "verify")
    assert (code, "call the auditor" in error, "pinned elsewhere is gone" in error) == (1, True, True)


def test_rotated_keys_go_on_counting_for_what_they_signed(hub: Run, home: Path) -> None:
    written(home, entry())
    assert hub("key", "rotate", "audit", "--json") == {"key": "audit", "keys kept": 2}
    written(home, entry())
    assert hub("audit", "verify", "--json")["faults"] == []
    assert hub("audit", "keys").count("BEGIN PUBLIC KEY") == 2

    it = Hub(Settings(home=home))
    old = Tokens(lambda: it.keys("token"), issuer="x")
    token = old.issue("portal", now=it.clock(), jti="1").access_token
    hub("key", "rotate", "token")
    assert old.verify(token, now=it.clock()) == "portal"
    assert len({*it.keys("token")}) == 2
    later = Hub(Settings(home=home), clock=lambda: datetime.now(UTC) + timedelta(hours=2))
    with pytest.raises(Unauthenticated):
        Tokens(lambda: later.keys("token", within=timedelta(minutes=10)), issuer="x").verify(token, now=it.clock())
    assert len(later.keys("token")) == 2
    later.rotate_key("token", keep=timedelta(hours=1))
    assert len(later.keys("token")) == 2, "the one that was retired now; the older one is deleted"


def test_erasing_asks_for_the_identifier_and_whether_it_is_meant(hub: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.prompt", lambda *_args, **_more: ID)
    asked: list[str] = []

    def refuse(text: str, **_more: object) -> None:
        asked.append(text)
        raise SystemExit(1)

    monkeypatch.setattr("typer.confirm", refuse)
    assert hub("erase", "person", "--why", "request 7")[0] == 1
    assert ("for good" in asked[0], ID in asked[0]) == (True, False)
