"""A contract's life: versions that say what changed, breaking changes with a new major number, notices, deprecation, exports."""

import json
from pathlib import Path
from typing import Any

import pytest
from city_bench import CITY, hub_at
from contract_edits import Edit, contract, custom, without_mobile

from hub.core import Hub
from hub.registration import registry
from ledger import contracts, outbox, subscriptions
from ledger.subscriptions import Subscription
from schemas import diff, versions
from schemas.contract import Contact
from schemas.errors import Stop


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return hub_at(tmp_path / "home")


def ends(day: str) -> Edit:
    def edit(document: dict[str, Any]) -> None:
        document["slaProperties"] += [{"property": "endOfLife", "value": day}]

    return edit


def subscribe(hub: Hub, dataset: str, name: str) -> None:
    at = hub.clock()
    subscriptions.subscribe(hub.ledger, Subscription(dataset, name, Contact(f"http://127.0.0.1:9/{name}"), at))


def told(hub: Hub) -> list[tuple[str, str, str]]:
    return [(m.url.rpartition("/")[2], m.body["kind"], m.body["text"]) for m in outbox.unsent(hub.ledger)]


def test_a_breaking_change_wants_a_new_major_version_and_names_it(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, (contract(tmp_path, "residents"),))
    with pytest.raises(Stop, match=r"version 1\.1\.0 wants to be 2\.0\.0"):
        registry.apply(hub, (contract(tmp_path, "residents", without_mobile, version="1.1.0"),))
    registry.apply(hub, (contract(tmp_path, "residents", without_mobile, version="2.0.0"),))
    assert [v.version for v in contracts.versions(hub.ledger, "residents")] == ["1.0.0", "2.0.0"]
    assert contracts.versions(hub.ledger, "residents")[-1].forced_because is None


def test_a_version_does_not_go_back_unless_somebody_says_why(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, (contract(tmp_path, "residents", version="1.2.0"),))
    back = contract(tmp_path, "residents", version="1.1.9", name="常住人口")
    with pytest.raises(Stop, match=r"goes back behind 1\.2\.0"):
        registry.apply(hub, (back,))
    (applied,) = registry.apply(hub, (back,), because="1.2.0 was a mistake")
    assert applied.number == 2


def test_the_gravest_change_decides_the_number() -> None:
    changes = {kind: diff.Change(kind, "p", "t") for kind in ("breaking", "compatible", "cosmetic")}
    assert versions.wanted("1.2.3", [changes["cosmetic"]]) == "1.2.4"
    assert versions.wanted("1.2.3", [changes["cosmetic"], changes["compatible"]]) == "1.3.0"
    assert versions.wanted("1.2.3", changes.values()) == "2.0.0"
    assert versions.wanted("1.2.3", ()) == "1.2.3"


def test_subscribers_and_referring_departments_are_told_of_a_breaking_change_once(hub: Hub, tmp_path: Path) -> None:
    def hook(document: dict[str, Any]) -> None:
        document["support"] = [{"channel": "duty", "url": "http://127.0.0.1:9/food"}]

    registry.apply(hub, (contract(tmp_path, "companies"), contract(tmp_path, "food_licences", hook)))
    subscribe(hub, "companies", "tax")
    subscribe(hub, "food_licences", "nobody")

    narrower = custom(shareType=2, shareCondition="限依法履职")
    registry.apply(hub, (contract(tmp_path, "companies", narrower, version="2.0.0"),))
    assert sorted((who, kind) for who, kind, _ in told(hub)) == [("food", "breaking"), ("tax", "breaking")]
    assert all("share_type: 1 → 2" in text and "1.0.0 → 2.0.0" in text for _, _, text in told(hub))


def test_a_compatible_change_disturbs_nobody(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, (contract(tmp_path, "residents"),))
    subscribe(hub, "residents", "tax")
    registry.apply(hub, (contract(tmp_path, "residents", version="1.0.1", name="常住人口"),))
    assert told(hub) == []


def test_deprecation_is_told_with_its_day_and_successor_and_again_when_the_plan_changes(
    hub: Hub, tmp_path: Path
) -> None:
    registry.apply(hub, (contract(tmp_path, "residents"),))
    subscribe(hub, "residents", "tax")
    plan = (custom(successor="residents_2"), ends("2027-06-30"))
    registry.apply(hub, (contract(tmp_path, "residents", *plan, version="1.1.0", status="deprecated"),))
    registry.apply(hub, (contract(tmp_path, "residents", *plan, version="1.1.1", status="deprecated", name="人口"),))
    (only,) = told(hub)
    assert only[:2] == ("tax", "deprecated")
    assert "2027-06-30" in only[2]
    assert "residents_2" in only[2]
    later = (custom(successor="residents_2"), ends("2027-12-31"))
    registry.apply(hub, (contract(tmp_path, "residents", *later, version="1.1.2", status="deprecated"),))
    assert [kind for _, kind, _ in told(hub)] == ["deprecated", "deprecated"]


def test_a_column_that_goes_is_told_by_name_beforehand(hub: Hub, tmp_path: Path) -> None:
    def marked(document: dict[str, Any]) -> None:
        document["schema"][0]["properties"][-2]["deprecated"] = True

    registry.apply(hub, (contract(tmp_path, "residents"),))
    subscribe(hub, "residents", "tax")
    registry.apply(hub, (contract(tmp_path, "residents", marked, version="1.1.0"),))
    ((_, kind, text),) = told(hub)
    assert kind == "deprecated"
    assert "columns: mobile" in text


def test_a_retired_dataset_is_told_and_pulled_by_no_timer(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, (contract(tmp_path, "residents"),))
    subscribe(hub, "residents", "tax")
    registry.apply(hub, (contract(tmp_path, "residents", version="1.1.0", status="retired"),))
    assert [kind for _, kind, _ in told(hub)] == ["retired"]
    assert json.loads(hub.settings.index.read_bytes())["residents"]["schedule"] is None


def test_versions_are_listed_with_what_each_changed_and_earlier_ones_can_be_exported(run: Any, tmp_path: Path) -> None:
    run("contract", "apply", str(contract(tmp_path, "residents")))
    path = contract(tmp_path, "residents", without_mobile, version="1.5.0")
    assert "wanted 2.0.0" in run("contract", "diff", str(path))[1]
    assert run("contract", "apply", str(contract(tmp_path, "residents", without_mobile, version="2.0.0")))[0] == 0
    first, second = json.loads(run("contract", "versions", "residents", "--json")[1])
    assert (first["version"], first["breaking"]) == ("1.0.0", 0)
    assert (second["version"], second["breaking"]) == ("2.0.0", 1)
    schemas = [
        json.loads(run("contract", "export", "residents", "-f", "jsonschema", "--number", str(n))[1]) for n in (1, 2)
    ]
    assert ["mobile" in s["properties"] for s in schemas] == [True, False]
    assert run("contract", "export", "residents", "--number", "3")[0] == 3
    assert run("contract", "versions", "nothing")[0] == 3


def test_a_contract_file_is_exported_without_being_applied(run: Any) -> None:
    file = str(CITY / "contracts" / "residents.odcs.yaml")
    assert "CREATE TABLE residents" in run("contract", "export", file, "-f", "ddl", "--dialect", "sqlite")[1]
    assert run("contract", "export", file, "-f", "ddl", "--dialect", "cobol")[0] == 3
    assert run("contract", "export", file)[1].startswith("# 常住人口基本信息")
    assert run("contract", "export", file, "-f", "html")[1].startswith("<!doctype html>")


def test_somebody_subscribes_is_listed_without_the_webhooks_path_and_leaves(run: Any) -> None:
    run("contract", "apply", str(CITY / "contracts" / "residents.odcs.yaml"))
    assert run("contract", "subscribe", "residents", "tax", "ftp://8.8.8.8/x")[0] == 3
    assert run("contract", "subscribe", "nothing", "tax", "https://8.8.8.8/x")[0] == 3
    assert run("contract", "subscribe", "residents", "tax", "https://8.8.8.8/s3cret", "--format", "wecom")[0] == 0
    shown = run("contract", "subscribers", "residents", "--json")[1]
    assert [(s["name"], s["host"], s["format"]) for s in json.loads(shown)] == [("tax", "8.8.8.8", "wecom")]
    assert "s3cret" not in shown
    assert run("contract", "unsubscribe", "residents", "tax")[0] == 0
    assert run("contract", "unsubscribe", "residents", "tax")[0] == 3
