"""One file as text: masked unless asked otherwise, with every source and every disagreement."""

from datetime import date
from decimal import Decimal

import pytest
from small_city import ANN, BOB, CONTRACTS, DAY0, City

from ledger.database import Database
from ledger.subject_store import SubjectStore
from subjects import build
from subjects.build import Room, Sources
from subjects.file import SubjectFile
from subjects.kinds import Kind
from subjects.show import render


@pytest.fixture
def file(kinds: dict[str, Kind], ledger: Database, store: SubjectStore) -> SubjectFile:
    city = City()
    city.publish("residents", [{"citizen_id": ANN, "name": "安某某", "birth_date": date(1990, 1, 1)}])
    permit = {"permit_no": "P1", "citizen_id": ANN, "name": "安某人", "kind": "a", "valid_to": date(2027, 1, 1)}
    city.publish("permits", [{**permit, "fee": Decimal("9.00")}])
    city.publish("marriages", [{"cert_no": "M1", "wife_id": ANN, "husband_id": BOB, "husband_name": "白某某"}])
    for work in build.plan(ledger, store, kinds, CONTRACTS, city.latest(), DAY0):
        sources = Sources(kinds, CONTRACTS, city.histories(), city.loads())
        build.build(work, sources, ledger, store, DAY0, room=Room(None, 200, 1))
    stored = store.get("person", ANN)
    assert stored is not None
    return SubjectFile.of(stored)


def test_a_file_is_masked_unless_asked_otherwise(file: SubjectFile, kinds: dict[str, Kind]) -> None:
    masked = render(file, kinds["person"], CONTRACTS)
    plain = render(file, kinds["person"], CONTRACTS, unmask=True)
    for secret in (ANN, BOB, "安某某", "安某人"):
        assert secret not in masked
        assert secret in plain


def test_every_value_names_its_source_and_who_says_otherwise(file: SubjectFile, kinds: dict[str, Kind]) -> None:
    lines = render(file, kinds["person"], CONTRACTS, unmask=True).splitlines()
    assert lines[0].startswith(f"自然人 Person · {file.pseudonym[:12]}")
    assert lines[1] == f"  公民身份号码 Citizen ID: {ANN}"
    assert lines[2] == "  姓名 Name: 安某某  ← residents局 Bureau of residents · residents.name · 2026-03-02 · #1"
    assert lines[3] == "    ≠ 安某人  ← permits局 Bureau of permits · permits.name · 2026-03-02 · #1"
    fee = "  fee栏 base amount: 9.00 至 until 2027-01-01  ← permits局 Bureau of permits · permits.fee · 2026-03-02 · #1"
    assert fee in lines
    assert "    - permit_no栏 P1, kind栏 a, valid_to栏 2027-01-01  ← permits 2026-03-02" in lines
    assert f"    - cert_no栏 M1, spouse_id {BOB}, spouse_name 白某某  ← marriages 2026-03-02" in lines
    assert "  accounts表 accounts table: 0" in lines
