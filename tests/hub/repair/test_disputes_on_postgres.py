"""Disputes and the outbox on the production database, where writers do not wait for one another by themselves."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import TypeVar

import pytest
import servers

from ledger import disputes, outbox
from ledger.database import Database, ledger_tables
from ledger.disputes import Dispute
from ledger.outbox import Message
from schemas.errors import Conflict

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
T = TypeVar("T")


@pytest.fixture
def db(postgres_url: str) -> Iterator[Database]:
    with servers.database(postgres_url, "disputes") as url:
        made = Database(url, ledger_tables)
        made.create()
        yield made
        made.dispose()


def at_once(step: Callable[[int], T]) -> list[T]:
    """What each of several threads got that began together."""
    ready = Barrier(6)

    def begin(number: int) -> T:
        ready.wait()
        return step(number)

    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(begin, range(6)))


def ticket(name: str) -> Dispute:
    return Dispute(
        name, "things", "name", "市局", "11310000002420886W", "portal", True, "r" * 32, "opened", 10, date(2026, 3, 2), AT, AT, 0, b"-"
    )  # fmt: skip


def told(name: str) -> list[Message]:
    return [Message(0, "http://127.0.0.1:9/x", {"type": name}, 0, event=name)]


def test_of_many_who_say_the_same_one_opens_and_of_many_answers_one_counts(db: Database) -> None:
    opened = at_once(lambda n: disputes.open_(db, ticket(f"t{n}"), told(f"opened-{n}")))
    assert len({d.id for d in opened}) == 1
    assert opened[0] == disputes.find(db, opened[0].id), "moments and days come back as they went"

    def accept(number: int) -> str:
        try:
            return disputes.move(db, opened[0], "accept", AT, told(f"accepted-{number}")).state
        except Conflict:
            return "conflict"

    assert sorted(at_once(accept)) == ["accepted"] + ["conflict"] * 5
    assert sorted(at_once(lambda n: disputes.mark_overdue(db, opened[0], AT, told(f"overdue-{n}")))) == [False] * 5 + [
        True
    ]
    assert [m.body["type"].partition("-")[0] for m in outbox.unsent(db)] == ["opened", "accepted", "overdue"]


def test_of_many_senders_one_takes_a_message(db: Database) -> None:
    with db.write() as connection:
        outbox.queue(connection, [*told("once"), *told("once")], AT)
    (message,) = outbox.due(db, AT)
    assert sorted(at_once(lambda _: outbox.claim(db, message, until=AT + timedelta(minutes=2)))) == [False] * 5 + [True]
    assert outbox.due(db, AT + timedelta(minutes=1)) == ()
    (again,) = outbox.due(db, AT + timedelta(minutes=2))
    outbox.failed(db, again, "x", again_at=None, now=AT)
    assert [len(outbox.dead(db)), outbox.revive(db, AT), len(outbox.dead(db))] == [1, 1, 0]
