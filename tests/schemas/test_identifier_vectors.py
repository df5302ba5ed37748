"""The vectors of the standards, and the registers behind them."""

from datetime import date

import pytest

from schemas import identifiers, texts
from schemas.characters import REMAPPED
from schemas.codes import code_list, code_lists
from schemas.elements import ELEMENTS, element
from schemas.identifiers import citizen_faults, citizen_kind, uscc_faults

TODAY = date(2025, 6, 30)


def citizen(first17: str) -> str:
    return first17 + identifiers.citizen_check(first17)


def test_a_valid_citizen_id_has_no_fault() -> None:
    assert citizen_faults("440308199901101512", TODAY) == frozenset()
    assert identifiers.citizen_birth("440308199901101512") == date(1999, 1, 10)
    assert identifiers.citizen_sex("440308199901101512") == "1"


def test_fifteen_digits_become_eighteen_and_centenarians_the_1800s() -> None:
    assert texts.citizen_id("610104620927690") == "610104196209276908"
    assert texts.citizen_id("610104 620927 690") == "610104196209276908"
    old = texts.citizen_id("110101990101996")
    assert old is not None
    assert old[6:10] == "1899"
    assert not citizen_faults(old, TODAY)


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ("310101209901010014", {"future"}),
        ("440308199901101511", {"checksum"}),
        ("44030819990110151", {"format"}),
        ("44030819990110151x", {"format"}),
        (citizen("44030819990230151"), {"date"}),
        (citizen("44030817991231151"), {"date"}),
        (citizen("44030819991301151"), {"date"}),
        (citizen("99999919990110151"), {"region"}),
        (citizen("19999919990110151"), {"region"}),
        (citizen("31010319900101001"), {"region"}),
    ],
)
def test_a_faulty_citizen_id_is_named_for_its_fault(value: str, faults: set[str]) -> None:
    assert citizen_faults(value, TODAY) == faults


@pytest.mark.parametrize("region", ["810000", "820000", "830000"])
def test_residence_permits_and_foreign_cards_share_the_layout(region: str) -> None:
    assert citizen_faults(citizen(region + "19900101001"), TODAY) == frozenset()
    assert citizen_kind(citizen(region + "19900101001")) == "hong kong, macao, taiwan"
    assert citizen_kind(citizen("91115619900101001")) == "foreign"
    assert citizen_kind("440308199901101512") == "resident"


def test_real_credit_codes_pass_both_checks() -> None:
    for code in ("91110000600037341L", "91310101132327232U"):
        assert uscc_faults(code) == frozenset()
    assert uscc_faults("91110000600037341A") == {"checksum"}
    assert uscc_faults("9111000060003734IL") == {"format"}


def test_a_code_right_by_its_own_check_but_not_by_the_organisation_code_is_faulty() -> None:
    head = "9111000060003734" + "2"
    assert uscc_faults(head + identifiers.uscc_check(head)) == {"checksum"}


def test_iso_7064_mod_37_36_gives_the_standards_check() -> None:
    assert identifiers.mod_37_36("A12425GABC1234002") == "M"


def test_all_nineteen_code_points_of_gb_18030_leave_the_private_use_area() -> None:
    double_bytes = "A8BC A6D9 A6DA A6DB A6DC A6DD A6DE A6DF A6EC A6ED A6F3 FE59 FE61 FE66 FE67 FE6D FE7E FE90 FEA0"
    decoded = bytes.fromhex(double_bytes).decode("gb18030")
    assert len(decoded) == 19
    assert all(0xE000 <= ord(c) <= 0xF8FF for c in decoded)
    repaired = REMAPPED.apply(decoded)
    assert repaired[11] == "\u9fb4"
    assert len(set(repaired)) == 19
    assert not any(0xE000 <= ord(c) <= 0xF8FF for c in repaired)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("500万人民币", "500"),
        ("500.5万元", "500.5"),
        ("5000000元", "500"),
        ("500(万元人民币)", "500"),
        ("1,000万", "1000"),
        ("3亿", "30000"),
        ("12.5", "12.5"),
    ],
)
def test_capital_is_read_in_ten_thousands(text: str, want: str) -> None:
    assert texts.capital(text) == texts.decimal(want)


def test_foreign_capital_is_not_read_as_renminbi() -> None:
    assert texts.capital("500万美元") is None


def test_names_keep_rare_characters_and_one_kind_of_middle_dot() -> None:
    assert texts.person_name("阿不都•热合曼") == texts.person_name("阿不都・热合曼") == "阿不都·热合曼"
    assert texts.person_name(" 䶮㛃𬱖 ") == "䶮㛃𬱖"


def test_the_register_has_every_element_with_its_attributes() -> None:
    assert len(ELEMENTS) == 50
    for e in ELEMENTS.values():
        assert all(
            (e.id, e.zh, e.en, e.definition, e.type, e.format, e.domain, e.object, e.representation, e.authority)
        ), e.id
        assert e.sensitivity in {"L1", "L2", "L3", "L4"}
        assert e.codes is None or code_list(e.codes).values
    assert len({e.en for e in ELEMENTS.values()}) == 50
    assert element("DE02001").zh == "统一社会信用代码"
    with pytest.raises(KeyError):
        element("DE99999")


def test_code_lists_are_named_versioned_and_labelled() -> None:
    sizes = {name: len(code_list(name).values) for name in code_lists()}
    assert sizes["ethnic"] == 58
    assert sizes["industry"] == 117
    assert sizes["nationality"] == 249
    assert sizes["region"] == 7113
    assert all(code_list(n).version and code_list(n).zh and code_list(n).en for n in code_lists())
    assert all(label for n in code_lists() for label in code_list(n).values.values())
    assert "310103" in code_list("region").retired
    assert "310115" in code_list("region").current
