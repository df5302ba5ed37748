"""Publishing in the catalog: a department proposes, the data office approves or returns; at once where it is the office that applies."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from city_bench import CITY

from hub.core import Hub
from hub.registration import registry, review
from hub.settings import Settings
from ledger import contracts, reviews
from schemas.errors import Conflict, ContractInvalid, Forbidden, Invalid, NotFound, Stop

RESIDENTS = CITY / "contracts" / "residents.odcs.yaml"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(Settings(home=tmp_path / "home", review="pair"))


def edited(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "residents.odcs.yaml"
    text = RESIDENTS.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_a_proposal_changes_nothing_until_another_person_approves_it(hub: Hub) -> None:
    assert review.submit(hub, RESIDENTS, by="clerk").state == "in review"
    assert contracts.applied(hub.ledger) == {}
    assert not hub.settings.index.exists()
    with pytest.raises(Forbidden, match="another person"):
        review.approve(hub, "residents", by="clerk")
    assert contracts.applied(hub.ledger) == {}
    done = review.approve(hub, "residents", by="office")
    assert (done.number, done.changed) == (1, True)
    assert contracts.applied(hub.ledger).keys() == {"residents"} == json.loads(hub.settings.index.read_bytes()).keys()
    steps = [(s.step, s.by) for s in reviews.steps(hub.ledger, "residents")]
    assert steps == [("saved", "clerk"), ("submitted", "clerk"), ("approved", "office")]
    assert reviews.waiting(hub.ledger) == ()


def test_what_is_returned_comes_back_as_a_draft_with_its_reason(hub: Hub) -> None:
    review.submit(hub, RESIDENTS, by="clerk")
    with pytest.raises(Invalid, match="reason"):
        review.send_back(hub, "residents", by="office", because=" ")
    returned = review.send_back(hub, "residents", by="office", because="name the law")
    assert (returned.state, returned.reason) == ("draft", "name the law")
    with pytest.raises(Conflict, match="is draft"):
        review.approve(hub, "residents", by="office")
    assert review.resubmit(hub, "residents", by="clerk").state == "in review"
    assert review.approve(hub, "residents", by="office").number == 1


def test_a_draft_waits_for_its_submission(hub: Hub) -> None:
    assert review.submit(hub, RESIDENTS, by="clerk", draft=True).state == "draft"
    with pytest.raises(Conflict):
        review.send_back(hub, "residents", by="office", because="why not")
    with pytest.raises(NotFound, match="nothing is proposed"):
        review.approve(hub, "companies", by="office")


def test_a_file_with_faults_is_not_even_proposed(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ContractInvalid, match="resourceCode"):
        review.submit(hub, edited(tmp_path, "101001/000001", "none"), by="clerk")
    assert reviews.waiting(hub.ledger) == ()


def test_what_cannot_be_applied_stays_in_review(hub: Hub, tmp_path: Path) -> None:
    registry.apply(hub, (RESIDENTS,))
    breaking = edited(tmp_path, "name: ethnic_code", "name: nationality")
    review.submit(hub, breaking, by="clerk")
    with pytest.raises(Stop, match="breaking"):
        review.approve(hub, "residents", by="office")
    assert reviews.find(hub.ledger, "residents").state == "in review"
    assert review.approve(hub, "residents", by="office", because="agreed with all readers").number == 2


def test_where_two_persons_are_wanted_nobody_applies_alone(hub: Hub) -> None:
    with pytest.raises(Forbidden, match="reviewed here"):
        review.apply_at_once(hub, (RESIDENTS,), by="office")
    assert contracts.applied(hub.ledger) == {}


def test_by_default_the_office_applies_and_approves_in_one_step(tmp_path: Path) -> None:
    hub = Hub(Settings(home=tmp_path / "home"))
    review.apply_at_once(hub, (RESIDENTS,), by="office")
    review.apply_at_once(hub, (RESIDENTS,), by="office")
    assert [(s.step, s.version) for s in reviews.steps(hub.ledger, "residents")] == [("approved", "1.0.0")]


def test_the_commands_submit_list_return_and_approve(run: Callable[..., tuple[int, str, str]]) -> None:
    assert "in review" in run("catalog", "submit", str(RESIDENTS), "--by", "clerk")[1]
    (waiting,) = json.loads(run("catalog", "reviews", "--json")[1])
    assert (waiting["dataset"], waiting["by"]) == ("residents", "clerk")
    assert run("catalog", "return", "residents", "--because", "tell the purpose")[0] == 0
    assert run("catalog", "approve", "residents")[0] == 3
    assert run("catalog", "submit", str(RESIDENTS))[0] == 0
    assert json.loads(run("catalog", "approve", "residents", "--json")[1])["state"] == "published"
    steps = [s["step"] for s in json.loads(run("catalog", "reviews", "residents", "--json")[1])]
    assert steps == ["saved", "submitted", "returned", "saved", "submitted", "approved"]
    assert json.loads(run("catalog", "list", "人口", "--json")[1])[0]["dataset"] == "residents"


def test_the_commands_find_holders_departments_and_free_codes(run: Callable[..., tuple[int, str, str]]) -> None:
    assert run("contract", "apply", str(CITY / "contracts"))[0] == 0
    holders = json.loads(run("catalog", "element", "DE02001", "--json")[1])
    assert holders[0]["dataset"] == "companies"
    assert holders[0]["authoritative for"] == ["enterprise"]
    lists = json.loads(run("catalog", "department", "市市场监督管理局", "--json")[1])
    assert [one["dataset"] for one in lists["provides"]] == ["companies", "food_licences"]
    assert lists["responsible"]
    assert "市公安局" in run("catalog", "department")[1]
    assert run("catalog", "department", "nobody")[0] == 3
    assert json.loads(run("catalog", "code", "102001", "--json")[1]) == {"code": "102001/000002"}
    assert run("catalog", "code", "9")[0] == 3
    found = json.loads(run("catalog", "list", "--facet", "element=DE02001", "--json")[1])
    assert "companies" in [one["dataset"] for one in found]
    assert json.loads(run("catalog", "reindex", "--json")[1]) == {"entries": 7}
