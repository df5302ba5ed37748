"""Grants, remembered: which client may use which fields of a form or dataset, for what purpose, on what legal basis, how long, how often.

A grant is never changed or deleted: it is revoked, with who and why, and another one is given. So what was allowed at any moment can be
told afterwards. Whether a request is within a grant is decided in `access.decision`, nowhere else.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Column, Connection, ForeignKey, Integer, Row, String, Table, Text, insert, select, update

from ledger import access_revision
from ledger.clients import client_table
from ledger.database import Database, Moment, ledger_tables
from schemas.errors import NotFound

Basis = Literal["consent", "duty", "open"]
"""Why it is lawful: the subject's consent, a statutory duty named by a case number, or data that is open to all."""
Kind = Literal["form", "dataset"]

grant_table = Table(
    "access_grant",
    ledger_tables,
    Column("id", String(32), primary_key=True),
    Column("client", String(64), ForeignKey("client.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("name", String(64), nullable=False),
    Column("purpose", String(200), nullable=False),
    Column("basis", String(16), nullable=False),
    Column("legal", String(400), nullable=False),
    Column("fields", Text),
    Column("row_filter", Text, nullable=False),
    Column("quota", Integer),
    Column("begins", Moment, nullable=False),
    Column("ends", Moment),
    Column("request", String(32), nullable=False, server_default="", index=True),
    Column("granted_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("revoked_by", String(320), nullable=False, server_default=""),
    Column("revoked_why", String(400), nullable=False, server_default=""),
)


@dataclass(frozen=True)
class Grant:
    """One client may use these fields of one form or dataset for one purpose on one legal basis, from `begins` until before `ends`.

    `fields`: None for all, now and later. `legal`: the article, decree or agreement it rests on. `quota`: answers a day, None for no
    limit. `row_filter`: conditions that rows must meet, in the language of `access.rows` ("" for all rows); forms have none. `request`: the
    id of the request that it answers, "" where there was none.
    """

    id: str
    client: str
    kind: Kind
    name: str
    purpose: str
    basis: Basis
    begins: datetime
    ends: datetime | None = None
    fields: frozenset[str] | None = None
    quota: int | None = None
    row_filter: str = ""
    legal: str = ""
    request: str = ""

    def live(self, now: datetime) -> bool:
        """Whether `now` is in its period."""
        return self.begins <= now and (self.ends is None or now < self.ends)


def allow(db: Database, grant: Grant, at: datetime) -> Grant:
    """Record the grant, or give back the one that says the same already (but for its id and its beginning).

    Raises:
        NotFound: there is no such client.
    """
    with db.write(alone="grants") as connection:
        if not connection.execute(select(client_table.c.id).where(client_table.c.id == grant.client)).first():
            raise NotFound(f"there is no client {grant.client!r}", todo="hub client list")
        query = select(grant_table).where(grant_table.c.client == grant.client, grant_table.c.revoked_at.is_(None))
        for known in map(_read, connection.execute(query)):
            if replace(known, id=grant.id, begins=grant.begins, request=grant.request) == grant:
                return known
        add(connection, grant, at)
    return grant


def add(connection: Connection, grant: Grant, at: datetime) -> None:
    """Record the grant as part of a transaction, in force everywhere within seconds of its end."""
    fields = None if grant.fields is None else json.dumps(sorted(grant.fields), ensure_ascii=False)
    connection.execute(insert(grant_table).values({**grant.__dict__, "fields": fields, "granted_at": at}))
    access_revision.bump(connection)


def change(
    db: Database, plan: Callable[[Sequence[Grant]], tuple[Sequence[Grant], Sequence[Grant]]], at: datetime, *, by: str, why: str
) -> None:  # fmt: skip
    """Add and end grants as the plan says of those that stand, in one transaction.

    Raises:
        NotFound: one to add is for a client that does not exist; nothing is changed.
    """
    with db.write(alone="grants") as connection:
        added, ended = plan(_standing(connection))
        clients = frozenset(connection.execute(select(client_table.c.id)).scalars())
        for grant in added:
            if grant.client not in clients:
                raise NotFound(f"there is no client {grant.client!r}", todo="hub client list")
            add(connection, grant, at)
        ids = [grant.id for grant in ended]
        gone = update(grant_table).where(grant_table.c.id.in_(ids), grant_table.c.revoked_at.is_(None))
        connection.execute(gone.values(revoked_at=at, revoked_by=by, revoked_why=why))
        access_revision.bump(connection)


def revoke(db: Database, grant_id: str, at: datetime, *, by: str, why: str) -> None:
    """End the grant now, everywhere within seconds.

    Raises:
        NotFound: there is none of this id that is not revoked already.
    """
    c = grant_table.c
    ended = update(grant_table).where(c.id == grant_id, c.revoked_at.is_(None))
    with db.write() as connection:
        if not connection.execute(ended.values(revoked_at=at, revoked_by=by, revoked_why=why)).rowcount:
            raise NotFound(f"there is no grant {grant_id!r} to revoke", todo="hub grant list")
        access_revision.bump(connection)


def standing(db: Database, client: str | None = None) -> tuple[Grant, ...]:
    """The grants of a client (None: of all) that are not revoked, whatever their period, by id; none of a client switched off."""
    with db.read() as connection:
        return _standing(connection, client)


def _standing(connection: Connection, client: str | None = None) -> tuple[Grant, ...]:
    c = grant_table.c
    query = (
        select(grant_table)
        .join(client_table, client_table.c.id == c.client)
        .where(c.revoked_at.is_(None), client_table.c.active)
        .order_by(c.client, c.id)
    )
    if client is not None:
        query = query.where(c.client == client)
    return tuple(map(_read, connection.execute(query)))


@dataclass(frozen=True)
class Given:
    """What became of a request's grant: the grant, and when, by whom and why it was revoked, if it was."""

    grant: Grant
    revoked_at: datetime | None
    revoked_by: str
    revoked_why: str


def given(db: Database, requests: Collection[str]) -> dict[str, Given]:
    """The grants that answered these requests, revoked or not, by request."""
    query = select(grant_table).where(grant_table.c.request.in_(requests))
    with db.read() as connection:
        rows = connection.execute(query).all()
    return {row.request: Given(_read(row), row.revoked_at, row.revoked_by, row.revoked_why) for row in rows}


def stands(connection: Connection, request: str) -> bool:
    """Whether the request's grant is not revoked, whatever its period."""
    c = grant_table.c
    return connection.execute(select(c.id).where(c.request == request, c.revoked_at.is_(None))).first() is not None


def _read(row: Row) -> Grant:  # type: ignore[type-arg]
    return Grant(
        id=row.id, client=row.client, kind=row.kind, name=row.name, purpose=row.purpose, basis=row.basis, begins=row.begins,
        ends=row.ends, fields=None if row.fields is None else frozenset(json.loads(row.fields)), quota=row.quota,
        row_filter=row.row_filter, legal=row.legal, request=row.request,
    )  # fmt: skip
