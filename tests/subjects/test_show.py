"""One file as text: masked unless asked otherwise, with every source and every disagreement."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from small_city import ANN, BOB, CONTRACTS, ENTERPRISE, FIRM, PERSON, City, column, contract, declare
from town import Town, town_of

from subjects import declare as declaring
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
    assert f"    - cert_no栏 M1, spouse_id {BOB} → person, spouse_name 白某某  ← marriages 2026-03-02" in lines
    assert "  accounts表 accounts table: 0" in lines


def test_a_post_in_a_company_leads_from_the_persons_file_to_the_enterprises_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = [
        column("post_no", key=1),
        column("citizen_id", element="DE01001"),
        column("uscc"),
        column("title"),
        column("since", "date"),
    ]
    monkeypatch.setitem(
        CONTRACTS, "posts", contract("posts", columns, [("person", "citizen_id"), ("enterprise", "uscc")])
    )
    person = PERSON.replace("lists:\n", "lists:\n  posts: {dataset: posts, columns: [uscc, title], order: since}\n")
    person = person.replace("fields:\n", "fields:\n  employer: {sources: [{column: posts.uscc, latest: since}]}\n", 1)
    firm = ENTERPRISE.replace(
        "lists:\n", "lists:\n  staff: {dataset: posts, columns: [citizen_id, title], order: since}\n"
    )
    kinds = declaring.load(declare(tmp_path / "linked", person, firm), CONTRACTS)
    with town_of(City(), kinds) as town:
        post = {"post_no": "1", "citizen_id": ANN, "uscc": FIRM, "title": "董事", "since": date(2026, 1, 1)}
        town.city.publish("posts", [post])
        town.run()
        hers = render(town.file(ANN), kinds["person"], CONTRACTS, unmask=True)
        theirs = render(town.file(FIRM, "enterprise"), kinds["enterprise"], CONTRACTS, unmask=True)
    assert f"uscc栏 employer: {FIRM} → enterprise  ← posts局" in hers
    assert f"    - uscc栏 {FIRM} → enterprise, title栏 董事  ← posts" in hers
    assert f"    - citizen_id栏 {ANN} → person, title栏 董事  ← posts" in theirs
