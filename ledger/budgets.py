"""How many subjects a client has asked about, and how often it was answered: counted in the transaction that writes the audit.

1. A client has one budget for each purpose: the subjects it may ask about within the last `WINDOW` days, whichever form, however slowly, from
   whatever address. Asking again about the same subject costs nothing; asking about nobody costs as much as about somebody.
   Whoever comes `MARGIN` over it is stopped for every subject not yet known, until the data office has looked and says `release`: else a
   patient walk would go on with what leaves the window.
2. A grant may have a quota: answers a day.
3. `charge` counts and judges in one go. As the audit entry is written in the same transaction, several processes cannot spend the same rest
   twice, and what a killed process had counted is exactly what it had answered.
4. When a day ends its count is kept: the greatest of them is what `hub client budget --learn` proposes.

A subject is known here by a digest of its pseudonym.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Literal

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from ledger import access_revision
from ledger.database import Database, Plain, as_day, audit_tables, ledger_tables
from schemas.struct import Quick

WINDOW = 30
MARGIN = 100
"""How many subjects over its budget a client may come before it is stopped."""
_PIECE = 2000
Verdict = Literal["", "over budget", "over quota"]

budget_table = Table(
    "subject_budget",
    ledger_tables,
    Column("client", String(64), primary_key=True),
    Column("purpose", String(200), primary_key=True),
    Column("subjects", Integer, nullable=False),
)
scope_table = Table(
    "budget_scope",
    audit_tables,
    Column("id", Integer, primary_key=True),
    Column("client", String(64), nullable=False),
    Column("purpose", String(200), nullable=False),
    Column("day", Date, nullable=False),
    Column("subjects", Integer, nullable=False),
    Column("stopped", Boolean, nullable=False),
    UniqueConstraint("client", "purpose"),
)
seen_table = Table(
    "budget_seen",
    audit_tables,
    Column("scope", Integer, primary_key=True, autoincrement=False),
    Column("subject", LargeBinary(16), primary_key=True),
    Column("day", Date, nullable=False),
    sqlite_with_rowid=False,
)
day_table = Table(
    "budget_day",
    audit_tables,
    Column("scope", Integer, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
    Column("subjects", Integer, nullable=False),
)
quota_table = Table(
    "quota_used",
    audit_tables,
    Column("grant_id", String(32), primary_key=True),
    Column("day", Date, nullable=False),
    Column("answers", Integer, nullable=False),
)

_FIND = "SELECT id, day, subjects, stopped FROM budget_scope WHERE client = ? AND purpose = ?"
_OPEN = (
    "INSERT INTO budget_scope (client, purpose, day, subjects, stopped) VALUES (?, ?, ?, 0, ?) ON CONFLICT DO NOTHING"
)
_COUNT = "UPDATE budget_scope SET subjects = ?, day = ?, stopped = ? WHERE id = ?"
_SEEN = "SELECT subject, day FROM budget_seen WHERE scope = ? AND subject IN"
_REMEMBER = "budget_seen (scope, subject, day)", "ON CONFLICT (scope, subject) DO UPDATE SET day = excluded.day"
_CLOSE_DAY = "INSERT INTO budget_day (scope, day, subjects) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_WITHIN = "SELECT count(*) FROM budget_seen WHERE scope = ? AND day > ?"
_USED = "SELECT grant_id, day, answers FROM quota_used WHERE grant_id IN"
_FIRST_USE = "INSERT INTO quota_used (grant_id, day, answers) VALUES (?, ?, 0) ON CONFLICT DO NOTHING"
_USE = "UPDATE quota_used SET day = ?, answers = ? WHERE grant_id = ?"
_LOCKED = {"sqlite": "", "postgresql": " FOR UPDATE"}
"""SQLite has one writer at any time, and no row locks."""


class Limits(Quick, frozen=True):
    """What one ask is charged to: the client's budget for the purpose, and the quotas (grant id, answers a day) of the grants it rests on."""

    client: str
    purpose: str
    subjects: int
    quotas: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Usage:
    """Distinct subjects of one client and purpose: within the window now, and the most at the end of any earlier day that is kept.

    `stopped`: it came over its budget, and asks about nobody new until it is released.
    """

    client: str
    purpose: str
    now: int
    most: int
    stopped: bool


def set_budget(db: Database, client: str, purpose: str, subjects: int) -> None:
    """Let the client ask about so many subjects within `WINDOW` days for the purpose."""
    c = budget_table.c
    with db.write() as connection:
        where = (c.client == client) & (c.purpose == purpose)
        if not connection.execute(update(budget_table).where(where).values(subjects=subjects)).rowcount:
            connection.execute(insert(budget_table).values(client=client, purpose=purpose, subjects=subjects))
        access_revision.bump(connection)


def budgets(db: Database) -> dict[tuple[str, str], int]:
    """Every budget that was set, by client and purpose."""
    with db.read() as connection:
        return {(row.client, row.purpose): row.subjects for row in connection.execute(select(budget_table))}


def usage(db: Database, today: date) -> list[Usage]:
    """What was used of every budget, in the audit database."""
    with db.read() as connection:
        query = select(day_table.c.scope, func.max(day_table.c.subjects).label("most")).group_by(day_table.c.scope)
        most = {row.scope: row.most for row in connection.execute(query)}
        scopes = connection.execute(select(scope_table).order_by(scope_table.c.client, scope_table.c.purpose)).all()
        plain = Plain.of(connection)
        return [Usage(s.client, s.purpose, _within(plain, s.id, today), most.get(s.id, 0), s.stopped) for s in scopes]


def release(db: Database, client: str, purpose: str) -> None:
    """Let the client ask about new subjects again, as far as its budget goes; in the audit database."""
    named = (scope_table.c.client == client) & (scope_table.c.purpose == purpose)
    with db.write() as connection:
        connection.execute(update(scope_table).where(named).values(stopped=False))


def prune(db: Database, today: date, keep_days: int = 400) -> None:
    """Forget subjects that left the window, and days that are long past."""
    with db.write() as connection:
        connection.execute(delete(seen_table).where(seen_table.c.day <= today - timedelta(days=WINDOW)))
        connection.execute(delete(day_table).where(day_table.c.day < today - timedelta(days=keep_days)))


def charge(plain: Plain, asked: Sequence[tuple[Limits, str]], today: date) -> list[Verdict]:
    """Charge each (limits, subject) in order; what is over a limit is not charged. Inside the caller's write transaction.

    Without a subject (the answer is about nobody, or about many, who were charged by `spend`) only quotas are charged.
    Rows are locked in one order, so that two processes never wait for each other in a circle.
    """
    verdicts = _charge_quotas(plain, [limits for limits, _ in asked], today)

    def scope(place: int) -> tuple[str, str]:
        return asked[place][0].client, asked[place][0].purpose

    about_somebody = (place for place, verdict in enumerate(verdicts) if not verdict and asked[place][1])
    within_quota = sorted(about_somebody, key=scope)
    for (client, purpose), places in groupby(within_quota, key=scope):
        ask = {place: (asked[place][0].subjects, _digest(asked[place][1])) for place in places}
        for place in _charge_budget(plain, client, purpose, ask, today):
            verdicts[place] = "over budget"
    return verdicts


def spend(db: Database, limits: Limits, subjects: Collection[str], today: date) -> bool:
    """Charge the budget for many subjects of one answer, in transactions of their own; whether all are within it.

    More subjects than the budget could ever bear are not charged at all, and stop nobody. Of others that come over it, those before stay charged.
    """
    if len(subjects) > limits.subjects + MARGIN:
        return False
    digests = sorted(map(_digest, subjects))
    for first in range(0, len(digests), _PIECE):
        piece = {n: (limits.subjects, one) for n, one in enumerate(digests[first : first + _PIECE])}
        with db.quick() as plain:
            over = _charge_budget(plain, limits.client, limits.purpose, piece, today)
        if over:
            return False
    return True


def _charge_quotas(plain: Plain, asked: Sequence[Limits], today: date) -> list[Verdict]:
    ids = sorted({grant for limits in asked for grant, _ in limits.quotas})
    if not ids:
        return [""] * len(asked)
    query = f"{_USED} {_marks(ids)} ORDER BY grant_id{_LOCKED[plain.dialect]}"
    rows = plain.rows(query, ids)
    if len(rows) < len(ids):
        plain.many(_FIRST_USE, [(grant, plain.day(today)) for grant in ids])
        rows = plain.rows(query, ids)
    used = {grant: answers if as_day(day) == today else 0 for grant, day, answers in rows}
    verdicts: list[Verdict] = []
    for limits in asked:
        over = any(used[grant] >= most for grant, most in limits.quotas)
        verdicts.append("over quota" if over else "")
        used |= {grant: used[grant] + 1 for grant, _ in limits.quotas if not over}
    plain.many(_USE, [(plain.day(today), used[grant], grant) for grant in ids])
    return verdicts


def _charge_budget(
    plain: Plain, client: str, purpose: str, asked: dict[int, tuple[int, bytes]], today: date
) -> list[int]:
    """Charge one client and purpose; the places that are over the budget. `asked`: place -> (budget, subject)."""
    scope, count, stopped = _scope(plain, client, purpose, today)
    wanted = [*{subject for _, subject in asked.values()}]
    found = plain.rows(f"{_SEEN} {_marks(wanted)}", [scope, *wanted])
    seen = {bytes(subject): as_day(day) for subject, day in found}
    known = {subject for subject, day in seen.items() if day > today - timedelta(days=WINDOW)}
    over, before = [], count
    for place, (budget, subject) in asked.items():
        stopped = stopped or (subject not in known and count >= budget + MARGIN)
        if subject in known:
            continue
        if stopped:
            over.append(place)
        else:
            known.add(subject)
            count += 1
    moved = [(scope, subject, plain.day(today)) for subject in sorted(known) if seen.get(subject) != today]
    if moved:
        into, then = _REMEMBER
        plain.insert(into, moved, then)
    if count != before or over:
        plain.run(_COUNT, (count, plain.day(today), stopped, scope))
    return over


def _scope(plain: Plain, client: str, purpose: str, today: date) -> tuple[int, int, bool]:
    """The scope's id, its subjects within the window, whether it is stopped; its row locked. With a new day the window moves on."""
    query = _FIND + _LOCKED[plain.dialect]
    rows = plain.rows(query, (client, purpose))
    if not rows:
        plain.run(_OPEN, (client, purpose, plain.day(today), False))
        rows = plain.rows(query, (client, purpose))
    ((scope, kept, count, stopped),) = rows
    day = as_day(kept)
    if day >= today:  # a process whose clock is behind counts into the later day
        return scope, count, bool(stopped)
    plain.run(_CLOSE_DAY, (scope, plain.day(day), count))
    count = _within(plain, scope, today)
    plain.run(_COUNT, (count, plain.day(today), stopped, scope))
    return scope, count, bool(stopped)


def _marks(values: Sequence[object]) -> str:
    return f"({', '.join('?' * len(values))})"


def _within(plain: Plain, scope: int, today: date) -> int:
    ((count,),) = plain.rows(_WITHIN, (scope, plain.day(today - timedelta(days=WINDOW))))
    return int(count)


def _digest(subject: str) -> bytes:
    return hashlib.blake2b(subject.encode(), digest_size=16).digest()
