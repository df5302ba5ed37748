"""What comes back with a submitted form is told apart: unchanged, changed, tampered, out of date, typed."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from prefill.seal import Place, Sealed, Sealer, SealKey, verify

PLACE = Place("portal", "renewal", "1.0.0", "ab" * 32)


def seal(value: Sealed | None, now: datetime, key: SealKey, *, name: str = "mobile", locked: bool = False) -> str:
    return Sealer(PLACE, now, key).seal(name, value, locked=locked)


def came_back(value: Sealed | None, sealed: str | None, now: datetime, key: SealKey, name: str = "mobile") -> str:
    return verify(PLACE, name, value, sealed, now, {"s1": key})


def test_an_unchanged_value_verifies_until_its_seal_expires(now: datetime, key: SealKey) -> None:
    for locked in (False, True):
        sealed = seal("13900000000", now, key, locked=locked)
        assert came_back("13900000000", sealed, now + timedelta(hours=1), key) == "unchanged"
        assert came_back("13900000000", sealed, now + timedelta(hours=1, seconds=1), key) == "out_of_date"
        assert "139" not in sealed


def test_a_value_is_out_of_date_once_its_own_validity_ends(now: datetime, key: SealKey) -> None:
    ends = (now + timedelta(minutes=5)).timestamp()
    sealed = Sealer(PLACE, now, key).seal("mobile", "1", locked=False, until=ends)
    assert came_back("1", sealed, now + timedelta(minutes=5), key) == "unchanged"
    assert came_back("1", sealed, now + timedelta(minutes=6), key) == "out_of_date"


def test_a_changed_value_is_the_applicants_right_only_where_the_field_is_open(now: datetime, key: SealKey) -> None:
    open_one, locked = seal("13900000000", now, key), seal("甲", now, key, locked=True)
    assert came_back("13911111111", open_one, now, key) == "changed"
    assert came_back("13911111111", open_one, now + timedelta(days=9), key) == "changed"
    assert came_back(None, open_one, now, key) == "changed"
    assert came_back("乙", locked, now, key) == "tampered"
    assert came_back(None, locked, now, key) == "tampered"
    assert came_back("甲", locked, now, key) == "unchanged"


def test_what_was_left_blank_may_be_typed(now: datetime, key: SealKey) -> None:
    blank = seal(None, now, key, locked=True)
    assert came_back("甲", blank, now, key) == "typed"
    assert {came_back(nothing, blank, now, key) for nothing in (None, "", [])} == {"unchanged"}


def test_a_seal_that_was_taken_off_a_locked_field_is_missed(now: datetime, key: SealKey) -> None:
    assert verify(PLACE, "mobile", "139", None, now, {"s1": key}, locked=True) == "tampered"
    assert verify(PLACE, "mobile", "139", "", now, {"s1": key}) == "typed"


@pytest.mark.parametrize("elsewhere", [
    replace(PLACE, client="other"), replace(PLACE, form="other"), replace(PLACE, version="1.0.1"),
    replace(PLACE, subject="cd" * 32),
])  # fmt: skip
def test_a_seal_borrowed_from_another_place_is_tampering(now: datetime, key: SealKey, elsewhere: Place) -> None:
    for locked in (False, True):
        sealed = Sealer(elsewhere, now, key).seal("mobile", "甲", locked=locked)
        assert came_back("甲", sealed, now, key) == "tampered"
    assert came_back("甲", seal("甲", now, key, name="phone"), now, key) == "tampered"


def test_no_seal_can_be_turned_into_one_of_another_kind(now: datetime, key: SealKey) -> None:
    locked, open_one, blank = seal("甲", now, key, locked=True), seal("甲", now, key), seal(None, now, key)
    for sealed in (locked, open_one, blank):
        for kind in "LEB":
            turned = sealed.replace(f".{sealed[5]}.", f".{kind}.", 1)
            shorter = ".".join(turned.split(".")[:4] + turned.split(".")[-1:])
            for one in {turned, shorter} - {sealed}:
                assert came_back("乙", one, now, key) == "tampered"
                assert came_back("甲", one, now, key) == "tampered"


def test_nested_rows_are_sealed_as_one_value(now: datetime, key: SealKey) -> None:
    rows: Sealed = [{"no": "C1", "until": None}, {"no": "C2", "until": "2030-01-01"}]
    sealed = seal(rows, now, key, locked=True)
    assert (
        came_back([{"until": None, "no": "C1"}, {"no": "C2", "until": "2030-01-01"}], sealed, now, key) == "unchanged"
    )
    assert came_back(rows[::-1], sealed, now, key) == "tampered"
    assert came_back(rows[:1], sealed, now, key) == "tampered"


def test_what_a_web_form_makes_of_a_number_is_the_same_value(now: datetime, key: SealKey) -> None:
    assert came_back("3", seal(3, now, key), now, key) == "unchanged"
    assert came_back("true", seal(True, now, key), now, key) == "unchanged"


def test_a_seal_of_an_unknown_or_another_key_is_tampering_and_of_an_older_key_is_not(
    now: datetime, key: SealKey
) -> None:
    newer, sealed = SealKey("s2", b"n" * 32), seal("甲", now, key)
    assert verify(PLACE, "mobile", "甲", sealed, now, {"s2": newer}) == "tampered"
    assert verify(PLACE, "mobile", "甲", sealed, now, {"s1": newer, "s2": newer}) == "tampered"
    assert verify(PLACE, "mobile", "甲", sealed, now, {"s1": key, "s2": newer}) == "unchanged"


@given(place=st.integers(0, 200), letter=st.characters(codec="ascii", exclude_characters="\n"), locked=st.booleans())
def test_any_altered_character_is_tampering(place: int, letter: str, locked: bool) -> None:
    key, now = SealKey("s1", b"s" * 32), datetime.fromisoformat("2026-03-02T04:00:00+00:00")
    sealed = seal("甲", now, key, locked=locked)
    altered = sealed[: place % len(sealed)] + letter + sealed[place % len(sealed) + 1 :]
    assert came_back("甲", altered, now, key) == ("unchanged" if altered == sealed else "tampered")


@pytest.mark.parametrize(
    "junk", ["x", "3.s1.L.9", "2.s1.L.9.a", "3.s1.L.²³.a", "3.s1.L.甲.乙", "3.s1.L." + "9" * 40 + ".a", "3.s1.X.9.a", "3.s1.E.9.a"]
)  # fmt: skip
def test_junk_is_tampering(now: datetime, key: SealKey, junk: str) -> None:
    assert came_back("甲", junk, now, key) == "tampered"


def test_a_short_key_is_refused_and_a_keys_repr_hides_it() -> None:
    with pytest.raises(ValueError, match="32 to 64 bytes"):
        SealKey("s1", b"short")
    with pytest.raises(ValueError, match="without dots"):
        SealKey("s.1", b"s" * 32)
    assert "ssss" not in repr(SealKey("s1", b"s" * 32))
