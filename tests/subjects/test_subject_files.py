"""What a subject file holds, held against a naive reference that is written loop by loop."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_city import ANN, BOB, BOTH, CONTRACTS, DAY0, EVE, FIRM, MISTYPED, City, reference

from ledger.database import Database, ledger_tables, subject_tables
from ledger.subject_store import SubjectKey, SubjectStore
from schemas.errors import Superseded
from subjects import build
from subjects.build import Built, Room, Sources, Work
from subjects.file import SubjectFile
from subjects.kinds import Kind

KEY = SubjectKey("k1", b"k" * 32)
ROOM = Room(memory_mb=200, threads=1)
NAMES = ["张三", "李四", "张 三", None]
DATES = [date(2026, 1, 1), date(2026, 6, 1), date(2027, 1, 1), None]
PEOPLE = [ANN, BOB, EVE]


def sources(city: City, kinds: dict[str, Kind]) -> Sources:
    return Sources(kinds, CONTRACTS, city.histories(), city.loads())


def run(city: City, kinds: dict[str, Kind], ledger: Database, store: SubjectStore, buckets: int = 1) -> list[Built]:
    works = build.plan(ledger, store, kinds, CONTRACTS, city.latest(), DAY0)
    return [build.build(work, sources(city, kinds), ledger, store, DAY0, buckets, ROOM) for work in works]


def body(store: SubjectStore, person: str) -> Any:
    stored = store.get("person", person)
    return None if stored is None else json.loads(stored.body)


@contextmanager
def databases() -> Iterator[tuple[Database, SubjectStore]]:
    with TemporaryDirectory() as folder:
        ledger = Database(f"sqlite:///{folder}/ledger.db", ledger_tables)
        db = Database(f"sqlite:///{folder}/subjects.db", subject_tables)
        ledger.create()
        db.create()
        try:
            yield ledger, SubjectStore(db, KEY)
        finally:
            ledger.dispose()
            db.dispose()


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
def days(draw: st.DrawFn) -> list[tuple[str, list[dict[str, Any]], list[int]]]:
    """Loads one after another: dataset, upserted rows, and which of the live rows are deleted."""
    found = []
    for _ in range(draw(st.integers(1, 6))):
        dataset = draw(st.sampled_from(sorted(rows)))
        key = CONTRACTS[dataset].key[0]
        upserts = draw(st.lists(rows[dataset], max_size=4, unique_by=lambda r, k=key: r[k]))
        found.append((dataset, upserts, draw(st.lists(st.integers(0, 5), max_size=2, unique=True))))
    return found


def publish(city: City, day: tuple[str, list[dict[str, Any]], list[int]]) -> None:
    dataset, upserts, places = day
    key = CONTRACTS[dataset].key[0]
    live = [r for r in city.current(dataset) if r[key] not in {u[key] for u in upserts}]
    deletes = [{k: v for k, v in live[i].items() if k[0] != "_"} for i in places if i < len(live)]
    city.publish(dataset, upserts, deletes)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=days(), later=days(), buckets=st.integers(1, 2))
def test_a_file_equals_the_naive_reference_and_touched_rebuilds_equal_full_ones(
    kinds: dict[str, Kind], history: Any, later: Any, buckets: int
) -> None:
    city = City()
    with databases() as (ledger, store), databases() as (other_ledger, other_store):
        for days in (history, later):
            for day in days:
                publish(city, day)
            run(city, kinds, ledger, store, buckets)
        run(city, kinds, other_ledger, other_store)
        for person in PEOPLE:
            assert body(store, person) == reference(city, person)
            one, two = store.get("person", person), other_store.get("person", person)
            assert (one and one.body, one and one.etag) == (two and two.body, two and two.etag)
        for kind in kinds:
            assert store.count(kind) == other_store.count(kind)


def two_departments() -> City:
    city = City()
    city.publish("residents", [{"citizen_id": ANN, "name": "安某", "birth_date": date(1990, 1, 1)}])
    city.publish(
        "permits",
        [
            {
                "permit_no": "P1",
                "citizen_id": ANN,
                "name": "安某某",
                "valid_to": date(2027, 1, 1),
                "fee": Decimal("9.00"),
            }
        ],
    )
    return city


def opened(store: SubjectStore, person: str) -> SubjectFile:
    stored = store.get("person", person)
    assert stored is not None
    return SubjectFile.of(stored)


def test_the_authoritative_source_survives_and_the_loser_is_kept_beside_it(
    kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    run(two_departments(), kinds, ledger, store)
    name = opened(store, ANN).held("name")
    assert name is not None
    assert (name.value, name.provenance.dataset, name.conflict) == ("安某", "residents", True)
    assert (name.provenance.department, name.provenance.department_en) == ("residents局", "Bureau of residents")
    assert (name.provenance.column, name.provenance.load, name.provenance.run) == ("name", 1, "run-residents-1")
    assert name.provenance.as_of == "2026-03-02T00:00:00Z"
    assert [(o.value, o.provenance.dataset) for o in name.others] == [("安某某", "permits")]


def test_a_fallback_fills_in_when_the_authoritative_source_holds_nothing_and_equal_values_do_not_conflict(
    kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    city = two_departments()
    city.publish("residents", [{"citizen_id": ANN, "name": None, "birth_date": date(1990, 1, 1)}])
    city.publish(
        "marriages",
        [{"cert_no": "M1", "wife_id": ANN, "wife_name": "安某某", "husband_id": BOB, "husband_name": "白某"}],
    )
    run(city, kinds, ledger, store)
    name = opened(store, ANN).held("name")
    assert name is not None
    assert (name.value, name.provenance.dataset, name.conflict) == ("安某某", "permits", False)
    marriage = next(opened(store, BOB).items("marriages"))
    assert marriage.values["spouse_id"] == ANN


def test_validity_and_filters_come_with_the_picked_row(
    kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    city = two_departments()
    city.publish(
        "permits", [{"permit_no": "P2", "citizen_id": ANN, "valid_to": date(2030, 1, 1), "fee": Decimal("0.00")}]
    )
    run(city, kinds, ledger, store)
    fee = opened(store, ANN).held("base_amount")
    assert fee is not None
    assert (fee.value, fee.valid_until) == ("9.00", "2027-01-01")
    assert [i.values["permit_no"] for i in opened(store, ANN).items("permits")] == ["P2", "P1"]


def test_a_file_goes_when_its_last_row_goes(kinds: dict[str, Kind], ledger: Database, store: SubjectStore) -> None:
    city = two_departments()
    run(city, kinds, ledger, store)
    city.publish("residents", deletes=[{"citizen_id": ANN}])
    run(city, kinds, ledger, store)
    assert opened(store, ANN).held("birth_date") is None
    city.publish("permits", deletes=[{"permit_no": "P1", "citizen_id": ANN}])
    built = run(city, kinds, ledger, store)
    assert store.get("person", ANN) is None
    assert built == [Built("person", 0, 1)]


def test_a_row_that_moves_to_another_person_rebuilds_both(
    kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    city = two_departments()
    run(city, kinds, ledger, store)
    city.publish("permits", [{"permit_no": "P1", "citizen_id": BOB, "name": "白某", "valid_to": date(2027, 1, 1)}])
    assert run(city, kinds, ledger, store) == [Built("person", 2, 0)]
    assert list(opened(store, ANN).items("permits")) == []
    assert len(list(opened(store, BOB).items("permits"))) == 1


def test_an_account_belongs_to_the_kind_its_holder_is_valid_for_and_the_rest_is_counted(
    kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    city = City()
    holders = [ANN, FIRM, BOTH, MISTYPED, "12345", None]
    opened_on = date(2020, 1, 1)
    city.publish(
        "accounts", [{"account_no": f"A{i}", "holder_id": h, "opened_on": opened_on} for i, h in enumerate(holders)]
    )
    enterprise, person = run(city, kinds, ledger, store, buckets=2)
    assert enterprise == Built("enterprise", 1, 0, {"accounts.holder_id": 4})
    assert person == Built("person", 1, 0, {"accounts.holder_id": 4})
    assert [store.get("person", h) is not None for h in holders[:-1]] == [True, False, False, False, False]
    assert [store.get("enterprise", h) is not None for h in holders[:-1]] == [False, True, False, False, False]
    yielding = {**kinds, "enterprise": Kind(**{**kinds["enterprise"].__dict__, "yields_to": ("person",)})}
    assert run(city, yielding, ledger, store) == [Built("person", 2, 0, {"accounts.holder_id": 3})]
    assert store.get("person", BOTH)
    assert not store.get("enterprise", BOTH)


def test_open_entries_are_those_since_the_newest_of_the_other_list(
    kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    city = two_departments()
    dates = [date(2026, 12, 31), date(2027, 1, 1), date(2027, 2, 1)]
    city.publish("accounts", [{"account_no": f"A{i}", "holder_id": ANN, "opened_on": d} for i, d in enumerate(dates)])
    run(city, kinds, ledger, store)
    assert [i.values["account_no"] for i in opened(store, ANN).items("new_accounts")] == ["A2", "A1"]
    assert [i.values["account_no"] for i in opened(store, ANN).items("accounts")] == ["A2", "A1", "A0"]


def test_nothing_is_planned_when_nothing_changed_and_a_killed_build_is_planned_again(
    kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    city = two_departments()
    [killed] = build.plan(ledger, store, kinds, CONTRACTS, city.latest(), DAY0)
    build.build_bucket(killed, sources(city, kinds), store, DAY0, room=ROOM)
    [work] = build.plan(ledger, store, kinds, CONTRACTS, city.latest(), DAY0)
    assert work.pending == killed.pending
    assert Work.from_json(json.loads(json.dumps(work.to_json()))) == work
    build.build(work, sources(city, kinds), ledger, store, DAY0, room=ROOM)
    assert build.plan(ledger, store, kinds, CONTRACTS, city.latest(), DAY0) == []


def test_an_older_build_that_wakes_up_can_write_nothing(
    kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    city = two_departments()
    [zombie] = build.plan(ledger, store, kinds, CONTRACTS, city.latest(), DAY0)
    stale = sources(city, kinds)
    city.publish("residents", [{"citizen_id": ANN, "name": "安新", "birth_date": date(1990, 1, 1)}])
    run(city, kinds, ledger, store)
    with pytest.raises(Superseded, match="has begun"):
        build.build(zombie, stale, ledger, store, DAY0, room=ROOM)
    assert body(store, ANN) == reference(city, ANN)
    assert build.plan(ledger, store, kinds, CONTRACTS, city.latest(), DAY0) == []


def test_a_changed_declaration_rebuilds_everybody_and_sweeps_what_is_gone(
    kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    city = two_departments()
    city.publish("accounts", [{"account_no": "A1", "holder_id": BOB, "opened_on": date(2020, 1, 1)}])
    run(city, kinds, ledger, store)
    person = kinds["person"]
    slim = {**kinds, "person": Kind(**{**person.__dict__, "lists": person.lists[:2]})}
    works = {w.pending.kind: w for w in build.plan(ledger, store, slim, CONTRACTS, city.latest(), DAY0)}
    assert works.keys() == {"person", "enterprise"}, "whose holder an account is depends on both kinds"
    work = works["person"]
    assert work.pending.since is None
    with pytest.raises(Superseded, match="plan the build again"):
        build.build_bucket(work, sources(city, kinds), store, DAY0, room=ROOM)
    built = build.build(work, sources(city, slim), ledger, store, DAY0, room=ROOM)
    assert (built.written, built.removed, store.get("person", BOB)) == (1, 1, None)


def test_any_past_file_can_be_built_from_older_loads(
    kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    city = two_departments()
    before = reference(city, ANN)
    past = city.latest()
    city.publish("residents", [{"citizen_id": ANN, "name": "安新"}])
    [work] = build.plan(ledger, store, kinds, CONTRACTS, past, DAY0 + timedelta(days=9))
    build.build(work, sources(city, kinds), ledger, store, DAY0, room=ROOM)
    assert body(store, ANN) == before
