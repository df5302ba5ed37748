"""Applying contracts: versions, clashes, breaking changes, and an index whose bytes depend on the contracts alone."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from city_bench import CITY, hub_at

from hub.core import Hub
from hub.registration import drafting, registry, sources
from ledger import contracts
from schemas import odcs
from schemas.errors import ContractInvalid, Invalid, NotFound, SourceUnreachable, Stop


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return hub_at(tmp_path / "home")


def edited(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    text = (CITY / "contracts" / f"{name}.odcs.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.odcs.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_applying_an_unchanged_file_does_nothing(hub: Hub, tmp_path: Path) -> None:
    path = edited(tmp_path, "residents")
    assert [a.changed for a in registry.apply(hub, (path,))] == [True]
    assert [a.changed for a in registry.apply(hub, (path,))] == [False]
    assert len(contracts.versions(hub.ledger, "residents")) == 1


def test_every_version_is_kept_as_it_was_applied(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, (edited(tmp_path, "residents"),))
    second = edited(tmp_path, "residents", ("version: 1.0.0", "version: 1.1.0"), ("常住人口基本信息", "常住人口信息"))
    registry.apply(hub, (second,))
    versions = contracts.versions(hub.ledger, "residents")
    assert [(v.number, v.version) for v in versions] == [(1, "1.0.0"), (2, "1.1.0")]
    assert versions[1].text == second.read_text(encoding="utf-8")
    assert hub.contract("residents").title == "常住人口信息"


def test_a_breaking_change_is_refused_without_a_reason_and_kept_with_one(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, (edited(tmp_path, "residents"),))
    breaking = edited(tmp_path, "residents", ("name: mobile", "name: phone"))
    with pytest.raises(Stop, match=r"columns\.mobile: removed") as error:
        registry.apply(hub, (breaking,))
    assert "--force-because" in error.value.todo
    assert hub.contract("residents").column("mobile")
    registry.apply(hub, (breaking,), because="agreed with all portals")
    assert contracts.versions(hub.ledger, "residents")[-1].forced_because == "agreed with all portals"
    assert hub.contract("residents").column("phone")


def test_one_wrong_file_keeps_all_from_being_applied(hub: Hub, tmp_path: Path) -> None:
    good = edited(tmp_path, "residents")
    bad = tmp_path / "bad.odcs.yaml"
    bad.write_text("apiVersion: v3.2.0\n  kind: [", encoding="utf-8")
    with pytest.raises(ContractInvalid) as error:
        registry.apply(hub, (good, bad))
    assert [(p.file, p.path) for p in error.value.problems] == [(str(bad), "line 2")]
    assert contracts.applied(hub.ledger) == {}


def test_two_datasets_cannot_share_a_resource_code(hub: Hub, tmp_path: Path) -> None:
    first = edited(tmp_path, "residents")
    registry.apply(hub, (first,))
    code = odcs.load(first).resource_code
    clash = edited(tmp_path, "marriages", (odcs.load(CITY / "contracts" / "marriages.odcs.yaml").resource_code, code))
    with pytest.raises(ContractInvalid, match="is residents's"):
        registry.apply(hub, (clash,))


def test_the_index_is_the_same_bytes_for_the_same_contracts_in_any_order(tmp_path: Path) -> None:
    one, other = hub_at(tmp_path / "a"), hub_at(tmp_path / "b")
    paths = tuple(sorted((CITY / "contracts").glob("*.odcs.yaml")))
    registry.apply(one, paths)
    for path in reversed(paths):
        registry.apply(other, (path,))
    assert one.settings.index.read_bytes() == other.settings.index.read_bytes()
    entry = json.loads(one.settings.index.read_bytes())["food_licences"]
    assert entry["after"] == ["companies"]
    pools = json.loads(one.settings.index.with_name("pools.json").read_bytes())
    assert entry["pool"] in pools


def test_a_rule_that_cannot_be_evaluated_is_found_before_anything_is_applied(hub: Hub, tmp_path: Path) -> None:
    path = edited(tmp_path, "residents", ("check: idAgrees", "check: sql, predicate: nonsense("))
    with pytest.raises(ContractInvalid) as error:
        registry.check(hub, (path,))
    assert {p.file for p in error.value.problems} == {str(path)}
    assert all(p.example for p in error.value.problems)


class PoolHandler(BaseHTTPRequestHandler):
    """Airflow's pool endpoint: remembers, answers 409 for a pool it has, 401 without the token."""

    def do_POST(self) -> None:
        pool = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["name"]
        known = self.server.pools  # type: ignore[attr-defined]
        status = 401 if self.headers["Authorization"] != "Bearer t" else 409 if pool in known else 201
        if status == 201:
            known.append(pool)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_applying_creates_the_departments_pools_and_says_when_it_cannot(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), PoolHandler)
    server.pools = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        url, path = f"http://127.0.0.1:{server.server_address[1]}", edited(tmp_path, "residents")
        hub = hub_at(tmp_path / "home", airflow_url=url, airflow_token="t")
        registry.apply(hub, (path,))
        registry.apply(hub, (path,))
        assert server.pools == [hub.contract("residents").pool]  # type: ignore[attr-defined]
        with pytest.raises(SourceUnreachable, match="did not take the pools") as error:
            registry.apply(hub_at(tmp_path / "home", airflow_url=url, airflow_token="wrong"), (path,))
        assert "pools import" in error.value.todo
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_unknown_dataset_names_those_there_are(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, (edited(tmp_path, "residents"),))
    with pytest.raises(NotFound, match="known: residents"):
        hub.contract("resident")


def test_a_contract_drafted_from_a_gb18030_file_knows_the_citizen_ids_and_can_be_applied(
    hub: Hub, tmp_path: Path
) -> None:
    file = tmp_path / "名册.csv"
    ids = ("110101199003074610", "440308199901101512", "610104196209276908")
    names = ("张三", "李四", "王䶮", "赵小燕", "欧阳文", "孙伟", "周敏")
    lines = ["证件号,姓名,金额", *(f"{ids[i % 3]},{names[i % 7]},{i}" for i in range(42))]
    file.write_bytes("\n".join(lines).encode("gb18030"))
    text = drafting.draft(hub, sources.find(hub, str(file)), dataset="roster")
    path = tmp_path / "roster.odcs.yaml"
    path.write_text(text, encoding="utf-8")
    (applied,) = registry.apply(hub, (path,))
    assert applied.contract.source.encoding == "gb18030"
    assert [(c.source, c.element) for c in applied.contract.columns][:2] == [("证件号", "DE01001"), ("姓名", "DE01002")]


def test_a_draft_takes_no_password_in_an_address(hub: Hub) -> None:
    with pytest.raises(Invalid, match="holds a password") as error:
        sources.find(hub, "postgresql://reader:hunter2@db/police", "people")
    assert "hunter2" not in str(error.value)


def test_a_draft_of_a_database_asks_for_the_table_by_naming_them(hub: Hub) -> None:
    import sqlite3

    hub.settings.drops.mkdir(parents=True)
    with sqlite3.connect(hub.settings.drops / "p.db") as db:
        db.execute("CREATE TABLE 人口 (a)")
    with pytest.raises(Invalid, match="人口"):
        drafting.draft(hub, sources.find(hub, "sqlite:///p.db"))
