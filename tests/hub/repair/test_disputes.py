"""Disputes: a ticket with a clock, what its department answers, and the load that closes it; the record is told to nobody else."""

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import canaries
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from modes_bench import Bench, sieve_alone

from hub import maintenance
from hub.commands import common
from hub.pulling import pipeline
from hub.repair import disputes
from hub.repair.disputes import Claim, Tickets
from ledger import disputes as store
from ledger import outbox, subscriptions
from ledger.database import Database, ledger_tables
from ledger.disputes import MOVES, OPEN, Dispute, Move
from ledger.subscriptions import Subscription
from schemas.contract import Contact
from schemas.errors import Conflict, Invalid, NotFound, TooMany

SECRET = canaries.PERSON[1]
WORDS = ("canary-claim-55", "canary-text-66", "canary-evidence-77", "canary-reason-88")
CLAIMED, TEXT, EVIDENCE, REASON = WORDS
NOON = datetime(2026, 9, 29, 4, tzinfo=UTC)
ROWS = [("k1", SECRET, "有效", 1, "2026-01-01"), ("k2", "李四", "有效", 2, "2026-01-01")]


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@dataclass
class Office:
    """A hub of one dataset, with somebody who disputes."""

    bench: Bench
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.bench.hub = self.hub = replace(self.bench.hub, clock=self.clock)

    def publish(self, *rows: Any) -> int:
        self.bench.source(rows)
        self.bench.pull()
        return self.bench.head

    def open(self, key: str = "k1", column: str = "name", **more: Any) -> Dispute:
        given = {"claimed": CLAIMED, "text": TEXT, "evidence": EVIDENCE, **more}
        return disputes.open_dispute(self.hub, Claim("things", "portal", column=column, key={"id": key}, **given))

    def now(self, ticket: Dispute) -> Dispute:
        return store.find(self.hub.ledger, ticket.id)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench that has published two rows, once for all tests."""
    bench = Bench(tmp_path_factory.mktemp("disputes"))
    bench.hub = replace(bench.hub, clock=Clock())
    bench.apply()
    bench.source(ROWS)
    with pytest.MonkeyPatch.context() as quick:
        sieve_alone(quick)
        bench.pull()
    return bench


@pytest.fixture
def office(made: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    sieve_alone(monkeypatch)
    return Office(made.copy(tmp_path))


def test_a_ticket_knows_its_department_its_due_day_and_what_was_held(office: Office) -> None:
    ticket = office.open()
    row = Tickets(office.hub).row(ticket)
    assert (row["state"], row["provider"], row["opened_on"]) == ("opened", "市局", "2026-09-29")
    # ten working days after 29 September: the 30th, then 8 to 16 October with a make-up Saturday, then three more
    assert (row["due_on"], row["overdue"], row["provisional"]) == ("2026-10-19", False, [])
    known = disputes.detail(office.hub, ticket)
    assert (known.where, known.held) == ({"id": "k1"}, {'["k1"]': SECRET})
    assert (known.claimed, known.text, known.evidence, known.reason) == (CLAIMED, TEXT, EVIDENCE, "")


def test_the_load_that_changes_the_value_closes_the_ticket_and_no_other(office: Office) -> None:
    mine, other, elsewhere = office.open("k1"), office.open("k1", "n"), office.open("k2")
    office.publish(("k1", SECRET, "有效", 1, "2026-02-01"), ROWS[1])
    assert {office.now(t).state for t in (mine, other, elsewhere)} == {"opened"}, "another column changed"
    load = office.publish(("k1", "更正后", "有效", 1, "2026-03-01"), ROWS[1])
    closed = office.now(mine)
    assert (closed.state, closed.closed_load) == ("closed", load)
    assert {office.now(t).state for t in (other, elsewhere)} == {"opened"}


def test_a_ticket_that_the_department_corrected_waits_for_the_pull(office: Office) -> None:
    ticket = disputes.answer(office.hub, disputes.answer(office.hub, office.open(), "accept"), "correct")
    assert ticket.state == "corrected"
    office.publish(*ROWS)
    assert office.now(ticket).state == "corrected"
    office.publish(("k1", "更正后", "有效", 1, "2026-03-01"), ROWS[1])
    assert office.now(ticket).state == "closed"


def test_a_record_that_is_taken_away_closes_its_ticket(office: Office) -> None:
    ticket = office.open()
    office.publish(ROWS[1])
    assert office.now(ticket).state == "closed"


def test_a_record_that_nobody_has_can_be_disputed_and_its_coming_closes_the_ticket(office: Office) -> None:
    ticket = office.open("k9")
    assert disputes.detail(office.hub, ticket).held == {}
    office.publish(*ROWS, ("k8", "王五", "有效", 3, "2026-02-01"))
    assert office.now(ticket).state == "opened"
    office.publish(*ROWS, ("k8", "王五", "有效", 3, "2026-02-01"), ("k9", "赵六", "有效", 4, "2026-02-01"))
    assert office.now(ticket).state == "closed"


def test_a_rollback_that_brings_another_value_closes_the_ticket_too(office: Office) -> None:
    office.publish(("k1", "错误", "有效", 1, "2026-02-01"), ROWS[1])
    ticket = office.open()
    pipeline.rollback(office.hub, "things", to=1, reason="wrong", owner="a person")
    assert office.now(ticket).state == "closed"


def test_what_was_missed_right_after_a_publication_is_settled_by_upkeep(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = office.open()
    with monkeypatch.context() as broken:
        broken.setattr(disputes, "_has_changed", lambda *_: 1 / 0)
        assert office.publish(("k1", "更正后", "有效", 1, "2026-03-01"), ROWS[1]) == 2, "a pull does not fail of it"
    assert office.now(ticket).state == "opened"
    assert maintenance.upkeep(office.hub)["disputes settled"] == 1
    assert office.now(ticket).closed_load == 2


def test_a_rejection_wants_a_reason_and_ends_the_ticket(office: Office) -> None:
    ticket = office.open()
    with pytest.raises(Invalid, match="reason"):
        disputes.answer(office.hub, ticket, "reject", " ")
    rejected = disputes.answer(office.hub, ticket, "reject", REASON)
    assert (rejected.state, disputes.reason_of(office.hub, rejected)) == ("rejected", REASON)
    office.publish(("k1", "更正后", "有效", 1, "2026-03-01"), ROWS[1])
    assert office.now(ticket).state == "rejected", "what was rejected stays so"
    assert office.open().id != ticket.id


def test_the_same_value_disputed_again_is_the_same_ticket(office: Office) -> None:
    first = office.open()
    assert office.open().id == first.id
    assert office.open(column="n").id != first.id
    elsewhere = disputes.open_dispute(office.hub, Claim("things", "another", column="name", key={"id": "k1"}))
    assert elsewhere.id != first.id


def test_a_claim_that_names_no_such_thing_is_refused_with_what_there_is(office: Office) -> None:
    for wrong, words in (
        (Claim("things", "portal", column="nothing", key={"id": "k1"}), "its columns: id, name"),
        (Claim("things", "portal", column="name", key={"name": "x"}), "name it by key"),
        (Claim("things", "portal", column="name"), "name it by key"),
        (Claim("things", "portal", column="name", subject="x"), "name it by key"),
    ):
        with pytest.raises(Invalid) as refused:
            disputes.open_dispute(office.hub, wrong)
        assert words in refused.value.todo
    with pytest.raises(NotFound):
        disputes.open_dispute(office.hub, Claim("elsewhere", "portal", column="name", key={"id": "k1"}))


def test_a_client_cannot_open_more_tickets_than_departments_bear(office: Office) -> None:
    small = replace(office.hub, settings=office.hub.settings.model_copy(update={"disputes_open": 1}))
    disputes.open_dispute(small, Claim("things", "portal", column="name", key={"id": "k1"}))
    with pytest.raises(TooMany):
        disputes.open_dispute(small, Claim("things", "portal", column="n", key={"id": "k1"}))


def test_a_ticket_whose_time_has_run_out_is_listed_and_told_once(office: Office) -> None:
    ticket = office.open()
    listen(office)
    office.clock.now = datetime(2026, 10, 19, 15, tzinfo=UTC)
    assert disputes.find_overdue(office.hub) == (), "the due day itself is in time"
    office.clock.now = datetime(2026, 10, 19, 17, tzinfo=UTC)  # the 20th in the city
    assert [disputes.find_overdue(office.hub) for _ in range(2)] == [(ticket.id,), (ticket.id,)]
    assert Tickets(office.hub).row(office.now(ticket))["overdue"] is True
    assert told(office) == ["cityhub.dispute.overdue"]
    disputes.answer(office.hub, office.now(ticket), "reject", REASON)
    assert disputes.find_overdue(office.hub) == ()


def test_a_clock_that_runs_into_a_year_not_announced_says_so(office: Office) -> None:
    office.clock.now = datetime(2026, 12, 28, 4, tzinfo=UTC)
    assert Tickets(office.hub).row(office.open())["provisional"] == [2027]
    office.hub.settings.declared.mkdir(parents=True)
    (office.hub.settings.declared / "workdays.csv").write_text(
        "year,kind,first,last,zh,en,source\n2027,off,2027-01-01,2027-01-03,元旦,New Year,通知\n", encoding="utf-8"
    )
    assert Tickets(office.hub).row(office.open())["provisional"] == []


def listen(office: Office, *types: str) -> None:
    contact = Contact("http://127.0.0.1:9/events", "cloudevents")
    it = Subscription("*", "tests", contact, office.clock(), types or ("*",), "env:NONE")
    subscriptions.subscribe(office.hub.ledger, it)


def told(office: Office) -> list[str]:
    return [str(m.body["type"]) for m in outbox.unsent(office.hub.ledger)]


def test_every_move_is_told_in_its_own_transaction(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    listen(office, "dispute.*")
    ticket = disputes.answer(office.hub, disputes.answer(office.hub, office.open(), "accept"), "correct")
    office.publish(("k1", "更正后", "有效", 1, "2026-03-01"), ROWS[1])
    moves = ["opened", "accepted", "corrected", "closed"]
    assert told(office) == [f"cityhub.dispute.{move}" for move in moves]
    monkeypatch.setattr(store, "queue", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        office.open("k2")
    assert [t.id for t in store.listed(office.hub.ledger)] == [ticket.id], "no ticket without its event"


def test_nobody_who_lists_logs_or_is_told_learns_the_record(
    office: Office,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("DEBUG")
    listen(office)
    first, second = office.open(), office.open("k2")
    disputes.answer(office.hub, second, "reject", REASON)
    office.publish(("k1", "更正后", "有效", 1, "2026-03-01"), ROWS[1])
    with pytest.raises(Conflict):
        disputes.answer(office.hub, first, "accept")
    seen = [repr(t) + str(Tickets(office.hub).row(t)) for t in store.listed(office.hub.ledger)]
    seen += [json.dumps(m.body, ensure_ascii=False) for m in outbox.unsent(office.hub.ledger)]
    traces = [
        ("told", "".join(seen).encode()),
        ("log", caplog.text.encode()),
        ("output", str(capsys.readouterr()).encode()),
    ]
    traces += [(str(p), p.read_bytes()) for p in office.hub.settings.home.glob("ledger*")]
    assert len(seen) > 5
    assert canaries.found([*WORDS, SECRET], traces) == []
    assert "k1" not in "".join(seen)


def test_a_ticket_moved_to_another_does_not_open(office: Office) -> None:
    first, second = office.open(), office.open("k2")
    from schemas.errors import Stop

    with pytest.raises(Stop, match="does not open"):
        disputes.detail(office.hub, replace(first, sealed=second.sealed))


class TicketMachine(RuleBasedStateMachine):
    """Any order of moves: the ledger and a table of four lines agree, and nothing leads out of an end."""

    @initialize()
    def begin(self) -> None:
        self.db = Database("sqlite://", ledger_tables)
        self.db.create()
        self.ticket = store.open_(self.db, ticket("t"), ())
        self.state: str = "opened"

    @rule(how=st.sampled_from(sorted(MOVES)))
    def move(self, how: Move) -> None:
        allowed = {
            "accept": "opened",
            "correct": "opened accepted",
            "reject": "opened accepted corrected",
            "close": "opened accepted corrected",
        }
        if self.state in allowed[how].split():
            after = {"accept": "accepted", "correct": "corrected", "reject": "rejected", "close": "closed"}[how]
            assert store.move(self.db, self.ticket, how, NOON, ()).state == after
            self.state = after
        else:
            with pytest.raises(Conflict):
                store.move(self.db, self.ticket, how, NOON, ())

    @rule()
    def open_again(self) -> None:
        again = store.open_(self.db, ticket("u"), ())
        assert (again.id == "t") == (self.state in OPEN)
        if again.id != "t":
            store.move(self.db, again, "reject", NOON, ())
            self.forget_second()

    def forget_second(self) -> None:
        with self.db.write() as connection:
            connection.execute(store.disputes.delete().where(store.disputes.c.id == "u"))

    @precondition(lambda self: self.state in ("rejected", "closed"))
    @rule()
    def an_ended_ticket_is_never_overdue(self) -> None:
        assert not store.mark_overdue(self.db, self.ticket, NOON, ())

    @invariant()
    def the_ledger_knows_the_state(self) -> None:
        assert store.find(self.db, "t").state == self.state


def ticket(name: str) -> Dispute:
    return Dispute(
        name, "things", "name", "市局", "11310000002420886W", "portal", False, "r" * 32, "opened", 10, NOON.date(), NOON, NOON, 0, b"-"
    )  # fmt: skip


TestTickets = TicketMachine.TestCase
TestTickets.settings = hypothesis_settings(max_examples=25, stateful_step_count=12, deadline=None)


@pytest.fixture
def typed(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Types `hub dispute …` at the office's own hub, with JSON on standard input."""
    from hub import cli
    from hub.commands import dispute

    monkeypatch.setattr(dispute, "hub", lambda: office.hub)
    assert common.hub is not dispute.hub

    def words(*given: str, stdin: Any = None) -> int:
        monkeypatch.setattr(sys, "argv", ["hub", "dispute", *given])
        monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(stdin)))
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return words


def test_the_command_line_opens_lists_shows_and_answers(typed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("open", "things", "name", "--json", stdin={"key": {"id": "k1"}, "claimed": CLAIMED}) == 0
    number = json.loads(capsys.readouterr().out)["dispute"]
    assert typed("list", "--json") == 0
    listed = capsys.readouterr().out
    assert [row["dispute"] for row in json.loads(listed)] == [number]
    assert CLAIMED not in listed
    assert typed("show", number, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["record"], shown["value_held"], shown["claimed"]) == ({"id": "k1"}, {'["k1"]': SECRET}, CLAIMED)
    assert typed("accept", number) == typed("correct", number) == 0
    assert typed("accept", number) == 3
    assert "it cannot accept" in capsys.readouterr().err
    assert typed("reject", number, "--reason", REASON) == 0
    assert typed("list", "--overdue", "--json") == 0
    assert typed("open", "things", "name", stdin=[]) == 3
    assert typed("show", "nothing") == 3
