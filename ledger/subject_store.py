"""The subject store: one file per subject, found by a keyed pseudonym, never by the identifier.

1. A build begins by taking the next number of its kind (`begin`): the fence. Whoever began earlier can write no more.
2. Files are put and deleted in batches, each one transaction that looks at the fence first.
3. A full build ends by removing what it did not write (`sweep`).

A row's key is HMAC-SHA-256 of kind and identifier; the etag is keyed as well, so that a copied store confirms no guess
at a file's content. `codec` says how a body is packed, so that encryption can follow beside files written before it.
"""

import hmac
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    LargeBinary,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ledger.database import Database, subject_tables
from schemas.errors import Superseded

_CODEC = "zlib"
_LEVEL = 3
_SHORTEST_KEY = 32

files = Table(
    "subject_files",
    subject_tables,
    Column("kind", String(32), primary_key=True),
    Column("subject_key", LargeBinary(32), primary_key=True),
    Column("key_id", String(32), nullable=False),
    Column("codec", String(16), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("etag", String(32), nullable=False),
    Column("built_at", DateTime(timezone=True), nullable=False),
    Column("build", BigInteger, nullable=False),
)
fences = Table(
    "subject_fences",
    subject_tables,
    Column("kind", String(32), primary_key=True),
    Column("build", BigInteger, nullable=False),
)
builds = Table(
    "subject_builds",
    subject_tables,
    Column("kind", String(32), primary_key=True),
    Column("build", BigInteger, primary_key=True, autoincrement=False),
    Column("sources", Text, nullable=False),
    Column("begun_at", DateTime(timezone=True), nullable=False),
)


@dataclass(frozen=True)
class SubjectKey:
    """The key that turns identifiers into pseudonyms: its id, and at least 32 secret bytes."""

    id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < _SHORTEST_KEY:
            raise ValueError(f"subject key {self.id!r} is shorter than {_SHORTEST_KEY} bytes")

    def pseudonym(self, kind: str, identifier: str) -> bytes:
        """The 32 bytes that stand for the subject; without the key nobody can tell whom."""
        return hmac.digest(self.secret, f"subject\0{kind}\0{identifier}".encode(), "sha256")

    def etag(self, body: bytes) -> str:
        """A tag that changes with the body and tells nothing of it."""
        return hmac.digest(self.secret, b"etag\0" + body, "sha256")[:16].hex()


@dataclass(frozen=True)
class StoredFile:
    """One subject file as stored. `body` is its canonical JSON, `sources` the load of each dataset that its build read."""

    kind: str
    pseudonym: str
    body: bytes = field(repr=False)
    etag: str
    built_at: datetime
    build: int
    sources: dict[str, int]


class SubjectStore:
    """The store's doors; one key is in use at a time."""

    def __init__(self, db: Database, key: SubjectKey) -> None:
        self._db = db
        self._key = key

    def get(self, kind: str, identifier: str) -> StoredFile | None:
        """The subject's file, or None."""
        query = (
            select(files, builds.c.sources)
            .outerjoin(builds, (builds.c.kind == files.c.kind) & (builds.c.build == files.c.build))
            .where(files.c.kind == kind, files.c.subject_key == self._key.pseudonym(kind, identifier))
        )
        with self._db.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        sources = json.loads(row.sources or "{}")
        body = zlib.decompress(row.body)
        built_at = row.built_at if row.built_at.tzinfo else row.built_at.replace(tzinfo=UTC)
        return StoredFile(kind, row.subject_key.hex(), body, row.etag, built_at, row.build, sources)

    def pseudonym(self, kind: str, identifier: str) -> str:
        """What the subject is called where its identifier must not stand (seals, audit), as hex."""
        return self._key.pseudonym(kind, identifier).hex()

    def begin(self, kind: str, sources: Mapping[str, int], at: datetime) -> int:
        """The number of a new build of `kind`; from now on every earlier build's writes are refused."""
        text = json.dumps(dict(sorted(sources.items())), separators=(",", ":"))
        with self._db.write() as connection:
            held = fences.c.kind == kind
            if not connection.execute(update(fences).where(held).values(build=fences.c.build + 1)).rowcount:
                connection.execute(insert(fences).values(kind=kind, build=1))
            build = int(connection.execute(select(fences.c.build).where(held)).scalar_one())
            connection.execute(insert(builds).values(kind=kind, build=build, sources=text, begun_at=at))
        return build

    def put_many(self, kind: str, build: int, bodies: Sequence[tuple[str, bytes]], at: datetime) -> None:
        """Write the files of these (identifier, canonical JSON) pairs in one transaction.

        Raises:
            Superseded: a later build of this kind has begun.
        """
        rows = [
            {
                "kind": kind,
                "subject_key": self._key.pseudonym(kind, identifier),
                "key_id": self._key.id,
                "codec": _CODEC,
                "body": zlib.compress(body, _LEVEL),
                "etag": self._key.etag(body),
                "built_at": at,
                "build": build,
            }
            for identifier, body in bodies
        ]
        with self._db.write() as connection:
            _check(connection, kind, build)
            if rows:
                connection.execute(_upsert(self._db.is_sqlite), rows)

    def delete_many(self, kind: str, build: int, identifiers: Sequence[str]) -> int:
        """Remove the files of these subjects in one transaction; how many there were.

        Raises:
            Superseded: a later build of this kind has begun.
        """
        keys = [self._key.pseudonym(kind, identifier) for identifier in identifiers]
        with self._db.write() as connection:
            _check(connection, kind, build)
            return sum(
                connection.execute(delete(files).where(files.c.kind == kind, files.c.subject_key.in_(some))).rowcount
                for some in _slices(keys, 500)
            )

    def sweep(self, kind: str, build: int) -> int:
        """Remove every file of `kind` that an earlier build wrote and this full one did not; how many there were.

        Raises:
            Superseded: a later build of this kind has begun.
        """
        with self._db.write() as connection:
            _check(connection, kind, build)
            return connection.execute(delete(files).where(files.c.kind == kind, files.c.build < build)).rowcount

    def count(self, kind: str) -> int:
        """How many files of this kind are stored."""
        query = select(func.count()).select_from(files).where(files.c.kind == kind)
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())


def _check(connection: Connection, kind: str, build: int) -> None:
    """Hold the fence for this transaction and refuse a build that is not the newest."""
    held = select(fences.c.build).where(fences.c.kind == kind).with_for_update(read=True)
    newest = connection.execute(held).scalar()
    if newest != build:
        raise Superseded(
            f"build {build} of {kind} files is void: build {newest} has begun", todo="let the newer build finish"
        )


def _upsert(is_sqlite: bool) -> sqlite.Insert | postgresql.Insert:
    statement = (sqlite.insert if is_sqlite else postgresql.insert)(files)
    values: dict[str, Any] = {c.name: bindparam(c.name) for c in files.columns}
    changed = {c.name: statement.excluded[c.name] for c in files.columns if not c.primary_key}
    return statement.values(values).on_conflict_do_update(index_elements=["kind", "subject_key"], set_=changed)


def _slices(values: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
