"""One file as text: masked unless asked otherwise, with every source and every disagreement."""

from datetime import date
from decimal import Decimal

import pytest
from small_city import ANN, BOB, CONTRACTS
from town import Town

from subjects.file import SubjectFile
from subjects.kinds import Kind
from subjects.show import render


@pytest.fixture
def file(town: Town) -> SubjectFile:
    town.city.publish("residents", [{"citizen_id": ANN, "name": "安某某", "birth_date": date(1990, 1, 1)}])
    permit = {"permit_no": "P1", "citizen_id": ANN, "name": "安某人", "kind": "a", "valid_to": date(2027, 1, 1)}
    town.city.publish("permits", [{**permit, "fee": Decimal("9.00")}])
    town.city.publish("marriages", [{"cert_no": "M1", "wife_id": ANN, "husband_id": BOB, "husband_name": "白某某"}])
    town.run()
    return town.file(ANN)


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
