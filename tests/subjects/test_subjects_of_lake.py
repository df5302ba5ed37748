"""The same files from a lake on disk as from tables in memory, built in steps of touched subjects."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from small_city import ANN, BOB, CONTRACTS, DAY0, EVE, City, reference
from test_subject_files import days, publish
from town import KEYS, ROOM, Town, town_of

from lake.history import History, Load, arrow_schema
from subjects import histories
from subjects.kinds import Kind
from subjects.past import file_as_of

PEOPLE = (ANN, BOB, EVE)


def land(lake: Path, city: City, dataset: str) -> None:
    """Commit the city's newest load of a dataset to the lake."""
    contract, load = CONTRACTS[dataset], city.numbers[dataset]
    rows = [
        {**values, "_op": op, "_load": n, "_seq": seq, "_hash": seq}
        for n, seq, op, values in city.rows.get(dataset, ())
        if n == load
    ]
    history = History(lake, dataset)
    history.prepare(contract)
    file = history.path / f"{load}.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(contract.columns)), file)
    facts = Load(
        dataset, load, f"run-{dataset}-{load}", load, "pull", DAY0.isoformat(), DAY0.isoformat(), None, 0, len(rows)
    )
    history.commit(facts, file if rows else None, contract)


def test_files_from_the_lake_equal_the_reference_day_after_day(town: Town) -> None:
    city, lake = town.city, town.lake
    permit = {"permit_no": "P1", "name": "安某某", "kind": "a", "valid_to": date(2027, 1, 1), "fee": Decimal("9.50")}
    marriage = {"cert_no": "M1", "husband_id": BOB, "husband_name": "白某", "wife_id": ANN, "wife_name": "安某"}
    days = [
        [("residents", [{"citizen_id": p, "name": n} for p, n in ((ANN, "安某"), (BOB, "白某"))], [])],
        [("permits", [{**permit, "citizen_id": ANN}], []), ("marriages", [marriage], [])],
        [("permits", [{**permit, "citizen_id": EVE}], []), ("accounts", [], [])],
        [("residents", [{"citizen_id": BOB, "name": "白新"}], [{"citizen_id": ANN}]), ("marriages", [], [marriage])],
        [("permits", [], [{**permit, "citizen_id": EVE}])],
    ]
    written, then = [], []
    for day in days:
        for dataset, upserts, deletes in day:
            city.publish(dataset, upserts, deletes)
            land(lake, city, dataset)
        sources = replace(town.sources(), histories=histories.of_lake(lake))
        for work in town.plan():
            built = town.do(work, sources)
            written.append((built.kind, built.written, built.removed))
        then.append((dict(city.numbers), [reference(city, person) for person in PEOPLE]))
        assert [town.body(person) for person in PEOPLE] == then[-1][1]
    assert written == [
        ("person", 2, 0), ("person", 2, 0), ("enterprise", 0, 0), ("person", 2, 0), ("person", 1, 1), ("person", 0, 1)
    ]  # fmt: skip
    for loads, bodies in then:
        upto = {dataset: loads.get(dataset, 0) for dataset in CONTRACTS}
        past = [file_as_of("person", person, sources, upto, 0, KEYS, ROOM) for person in PEOPLE]
        assert [file and file.body for file in past] == bodies, "any past file can be built again"


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=days(), later=days())
def test_whatever_the_lakes_histories_the_touched_alone_are_rebuilt_into_what_the_reference_says(
    kinds: dict[str, Kind], first: Any, later: Any
) -> None:
    city = City()
    with town_of(city, kinds) as town:
        for loads in (first, later):
            for load in loads:
                publish(city, load)
                land(town.lake, city, load[0])
            sources = replace(town.sources(), histories=histories.of_lake(town.lake))
            for work in town.plan():
                town.do(work, sources)
            assert [town.body(person) for person in PEOPLE] == [reference(city, person) for person in PEOPLE]
