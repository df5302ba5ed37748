"""Who decides on a request for data, and what it comes to: the whole table, beside a second telling of the rules."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from access import approval
from access.actors import Actor, Role
from access.approval import BARS, Bar, Case, Ground, Item, weigh
from ledger.delegations import Delegation
from schemas.errors import Forbidden, Invalid

TODAY = date(2026, 3, 2)
AT = datetime(2026, 3, 1, tzinfo=UTC)
ROLES: tuple[Role, ...] = ("editor", "approver", "office", "auditor", "client")
POLICE, CIVIL = "11310100MADEM0011P", "11310100MADEM0038F"


def item(share_type: int = 2, classification: str = "L2", department: str = POLICE, **more: str) -> Item:
    about = {"dataset": "residents", "column": "name", "condition": "限依法履职", **more}
    return Item(share_type=share_type, classification=classification, department=department, **about)


def delegation(person: str = "", to: str = "", department: str = POLICE, until: date = TODAY) -> Delegation:
    return Delegation("d1", department, person, to, until, "leave", "chief", AT)


def test_the_strictest_item_decides_over_every_pair_of_share_types_and_sensitivities() -> None:
    for (one, secret_one), (two, secret_two) in product(product((1, 2, 3), ("L1", "L2", "L3", "L4")), repeat=2):
        found = weigh([item(one, secret_one), item(two, secret_two)])
        sensitive = {secret_one, secret_two} & {"L3", "L4"}
        assert found.share_type == max(one, two)
        if max(one, two) == 3:
            assert (found.outcome, found.approvals) == ("refused", 0)
        elif max(one, two) == 1 and not sensitive:
            assert (found.outcome, found.approvals) == ("granted", 0)
        else:
            assert (found.outcome, found.approvals) == ("asked", 2 if sensitive else 1)


def test_a_refusal_names_every_item_that_is_not_shared_and_the_law() -> None:
    found = weigh(
        [
            item(3, column="name", condition="档案法第二十八条"),
            item(3, column="born", condition="档案法第二十八条"),
            item(2),
        ]
    )
    assert found.reason == "不予共享 not shared: residents.name, residents.born (档案法第二十八条)"


def test_one_department_is_asked_of_what_is_its_own_and_the_data_office_of_what_is_of_several() -> None:
    assert weigh([item(), item()]).department == POLICE
    assert weigh([item(), item(department=CIVIL)]).department == approval.OFFICE


def test_asking_for_nothing_that_anybody_provides_is_refused_by_field() -> None:
    with pytest.raises(Invalid) as refused:
        weigh([])
    assert refused.value.problem()["field"] == "fields"


def expected(actor: Actor, case: Case, delegations: list[Delegation]) -> Ground | Bar:
    """The rules told a second time, from the issue's words."""
    if actor.name == case.requested_by:
        return "own"
    here = actor.department == case.department
    if case.department and here and "approver" in actor.roles:
        return "department"
    if not case.department and "office" in actor.roles:
        return "office"
    for d in delegations:
        if d.department != case.department or d.until < TODAY:
            continue
        if d.person and d.person == actor.name and {"editor", "approver", "office"} & actor.roles:
            return "delegation"
        if d.to_department and d.to_department == actor.department and {"approver", "office"} & actor.roles:
            return "delegation"
    return "overdue" if case.overdue and "office" in actor.roles else "elsewhere"


def test_who_decides_over_the_whole_table() -> None:
    seen = set()
    roles = [frozenset(r for r, has in zip(ROLES, given, strict=True) if has) for given in product((0, 1), repeat=5)]
    several = [
        [], [delegation("zhang")], [delegation(to=CIVIL)], [delegation("zhang", until=TODAY - timedelta(1))], [delegation("zhang", department=CIVIL)],
        [delegation("zhang", department="")], [delegation("li"), delegation(to=CIVIL)],
    ]  # fmt: skip
    cases = product(roles, ("", POLICE, CIVIL), ("", POLICE), ("", "zhang", "li"), (False, True), several)
    for held, works_at, asked, requested_by, overdue, delegations in cases:
        actor = Actor("zhang", works_at, held)
        case = Case(asked, requested_by, (), overdue)
        found = approval.ground(actor, case, delegations, TODAY)
        assert found == expected(actor, case, delegations), (actor, case, delegations)
        assert approval.approval(actor, case, delegations, TODAY) == found, "nobody approved before"
        seen.add(found)
    assert seen == {"department", "office", "delegation", "overdue", "own", "elsewhere"}


def test_nobody_approves_twice_whatever_the_ground_and_may_still_refuse() -> None:
    chief = Actor("zhang", POLICE, frozenset({"approver"}))
    once = Case(POLICE, "li", ("zhang",))
    assert approval.approval(chief, once, (), TODAY) == "twice"
    assert approval.ground(chief, once, (), TODAY) == "department"
    office = Actor("zhang", "", frozenset({"office"}))
    assert approval.approval(office, Case(POLICE, "li", ("zhang",), overdue=True), (), TODAY) == "twice"
    assert approval.approval(Actor("wang", POLICE, frozenset({"approver"})), once, (), TODAY) == "department"


def test_a_delegation_is_not_handed_on() -> None:
    third = Actor("zhao", "11310100MADEM0046A", frozenset({"approver"}))
    chain = [delegation(to=CIVIL), delegation(department=CIVIL, to="11310100MADEM0046A")]
    assert approval.ground(third, Case(POLICE, "li"), chain, TODAY) == "elsewhere"


@pytest.mark.parametrize("bar", sorted(BARS))
def test_every_bar_is_a_refusal_with_words_and_a_reason_for_programs(bar: Bar) -> None:
    with pytest.raises(Forbidden) as refused:
        approval.held(bar)
    assert refused.value.facts["reason"] == bar
    assert refused.value.todo


def test_a_department_delegates_by_its_approver_and_the_office_for_itself() -> None:
    chief, office = Actor("zhang", POLICE, frozenset({"approver"})), Actor("wu", "", frozenset({"office"}))
    assert [approval.may_delegate(chief, d) for d in (POLICE, CIVIL, "")] == [True, False, False]
    assert [approval.may_delegate(office, d) for d in (POLICE, CIVIL, "")] == [False, False, True]
    assert not approval.may_delegate(Actor("qian", POLICE, frozenset({"editor", "auditor"})), POLICE)


def test_who_answers_for_a_portal_asks_and_withdraws_for_that_portal_alone_and_auditors_never() -> None:
    portal = Actor("sun", "", frozenset({"client"}), "portal")
    assert [approval.may_ask(portal, c) for c in ("portal", "other")] == [True, False]
    assert [approval.may_withdraw(portal, c, "li", POLICE) for c in ("portal", "other")] == [True, False]
    assert not approval.may_ask(Actor("zhou", POLICE, frozenset({"auditor"})), "portal")
    assert approval.may_withdraw(Actor("wu", POLICE, frozenset({"editor"})), "portal", "li", POLICE)
    assert not approval.may_withdraw(Actor("wu", POLICE, frozenset({"approver"})), "portal", "li", POLICE)
    assert not approval.may_withdraw(Actor("wu", "", frozenset({"editor"})), "portal", "", "")
