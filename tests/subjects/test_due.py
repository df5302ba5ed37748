"""What falls due: the newest record of each subject that expires within the days asked for."""

from datetime import date, timedelta

import pytest
from small_city import ANN, BOB, CONTRACTS, EVE, FIRM, City

from subjects.due import Due, due
from subjects.kinds import DueRule, Kind

TODAY = date(2026, 3, 1)


def permit(number: str, person: str | None, days: int, kind: str = "a") -> dict[str, object]:
    return {"permit_no": number, "citizen_id": person, "kind": kind, "valid_to": TODAY + timedelta(days)}


def found(city: City, kinds: dict[str, Kind], days: int = 30) -> list[Due]:
    return due(kinds, CONTRACTS, city.histories(), dict(city.numbers), today=TODAY, within_days=days)


@pytest.fixture
def city() -> City:
    city = City()
    city.publish("permits", [
        permit("P1", ANN, 30), permit("P2", BOB, 0), permit("P3", EVE, 31), permit("P4", EVE, 10, kind="b"),
        permit("P5", "12345", 5), permit("P6", None, 5), permit("P7", FIRM, 5),
    ])  # fmt: skip
    return city


def test_records_due_from_today_to_the_last_day_are_listed_soonest_first(city: City, kinds: dict[str, Kind]) -> None:
    assert [(d.valid_to, d.identifier, dict(d.record)) for d in found(city, kinds)] == [
        (TODAY, BOB, {"permit_no": "P2"}),
        (TODAY + timedelta(30), ANN, {"permit_no": "P1"}),
    ]
    first = found(city, kinds)[0]
    assert (first.kind, first.dataset, first.list, first.form) == ("person", "permits", "permits", "renewal")
    assert BOB not in repr(first)
    assert len(found(city, kinds, 31)) == 3
    assert found(City(), kinds) == []


def test_a_renewed_record_is_due_no_more(city: City, kinds: dict[str, Kind]) -> None:
    city.publish("permits", [permit("P8", ANN, 3650), permit("P9", BOB, 3650, kind="b")])
    assert [d.identifier for d in found(city, kinds)] == [BOB]


def test_records_that_differ_in_the_per_columns_are_each_renewed_on_their_own(
    city: City, kinds: dict[str, Kind]
) -> None:
    person = kinds["person"]
    rules = (DueRule("permits", "valid_to", "renewal", {}, ("kind",)),)
    each = {"person": Kind(**{**person.__dict__, "due": rules})}
    assert [dict(d.record)["permit_no"] for d in found(city, each, 31)] == ["P2", "P4", "P1", "P3"]
    assert [
        dict(d.record)["permit_no"]
        for d in found(
            city, {"person": Kind(**{**person.__dict__, "due": (DueRule("permits", "valid_to", "renewal", {}),)})}, 31
        )
    ] == ["P2", "P1", "P3"]
