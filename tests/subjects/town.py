"""A hub's part for subjects, in one folder: lake, ledger and store, and each step of a build by itself or all at once."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from small_city import CONTRACTS, DAY0, City

from ledger import subject_merges
from ledger.database import Database, ledger_tables, subject_tables
from ledger.subject_keys import SubjectKeys
from ledger.subject_merges import Action, Decision
from ledger.subject_store import SubjectStore
from subjects import build, load, merges
from subjects.file import SubjectFile
from subjects.kinds import Kind
from subjects.work import Built, Room, Sources, Work

KEYS = SubjectKeys.of([b"k" * 32], b"n" * 32)
ROOM = Room(memory_mb=200, threads=1)


class Town:
    """Lake, ledger and store below a folder."""

    def __init__(self, folder: Path, city: City, kinds: dict[str, Kind], url: str = "") -> None:
        self.lake = folder / "lake"
        self.city = city
        self.kinds = kinds
        self.ledger = Database(f"sqlite:///{folder / 'ledger.db'}", ledger_tables)
        self.db = Database(url or f"sqlite:///{folder / 'subjects.db'}", subject_tables)
        self.ledger.create()
        self.db.create()
        self.store = SubjectStore(self.db, KEYS)

    def close(self) -> None:
        self.ledger.dispose()
        self.db.dispose()

    def sources(self) -> Sources:
        told = {kind: subject_merges.decisions(self.db, KEYS, kind) for kind in self.kinds}
        return Sources(self.kinds, CONTRACTS, self.city.histories(), self.city.loads(), told)

    def plan(self, buckets: int = 1, *, full: bool = False) -> list[Work]:
        decided = subject_merges.newest(self.db)
        return build.plan(
            self.lake, self.ledger, self.store, self.kinds, CONTRACTS, self.city.latest(), decided, buckets, full=full
        )

    def do(self, work: Work, sources: Sources | None = None, room: Room = ROOM) -> Built:
        sources = sources or self.sources()
        build.build(work, sources, self.lake, room)
        return load.load_all(work, sources, self.lake, self.ledger, self.store, DAY0, room)

    def run(self, buckets: int = 1, *, full: bool = False) -> list[Built]:
        return [self.do(work) for work in self.plan(buckets, full=full)]

    def decide(
        self, former: str, surviving: str, action: Action = "reissue", undoes: int | None = None, kind: str = "person"
    ) -> int:
        decision = Decision(0, kind, action, undoes, former, surviving, "because", "clerk", DAY0)
        return subject_merges.decide(self.db, KEYS, decision, lambda told: merges.check(told, decision))

    def undo(self, seq: int, kind: str = "person") -> int:
        undone = next(d for d in subject_merges.decisions(self.db, KEYS, kind) if d.seq == seq)
        return self.decide(undone.former, undone.surviving, "unmerge", seq, kind)

    def find(self, identifier: str, kind: str = "person") -> SubjectFile | None:
        stored = self.store.get(kind, identifier)
        return None if stored is None else SubjectFile.of(stored)

    def file(self, identifier: str, kind: str = "person") -> SubjectFile:
        found = self.find(identifier, kind)
        assert found is not None
        return found

    def plaintext(self, identifiers: Sequence[str], kind: str = "person") -> list[str | None]:
        """The canonical files of these identifiers."""
        found = [self.find(i, kind) for i in identifiers]
        return [None if f is None else json.dumps(f.body, ensure_ascii=False, sort_keys=True) for f in found]

    def body(self, identifier: str, kind: str = "person") -> Any:
        found = self.find(identifier, kind)
        return None if found is None else found.body


@contextmanager
def town_of(city: City, kinds: dict[str, Kind]) -> Iterator[Town]:
    """A town of its own, for tests that need many."""
    with TemporaryDirectory() as folder:
        town = Town(Path(folder), city, kinds)
        try:
            yield town
        finally:
            town.close()
