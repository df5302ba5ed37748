"""A client that walks through identifiers is stopped within a hundred subjects over its budget, however slowly and from wherever it asks."""

import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import servers
from access_bench import Clock, furnish, office, urls

from access.audit import Entry
from access.decision import Decision
from ledger import audit as store
from ledger import budgets
from ledger.budgets import MARGIN, WINDOW, Limits, Verdict, charge
from ledger.database import Database, audit_tables
from schemas.errors import TooMany

DAY = date(2026, 3, 2)
BASELINE = 300


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    yield from _made(f"sqlite:///{tmp_path}/audit.db")


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    with servers.database(postgres_url, "budgets") as url:
        yield from _made(url)


def _made(url: str) -> Iterator[Database]:
    database = Database(url, audit_tables)
    database.create()
    yield database
    database.dispose()


def limits(subjects: int = BASELINE, client: str = "portal", purpose: str = "renewal", **quotas: int) -> Limits:
    return Limits(client, purpose, subjects, tuple(quotas.items()))


def charged(db: Database, asked: Sequence[tuple[Limits, str]], day: date = DAY) -> list[Verdict]:
    with db.quick() as plain:
        return charge(plain, asked, day)


def entry(subject: str, client: str = "portal", purpose: str = "renewal") -> Entry:
    return Entry(client, purpose, "form", ("name",), subject, "answered", "duty", "case")


def results(db: Database) -> list[str]:
    return [body["result"] for body in (json.loads(link.body) for link in store.links(db)) if body["kind"] == "entry"]


def test_ten_thousand_subjects_walked_slowly_beside_the_usual_ones_are_stopped_within_a_hundred(db: Database) -> None:
    """Strangers among a portal's usual visitors, a few a day for the better part of a year: none after the margin is spent."""
    usual, rng = [f"citizen {n}" for n in range(BASELINE)], random.Random(7)
    for number in range(60):  # two months of honest work
        verdicts = charged(db, [(limits(), s) for s in rng.sample(usual, 60)], DAY + timedelta(days=number))
        assert {*verdicts} == {""}
    walked, strangers = 0, iter(range(10_000))
    for number in range(60, 60 + 10_000 // 37):
        asked = [*rng.sample(usual, 60), *(f"stranger {next(strangers)}" for _ in range(37))]
        rng.shuffle(asked)
        verdicts = charged(db, [(limits(), s) for s in asked], DAY + timedelta(days=number))
        walked += sum(s.startswith("stranger") and not v for s, v in zip(asked, verdicts, strict=True))
    assert MARGIN <= walked <= MARGIN + 5, "the margin, and the one or other usual visitor who was away for a month"
    (used,) = budgets.usage(db, DAY + timedelta(days=number))
    assert (used.stopped, used.most <= BASELINE + MARGIN) == (True, True)


def test_a_walk_in_one_day_is_stopped_within_a_hundred_over_the_baseline(db: Database) -> None:
    asked = [(limits(), f"stranger {n}") for n in range(10_000)]
    answered = sum(not v for start in range(0, 10_000, 500) for v in charged(db, asked[start : start + 500]))
    assert answered == BASELINE + MARGIN == BASELINE + 100
    assert charged(db, [(limits(), "stranger 5"), (limits(), "stranger 9999")]) == ["", "over budget"]


def test_asking_again_costs_nothing_and_another_purpose_or_client_has_a_budget_of_its_own(db: Database) -> None:
    full = limits(-MARGIN + 2)
    assert charged(db, [(full, s) for s in ("a", "b", "c", "a", "b", "c")]) == [
        "",
        "",
        "over budget",
        "",
        "",
        "over budget",
    ]
    others = [(limits(-MARGIN + 2, purpose="other"), "c"), (limits(-MARGIN + 2, client="other"), "c"), (full, "c")]
    assert charged(db, others) == ["", "", "over budget"]


def test_the_window_slides_by_days_and_a_subject_seen_again_stays_in_it(db: Database) -> None:
    two, later = limits(-MARGIN + 2), DAY + timedelta(days=WINDOW)
    assert charged(db, [(two, "a"), (two, "b")]) == ["", ""]
    assert charged(db, [(two, "b")], DAY + timedelta(days=10)) == [""]
    assert charged(db, [(two, "c"), (two, "d")], later) == ["", "over budget"]
    assert [(u.now, u.most) for u in budgets.usage(db, later)] == [(2, 2)]
    budgets.prune(db, later)
    assert charged(db, [(two, "a"), (two, "b")], later) == ["over budget", ""]


def test_who_was_stopped_asks_about_the_known_alone_until_it_is_released(db: Database) -> None:
    two = limits(-MARGIN + 2)
    assert charged(db, [(two, "a"), (two, "b"), (two, "c")]) == ["", "", "over budget"]
    wider = limits(-MARGIN + 9)
    assert charged(db, [(wider, "c"), (wider, "a")]) == ["over budget", ""]
    assert charged(db, [(wider, "c")], DAY + timedelta(days=2 * WINDOW)) == ["over budget"]
    assert [u.stopped for u in budgets.usage(db, DAY)] == [True]
    budgets.release(db, "portal", "renewal")
    assert charged(db, [(wider, "c")], DAY + timedelta(days=2 * WINDOW)) == [""]
    assert [u.stopped for u in budgets.usage(db, DAY)] == [False]


def test_a_clock_that_is_a_day_behind_spends_nothing_twice(db: Database) -> None:
    two = limits(-MARGIN + 2)
    assert charged(db, [(two, "a")], DAY) == [""]
    assert charged(db, [(two, "b")], DAY - timedelta(days=1)) == [""]
    assert charged(db, [(two, "c")], DAY) == ["over budget"]


def test_a_quota_is_counted_by_grant_and_begins_anew_each_day(db: Database) -> None:
    asked = [
        (limits(g1=2, g2=3), "a"),
        (limits(g1=2), "b"),
        (limits(g1=2), "c"),
        (limits(g2=3), "d"),
        (limits(g2=3), "e"),
    ]
    assert charged(db, asked) == ["", "", "over quota", "", ""]
    assert charged(db, [(limits(g2=3), "f"), (limits(g1=2), "c")]) == ["over quota", "over quota"]
    assert charged(db, [(limits(g1=2, g2=3), "f")], DAY + timedelta(days=1)) == [""]
    assert [u.now for u in budgets.usage(db, DAY + timedelta(days=1))] == [5], (
        "what is over a quota is not charged to the budget"
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_several_processes_together_answer_exactly_up_to_the_limit_and_write_down_the_rest(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ledger, audit = urls(tmp_path)
    if kind == "postgres":
        audit = request.getfixturevalue("postgres").engine.url.render_as_string(hide_password=False)
    with office(ledger, audit, "one") as one, office(ledger, audit, "two") as two, ThreadPoolExecutor(16) as pool:
        only = Limits("portal", "renewal", -MARGIN + 50, (("g1", 10_000),))
        waiting = [pool.submit((one, two)[n % 2].log.write, entry(f"s{n % 160}"), only) for n in range(320)]
        refused = [w.exception() for w in waiting]
        assert all(isinstance(error, TooMany | None) for error in refused)
        answered = {f"s{n % 160}" for n, error in enumerate(refused) if error is None}
        assert len(answered) == 50
        assert results(one.audit).count("over budget") == sum(error is not None for error in refused)
        assert len(results(one.audit)) == 320
        error = next(e for e in refused if e is not None)
        assert (error.status, error.todo) == (429, "ask the data office")  # type: ignore[attr-defined]


def test_limits_come_from_the_clients_own_budget_or_the_default_and_from_the_grants_used(tmp_path: Path) -> None:
    decision = Decision(("name",), (), (), "duty", "case", (), "granted")
    with office(*urls(tmp_path), budget=77) as here:
        furnish(here.ledger)
        assert here.desk.limits("portal", "renewal", decision) == Limits("portal", "renewal", 77)
        budgets.set_budget(here.ledger, "portal", "renewal", 5)
        budgets.set_budget(here.ledger, "portal", "renewal", 6)
        here.seconds[0] += 1
        assert here.desk.limits("portal", "renewal", decision).subjects == 6


def test_a_day_begins_at_midnight_in_the_city(tmp_path: Path) -> None:
    with office(*urls(tmp_path), clock=Clock(datetime(2026, 3, 2, 15, 59, tzinfo=UTC))) as here:
        once = Limits("portal", "renewal", 100, (("g1", 1),))
        here.desk.write(entry("a"), once)
        with pytest.raises(TooMany):
            here.desk.write(entry("a"), once)
        here.clock.now += timedelta(minutes=1)
        here.desk.write(entry("a"), once)


@pytest.mark.parametrize("store_of", ["db", pytest.param("postgres", marks=pytest.mark.needs_postgres)])
def test_the_many_subjects_of_one_answer_are_charged_each_once(
    store_of: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "_PIECE", 7)
    database: Database = request.getfixturevalue(store_of)
    rows = [f"citizen {n}" for n in range(BASELINE)]
    assert charged(database, [(limits(), rows[0])]) == [""]
    assert budgets.spend(database, limits(), rows, DAY)
    assert budgets.spend(database, limits(), rows[:50], DAY)
    (used,) = budgets.usage(database, DAY)
    assert (used.now, used.stopped) == (BASELINE, False)
    others = [f"other {n}" for n in range(BASELINE + MARGIN + 1)]
    assert not budgets.spend(database, limits(), others, DAY), "more than the budget could ever bear"
    assert budgets.usage(database, DAY) == [used]
    assert not budgets.spend(database, limits(), others[: MARGIN + 1], DAY)
    (used,) = budgets.usage(database, DAY)
    assert (used.now, used.stopped) == (BASELINE + MARGIN, True)
    assert charged(database, [(limits(), ""), (limits(), rows[0]), (limits(), "new")]) == ["", "", "over budget"]
