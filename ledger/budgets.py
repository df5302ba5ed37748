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
from functools import cache
from itertools import groupby
from typing import Literal

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ledger import access_revision
from ledger.database import Database, audit_tables, ledger_tables

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

# The statements of every charge, written out once: building them anew costs more than running them.
_FIND = (
    select(scope_table)
    .where(scope_table.c.client == bindparam("client"), scope_table.c.purpose == bindparam("purpose"))
    .with_for_update()
)
_SEEN = select(seen_table.c.subject, seen_table.c.day).where(
    seen_table.c.scope == bindparam("scope"), seen_table.c.subject.in_(bindparam("subjects", expanding=True))
)
_COUNT = (
    update(scope_table)
    .where(scope_table.c.id == bindparam("of"))
    .values(subjects=bindparam("n"), day=bindparam("on"), stopped=bindparam("stop"))
)
_USED = (
    select(quota_table)
    .where(quota_table.c.grant_id.in_(bindparam("grants", expanding=True)))
    .order_by(quota_table.c.grant_id)
    .with_for_update()
)
_USE = (
    update(quota_table)
    .where(quota_table.c.grant_id == bindparam("of"))
    .values(day=bindparam("on"), answers=bindparam("n"))
)


@dataclass(frozen=True)
class Limits:
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
        return [
            Usage(s.client, s.purpose, _within(connection, s.id, today), most.get(s.id, 0), s.stopped) for s in scopes
        ]


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


def charge(connection: Connection, asked: Sequence[tuple[Limits, str]], today: date) -> list[Verdict]:
    """Charge each (limits, subject) in order; what is over a limit is not charged. Inside the caller's write transaction.

    Without a subject (the answer is about nobody, or about many, who were charged by `spend`) only quotas are charged.
    Rows are locked in one order, so that two processes never wait for each other in a circle.
    """
    verdicts = _charge_quotas(connection, [limits for limits, _ in asked], today)

    def scope(place: int) -> tuple[str, str]:
        return asked[place][0].client, asked[place][0].purpose

    about_somebody = (place for place, verdict in enumerate(verdicts) if not verdict and asked[place][1])
    within_quota = sorted(about_somebody, key=scope)
    for (client, purpose), places in groupby(within_quota, key=scope):
        ask = {place: (asked[place][0].subjects, _digest(asked[place][1])) for place in places}
        for place in _charge_budget(connection, client, purpose, ask, today):
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
        with db.write() as connection:
            over = _charge_budget(connection, limits.client, limits.purpose, piece, today)
        if over:
            return False
    return True


def _charge_quotas(connection: Connection, asked: Sequence[Limits], today: date) -> list[Verdict]:
    ids = sorted({grant for limits in asked for grant, _ in limits.quotas})
    if not ids:
        return [""] * len(asked)
    rows = connection.execute(_USED, {"grants": ids}).all()
    if len(rows) < len(ids):
        _ensure(connection, quota_table, [{"grant_id": grant, "day": today, "answers": 0} for grant in ids])
        rows = connection.execute(_USED, {"grants": ids}).all()
    used = {row.grant_id: row.answers if row.day == today else 0 for row in rows}
    verdicts: list[Verdict] = []
    for limits in asked:
        over = any(used[grant] >= most for grant, most in limits.quotas)
        verdicts.append("over quota" if over else "")
        used |= {grant: used[grant] + 1 for grant, _ in limits.quotas if not over}
    connection.execute(_USE, [{"of": grant, "on": today, "n": used[grant]} for grant in ids])
    return verdicts


def _charge_budget(
    connection: Connection, client: str, purpose: str, asked: dict[int, tuple[int, bytes]], today: date
) -> list[int]:
    """Charge one client and purpose; the places that are over the budget. `asked`: place -> (budget, subject)."""
    scope, count, stopped = _scope(connection, client, purpose, today)
    wanted = [*{subject for _, subject in asked.values()}]
    seen = {row.subject: row.day for row in connection.execute(_SEEN, {"scope": scope, "subjects": wanted})}
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
    moved = [{"scope": scope, "subject": s, "day": today} for s in sorted(known) if seen.get(s) != today]
    if moved:
        connection.execute(_remember(connection.dialect.name), moved)
    if count != before or over:
        connection.execute(_COUNT, {"of": scope, "n": count, "on": today, "stop": stopped})
    return over


def _scope(connection: Connection, client: str, purpose: str, today: date) -> tuple[int, int, bool]:
    """The scope's id, its subjects within the window, whether it is stopped; its row locked. With a new day the window moves on."""
    named = {"client": client, "purpose": purpose}
    row = connection.execute(_FIND, named).one_or_none()
    if row is None:
        _ensure(connection, scope_table, [{**named, "day": today, "subjects": 0, "stopped": False}])
        row = connection.execute(_FIND, named).one()
    if row.day >= today:  # a process whose clock is behind counts into the later day
        return row.id, row.subjects, row.stopped
    _ensure(connection, day_table, [{"scope": row.id, "day": row.day, "subjects": row.subjects}])
    count = _within(connection, row.id, today)
    connection.execute(_COUNT, {"of": row.id, "n": count, "on": today, "stop": row.stopped})
    return row.id, count, row.stopped


def _within(connection: Connection, scope: int, today: date) -> int:
    c = seen_table.c
    query = select(func.count()).where(c.scope == scope, c.day > today - timedelta(days=WINDOW))
    return int(connection.execute(query).scalar_one())


def _ensure(connection: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    """Add the rows that are not there."""
    connection.execute(_insert(connection.dialect.name, table).on_conflict_do_nothing(), rows)


@cache
def _remember(dialect: str) -> sqlite.Insert | postgresql.Insert:
    upsert = _insert(dialect, seen_table)
    return upsert.on_conflict_do_update(index_elements=["scope", "subject"], set_={"day": upsert.excluded.day})


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return (sqlite.insert if dialect == "sqlite" else postgresql.insert)(table)


def _digest(subject: str) -> bytes:
    return hashlib.blake2b(subject.encode(), digest_size=16).digest()
