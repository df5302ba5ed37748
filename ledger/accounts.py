"""Accounts of the console, remembered: people with a department and roles, and how often somebody failed to sign in.

An account is local (a password's hash) or vouched for by the identity provider (none); what it may do is read anew at every request.
Passwords never come here, nor the names that failed: what is counted is a keyed hash, since people type passwords into the wrong field.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, String, Table, delete, func, insert, or_, select, update

from ledger.database import Database, Moment, ledger_tables
from ledger.sessions import end_all
from schemas.errors import Conflict, NotFound

account_table = Table(
    "account",
    ledger_tables,
    Column("name", String(320), primary_key=True),
    Column("shown", String(200), nullable=False),
    Column("department", String(18), nullable=False),
    Column("roles", String(100), nullable=False),
    Column("client", String(64), nullable=False),
    Column("language", String(2), nullable=False),
    Column("password_hash", String(400), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
)
failure_table = Table(
    "sign_in_failure",
    ledger_tables,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("who", String(64), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
)


@dataclass(frozen=True)
class Account:
    """One person's account: `shown` is their name for people, `client` the portal they answer for, `language` "" where they chose none.

    `password_hash` is "" where the identity provider vouches.
    """

    name: str
    shown: str
    department: str
    roles: frozenset[str]
    client: str = ""
    language: str = ""
    password_hash: str = field(default="", repr=False)
    active: bool = True


def add(db: Database, account: Account, at: datetime) -> None:
    """Record a new account. Raises Conflict where there is one of the name."""
    with db.write(alone="accounts") as connection:
        if connection.execute(select(account_table.c.name).where(account_table.c.name == account.name)).first():
            raise Conflict(f"there is an account {account.name!r} already", todo="hub account list")
        connection.execute(insert(account_table).values(**_row(account), created_at=at))


def vouch(db: Database, account: Account, at: datetime) -> Account:
    """The account of somebody whom the identity provider vouches for, as it describes them now; one that is switched off stays so."""
    this = account_table.c.name == account.name
    described = {k: v for k, v in _row(account).items() if k not in ("name", "active", "language", "password_hash")}
    with db.write(alone="accounts") as connection:
        if not connection.execute(update(account_table).where(this).values(described)).rowcount:
            connection.execute(insert(account_table).values(**_row(account), created_at=at))
        return read(connection.execute(select(account_table).where(this)).one())


def find(db: Database, name: str) -> Account | None:
    """The account of this name, active or not; None if there is none."""
    with db.read() as connection:
        row = connection.execute(select(account_table).where(account_table.c.name == name)).first()
    return None if row is None else read(row)


def everyone(db: Database) -> tuple[Account, ...]:
    """All accounts by name."""
    with db.read() as connection:
        return tuple(map(read, connection.execute(select(account_table).order_by(account_table.c.name))))


def change(db: Database, name: str, *, keep: str = "", **values: Any) -> None:
    """Change the account and end its sessions, all but the one of the hash `keep`. Raises NotFound."""
    with db.write() as connection:
        changed = update(account_table).where(account_table.c.name == name).values(values)
        if not connection.execute(changed).rowcount:
            raise NotFound(f"there is no account {name!r}", todo="hub account list")
        end_all(connection, name, keep)


def choose_language(db: Database, name: str, language: str) -> None:
    """Remember the language of the account's pages; its sessions go on."""
    with db.write() as connection:
        connection.execute(update(account_table).where(account_table.c.name == name).values(language=language))


def try_once(db: Database, most: Mapping[str, int], at: datetime, *, since: datetime) -> int | None:
    """Count a try for each name in `most`, in one go; its number, or None if one of them has as many since then as it may.

    A try counts as failed until `forgive` is told otherwise, so that nobody gains by trying many at once.
    """
    c = failure_table.c
    counted = select(c.who, func.count().label("number")).where(c.who.in_(most), c.at >= since).group_by(c.who)
    with db.write(alone="sign-in") as connection:
        connection.execute(delete(failure_table).where(c.at < since))
        found = {row.who: int(row.number) for row in connection.execute(counted)}
        if any(number >= most[name] for name, number in found.items()):
            return None
        latest = int(connection.execute(select(func.max(c.number))).scalar() or 0) + 1
        connection.execute(insert(failure_table), [{"number": latest, "who": who, "at": at} for who in most])
    return latest


def forgive(db: Database, number: int, who: Collection[str]) -> None:
    """Forget a try that succeeded, and all earlier ones of these names."""
    c = failure_table.c
    with db.write() as connection:
        connection.execute(delete(failure_table).where(or_(c.number == number, c.who.in_(who))))


def read(row: Any) -> Account:
    """The account in a row that has its columns."""
    return Account(
        row.name, row.shown, row.department, frozenset(row.roles.split()), row.client, row.language, row.password_hash,
        row.active,
    )  # fmt: skip


def _row(account: Account) -> dict[str, Any]:
    return {**account.__dict__, "roles": " ".join(sorted(account.roles))}
