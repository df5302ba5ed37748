"""What clients and identity providers prove themselves with, remembered: their public keys, assertions used up, tokens revoked.

Public keys only: no secret comes here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, ForeignKey, String, Table, Text, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ledger import access_revision
from ledger.database import Database, Moment, ledger_tables

key_table = Table(
    "client_jwks",
    ledger_tables,
    Column("client", String(64), ForeignKey("client.id"), primary_key=True),
    Column("jwks", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
)
issuer_table = Table(
    "consent_issuer",
    ledger_tables,
    Column("issuer", String(200), primary_key=True),
    Column("jwks", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
)
used_table = Table(
    "used_assertion",
    ledger_tables,
    Column("client", String(64), primary_key=True),
    Column("jti", String(200), primary_key=True),
    Column("until", Moment, nullable=False, index=True),
)
revoked_table = Table(
    "revoked_token",
    ledger_tables,
    Column("jti", String(64), primary_key=True),
    Column("until", Moment, nullable=False),
)


@dataclass(frozen=True)
class Issuer:
    """An identity provider whose consents count: its issuer name, and its JWKS as text."""

    issuer: str
    jwks: str


def put_keys(db: Database, client: str, jwks: str, at: datetime) -> None:
    """Replace the client's whole key set; `jwks` is checked by `access.keys` before."""
    with db.write() as connection:
        values = {"jwks": jwks, "changed_at": at}
        if not connection.execute(update(key_table).where(key_table.c.client == client).values(values)).rowcount:
            connection.execute(insert(key_table).values(client=client, **values))
        access_revision.bump(connection)


def keys(db: Database, client: str) -> str | None:
    """The client's JWKS as text, None if it has none."""
    with db.read() as connection:
        return connection.execute(select(key_table.c.jwks).where(key_table.c.client == client)).scalar()


def put_issuer(db: Database, issuer: Issuer, at: datetime) -> None:
    """Add an identity provider, or replace its keys."""
    with db.write() as connection:
        values = {"jwks": issuer.jwks, "changed_at": at}
        where = issuer_table.c.issuer == issuer.issuer
        if not connection.execute(update(issuer_table).where(where).values(values)).rowcount:
            connection.execute(insert(issuer_table).values(issuer=issuer.issuer, **values))
        access_revision.bump(connection)


def drop_issuer(db: Database, issuer: str) -> bool:
    """Let no consent of this identity provider count any more; whether there was one of the name."""
    with db.write() as connection:
        gone = connection.execute(delete(issuer_table).where(issuer_table.c.issuer == issuer)).rowcount
        access_revision.bump(connection)
    return bool(gone)


def issuers(db: Database) -> tuple[Issuer, ...]:
    """Every identity provider, by name."""
    with db.read() as connection:
        rows = connection.execute(select(issuer_table).order_by(issuer_table.c.issuer)).all()
    return tuple(Issuer(row.issuer, row.jwks) for row in rows)


def use_up(db: Database, client: str, jti: str, until: datetime, *, now: datetime) -> bool:
    """Whether this is the first use of the assertion, in any process; it is remembered `until` it expires by itself."""
    try:
        with db.write() as connection:
            connection.execute(delete(used_table).where(used_table.c.until < now))
            connection.execute(insert(used_table).values(client=client, jti=jti, until=until))
    except IntegrityError:
        return False
    return True


def revoke(db: Database, jti: str, until: datetime, *, now: datetime) -> None:
    """Let this token count no more; forgotten `until` it has expired by itself. Revoking it again changes nothing."""
    with db.write() as connection:
        connection.execute(delete(revoked_table).where(revoked_table.c.until < now))
        if not connection.execute(select(revoked_table.c.jti).where(revoked_table.c.jti == jti)).first():
            connection.execute(insert(revoked_table).values(jti=jti, until=until))
        access_revision.bump(connection)


def revoked(db: Database) -> frozenset[str]:
    """The numbers of all tokens revoked before their time."""
    with db.read() as connection:
        found: Iterable[str] = connection.execute(select(revoked_table.c.jti)).scalars()
        return frozenset(found)
