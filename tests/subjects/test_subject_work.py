"""How far the store's files are built, as answers tell it."""

from datetime import UTC, datetime

from town import Town

from ledger import subject_work
from ledger.subject_work import Pending

AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_mark_replaces_the_one_before_it_and_kinds_do_not_meet(town: Town) -> None:
    assert subject_work.built(town.ledger) == {}
    for load in (2, 3):
        subject_work.mark(town.ledger, Pending("person", {"residents": load, "permits": 0}, None, "d1"), AT)
    subject_work.mark(town.ledger, Pending("enterprise", {"companies": 4}, None, "d2"), AT)
    assert subject_work.built(town.ledger) == {"person": {"residents": 3, "permits": 0}, "enterprise": {"companies": 4}}


def test_nothing_is_planned_before_anything_is_published(town: Town) -> None:
    assert town.plan() == []
