"""A dataset's inbox: what a department pushed, in order of arrival. This module reads it; `lake.inbox` fills it.

    DATASET/receipts/ID.KEY.json    the receipt, byte for byte as it was answered; without one there is no batch
    DATASET/batches/ID.jsonl        the batch's bytes as they came (or ID.arrow)
    DATASET/discarded/ID.json       the data office set this batch aside, and why

An id is sixteen digits that only grow (microseconds since 1970, always above the last), so names sort by arrival. KEY stands for
client and Idempotency-Key.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

PushMedia = Literal["jsonl", "arrow"]


@dataclass(frozen=True)
class Receipt:
    """What a department holds in its hand: the batch arrived whole. `complete`: it is the whole table."""

    id: str
    dataset: str
    received_at: str
    media: PushMedia
    bytes: int
    records: int
    sha256: str
    complete: bool
    status: str = "received"

    @property
    def name(self) -> str:
        """The batch's name, in landings and in quarantine."""
        return f"{self.id}.{self.media}"

    def to_json(self) -> str:
        """The receipt as it is kept and answered."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> "Receipt":
        """The inverse of `to_json`."""
        return Receipt(**json.loads(text))


def sealed(folder: Path, *, after: str = "", key: str = "*") -> list[Receipt]:
    """The receipts in a dataset's folder, oldest first: later than id `after`, of one key if it is given."""
    names = sorted(path for path in (folder / "receipts").glob(f"*.{key}.json") if path.name[:16] > after)
    return [Receipt.from_json(path.read_text()) for path in names]


def body(folder: Path, receipt: Receipt) -> Path:
    """Where the batch's bytes are."""
    return folder / "batches" / receipt.name


def discarded(folder: Path, id_: str) -> Path:
    """The mark that the data office set this batch aside."""
    return folder / "discarded" / f"{id_}.json"
