"""Registering safely: an address, a secret or a webhook that leads astray is refused with the contract, and again at connect."""

import ast
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from city_bench import hub_at
from http_servers import http_server

from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import named_secrets, registry
from hub.telling import deliver
from ledger import incidents, outbox, runs
from ledger.outbox import Message
from schemas.errors import ContractInvalid, SourceDenied

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT / "tests" / "faults" / "people.odcs.yaml"
API = {"type": "api", "location": "https://api.civil.example/v1"}
DATABASE = {"type": "postgres", "host": "db.civil.example", "port": 5432, "database": "civil", "schema": "public"}


def contract_file(folder: Path, server: dict[str, Any], *, webhook: str = "", **custom: Any) -> Path:
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    customs = [{"property": name, "value": value, "vendor": "cityhub"} for name, value in custom.items()]
    document["servers"] = [{"server": "source", **server, "customProperties": customs}]
    if webhook:
        document["support"] = [{"channel": "duty", "url": webhook}]
    path = folder / "people.odcs.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def production(tmp_path: Path) -> Hub:
    return hub_at(tmp_path / "home", production=True, reachable="10.20.0.0/16, *.civil.example")


GOOD: dict[str, dict[str, Any]] = {
    "database": DATABASE,
    "address": {**DATABASE, "host": "10.20.0.9"},
    "api": API,
    "file": {"type": "local", "format": "csv", "path": "people.csv"},
}
ASTRAY: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "this machine": ({**DATABASE, "host": "127.0.0.1"}, {}, "this machine"),
    "this machine in disguise": ({**DATABASE, "host": "127.1"}, {}, "neither a host name"),
    "this machine by IPv6": ({**API, "location": "http://[::ffff:127.0.0.1]/x"}, {}, "this machine"),
    "metadata": ({**API, "location": "http://169.254.169.254/latest"}, {}, "no source's address"),
    "unnamed host": ({**DATABASE, "host": "db.elsewhere.example"}, {"secretRef": "env:X"}, ""),
    "unnamed network": ({**DATABASE, "host": "10.21.0.9"}, {}, "HUB_REACHABLE"),
    "host list": ({**DATABASE, "host": "db.civil.example,evil.example"}, {}, "neither a host name"),
    "socket": ({**DATABASE, "host": "%2Frun%2Fpostgresql"}, {}, "neither a host name"),
    "options behind the database": ({**DATABASE, "database": "civil?host=evil.example"}, {}, "driver options"),
    "credentials": ({**DATABASE, "host": "u:p@db.civil.example"}, {}, "credentials"),
    "not HTTP": ({**API, "location": "file:///etc/passwd"}, {}, "http or https"),
    "token endpoint": (API, {"secretRef": "env:X", "options": {"auth": "oauth2", "tokenUrl": "http://10.0.0.1/t"}}, "tokenUrl"),
    "the hub's own secret": (DATABASE, {"secretRef": "env:HUB_SUBJECT_KEY"}, "the hub's own"),
    "Airflow's own secret": (DATABASE, {"secretRef": "env:AIRFLOW__CORE__FERNET_KEY"}, "the hub's own"),
    "no reference": (DATABASE, {"secretRef": "hunter2-canary"}, "names no secret"),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_a_source_that_may_be_reached_is_registered_without_being_connected_to(
    production: Hub, tmp_path: Path, case: str
) -> None:
    (applied,) = registry.apply(production, (contract_file(tmp_path, GOOD[case]),))
    assert applied.changed


@pytest.mark.parametrize("case", ASTRAY)
def test_a_source_that_leads_astray_is_refused_when_its_contract_is_checked(
    production: Hub, tmp_path: Path, case: str
) -> None:
    server, custom, words = ASTRAY[case]
    if case == "unnamed host":  # its addresses decide, so it is refused at the latest when it is connected to
        production = hub_at(tmp_path / "names", production=True, reachable="*.civil.example")
    with pytest.raises(ContractInvalid) as told:
        registry.check(production, (contract_file(tmp_path, server, **custom),))
    assert words in str(told.value)
    assert "hunter2" not in str(told.value)


def test_a_webhook_that_leads_astray_is_refused_too(production: Hub, tmp_path: Path) -> None:
    registry.check(production, (contract_file(tmp_path, DATABASE, webhook="https://chat.civil.example/hook"),))
    for url in ("http://127.0.0.1:8080/x", "http://169.254.169.254/", "https://10.21.0.1/hook?key=1"):
        with pytest.raises(ContractInvalid, match=r"support\[0\]\.url"):
            registry.check(production, (contract_file(tmp_path, DATABASE, webhook=url),))


def test_a_message_to_a_webhook_that_may_not_be_reached_waits_and_is_not_sent(production: Hub, tmp_path: Path) -> None:
    message = Message(0, "http://127.0.0.1:9/hook", {}, 0)
    incidents.begin(production.ledger, "people", "failed", "why", now=production.clock(), messages=[message])
    assert deliver.send(production) == 0
    assert len(outbox.unsent(production.ledger)) == 1


def test_a_webhooks_key_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    heard: list[str] = []

    def answer(_path: str, query: dict[str, str], _token: str) -> tuple[int, bytes]:
        heard.append(query["key"])
        return 200, b"{}"

    with http_server(answer) as port:
        hub = hub_at(tmp_path / "home", notify_url=f"http://127.0.0.1:{port}/own?key=canary-own")
        for n, url in enumerate((hub.settings.notify_url, f"http://127.0.0.1:{port}/hook?key=canary-theirs")):
            message = Message(0, url, {}, 0)
            incidents.begin(hub.ledger, f"people{n}", "failed", "why", now=hub.clock(), messages=[message])
        assert deliver.send(hub) == 2
    assert heard == ["canary-own", "canary-theirs"]
    assert f"http://127.0.0.1:{port}/hook" in caplog.text
    assert "canary" not in caplog.text


def test_a_contract_that_was_applied_before_the_hub_was_closed_down_is_held_at_connect(tmp_path: Path) -> None:
    open_hub = hub_at(tmp_path / "home")
    registry.apply(open_hub, (contract_file(tmp_path, {**DATABASE, "host": "127.0.0.1"}),))
    closed = hub_at(tmp_path / "home", production=True, reachable="10.20.0.0/16")
    with pytest.raises(ContractInvalid, match="this machine"):
        pipeline.pull(closed, "people", owner="1")
    assert runs.recent(closed.ledger)[0].phase == "failed"


def test_only_the_hub_itself_opens_sources_so_that_none_is_opened_unguarded() -> None:
    opening = []
    for folder in ("hub", "dags", "serving", "prefill", "catalog", "subjects", "quality", "lake"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                name = getattr(node, "attr", getattr(node, "id", ""))
                owner = ast.unparse(node.value) if isinstance(node, ast.Attribute) else ""
                if name == "open_source" and not owner.endswith(("hub", "it")):
                    opening.append(path.relative_to(ROOT).as_posix())
    assert set(opening) == {"hub/core.py"}


def test_secrets_are_found_where_they_are_named_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "transport").write_text("reader:pw\n", encoding="utf-8")
    (tmp_path / "other").write_text("key", encoding="utf-8")
    (folder / "link").symlink_to(tmp_path / "other")
    monkeypatch.setenv("TRANSPORT_DB", "reader:env")
    monkeypatch.setenv("HUB_SUBJECT_KEY", "key")
    assert named_secrets.look_up("env:TRANSPORT_DB", folder) == "reader:env"
    assert named_secrets.look_up("file:transport", folder) == "reader:pw"
    assert named_secrets.look_up(f"file:{folder}/transport", folder) == "reader:pw"
    for outside in ("file:../other", f"file:{tmp_path}/other", "file:link", "file:/etc/passwd"):
        with pytest.raises(SourceDenied, match="leads out of the folder of secrets"):
            named_secrets.look_up(outside, folder)
    for absent in ("env:NOT_SET", "file:absent", "airflow:department"):
        with pytest.raises(SourceDenied, match="is not set") as told:
            named_secrets.look_up(absent, folder)
        assert told.value.todo
    for wrong in ("env:HUB_SUBJECT_KEY", "env:hub_subject_key", "vault:x", "env:", "hunter2"):
        with pytest.raises(ContractInvalid):
            named_secrets.look_up(wrong, folder)
