"""What a build of subject files is told, may use and says of itself: values that travel between its steps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ledger.loads import Load
from ledger.subject_merges import Decision
from ledger.subject_work import Pending
from schemas.contract import Contract
from subjects.histories import Histories
from subjects.kinds import Kinds


@dataclass(frozen=True)
class Work:
    """One kind's build as it travels between tasks: no personal data.

    `build` is its number, `version` that of the pointer before it (0: there is none), `due` whether files are to be built at all or only
    to be loaded; `merges` the last decisions on identifiers, before and now; `loaded` the build that the store holds.
    """

    pending: Pending
    build: int
    version: int
    due: bool
    merges: tuple[int, int]
    buckets: int
    loaded: int

    @property
    def kind(self) -> str:
        """The subject kind."""
        return self.pending.kind

    def to_json(self) -> dict[str, Any]:
        """The work as plain JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "Work":
        """The inverse of `to_json`."""
        return Work(**{**value, "pending": Pending(**value["pending"]), "merges": tuple(value["merges"])})


@dataclass(frozen=True)
class Built:
    """What a build did in the store: files written and removed."""

    kind: str
    written: int = 0
    removed: int = 0

    def __add__(self, other: "Built") -> "Built":
        return Built(self.kind, self.written + other.written, self.removed + other.removed)


@dataclass(frozen=True)
class Sources:
    """All that a build reads: declared kinds, applied contracts, histories, the published loads, and by kind what was decided of identifiers."""

    kinds: Kinds
    contracts: Mapping[str, Contract]
    histories: Histories
    loads: Iterable[Load]
    decisions: Mapping[str, Sequence[Decision]] = field(default_factory=dict)


@dataclass(frozen=True)
class Room:
    """What a build may use: memory in MB, threads, and a folder to spill into."""

    folder: Path | None = None
    memory_mb: int = 1024
    threads: int = 2

    def shared_by(self, workers: int) -> "Room":
        """The part of one of so many workers."""
        return Room(self.folder, self.memory_mb // workers, max(1, self.threads // workers))


ROOM = Room()
"""What a build may use where nobody says otherwise."""
