"""The same files from a lake on disk as from tables in memory, built in steps of touched subjects."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from small_city import ANN, BOB, CONTRACTS, DAY0, EVE, City, reference

from lake.history import History, Load, arrow_schema
from ledger.database import Database
from ledger.subject_store import SubjectStore
from subjects import build, histories
from subjects.build import Room, Sources
from subjects.file import SubjectFile
from subjects.kinds import Kind


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


def test_files_from_the_lake_equal_the_reference_day_after_day(
    tmp_path: Path, kinds: dict[str, Kind], ledger: Database, store: SubjectStore
) -> None:
    city, lake = City(), tmp_path / "lake"
    permit = {"permit_no": "P1", "name": "安某某", "kind": "a", "valid_to": date(2027, 1, 1), "fee": Decimal("9.50")}
    marriage = {"cert_no": "M1", "husband_id": BOB, "husband_name": "白某", "wife_id": ANN, "wife_name": "安某"}
    days = [
        [("residents", [{"citizen_id": p, "name": n} for p, n in ((ANN, "安某"), (BOB, "白某"))], [])],
        [("permits", [{**permit, "citizen_id": ANN}], []), ("marriages", [marriage], [])],
        [("permits", [{**permit, "citizen_id": EVE}], []), ("accounts", [], [])],
        [("residents", [{"citizen_id": BOB, "name": "白新"}], [{"citizen_id": ANN}]), ("marriages", [], [marriage])],
        [("permits", [], [{**permit, "citizen_id": EVE}])],
    ]
    written = []
    for day in days:
        for dataset, upserts, deletes in day:
            city.publish(dataset, upserts, deletes)
            land(lake, city, dataset)
        sources = Sources(kinds, CONTRACTS, histories.of_lake(lake), city.loads())
        for work in build.plan(ledger, store, kinds, CONTRACTS, city.latest(), DAY0):
            built = build.build(work, sources, ledger, store, DAY0, room=Room(tmp_path, 200, 1))
            written.append((built.kind, built.written, built.removed))
        for person in (ANN, BOB, EVE):
            stored = store.get("person", person)
            assert (None if stored is None else SubjectFile.of(stored).body) == reference(city, person)
    assert written == [
        ("person", 2, 0), ("person", 2, 0), ("enterprise", 0, 0), ("person", 2, 0), ("person", 1, 1), ("person", 0, 1)
    ]  # fmt: skip
