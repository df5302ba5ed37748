"""The subject store: one file per subject, found by a keyed look-up key, never by the identifier; nothing in it is plain.

1. Loading a build begins by taking its number (`begin`): the fence. Whoever loads an older build can write no more, and neither can
   who holds keys that have been rotated.
2. Files are put and removed in batches, each one transaction that looks at the fence first. A row's body is an encrypted JSON array for each
   class of sensitivity, bound to its row.
3. A load of everybody ends by removing what it did not write (`sweep`); `finish` says that the build is in the store, whole.

Which merged identifier stands for which subject is a row too, as good as any other from outside. What rows have in common (layout, names of
datasets, facts of loads) is kept once, and plain: it tells of no subject.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from ledger import subject_rows
from ledger.carrying import carry_all
from ledger.database import Database, subject_tables
from ledger.subject_keys import KeySet, SubjectKeys
from ledger.subject_rows import Row, files
from ledger.subject_seals import POINTER, file_bodies, file_texts, is_file, pointed, pointer_body
from schemas.errors import Stop, Superseded
from schemas.struct import Quick

_SLICE = 2000
_OTHER_KEYS = "the subject store is written under other keys than this hub's"
_BRING_KEYS = "bring HOME/keys back from its backup, or HUB_SUBJECT_KEY"
states = Table(
    "subject_states",
    subject_tables,
    Column("kind", String(32), primary_key=True),
    Column("build", BigInteger, nullable=False),
    Column("loaded", BigInteger, nullable=False),
)
builds = Table(
    "subject_builds",
    subject_tables,
    Column("kind", String(32), primary_key=True),
    Column("build", BigInteger, primary_key=True, autoincrement=False),
    Column("sources", Text, nullable=False),
    Column("layout", Text, nullable=False),
    Column("begun_at", DateTime(timezone=True), nullable=False),
)
facts = Table(
    "subject_loads",
    subject_tables,
    Column("dataset", String(63), primary_key=True),
    Column("load", Integer, primary_key=True, autoincrement=False),
    Column("facts", Text, nullable=False),
)
rings = Table(
    "subject_keys",
    subject_tables,
    Column("name", String(8), primary_key=True),
    Column("key_id", LargeBinary(4), nullable=False),
)


Packed = tuple[Any, ...]
"""A file to put: its look-up key, the identifier and those merged into it (both None where none are), and its text for each class, as bytes."""


@dataclass(frozen=True, eq=False)
class Opened:
    """What the files of one build have in common; one value for all of them."""

    sources: dict[str, int]
    layout: dict[str, Any]


class StoredFile(Quick, frozen=True):
    """One file, decrypted: its text by class, with what its build and the loads of its values say.

    `named` makes the pseudonym of an identifier; `facts` are by (dataset, load).
    """

    kind: str
    texts: Mapping[str, bytes]
    build: int
    about: Opened
    facts: Mapping[tuple[str, int], Mapping[str, Any]]
    named: Callable[[str], str]


class SubjectStore:
    """The store's doors. `renew` gives the keys anew, for a process that outlives a rotation."""

    def __init__(self, db: Database, keys: SubjectKeys, renew: Callable[[], SubjectKeys] | None = None) -> None:
        self._db = db
        self._keys = keys
        self._renew = renew
        self._builds: dict[tuple[str, int], Opened] = {}
        self._facts: dict[tuple[str, int], dict[str, Any]] = {}

    @property
    def keys(self) -> SubjectKeys:
        """The keys in use."""
        return self._keys

    def get(self, kind: str, identifier: str) -> StoredFile | None:
        """The subject's file, also by an identifier that was merged into it, or None.

        Raises:
            Stop: the row does not open under our keys.
        """
        row = self._row(kind, identifier)
        if row is not None and not is_file(row[4]):
            _, survivor = pointed(self._under(row), row[0], row[4])
            row = self._row(kind, survivor)
        return None if row is None or not is_file(row[4]) else self._file(kind, row)

    def get_many(self, kind: str, identifiers: Sequence[str]) -> list[StoredFile | None]:
        """`get` for several, in their order: the database is asked once for all that are there under the keys in use."""
        keys = [self._keys.current.lookup(kind, one) for one in identifiers]
        rows = subject_rows.found(self._db, list(dict.fromkeys(keys)))
        return [
            self._file(kind, rows[key])
            if key in rows and is_file(rows[key][4]) and self._keys.under(rows[key][2])
            else self.get(kind, one)
            for key, one in zip(keys, identifiers, strict=True)
        ]

    def pseudonym(self, kind: str, identifier: str) -> str:
        """What the subject is called where its identifier must not stand; a merged subject's file knows better (`SubjectFile.pseudonym`)."""
        return self._keys.pseudonym(kind, identifier)

    def loaded(self, kind: str) -> int:
        """The build that is in the store, whole; 0 if none is."""
        with self._db.read() as connection:
            return int(connection.execute(select(states.c.loaded).where(states.c.kind == kind)).scalar() or 0)

    def begun(self, kind: str) -> int:
        """The newest build that anybody began to load; 0 if nobody did."""
        with self._db.read() as connection:
            return int(connection.execute(select(states.c.build).where(states.c.kind == kind)).scalar() or 0)

    def begin(
        self, kind: str, build: int, sources: Mapping[str, int], layout: Mapping[str, Any],
        told: Mapping[tuple[str, int], Mapping[str, Any]], at: datetime,
    ) -> None:  # fmt: skip
        """Begin or go on to load a build; from now on every earlier build's writes are refused. `told` are the facts of its loads.

        Raises:
            Superseded: a later build has begun, or other keys are in use.
        """
        with self._db.write(alone=f"subjects {kind}") as connection:
            _hold_keys(connection, self._keys.current.id)
            newest = connection.execute(select(states.c.build).where(states.c.kind == kind)).scalar()
            if newest is None:
                connection.execute(insert(states).values(kind=kind, build=build, loaded=0))
            elif newest > build:
                raise _void(kind, build, newest)
            else:
                connection.execute(update(states).where(states.c.kind == kind).values(build=build))
            known = select(builds.c.build).where(builds.c.kind == kind, builds.c.build == build)
            if connection.execute(known).scalar() is None:
                values = {"sources": _text(sources), "layout": _text(layout), "begun_at": at}
                connection.execute(insert(builds).values(kind=kind, build=build, **values))
            _tell(connection, told)

    def sealed(self, kind: str, build: int, classes: Sequence[str], packed: Iterable[Packed]) -> list[Row]:
        """The rows of these files, encrypted, and a pointer for each identifier that was merged into one; made while others are written."""
        keys, files = self._keys.current, list(packed)
        bodies = file_bodies(keys, classes, [(file[0], file[3:]) for file in files])
        rows = [(file[0], kind, keys.id, build, body) for file, body in zip(files, bodies, strict=True)]
        for _, identifier, former, *_ in files:
            for other in former or ():
                there = keys.lookup(kind, other)
                rows.append((there, kind, keys.id, build, pointer_body(keys, there, other, identifier)))
        return rows

    def write(self, kind: str, build: int, rows: Sequence[Row]) -> None:
        """Write rows that `sealed` made in one transaction; on the disk, at the latest, when `finish` returns.

        Raises:
            Superseded: a later build of this kind has begun, or other keys are in use.
        """
        with self._db.write() as connection:
            self._check(connection, kind, build)
            if not self._db.is_sqlite:  # a crash takes the end of a load that is not finished, and so is done again
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            if rows:
                subject_rows.put(connection, rows)

    def delete_many(self, kind: str, build: int, identifiers: Sequence[str]) -> int:
        """Remove the files of these subjects in one transaction; how many there were.

        Raises:
            Superseded: a later build of this kind has begun, or other keys are in use.
        """
        keys = [one.lookup(kind, identifier) for one in self._keys.sets for identifier in identifiers]
        with self._db.write() as connection:
            self._check(connection, kind, build)
            return subject_rows.remove(connection, keys)

    def sweep(self, kind: str, build: int) -> int:
        """Remove every file of `kind` that an earlier build wrote and this one of everybody did not; how many there were.

        Raises:
            Superseded: a later build of this kind has begun, or other keys are in use.
        """
        old = select(files.c.subject_key).where(files.c.kind == kind, files.c.build < build)
        removed, last = 0, b""
        while True:
            with self._db.write() as connection:
                self._check(connection, kind, build)
                query = old.where(files.c.subject_key > last).order_by(files.c.subject_key).limit(_SLICE)
                keys = [bytes(key) for key in connection.execute(query).scalars()]
                removed += subject_rows.remove(connection, keys)
            if len(keys) < _SLICE:
                return removed
            last = keys[-1]

    def finish(self, kind: str, build: int) -> None:
        """Say that the build is in the store, whole, and on SQLite in the store's file instead of its log.

        Raises:
            Superseded: a later build of this kind has begun, or other keys are in use.
        """
        with self._db.write() as connection:
            self._check(connection, kind, build)
            connection.execute(update(states).where(states.c.kind == kind).values(loaded=build))
        carry_all(self._db)

    def erase(self, kind: str, identifiers: Sequence[str]) -> int:
        """Remove whatever is stored of these subjects, whoever is building; how many rows there were."""
        keys = [one.lookup(kind, identifier) for one in self._keys.sets for identifier in identifiers]
        with self._db.write() as connection:
            return subject_rows.remove(connection, keys)

    def count(self, kind: str) -> int:
        """How many files of this kind are stored."""
        pointer = func.substr(files.c.body, 1, 1) != POINTER
        with self._db.read() as connection:
            return int(
                connection.execute(
                    select(func.count()).select_from(files).where(files.c.kind == kind, pointer)
                ).scalar_one()
            )

    def _row(self, kind: str, identifier: str) -> Row | None:
        """The row at the look-up key in use, or at an older one; on a miss a process that missed a rotation takes the keys anew."""
        keys = [one.lookup(kind, identifier) for one in self._keys.sets]
        rows = subject_rows.found(self._db, keys)
        for key in keys:
            if key in rows and self._keys.under(rows[key][2]):
                return rows[key]
        if self._renew is None or self._ring() in (None, self._keys.current.id):
            return None
        self._keys = self._renew()
        if self._ring() != self._keys.current.id:
            raise Stop(_OTHER_KEYS, todo=_BRING_KEYS)
        return self._row(kind, identifier)

    def _file(self, kind: str, row: Row) -> StoredFile:
        about = self._about(kind, row[3])
        texts = file_texts(self._under(row), row[0], about.layout["classes"], row[4])
        return StoredFile(kind, texts, row[3], about, self._facts, partial(self._keys.pseudonym, kind))

    def _under(self, row: Row) -> KeySet:
        keys = self._keys.under(row[2])
        if keys is None:
            raise Stop(_OTHER_KEYS, todo=_BRING_KEYS)
        return keys

    def _ring(self) -> bytes | None:
        """The id of the keys that the store is written under."""
        with self._db.read() as connection:
            return _ring(connection)

    def _about(self, kind: str, build: int) -> Opened:
        """What the files of a build have in common; looked up once."""
        found = self._builds.get((kind, build))
        if found is None:
            with self._db.read() as connection:
                row = connection.execute(select(builds).where(builds.c.kind == kind, builds.c.build == build)).one()
                told = connection.execute(select(facts))
                self._facts.update({(one.dataset, one.load): json.loads(one.facts) for one in told})
            found = Opened(json.loads(row.sources), json.loads(row.layout))
            self._builds[kind, build] = found
        return found

    def _check(self, connection: Connection, kind: str, build: int) -> None:
        """Hold the fence for this transaction and refuse a build that is not the newest, and keys that are not in use."""
        newest = connection.execute(
            select(states.c.build).where(states.c.kind == kind).with_for_update(read=True)
        ).scalar()
        if newest != build:
            raise _void(kind, build, newest)
        if _ring(connection) != self._keys.current.id:
            raise Superseded(
                "the subject store's keys were rotated meanwhile", todo="load the build again: hub subject build"
            )


def layout_of(connection: Connection, kind: str, build: int) -> dict[str, Any]:
    """How the files of a build are packed."""
    found = select(builds.c.layout).where(builds.c.kind == kind, builds.c.build == build)
    return dict(json.loads(connection.execute(found).scalar_one()))


def rekey(connection: Connection, key_id: bytes) -> None:
    """From now on the store is written under the keys of this id."""
    connection.execute(delete(rings))
    connection.execute(insert(rings).values(name="ring", key_id=key_id))


def _hold_keys(connection: Connection, current: bytes) -> None:
    """Take the store, if it is new, for these keys."""
    ring = _ring(connection)
    if ring is None:
        rekey(connection, current)
    elif ring != current:
        raise Superseded(_OTHER_KEYS, todo=_BRING_KEYS)


def _ring(connection: Connection) -> bytes | None:
    found = connection.execute(select(rings.c.key_id)).scalar()
    return None if found is None else bytes(found)


def _tell(connection: Connection, told: Mapping[tuple[str, int], Mapping[str, Any]]) -> None:
    known = {(row.dataset, row.load): row.facts for row in connection.execute(select(facts))}
    for (dataset, load), about in told.items():
        text = _text(about)
        if known.get((dataset, load)) != text:
            connection.execute(delete(facts).where(facts.c.dataset == dataset, facts.c.load == load))
            connection.execute(insert(facts).values(dataset=dataset, load=load, facts=text))


def _void(kind: str, build: int, newest: int | None) -> Superseded:
    return Superseded(
        f"build {build} of {kind} files is void: build {newest} has begun", todo="let the newer build finish"
    )


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
