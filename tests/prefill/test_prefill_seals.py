"""What comes back with a submitted form is told apart: unchanged, changed, tampered, expired, typed."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefill.forms import Form, FormField
from prefill.paths import IdPath
from prefill.seal import Place, SealKey, seal, verify, verify_form

OPEN = Place("renewal", "1.0.0", "ab" * 32, "mobile", locked=False)
LOCKED = replace(OPEN, field="name", locked=True)


def test_an_unchanged_value_verifies_until_its_seal_expires(now: datetime, key: SealKey) -> None:
    sealed = seal(OPEN, "13900000000", now, key)
    assert verify(OPEN, "13900000000", sealed, now + timedelta(hours=1), {"s1": key}) == "unchanged"
    assert verify(OPEN, "13900000000", sealed, now + timedelta(hours=1, seconds=1), {"s1": key}) == "expired"
    assert "139" not in sealed


def test_a_changed_value_is_the_applicants_right_only_where_the_field_is_open(now: datetime, key: SealKey) -> None:
    assert verify(OPEN, "13911111111", seal(OPEN, "13900000000", now, key), now, {"s1": key}) == "changed"
    assert verify(OPEN, None, seal(OPEN, "13900000000", now, key), now, {"s1": key}) == "changed"
    assert verify(LOCKED, "乙", seal(LOCKED, "甲", now, key), now, {"s1": key}) == "tampered"
    assert verify(LOCKED, "甲", seal(LOCKED, "甲", now, key), now, {"s1": key}) == "unchanged"


@pytest.mark.parametrize("elsewhere", [
    replace(OPEN, form="other"), replace(OPEN, version="1.0.1"), replace(OPEN, subject="cd" * 32),
    replace(OPEN, field="phone"), replace(OPEN, locked=True),
])  # fmt: skip
def test_a_seal_borrowed_from_another_place_is_tampering(now: datetime, key: SealKey, elsewhere: Place) -> None:
    assert verify(OPEN, "甲", seal(elsewhere, "甲", now, key), now, {"s1": key}) == "tampered"


def test_a_seal_of_an_unknown_or_another_key_is_tampering_and_of_an_older_key_is_not(
    now: datetime, key: SealKey
) -> None:
    newer = SealKey("s2", b"n" * 32)
    assert verify(OPEN, "甲", seal(OPEN, "甲", now, key), now, {"s2": newer}) == "tampered"
    assert verify(OPEN, "甲", seal(OPEN, "甲", now, key), now, {"s1": newer, "s2": newer}) == "tampered"
    assert verify(OPEN, "甲", seal(OPEN, "甲", now, key), now, {"s1": key, "s2": newer}) == "unchanged"


@given(place=st.integers(0, 200), letter=st.characters(codec="ascii", exclude_characters="\n"))
def test_any_altered_character_is_tampering(place: int, letter: str) -> None:
    key, now = SealKey("s1", b"s" * 32), datetime.fromisoformat("2026-03-02T04:00:00+00:00")
    sealed = seal(OPEN, "甲", now, key)
    altered = sealed[: place % len(sealed)] + letter + sealed[place % len(sealed) + 1 :]
    verdict = verify(OPEN, "甲", altered, now, {"s1": key})
    assert verdict == ("unchanged" if altered == sealed else "tampered")


@pytest.mark.parametrize(
    "junk", ["x", "v1.s1.9.a", "v2.s1.9.a.b", "v1.s1.²³.a.b", "v1.s1.甲.乙.丙", "v1.s1." + "9" * 40 + ".a.b"]
)
def test_junk_is_tampering_and_a_field_without_a_seal_was_typed(now: datetime, key: SealKey, junk: str) -> None:
    assert verify(OPEN, "甲", junk, now, {"s1": key}) == "tampered"
    assert verify(OPEN, "甲", None, now, {"s1": key}) == "typed"


def test_a_whole_form_is_verified_field_by_field(now: datetime, key: SealKey) -> None:
    fields = (
        FormField("name", "姓名", "Name", IdPath(), locked=True),
        FormField("mobile", "电话", "Mobile", IdPath()),
        FormField("why", "原因", "Why"),
    )
    form = Form("renewal", "1.0.0", "换发", "Renewal", "person", "局", "Bureau", fields)
    submitted = {
        "name": ("甲", seal(LOCKED, "甲", now, key)),
        "mobile": ("139", seal(OPEN, "138", now, key)),
        "other": (None, None),
    }
    assert verify_form(form, OPEN.subject, submitted, now, {"s1": key}) == {
        "name": "unchanged",
        "mobile": "changed",
        "why": "typed",
    }


def test_a_short_key_is_refused_and_a_keys_repr_hides_it() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        SealKey("s1", b"short")
    with pytest.raises(ValueError, match="without dots"):
        SealKey("s.1", b"s" * 32)
    assert "ssss" not in repr(SealKey("s1", b"s" * 32))
