"""Decisions that two identifiers are one subject, and their undoing: a list that only grows. What identifies anybody in it is encrypted.

Nothing can make these again: a backup must hold them. What follows from them is `subjects.merges`' to say.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Column, Connection, DateTime, Integer, LargeBinary, String, Table, func, insert, select, update

from ledger.database import Database, subject_tables
from ledger.subject_keys import KeySet, SubjectKeys
from ledger.subject_seals import opened, sealed
from schemas.errors import Stop

Action = Literal["reissue", "duplicate", "unmerge"]
"""The subject's identifier was issued anew, and it stays whom it was; or two files are one subject, which stays whom the surviving one was."""
merges = Table(
    "subject_merges",
    subject_tables,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False, index=True),
    Column("action", String(9), nullable=False),
    Column("undoes", Integer),
    Column("key_id", LargeBinary(4), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("decided_by", String(63), nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class Decision:
    """One decision: `former` is the identifier that gave way to `surviving`; `undoes` is the number of the merge that is undone."""

    seq: int
    kind: str
    action: Action
    undoes: int | None
    former: str = field(repr=False)
    surviving: str = field(repr=False)
    because: str
    by: str
    at: datetime


def decisions(db: Database, keys: SubjectKeys, kind: str) -> tuple[Decision, ...]:
    """Every decision of a kind, oldest first."""
    with db.read() as connection:
        return _all(connection, keys, kind)


def newest(db: Database) -> dict[str, int]:
    """The number of each kind's last decision."""
    query = select(merges.c.kind, func.max(merges.c.seq)).group_by(merges.c.kind)
    with db.read() as connection:
        return {kind: int(seq) for kind, seq in connection.execute(query)}


def decide(db: Database, keys: SubjectKeys, decision: Decision, check: Callable[[tuple[Decision, ...]], None]) -> int:
    """Add a decision, whatever its `seq` says; returns its number. `check` sees those before it, alone, and raises what stands against it."""
    said = {"former": decision.former, "surviving": decision.surviving, "because": decision.because}
    with db.write(alone="subject merges") as connection:
        check(_all(connection, keys, decision.kind))
        values = {
            "kind": decision.kind, "action": decision.action, "undoes": decision.undoes, "key_id": keys.current.id,
            "body": _seal(keys.current, decision.kind, said), "decided_by": decision.by, "decided_at": decision.at,
        }  # fmt: skip
        key: Any = connection.execute(insert(merges).values(**values)).inserted_primary_key
        return int(key[0])


def erase(db: Database, keys: SubjectKeys, kind: str, identifiers: frozenset[str]) -> int:
    """Blank the identifiers and reasons of every decision about these; how many there were."""
    told = [d.seq for d in decisions(db, keys, kind) if {d.former, d.surviving} & identifiers]
    blank = {"former": "", "surviving": "", "because": ""}
    with db.write(alone="subject merges") as connection:
        for seq in told:
            body = _seal(keys.current, kind, blank)
            connection.execute(update(merges).where(merges.c.seq == seq).values(body=body, key_id=keys.current.id))
    return len(told)


def rekey(connection: Connection, keys: SubjectKeys) -> int:
    """Bring every decision under the keys in use; how many were under older ones."""
    old = connection.execute(select(merges).where(merges.c.key_id != keys.current.id)).all()
    for row in old:
        body = _seal(keys.current, row.kind, _open(keys, row.key_id, row.kind, row.body))
        connection.execute(update(merges).where(merges.c.seq == row.seq).values(body=body, key_id=keys.current.id))
    return len(old)


def _all(connection: Connection, keys: SubjectKeys, kind: str) -> tuple[Decision, ...]:
    return tuple(
        Decision(
            row.seq, row.kind, row.action, row.undoes, **_open(keys, row.key_id, row.kind, row.body), by=row.decided_by,
            at=row.decided_at if row.decided_at.tzinfo else row.decided_at.replace(tzinfo=UTC),
        )
        for row in connection.execute(select(merges).where(merges.c.kind == kind).order_by(merges.c.seq))
    )  # fmt: skip


def _seal(keys: KeySet, kind: str, said: Mapping[str, str]) -> bytes:
    return sealed(keys, b"merge " + kind.encode(), json.dumps(said).encode(), os.urandom(12))


def _open(keys: SubjectKeys, key_id: bytes, kind: str, body: bytes) -> dict[str, str]:
    under = keys.under(bytes(key_id))
    if under is None:
        raise Stop(
            "a merge was decided under keys that are gone",
            todo="bring HOME/keys back from its backup, or HUB_SUBJECT_KEY",
        )
    return dict(json.loads(opened(under, b"merge " + kind.encode(), bytes(body))))
