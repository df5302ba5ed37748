"""Authoritative sources: one dataset per data element and subject kind; a second claim is refused with the holder's name."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from city_bench import CITY, hub_at
from contract_edits import Edit, contract, custom

from hub.core import Hub
from hub.registration import registry
from ledger import authorities
from ledger import contracts as applied_contracts
from schemas.contract import Claim
from schemas.errors import ContractInvalid, Invalid, NotFound

CONTRACTS = CITY / "contracts"
FEW = tuple(CONTRACTS / f"{name}.odcs.yaml" for name in ("residents", "marriages", "insurance"))


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return hub_at(tmp_path / "home")


def holders(hub: Hub) -> dict[tuple[str, str], str]:
    return {(a.subject, a.element): a.dataset for a in authorities.held(hub.ledger)}


def claiming(**elements: Any) -> Edit:
    return custom(authoritativeFor=elements)


def test_the_demo_citys_contracts_hold_what_they_claim(hub: Hub) -> None:
    registry.apply(hub, (CONTRACTS,))
    held = holders(hub)
    assert held["person", "DE01002"] == "residents"
    assert held["person", "DE01009"] == "marriages"
    assert held["enterprise", "DE02001"] == "companies"


def test_a_second_claim_is_refused_with_the_holders_name_and_nothing_is_applied(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, (CONTRACTS / "residents.odcs.yaml",))
    rival = contract(tmp_path, "travel_permits", claiming(person=["DE01002"]))
    with pytest.raises(ContractInvalid, match=r"DE01002 姓名 person_name of person is residents's \(市公安局\)"):
        registry.apply(hub, (rival,))
    assert set(applied_contracts.applied(hub.ledger)) == {"residents"}


def test_two_rivals_in_one_go_are_refused_too(hub: Hub, tmp_path: Path) -> None:
    rival = contract(tmp_path, "travel_permits", claiming(person=["DE01002"]))
    with pytest.raises(ContractInvalid, match="is residents's"):
        registry.apply(hub, (CONTRACTS / "residents.odcs.yaml", rival))


def test_an_element_moves_when_one_contract_gives_it_up_and_another_takes_it(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, FEW)
    taker = contract(tmp_path, "marriages", claiming(person=["DE01002"]), version="1.1.0")
    giver = contract(tmp_path, "residents", claiming(person=["DE01001"]), version="1.1.0")
    registry.apply(hub, (taker, giver))
    held = holders(hub)
    assert (held["person", "DE01002"], held["person", "DE01001"]) == ("marriages", "residents")
    assert ("person", "DE01007") not in held
    assert ("person", "DE01009") not in held


def test_a_claim_of_what_the_contract_does_not_hold_is_a_fault_of_the_file(hub: Hub, tmp_path: Path) -> None:
    for elements in ({"person": ["DE02007"]}, {"enterprise": ["DE01002"]}, {"person": "DE01002"}):
        with pytest.raises(ContractInvalid, match="authoritativeFor"):
            registry.check(hub, (contract(tmp_path, "residents", claiming(**elements)),))


def test_the_data_office_claims_and_releases_and_is_refused_as_well(hub: Hub) -> None:
    registry.apply(hub, FEW)
    at, insurance = hub.clock(), hub.contract("insurance")
    name, citizen = Claim("person", "DE01002"), Claim("person", "DE01001")
    with pytest.raises(Invalid, match="is residents's"):
        authorities.claim(hub.ledger, insurance, name, because="decision 7", at=at)
    assert authorities.release(hub.ledger, name).dataset == "residents"
    authorities.claim(hub.ledger, insurance, name, because="decision 7", at=at)
    assert holders(hub)["person", "DE01002"] == "insurance"
    with pytest.raises(Invalid, match="has no DE02007"):
        authorities.claim(hub.ledger, insurance, Claim("person", "DE02007"), because="x", at=at)
    authorities.release(hub.ledger, citizen)
    with pytest.raises(NotFound, match="nobody holds"):
        authorities.release(hub.ledger, citizen)


def test_a_contract_that_is_applied_again_keeps_what_the_office_gave_it(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, FEW)
    insurance = hub.contract("insurance")
    authorities.claim(hub.ledger, insurance, Claim("person", "DE05006"), because="decision 8", at=hub.clock())
    registry.apply(hub, (contract(tmp_path, "insurance", version="1.0.1", name="社会保险"),))
    assert holders(hub)["person", "DE05006"] == "insurance"


def test_the_commands_list_claim_release_and_compare_with_the_declarations(run: Any) -> None:
    run("contract", "apply", str(CONTRACTS))
    listed = json.loads(run("authority", "list", "--json")[1])
    assert {"subject": "person", "element": "DE01009", "dataset": "marriages"}.items() <= next(
        row for row in listed if row["element"] == "DE01009"
    ).items()
    assert run("authority", "check")[0] == 0
    refused = run("authority", "claim", "insurance", "person", "DE01002", "--because", "x")
    assert refused[0] == 3
    assert "residents" in refused[2]
    assert run("authority", "release", "person", "DE01002")[0] == 0
    assert run("authority", "claim", "insurance", "person", "DE01002", "--because", "decision 7")[0] == 0
    code, out, _ = run("authority", "check", "--json")
    assert code == 3
    assert [(r["field"], r["authoritative source"]) for r in json.loads(out)] == [("name", "insurance")]


def test_elements_are_listed_shown_checked_and_suggested(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(json.loads(run("element", "list", "--json")[1])) == 50
    shown = json.loads(run("element", "show", "DE01005", "--json")[1])
    assert (shown["sql_type"], shown["arrow_type"], shown["zh"]) == ("VARCHAR", "string", "性别代码")
    assert shown["json_schema"]["enum"] == ["0", "1", "2", "9", None]
    assert run("element", "show", "DE99999")[0] == 3
    monkeypatch.setattr("sys.stdin", io.StringIO("440308199901101512\n440308199901101513\n"))
    code, out, _ = run("element", "check", "DE01001", "--json")
    assert code == 3
    assert [row["errors"] for row in json.loads(out)] == [[], ["checksum"]]
    assert "440308199901101512" not in out
    monkeypatch.setattr("sys.stdin", io.StringIO("440308199901101512\n110101199003074610\n"))
    assert json.loads(run("element", "suggest", "--json")[1])[0]["element"] == "DE01001"
