"""Identifiers that are one subject's: merged by decision alone, under one name for good, with a history, and undone without a trace in the files."""

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_city import ANN, BOB, BOTH, CONTRACTS, EVE, FIRM, MISTYPED, City, reference
from test_subject_files import PEOPLE, days, publish
from town import KEYS, ROOM, Town, town_of

from ledger import subject_merges
from schemas.errors import HubError, Invalid, NotFound
from schemas.identifiers import uscc_check
from subjects import merges, review
from subjects.kinds import Kind
from subjects.past import file_as_of

OLD = "990101900101001"  # Ann's, as it was printed with 15 digits
MORE = [*PEOPLE, OLD, "12345"]
ANEW = (head := f"93{FIRM[2:17]}") + uscc_check(head)  # the firm's, after it became a cooperative


@pytest.fixture
def two(town: Town) -> Town:
    town.city.publish("residents", [{"citizen_id": ANN, "name": "安某"}, {"citizen_id": BOB, "name": "白某"}])
    permits = [("P1", ANN, "安某"), ("P2", OLD, "安旧")]
    town.city.publish("permits", [{"permit_no": n, "citizen_id": i, "name": name} for n, i, name in permits])
    town.run()
    return town


def permits(town: Town, identifier: str) -> list[Any]:
    found = town.find(identifier)
    return [item.values["permit_no"] for item in found.items("permits")] if found else []


def test_records_under_a_15_digit_number_join_the_18_digit_file_by_decision_alone(two: Town) -> None:
    assert (permits(two, ANN), two.find(OLD)) == (["P1"], None), "nothing is merged that nobody decided"
    two.decide(OLD, ANN)
    two.run()
    assert permits(two, ANN) == permits(two, OLD) == ["P1", "P2"]
    assert two.file(ANN).former == (OLD,)
    assert two.store.count("person") == 2


def test_of_rows_under_several_of_its_identifiers_those_under_the_surviving_one_go_first(two: Town) -> None:
    two.decide(OLD, ANN)
    two.run()
    two.city.publish("permits", [{"permit_no": "P2", "citizen_id": OLD, "name": "安更旧"}])
    two.run()
    name = two.file(ANN).held("name")
    assert name is not None
    assert (name.value, name.conflict) == ("安某", False), "of her permits' names the one under her own number"
    two.city.publish("permits", deletes=[{"permit_no": "P1", "citizen_id": ANN}])
    two.run()
    name = two.file(ANN).held("name")
    assert name is not None
    assert [other.value for other in name.others] == ["安更旧"]


def test_a_subject_whose_number_was_issued_anew_is_called_as_before_and_one_that_took_another_in_as_well(
    two: Town,
) -> None:
    ann, bob = two.file(ANN).pseudonym, two.file(BOB).pseudonym
    two.decide(ANN, EVE, "reissue")
    two.run()
    assert two.file(EVE).pseudonym == two.file(ANN).pseudonym == ann
    two.decide(BOB, EVE, "duplicate")
    two.run()
    assert two.file(BOB).pseudonym == ann != bob
    assert two.store.count("person") == 1


def test_an_enterprise_whose_credit_code_was_issued_anew_is_one_file_called_as_before_until_that_is_undone(
    town: Town,
) -> None:
    opened_on = date(2020, 1, 1)
    held = [{"account_no": f"A{n}", "holder_id": code, "opened_on": opened_on} for n, code in enumerate((FIRM, ANEW))]
    town.city.publish("accounts", held)
    town.run()
    before, called = town.plaintext([FIRM, ANEW], "enterprise"), town.file(FIRM, "enterprise").pseudonym
    number = town.decide(FIRM, ANEW, "reissue", kind="enterprise")
    town.run()
    firm = town.file(FIRM, "enterprise")
    assert (firm.identifier, firm.former, firm.pseudonym) == (ANEW, (FIRM,), called)
    assert town.body(ANEW, "enterprise") == firm.body
    assert {item.values["account_no"] for item in firm.items("accounts")} == {"A0", "A1"}
    assert town.store.count("enterprise") == 1
    town.undo(number, "enterprise")
    town.run()
    assert town.plaintext([FIRM, ANEW], "enterprise") == before
    told = subject_merges.decisions(town.db, KEYS, "enterprise")
    assert [(d.action, d.former, d.surviving) for d in told] == [("reissue", FIRM, ANEW), ("unmerge", FIRM, ANEW)]


def test_an_undone_merge_leaves_files_as_if_it_had_never_been_and_stays_in_the_history(two: Town) -> None:
    before = two.plaintext([ANN, BOB])
    number = two.decide(BOB, ANN, "duplicate")
    two.run()
    assert two.plaintext([ANN])[0] == two.plaintext([BOB])[0] != before[0]
    two.undo(number)
    two.run()
    assert two.plaintext([ANN, BOB]) == before
    told = subject_merges.decisions(two.db, KEYS, "person")
    assert [(d.action, d.undoes, d.former, d.surviving, d.by) for d in told] == [
        ("duplicate", None, BOB, ANN, "clerk"), ("unmerge", number, BOB, ANN, "clerk"),
    ]  # fmt: skip


def test_decisions_that_those_before_them_do_not_allow_are_refused(two: Town) -> None:
    number = two.decide(BOB, ANN, "duplicate")
    for former, surviving in ((BOB, ANN), (ANN, BOB), (ANN, ANN)):
        with pytest.raises(Invalid, match="already"):
            two.decide(former, surviving)
    for former, surviving in ((EVE, BOB), (BOB, EVE)):
        with pytest.raises(Invalid, match="given way"):
            two.decide(former, surviving)
    two.undo(number)
    with pytest.raises(NotFound):
        two.undo(number)


def test_a_past_file_is_as_the_decisions_of_then_made_it(two: Town) -> None:
    before = two.body(ANN)
    merged = two.decide(OLD, ANN)
    two.run()
    after = two.body(ANN)
    undone = two.undo(merged)
    two.run()

    def past(identifier: str, decided: int) -> Any:
        upto = {dataset: two.city.numbers.get(dataset, 0) for dataset in CONTRACTS}
        found = file_as_of("person", identifier, two.sources(), upto, decided, KEYS, ROOM)
        return None if found is None else found.body

    assert [past(ANN, decided) for decided in (0, merged, undone)] == [before, after, before]
    assert [past(OLD, decided) for decided in (0, merged, undone)] == [None, after, None]


def test_a_merge_names_nobody_in_the_stores_bytes(two: Town) -> None:
    two.decide(OLD, ANN)
    with two.db.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM subject_merges").all()
    assert [word for word in (OLD, ANN, "because") if word.encode() in str(rows).encode()] == []


decided = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(MORE), st.sampled_from(PEOPLE), st.sampled_from(["reissue", "duplicate"])),
        st.integers(1, 4),
    ),
    max_size=3,
)


def decide(town: Town, asked: list[Any]) -> None:
    """What is asked for, as far as it is allowed."""
    for one in asked:
        try:
            town.undo(one) if isinstance(one, int) else town.decide(*one)
        except (HubError, StopIteration):
            continue


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=days(), first=decided, later=days(), then=decided)
def test_merged_and_unmerged_files_equal_the_naive_reference_touched_or_full(
    kinds: dict[str, Kind], history: Any, first: Any, later: Any, then: Any
) -> None:
    city = City()
    with town_of(city, kinds) as town, town_of(city, kinds) as other:
        for loads, asked in ((history, first), (later, then)):
            for day in loads:
                publish(city, day)
            decide(town, asked)
            town.run()
        for decision in subject_merges.decisions(town.db, KEYS, "person"):
            other.decide(decision.former, decision.surviving, decision.action, decision.undoes)
        other.run()
        assert town.plaintext(MORE) == other.plaintext(MORE)
        stands = merges.merged(subject_merges.decisions(town.db, KEYS, "person"), 99)
        bodies = [town.body(stands.surviving(person)) for person in PEOPLE]
        plain = [body and {name: value for name, value in body.items() if name != "called"} for body in bodies]
        assert plain == [reference(city, stands.surviving(person), stands.aliases) for person in PEOPLE]


def strays(town: Town, kind: str = "person") -> list[tuple[Any, ...]]:
    decided = max((d.seq for d in subject_merges.decisions(town.db, KEYS, kind)), default=0)
    upto = {dataset: town.city.numbers.get(dataset, 0) for dataset in town.kinds[kind].datasets}
    found = review.queue(kind, town.sources(), upto, decided)
    return [(s.dataset, s.column, s.reason, *s.key, s.identifier, s.perhaps) for s in found]


def nobodys(city: City, kind: str) -> set[tuple[str, str, str]]:
    """The records that are nobody's, one after another: dataset, column and key. Of citizen IDs proper the gate has seen to the check character."""
    found = set()
    for dataset, by in {"person": [*NAMING], "enterprise": NAMING[-1:]}[kind]:
        for row in city.current(dataset):
            account = (dataset, by) == NAMING[-1]
            fits = [row[by] in {*PEOPLE, BOTH, *([] if account else [MISTYPED])}, account and row[by] in (FIRM, BOTH)]
            if fits.count(True) != 1:
                found.add((dataset, by, row[CONTRACTS[dataset].key[0]]))
    return found


NAMING = (
    ("residents", "citizen_id"),
    ("permits", "citizen_id"),
    ("marriages", "husband_id"),
    ("marriages", "wife_id"),
    ("accounts", "holder_id"),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=days())
def test_whatever_the_histories_a_record_is_in_somebodys_file_or_waits_for_people(
    kinds: dict[str, Kind], history: Any
) -> None:
    city = City()
    with town_of(city, kinds) as town:
        for day in history:
            publish(city, day)
        for kind in kinds:
            assert {(s[0], s[1], s[3]) for s in strays(town, kind)} == nobodys(city, kind)


def test_records_without_a_usable_identifier_wait_for_people_until_one_is_decided_or_corrected(two: Town) -> None:
    holders = [ANN, FIRM, BOTH, MISTYPED, None]
    two.city.publish(
        "accounts",
        [{"account_no": f"A{i}", "holder_id": h, "opened_on": date(2020, 1, 1)} for i, h in enumerate(holders)],
    )
    two.run()
    waiting = [
        ("permits", "citizen_id", "form", "P2", OLD, "990101199001010019"),
        ("accounts", "holder_id", "ambiguous", "A2", BOTH, None),
        ("accounts", "holder_id", "check", "A3", MISTYPED, None),
        ("accounts", "holder_id", "missing", "A4", None, None),
    ]
    assert strays(two) == waiting
    two.decide(OLD, ANN)
    two.city.publish("accounts", [{"account_no": "A3", "holder_id": ANN, "opened_on": date(2020, 1, 1)}])
    assert strays(two) == [waiting[1], waiting[3]]
    two.run()
    assert permits(two, ANN) == ["P1", "P2"]
    assert OLD not in repr(
        next(
            iter(
                review.queue("person", two.sources(), {"residents": 1, "permits": 1, "marriages": 0, "accounts": 1}, 0)
            )
        )
    )
