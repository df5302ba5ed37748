"""What is left to build, from how far each kind is built and the newest loads."""

from datetime import UTC, datetime

from ledger import subject_work
from ledger.database import Database
from ledger.subject_work import Pending, Wanted

AT = datetime(2026, 3, 1, tzinfo=UTC)
WANTED = {"person": Wanted(("residents", "permits"), "d1"), "enterprise": Wanted(("companies",), "d2")}


def test_nothing_is_pending_before_anything_is_published(ledger: Database) -> None:
    assert subject_work.pending(ledger, {}, WANTED) == []


def test_the_first_build_is_of_everybody_and_later_ones_of_the_touched(ledger: Database) -> None:
    [first] = subject_work.pending(ledger, {"residents": 2}, WANTED)
    assert first == Pending("person", {"residents": 2, "permits": 0}, None, "d1")
    subject_work.mark(ledger, first, AT)
    assert subject_work.pending(ledger, {"residents": 2}, WANTED) == []
    [later] = subject_work.pending(ledger, {"residents": 3, "permits": 1}, WANTED)
    assert later == Pending("person", {"residents": 3, "permits": 1}, {"residents": 2, "permits": 0}, "d1")
    assert subject_work.built(ledger) == {"person": {"residents": 2, "permits": 0}}


def test_work_stays_pending_until_it_is_marked(ledger: Database) -> None:
    latest = {"residents": 1, "companies": 4}
    assert subject_work.pending(ledger, latest, WANTED) == subject_work.pending(ledger, latest, WANTED)
    enterprise, person = subject_work.pending(ledger, latest, WANTED)
    subject_work.mark(ledger, enterprise, AT)
    assert subject_work.pending(ledger, latest, WANTED) == [person]


def test_everybody_is_rebuilt_after_a_changed_declaration_or_a_history_that_began_anew(ledger: Database) -> None:
    [first] = subject_work.pending(ledger, {"residents": 5, "permits": 5}, {"person": WANTED["person"]})
    subject_work.mark(ledger, first, AT)
    for latest, wanted in (
        ({"residents": 5, "permits": 5}, Wanted(("residents", "permits"), "changed")),
        ({"residents": 5, "permits": 5, "more": 0}, Wanted(("residents", "permits", "more"), "d1")),
        ({"residents": 1, "permits": 5}, WANTED["person"]),
    ):
        [work] = subject_work.pending(ledger, latest, {"person": wanted})
        assert work.since is None
