"""What a subject file holds, held against a naive reference that is written loop by loop."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_city import ANN, BOB, BOTH, CONTRACTS, DAY0, EVE, FIRM, MISTYPED, City, reference
from town import Town, town_of

from schemas.errors import Superseded
from subjects import build, load, reading
from subjects.kinds import Conflict, Kind
from subjects.work import Built, Room, Work

NAMES = ["张三", "李四", "张 三", None]
DATES = [date(2026, 1, 1), date(2026, 6, 1), date(2027, 1, 1), None]
PEOPLE = [ANN, BOB, EVE]


identifiers = st.sampled_from([*PEOPLE, FIRM, MISTYPED, BOTH, "12345", None])
rows = {
    "residents": st.fixed_dictionaries(
        {"citizen_id": st.sampled_from(PEOPLE), "name": st.sampled_from(NAMES), "birth_date": st.sampled_from(DATES)}
    ),
    "permits": st.fixed_dictionaries(
        {
            "permit_no": st.sampled_from(["P1", "P2", "P3", "P4"]), "citizen_id": identifiers, "name": st.sampled_from(NAMES),
            "kind": st.sampled_from(["a", "b", None]), "valid_to": st.sampled_from(DATES),
            "fee": st.sampled_from([Decimal("0.00"), Decimal("12.50"), None]),
        }
    ),
    "marriages": st.fixed_dictionaries(
        {
            "cert_no": st.sampled_from(["M1", "M2", "M3"]), "husband_id": identifiers, "husband_name": st.sampled_from(NAMES),
            "wife_id": identifiers, "wife_name": st.sampled_from(NAMES), "registered_on": st.sampled_from(DATES),
        }
    ),
    "accounts": st.fixed_dictionaries(
        {
            "account_no": st.sampled_from(["A1", "A2", "A3"]), "holder_id": identifiers, "opened_on": st.sampled_from(DATES),
            "balance": st.sampled_from([Decimal("1.00"), Decimal("-2.30"), None]),
        }
    ),
}  # fmt: skip


@st.composite
def days(draw: st.DrawFn) -> list[tuple[str, list[dict[str, Any]], list[int], bool]]:
    """Loads one after another: dataset, upserted rows, which of the live rows are deleted, and whether it brings what an earlier one held back."""
    found = []
    for _ in range(draw(st.integers(1, 6))):
        dataset = draw(st.sampled_from(sorted(rows)))
        key = CONTRACTS[dataset].key[0]
        upserts = draw(st.lists(rows[dataset], max_size=4, unique_by=lambda r, k=key: r[k]))
        found.append(
            (dataset, upserts, draw(st.lists(st.integers(0, 5), max_size=2, unique=True)), draw(st.booleans()))
        )
    return found


def publish(city: City, day: tuple[str, list[dict[str, Any]], list[int], bool]) -> None:
    dataset, upserts, places, late = day
    key = CONTRACTS[dataset].key[0]
    live = [r for r in city.current(dataset) if r[key] not in {u[key] for u in upserts}]
    deletes = [{k: v for k, v in live[i].items() if k[0] != "_"} for i in places if i < len(live)]
    city.publish(dataset, upserts, deletes, late=late)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    history=days(), later=days(), buckets=st.integers(1, 2), piece=st.sampled_from([1, 1000]),
    conflict=st.sampled_from(get_args(Conflict)),
)  # fmt: skip
def test_a_file_equals_the_naive_reference_and_touched_rebuilds_equal_full_ones(
    kinds: dict[str, Kind], history: Any, later: Any, buckets: int, piece: int, conflict: Conflict
) -> None:
    city, kinds = City(), with_policy(kinds, conflict)
    with pytest.MonkeyPatch.context() as patch, town_of(city, kinds) as town, town_of(city, kinds) as other:
        patch.setattr(reading, "_PIECE", piece)
        for days in (history, later):
            for day in days:
                publish(city, day)
            town.run(buckets)
        other.run()
        assert [town.body(p) for p in PEOPLE] == [reference(city, p, conflict=conflict) for p in PEOPLE]
        assert town.plaintext(PEOPLE) == other.plaintext(PEOPLE)
        for kind in kinds:
            assert town.store.count(kind) == other.store.count(kind)


@pytest.fixture
def two(town: Town) -> Town:
    """Two departments that tell of Ann, one of them otherwise."""
    born = date(1990, 1, 1)
    permit = {
        "permit_no": "P1",
        "citizen_id": ANN,
        "name": "安某某",
        "valid_to": date(2027, 1, 1),
        "fee": Decimal("9.00"),
    }
    town.city.publish("residents", [{"citizen_id": ANN, "name": "安某", "birth_date": born}])
    town.city.publish("permits", [permit])
    return town


def test_the_authoritative_source_survives_and_the_loser_is_kept_beside_it(two: Town) -> None:
    two.run()
    name = two.file(ANN).held("name")
    assert name is not None
    assert (name.value, name.provenance.dataset, name.conflict) == ("安某", "residents", True)
    assert (name.provenance.department, name.provenance.department_en) == ("residents局", "Bureau of residents")
    assert (name.provenance.column, name.provenance.load, name.provenance.run) == ("name", 1, "run-residents-1")
    assert (name.provenance.as_of, name.provenance.verdict) == ("2026-03-02T00:00:00Z", "passed")
    assert [(o.value, o.provenance.dataset) for o in name.others] == [("安某某", "permits")]


def test_a_fallback_fills_in_when_the_authoritative_source_holds_nothing_and_equal_values_do_not_conflict(
    two: Town,
) -> None:
    two.city.publish("residents", [{"citizen_id": ANN, "name": None, "birth_date": date(1990, 1, 1)}])
    marriage = {"cert_no": "M1", "wife_id": ANN, "wife_name": "安某某", "husband_id": BOB, "husband_name": "白某"}
    two.city.publish("marriages", [marriage])
    two.run()
    name = two.file(ANN).held("name")
    assert name is not None
    assert (name.value, name.provenance.dataset, name.conflict) == ("安某某", "permits", False)
    assert next(two.file(BOB).items("marriages")).values["spouse_id"] == ANN


def test_validity_and_filters_come_with_the_picked_row(two: Town) -> None:
    free = {"permit_no": "P2", "citizen_id": ANN, "valid_to": date(2030, 1, 1), "fee": Decimal("0.00")}
    two.city.publish("permits", [free])
    two.run()
    fee = two.file(ANN).held("base_amount")
    assert fee is not None
    assert (fee.value, fee.valid_until) == ("9.00", "2027-01-01")
    assert [i.values["permit_no"] for i in two.file(ANN).items("permits")] == ["P2", "P1"]


def with_policy(kinds: dict[str, Kind], conflict: Conflict) -> dict[str, Kind]:
    person = kinds["person"]
    fields = tuple(replace(f, conflict=conflict) if f.name == "name" else f for f in person.fields)
    return {**kinds, "person": replace(person, fields=fields)}


def policy(town: Town, conflict: Conflict) -> None:
    town.kinds = with_policy(town.kinds, conflict)


def test_where_the_newest_goes_first_the_source_that_was_read_last_wins(two: Town) -> None:
    policy(two, "newest")
    two.city.publish("permits", [{"permit_no": "P1", "citizen_id": ANN, "name": "安新", "valid_to": date(2027, 1, 1)}])
    two.run()
    name = two.file(ANN).held("name")
    assert name is not None
    assert (name.value, [o.value for o in name.others]) == ("安新", ["安某"])
    two.city.publish("residents", [{"citizen_id": ANN, "name": "安更新"}])
    two.city.publish("residents", [{"citizen_id": ANN, "name": "安最新"}])
    two.run()
    assert [(n.value, [o.value for o in n.others]) for n in [two.file(ANN).held("name")] if n] == [("安最新", ["安新"])]


def test_where_nobody_goes_first_a_disagreement_holds_no_value_and_tells_what_each_says(two: Town) -> None:
    policy(two, "none")
    two.city.publish("residents", [{"citizen_id": BOB, "name": "白某"}])
    two.run()
    assert two.file(ANN).held("name") is None
    assert [(h.value, h.provenance.dataset) for h in two.file(ANN).disputed("name")] == [
        ("安某", "residents"),
        ("安某某", "permits"),
    ]
    agreed = two.file(BOB).held("name")
    assert agreed is not None
    assert (agreed.value, two.file(BOB).disputed("name")) == ("白某", ())


def test_a_file_goes_when_its_last_row_goes(two: Town) -> None:
    two.run()
    two.city.publish("residents", deletes=[{"citizen_id": ANN}])
    two.run()
    assert two.file(ANN).held("birth_date") is None
    two.city.publish("permits", deletes=[{"permit_no": "P1", "citizen_id": ANN}])
    built = two.run()
    assert two.find(ANN) is None
    assert built == [Built("person", 0, 1)]


def test_a_row_that_moves_to_another_person_rebuilds_both(two: Town) -> None:
    two.run()
    two.city.publish("permits", [{"permit_no": "P1", "citizen_id": BOB, "name": "白某", "valid_to": date(2027, 1, 1)}])
    assert two.run() == [Built("person", 2, 0)]
    assert list(two.file(ANN).items("permits")) == []
    assert len(list(two.file(BOB).items("permits"))) == 1


def test_an_account_belongs_to_the_kind_its_holder_is_valid_for(town: Town) -> None:
    holders = [ANN, FIRM, BOTH, MISTYPED, "12345", None]
    opened_on = date(2020, 1, 1)
    town.city.publish(
        "accounts", [{"account_no": f"A{i}", "holder_id": h, "opened_on": opened_on} for i, h in enumerate(holders)]
    )
    enterprise, person = town.run(buckets=2)
    assert enterprise == Built("enterprise", 1, 0)
    assert person == Built("person", 1, 0)
    assert [town.find(h) is not None for h in holders if h] == [True, False, False, False, False]
    assert [town.find(h, "enterprise") is not None for h in holders if h] == [False, True, False, False, False]
    town.kinds = {**town.kinds, "enterprise": replace(town.kinds["enterprise"], yields_to=("person",))}
    assert town.run() == [Built("person", 2, 0)]
    assert town.find(BOTH)
    assert not town.find(BOTH, "enterprise")


def test_open_entries_are_those_since_the_newest_of_the_other_list(two: Town) -> None:
    dates = [date(2026, 12, 31), date(2027, 1, 1), date(2027, 2, 1)]
    two.city.publish(
        "accounts", [{"account_no": f"A{i}", "holder_id": ANN, "opened_on": d} for i, d in enumerate(dates)]
    )
    two.run()
    assert [i.values["account_no"] for i in two.file(ANN).items("new_accounts")] == ["A2", "A1"]
    assert [i.values["account_no"] for i in two.file(ANN).items("accounts")] == ["A2", "A1", "A0"]


def test_entries_of_one_day_stand_in_the_order_of_their_keys_and_of_a_pair_the_first_side_first(two: Town) -> None:
    same = [{"permit_no": n, "citizen_id": ANN, "valid_to": date(2027, 1, 1)} for n in ("P3", "P2")]
    two.city.publish("permits", same)
    pair = {
        "husband_id": ANN,
        "husband_name": "夫",
        "wife_id": ANN,
        "wife_name": "妻",
        "registered_on": date(2020, 1, 1),
    }
    two.city.publish("marriages", [{"cert_no": n, **pair} for n in ("M2", "M1")])
    two.run()
    assert [i.values["permit_no"] for i in two.file(ANN).items("permits")] == ["P1", "P2", "P3"]
    married = [(i.values["cert_no"], i.values["spouse_name"]) for i in two.file(ANN).items("marriages")]
    assert married == [("M1", "妻"), ("M1", "夫"), ("M2", "妻"), ("M2", "夫")]


def test_nothing_is_planned_when_nothing_changed_and_a_killed_build_is_planned_again(two: Town) -> None:
    [killed] = two.plan()
    build.build_bucket(killed, two.sources(), two.lake)
    [work] = two.plan()
    assert work == killed
    assert Work.from_json(work.to_json()) == work
    two.do(work)
    assert two.plan() == []


def test_what_is_published_but_not_loaded_is_loaded_without_being_built_again(two: Town) -> None:
    [work] = two.plan()
    build.build(work, two.sources(), two.lake)
    [again] = two.plan()
    assert (again.due, again.build, again.loaded) == (False, work.build, 0)
    assert two.do(again) == Built("person", 1)
    assert two.body(ANN) == reference(two.city, ANN)
    assert two.plan() == []


def test_an_older_build_that_wakes_up_can_neither_publish_nor_load(two: Town) -> None:
    [zombie] = two.plan()
    stale = two.sources()
    two.city.publish("residents", [{"citizen_id": ANN, "name": "安新", "birth_date": date(1990, 1, 1)}])
    two.run()
    for step in (
        lambda: two.do(zombie, stale),
        lambda: load.load(replace(zombie, build=7), stale, two.lake, two.store, DAY0),
    ):
        with pytest.raises(Superseded):
            step()
    assert two.body(ANN) == reference(two.city, ANN)
    assert two.plan() == []


def test_a_changed_declaration_rebuilds_everybody_and_sweeps_what_is_gone(two: Town) -> None:
    two.city.publish("accounts", [{"account_no": "A1", "holder_id": BOB, "opened_on": date(2020, 1, 1)}])
    two.run()
    whole, person = two.kinds, two.kinds["person"]
    two.kinds = {**whole, "person": replace(person, lists=person.lists[:2])}
    works = {w.kind: w for w in two.plan()}
    assert works.keys() == {"person", "enterprise"}, "whose holder an account is depends on both kinds"
    work = works["person"]
    assert work.pending.since is None
    with pytest.raises(Superseded, match="plan the build again"):
        build.build_bucket(work, replace(two.sources(), kinds=whole), two.lake)
    assert two.do(work) == Built("person", 1, 1)
    assert two.find(BOB) is None


def test_a_lost_store_is_loaded_from_the_lake_and_a_lost_lake_is_built_anew(two: Town, tmp_path: Any) -> None:
    two.run()
    fresh = Town(tmp_path / "fresh", two.city, two.kinds) if (tmp_path / "fresh").mkdir() is None else two
    fresh.lake = two.lake
    [work] = fresh.plan()
    assert not work.due
    fresh.do(work)
    assert fresh.plaintext(PEOPLE) == two.plaintext(PEOPLE)
    fresh.lake = tmp_path / "elsewhere"
    [work] = fresh.plan()
    assert (work.due, work.build) == (True, 2), "numbers go on where the store's are"
    fresh.do(work)
    assert fresh.plaintext(PEOPLE) == two.plaintext(PEOPLE)
    fresh.close()


def test_many_pieces_and_threads_give_the_files_that_one_gives(
    kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    city = City()
    for dataset in ("residents", "permits"):
        city.publish(
            dataset, [{CONTRACTS[dataset].key[0]: f"x{i}", "citizen_id": p, "name": "甲"} for i, p in enumerate(PEOPLE)]
        )
    with town_of(city, kinds) as one, town_of(city, kinds) as many:
        one.run()
        monkeypatch.setattr(reading, "_PIECE", 1)
        monkeypatch.setattr(load, "_BATCH", 1)
        for work in many.plan(3):
            many.do(work, room=Room(memory_mb=400, threads=3))
        assert many.plaintext(PEOPLE) == one.plaintext(PEOPLE)
        assert None not in many.plaintext(PEOPLE)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "passed"),
        ({"verdict": {"rules": [{"passed": True}]}}, "passed"),
        ({"verdict": {"rules": [{"passed": True}, {"passed": False}]}}, "warned"),
        ({"verdict": {"outcome": "rollback", "rules": [{"passed": False}]}}, "restored"),
    ],
)
def test_a_value_tells_what_the_gate_said_of_its_load(
    kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], said: str
) -> None:
    city = City()
    loads = city.loads
    monkeypatch.setattr(city, "loads", lambda: [replace(load, facts=told) for load in loads()])
    with town_of(city, kinds) as town:
        city.publish("residents", [{"citizen_id": ANN, "name": "张三", "birth_date": None}])
        town.run()
        held = town.file(ANN).held("name")
    assert held is not None
    assert held.provenance.verdict == said
