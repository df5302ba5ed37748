"""Requests for data on both databases: granted, asked or refused; approved by one or two; in time; and what is told of it."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest
import servers
from requests_bench import (
    APPROVER,
    CIVIL,
    EDITOR,
    MARKET,
    OFFICE,
    OFFICE_URL,
    POLICE,
    SECOND,
    Bench,
    bench,
    person,
)

from hub.sharing import requests
from hub.sharing.request_clocks import Clocks
from ledger import clients, contracts, grants, loads, outbox
from ledger import requests as store
from ledger.clients import Client
from ledger.loads import Load
from ledger.requests import Request
from schemas.errors import Conflict, Forbidden, HubError, Invalid, NotFound, TooMany

T = TypeVar("T")
SENSITIVE = {"name": "residents", "fields": ("name", "mobile")}
CHIEF, DEPUTY = person("chief", POLICE), person("deputy", POLICE)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs_postgres)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "sqlite":
        with bench(tmp_path) as made:
            yield made
        return
    with servers.database(request.getfixturevalue("postgres_url"), "requests") as url, bench(tmp_path, url) as made:
        yield made


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    """On SQLite alone: what does not touch the database's own ways."""
    with bench(tmp_path) as made:
        yield made


def deeds(desk: Bench, request: Request) -> list[tuple[str, str]]:
    return [(step.deed, step.by) for step in store.steps(desk.hub.ledger, request.id)]


def at_once(count: int, step: Callable[[int], T]) -> list[T | str]:
    """What each of several threads got that began together: a refusal by its code."""
    ready = Barrier(count)

    def begin(number: int) -> T | str:
        ready.wait()
        try:
            return step(number)
        except HubError as error:
            return error.code

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_what_is_unconditional_is_granted_at_once_as_it_was_asked(desk: Bench) -> None:
    asked = desk.ask(name="companies", fields=("org_name", "address"))
    assert (asked.state, deeds(desk, asked)) == ("granted", [("requested", ""), ("granted", "cityhub")])
    (grant,) = desk.grants()
    assert (grant.request, grant.fields, grant.purpose, grant.quota) == (asked.id, {"org_name", "address"}, "巡查", 500)
    assert grant.ends is not None
    assert grant.ends - grant.begins == timedelta(days=365)
    assert desk.told() == ["request.granted"]


def test_what_is_conditional_is_the_departments_to_approve(desk: Bench) -> None:
    asked = desk.ask(EDITOR)
    assert (asked.state, asked.department, desk.grants()) == ("requested", MARKET, ())
    done = desk.approve(asked)
    assert (done.state, deeds(desk, done)) == ("granted", [("requested", "qian"), ("granted", "zhang")])
    (grant,) = desk.grants()
    assert (grant.request, grant.fields, grant.legal) == (asked.id, {"licence_no", "status"}, "食品安全法第一百一十条")
    assert [s.ground for s in store.steps(desk.hub.ledger, asked.id)] == ["", "department"]
    with pytest.raises(Conflict, match="granted"):
        desk.approve(asked, SECOND)
    assert len(desk.grants()) == 1


def test_sensitive_items_take_two_approvers_who_are_not_the_same(desk: Bench) -> None:
    asked = desk.ask(**SENSITIVE)
    once = desk.approve(asked, CHIEF)
    assert (once.state, desk.grants()) == ("approved", ())
    with pytest.raises(Forbidden, match="two persons"):
        desk.approve(asked, CHIEF)
    assert (desk.now(asked).state, desk.grants()) == ("approved", ())
    assert desk.approve(asked, DEPUTY).state == "granted"
    assert deeds(desk, asked) == [("requested", ""), ("approved", "chief"), ("granted", "deputy")]
    assert len(desk.grants()) == 1


def test_what_is_not_shared_is_refused_at_once_with_its_law(desk: Bench) -> None:
    desk.change("marriages", share_type=3, share_condition="档案法第二十八条")
    asked = desk.ask(name="marriages", fields=())
    assert (asked.state, desk.grants()) == ("refused", ())
    assert "档案法第二十八条" in store.steps(desk.hub.ledger, asked.id)[-1].reason


def test_a_refusal_without_a_reason_is_refused_and_changes_nothing(desk: Bench) -> None:
    asked = desk.ask()
    for reason in ("", " \n"):
        with pytest.raises(Invalid) as refused:
            requests.refuse(desk.hub, asked.id, APPROVER, reason)
        assert refused.value.problem()["field"] == "reason"
    assert (desk.now(asked).state, desk.told()) == ("requested", ["request.opened"])
    assert requests.refuse(desk.hub, asked.id, APPROVER, "目的与职责无关").state == "refused"
    assert store.steps(desk.hub.ledger, asked.id)[-1].reason == "目的与职责无关"
    assert desk.told() == ["request.opened", "request.refused"]


def test_of_many_approvals_at_once_one_grants(desk: Bench) -> None:
    asked = desk.ask()
    got = at_once(6, lambda n: desk.approve(asked, person(f"approver-{n}")).state)
    assert sorted(got) == ["conflict"] * 5 + ["granted"]
    assert len(desk.grants()) == 1
    assert desk.told() == ["request.opened", "request.granted"]


def test_of_one_persons_many_first_approvals_at_once_one_counts(desk: Bench) -> None:
    asked = desk.ask(**SENSITIVE)
    got = at_once(6, lambda _: desk.approve(asked, CHIEF).state)
    assert got.count("approved") == 1
    assert {*got} <= {"approved", "conflict", "forbidden"}
    assert (desk.now(asked).state, desk.grants()) == ("approved", ())


def test_two_approvers_at_once_never_make_more_than_one_grant(desk: Bench) -> None:
    asked = desk.ask(**SENSITIVE)
    got = at_once(2, lambda n: desk.approve(asked, (CHIEF, DEPUTY)[n]).state)
    assert got.count("approved") == 1
    assert {*got} <= {"approved", "granted", "conflict"}
    assert len(desk.grants()) == got.count("granted")
    assert len({by for deed, by in deeds(desk, asked) if deed in ("approved", "granted")}) == 1 + got.count("granted")


def test_an_approval_and_a_withdrawal_at_once_leave_one_of_them(desk: Bench) -> None:
    asked = desk.ask()
    steps = (lambda: desk.approve(asked).state, lambda: requests.withdraw(desk.hub, asked.id).state)
    got = at_once(2, lambda n: steps[n]())
    assert "conflict" in got
    assert len(desk.grants()) == got.count("granted")


def test_the_same_said_by_many_at_once_is_one_request(desk: Bench) -> None:
    got = at_once(6, lambda _: desk.ask().id)
    granted = at_once(6, lambda _: desk.ask(name="companies", fields=("org_name",)).id)
    assert (len({*got}), len({*granted}), len(desk.grants())) == (1, 1, 1)


def test_a_grant_and_its_step_are_in_one_transaction(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = desk.ask()
    with monkeypatch.context() as broken:
        broken.setattr(store, "queue", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            desk.approve(asked)
    assert (desk.now(asked), desk.grants()) == (asked, ())
    assert deeds(desk, asked) == [("requested", "")]


def test_the_time_to_decide_is_counted_over_holidays_and_make_up_days(here: Bench) -> None:
    asked = here.ask()
    assert Clocks(here.hub).clock(asked).due_on == date(2026, 10, 19)
    longer = requests.extend(here.hub, asked.id, APPROVER, "须会商")
    assert Clocks(here.hub).clock(longer).due_on == date(2026, 11, 2)
    assert here.ask(name="companies", fields=("org_name",)).allowed == 1
    here.day("2026-11-02")
    assert not Clocks(here.hub).clock(longer).overdue, "the due day itself is in time"
    here.day("2026-11-03")
    assert Clocks(here.hub).clock(longer).overdue


def test_time_is_extended_once_with_a_reason_and_only_while_it_lasts(desk: Bench) -> None:
    asked, other = desk.ask(), desk.ask(purpose="统计")
    with pytest.raises(Invalid):
        requests.extend(desk.hub, asked.id, APPROVER, " ")
    requests.extend(desk.hub, asked.id, APPROVER, "须会商")
    with pytest.raises(Conflict):
        requests.extend(desk.hub, asked.id, APPROVER, "再会商")
    desk.day("2026-10-20")
    with pytest.raises(Conflict):
        requests.extend(desk.hub, other.id, APPROVER, "太晚")
    assert deeds(desk, asked) == [("requested", ""), ("extended", "zhang")]


def test_the_time_of_unconditional_but_sensitive_data_is_a_day_and_is_not_extended(here: Bench) -> None:
    asked = here.ask(name="companies", fields=("org_name", "legal_rep_id"))
    assert (asked.state, Clocks(here.hub).clock(asked).due_on) == ("requested", date(2026, 9, 30))
    with pytest.raises(Conflict):
        requests.extend(here.hub, asked.id, APPROVER, "须会商")


def test_a_department_is_reminded_once_before_and_told_once_after_and_the_office_too(desk: Bench) -> None:
    asked = desk.ask()
    office = desk.told(OFFICE_URL)
    days = ("2026-10-14", "2026-10-15", "2026-10-16", "2026-10-19", "2026-10-20", "2026-10-21")
    told = []
    for day in days:
        desk.day(day)
        late = [desk.look()["requests overdue"] for _ in range(2)]
        told.append((late, desk.told()[1:]))
    due, both = ["request.due"], ["request.due", "request.overdue"]
    assert told == [([0, 0], []), *[([0, 0], due)] * 3, *[([1, 1], both)] * 2]
    assert desk.told(OFFICE_URL) == [*office, "due", "overdue"], (
        "no contract of the city names a contact: the office is told, once of each"
    )
    desk.approve(asked)
    assert desk.look()["requests overdue"] == 0


def test_many_who_look_at_once_tell_once(desk: Bench) -> None:
    desk.ask()
    desk.day("2026-10-20")
    assert {r["requests overdue"] for r in at_once(4, lambda _: desk.look()) if isinstance(r, dict)} == {1}
    assert desk.told().count("request.overdue") == 1


def test_an_extended_request_is_reminded_of_again(here: Bench) -> None:
    asked = here.ask()
    here.day("2026-10-16")
    here.look()
    requests.extend(here.hub, asked.id, APPROVER, "须会商")
    here.look()
    assert here.told() == ["request.opened", "request.due", "request.extended"]
    here.day("2026-10-30")
    here.look()
    assert here.told()[-1] == "request.due"


def test_the_data_office_decides_what_is_overdue_and_nothing_before(desk: Bench) -> None:
    asked = desk.ask()
    with pytest.raises(Forbidden) as refused:
        desk.approve(asked, OFFICE)
    assert refused.value.facts["reason"] == "elsewhere"
    desk.day("2026-10-20")
    desk.approve(asked, OFFICE)
    assert store.steps(desk.hub.ledger, asked.id)[-1].ground == "overdue"


def test_what_is_of_several_departments_is_the_data_offices_to_decide(here: Bench) -> None:
    asked = here.ask(kind="form", name="hk_macao_permit_renewal", fields=("name", "mobile"))
    assert (asked.department, asked.fields) == ("", {"name", "mobile"})
    with pytest.raises(Forbidden):
        here.approve(asked, CHIEF)
    assert here.approve(asked, OFFICE).state == "approved"
    assert here.told(OFFICE_URL) == ["opened", "approved"]


def test_a_form_of_one_department_is_that_departments(here: Bench) -> None:
    at_once = here.ask(kind="form", name="food_licence_renewal", fields=("establish_date", "uscc"))
    asked = here.ask(kind="form", name="food_licence_renewal", fields=("establish_date", "licence_no"))
    assert (at_once.state, asked.state, asked.department) == ("granted", "requested", MARKET)
    assert here.approve(asked).state == "granted"


def test_a_department_delegates_to_a_person_or_a_department_until_a_day_and_takes_it_back(desk: Bench) -> None:
    li, civil = person("li", CIVIL, "editor"), person("zhao", CIVIL)
    first = requests.delegate(desk.hub, APPROVER, MARKET, date(2026, 9, 30), "出差", person="li")
    asked = [desk.ask(purpose=f"巡查{n}") for n in range(4)]
    assert desk.approve(asked[0], li).state == "granted"
    assert store.steps(desk.hub.ledger, asked[0].id)[-1].ground == "delegation"
    with pytest.raises(Forbidden):
        desk.approve(asked[1], civil)
    second = requests.delegate(desk.hub, APPROVER, MARKET, date(2026, 10, 30), "合并办理", to_department=CIVIL)
    assert desk.approve(asked[1], civil).state == "granted"
    desk.day("2026-10-01")
    with pytest.raises(Forbidden):
        desk.approve(asked[2], li)
    with pytest.raises(Forbidden):
        requests.end_delegation(desk.hub, second.id, civil)
    requests.end_delegation(desk.hub, second.id, SECOND)
    with pytest.raises(Forbidden):
        desk.approve(asked[2], civil)
    with pytest.raises(NotFound):
        requests.end_delegation(desk.hub, first.id, APPROVER)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "to"),
        ({"person": "li", "to_department": CIVIL}, "to"),
        ({"to_department": MARKET}, "to"),
        ({"person": "zhang"}, "to"),
        ({"person": "li", "until": date(2026, 9, 28)}, "until"),
        ({"person": "li", "why": " "}, "why"),
    ],
)
def test_a_delegation_that_says_nothing_sensible_is_refused_by_field(here: Bench, changes: dict, field: str) -> None:  # type: ignore[type-arg]
    given = {"until": date(2026, 10, 30), "why": "出差", **changes}
    with pytest.raises(Invalid) as refused:
        requests.delegate(here.hub, APPROVER, MARKET, **given)
    assert refused.value.problem()["field"] == field


def test_only_who_speaks_for_a_department_delegates(here: Bench) -> None:
    for actor in (EDITOR, OFFICE, CHIEF):
        with pytest.raises(Forbidden):
            requests.delegate(here.hub, actor, MARKET, date(2026, 10, 30), "x", person="li")


def test_nobody_decides_on_what_he_asked_for(desk: Bench) -> None:
    both = person("zhang", MARKET, "editor", "approver")
    asked = desk.ask(both)
    for step in (desk.approve, lambda r, a: requests.refuse(desk.hub, r.id, a, "x")):
        with pytest.raises(Forbidden) as refused:
            step(asked, both)
        assert refused.value.facts["reason"] == "own"
    assert desk.approve(asked, SECOND).state == "granted"


def test_who_asked_withdraws_and_nobody_else_and_not_what_is_decided(desk: Bench) -> None:
    asked, granted = desk.ask(EDITOR), desk.approve(desk.ask(purpose="统计"))
    with pytest.raises(Forbidden):
        requests.withdraw(desk.hub, asked.id, APPROVER)
    assert requests.withdraw(desk.hub, asked.id, person("sun", CIVIL, "editor"), "已不需要").state == "withdrawn"
    with pytest.raises(Conflict):
        requests.withdraw(desk.hub, granted.id)
    with pytest.raises(Conflict):
        desk.approve(asked)


def test_what_stopped_being_shared_meanwhile_is_not_granted(desk: Bench) -> None:
    asked = desk.ask()
    desk.change("food_licences", share_type=3, share_condition="新法第一条")
    with pytest.raises(Conflict, match="新法第一条"):
        desk.approve(asked)
    assert desk.grants() == ()


def test_what_became_sensitive_meanwhile_takes_two(desk: Bench) -> None:
    from dataclasses import replace

    asked = desk.ask()
    columns = desk.hub.contract("food_licences").columns
    desk.change("food_licences", columns=tuple(replace(c, classification="L3") for c in columns))
    assert desk.approve(asked).state == "approved"


def test_revoking_ends_the_grant_and_is_the_requests_last_step(desk: Bench) -> None:
    asked = desk.approve(desk.ask())
    with pytest.raises(Forbidden):
        requests.revoke(desk.hub, asked.id, CHIEF, "误用")
    with pytest.raises(Invalid):
        requests.revoke(desk.hub, asked.id, APPROVER, "")
    requests.revoke(desk.hub, asked.id, OFFICE, "误用")
    (row,) = Clocks(desk.hub).rows([desk.now(asked)])
    assert (row["state"], desk.grants()) == ("revoked", ())
    given = grants.given(desk.hub.ledger, [asked.id])[asked.id]
    assert (given.revoked_by, given.revoked_why) == ("wu", "误用")
    with pytest.raises(NotFound):
        requests.revoke(desk.hub, asked.id, OFFICE, "再次")


def test_a_grant_that_ran_out_is_ended_and_can_be_asked_for_again(desk: Bench) -> None:
    asked = desk.approve(desk.ask())
    assert desk.ask() == desk.now(asked), "the same on the same day is the same request"
    desk.day("2026-09-30")
    assert desk.ask().id != asked.id, "in time for when it ends"
    desk.day("2027-09-30")
    (row,) = Clocks(desk.hub).rows([desk.now(asked)])
    assert row["state"] == "ended"


def test_what_was_granted_and_never_published_is_told_once_after_its_time(desk: Bench) -> None:
    asked = desk.approve(desk.ask())
    due = Clocks(desk.hub).delivery(asked).due_on
    assert due == date(2026, 11, 2), "twenty working days"
    desk.day("2026-11-03")
    assert [desk.look()["requests undelivered"] for _ in range(2)] == [1, 1]
    assert desk.told().count("request.undelivered") == 1
    loads.tell(desk.hub.ledger, Load("food_licences", 1, "r1", desk.clock(), 7))
    assert desk.look()["requests undelivered"] == 0


def test_a_client_may_have_so_many_requests_open(tmp_path: Path) -> None:
    with bench(tmp_path, requests_open=2) as few:
        asked = [few.ask(purpose=f"p{n}") for n in range(2)]
        with pytest.raises(TooMany):
            few.ask(purpose="p2")
        requests.withdraw(few.hub, asked[0].id)
        few.ask(purpose="p2")


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"purpose": " "}, Invalid, "purpose"),
        ({"legal": ""}, Invalid, "legal"),
        ({"fields": ("licence_no", "no_such")}, Invalid, "fields"),
        ({"name": "no_such"}, NotFound, "dataset"),
        ({"kind": "form", "name": "no_such"}, NotFound, "form"),
        ({"kind": "form", "name": "food_licence_renewal", "fields": ("conditions",)}, Invalid, "fields"),
        ({"kind": "form", "name": "food_licence_renewal", "fields": (), "row_filter": "[]"}, Invalid, "row_filter"),
        ({"row_filter": "licence_no = 1"}, Invalid, "row_filter"),
        ({"row_filter": '[{"column": "nothing", "op": "eq", "value": "1"}]'}, Invalid, "row_filter[0].column"),
        ({"client": "nobody"}, NotFound, None),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_field(
    here: Bench,
    changes: dict,
    error: type[HubError],
    field: str | None,  # type: ignore[type-arg]
) -> None:
    with pytest.raises(error) as refused:
        here.ask(**changes)
    assert refused.value.problem().get("field") == field
    assert store.listed(here.hub.ledger) == ()


def test_a_row_filter_is_kept_canonical_and_its_columns_count_as_asked_for(here: Bench) -> None:
    spaced = ' [ {"op": "eq", "value": "A", "column": "category"} ] '
    asked = here.ask(row_filter=spaced)
    assert asked.row_filter == '[{"column":"category","op":"eq","value":"A"}]'
    here.approve(asked)
    assert here.grants()[0].row_filter == asked.row_filter
    secret = here.ask(
        name="companies", fields=("org_name",), row_filter='[{"column": "legal_rep_id", "op": "not_null"}]'
    )
    assert secret.state == "requested", "whose rows one gets tells what the filter's column holds"


def test_all_fields_are_those_of_now_and_none_that_comes_later(here: Bench) -> None:
    asked = here.ask(name="food_licences", fields=())
    assert asked.fields == {c.name for c in here.hub.contract("food_licences").columns}


def test_what_is_told_names_neither_person_nor_purpose_nor_contact(desk: Bench) -> None:
    words = {"purpose": "canary-purpose", "contact": "canary-contact 13800000000", "legal": "canary-legal"}
    asked = desk.ask(person("canary-asker", CIVIL, "editor"), **words)
    desk.day("2026-10-20")
    desk.look()
    requests.refuse(desk.hub, asked.id, person("canary-approver"), "canary-reason")
    bodies = json.dumps([m.body for m in outbox.unsent(desk.hub.ledger)], ensure_ascii=False)
    assert "canary" not in bodies
    assert asked.id in bodies


def test_a_client_switched_off_still_has_its_requests_read(here: Bench) -> None:
    asked = here.ask()
    clients.put(here.hub.ledger, Client("portal", "portal", "portal", "-", active=False), here.clock())
    assert here.now(asked) == asked
    assert contracts.count(here.hub.ledger) == 7
