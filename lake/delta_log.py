"""A Delta log after a power cut: what was written last may be empty, half there or gone, for deltalake does not fsync.

The ledger is told of a commit only after `durable.sync_log`. So an entry at the log's end that is not whole was told to nobody.

1. `opened` gives the table at its last whole entry: a reader goes on as if the power had gone a moment earlier. A checkpoint that
   is torn, or ahead of the entries, is only a copy of them: whoever meets it removes it.
2. `mend` clears the end for a writer: torn entries are set aside (renamed, kept to be looked at).

An entry that is damaged after it was told looks the same here. The hub tells the difference: the ledger then knows more loads than the lake.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lake.durable import sync_folder

if TYPE_CHECKING:
    from deltalake import DeltaTable

METADATA = "cityhub"
"""Where a commit of ours carries its facts."""


@dataclass(frozen=True)
class _End:
    """The last whole entry's version, -1 if there is none, and what lies torn behind it."""

    version: int
    entries: tuple[Path, ...]
    checkpoints: tuple[Path, ...]


def opened(path: Path) -> "DeltaTable | None":
    """The table in folder `path` at its last whole version; None if it has none."""
    from deltalake import DeltaTable

    end = _end(path / "_delta_log")
    for file in end.checkpoints:
        file.unlink(missing_ok=True)
    if end.version < 0:
        return None
    return DeltaTable(str(path), version=end.version) if end.entries else DeltaTable(str(path))


def mend(path: Path) -> bool:
    """Set the torn entries of the log in folder `path` aside; whether there were any.

    Only for who holds the dataset's lease. (An entry is linked into the log whole, so a torn one is nobody's work in progress.)
    """
    log = path / "_delta_log"
    torn = _end(log).entries
    for entry in torn:
        entry.rename(entry.with_name(f"{entry.name}.torn"))
    if torn:
        sync_folder(log)
    return bool(torn)


def facts(table: "DeltaTable", path: Path) -> Iterator[str]:
    """What our commits carry under `METADATA`, newest first, up to the version that the table is opened at."""
    for entry in sorted((path / "_delta_log").glob("*.json"), reverse=True):
        if _number(entry) <= table.version():
            info = json.loads(entry.read_bytes().partition(b"\n")[0]).get("commitInfo", {})
            if METADATA in info:
                yield info[METADATA]


def _end(log: Path) -> _End:
    hint = log / "_last_checkpoint"
    hinted = _hinted(
        hint
    )  # a writer makes entry, checkpoint and hint in this order, so they are looked at the other way round
    checkpoints = {_number(file): file for file in log.glob("*.checkpoint*.parquet")}
    entries = sorted(log.glob("*.json"))
    torn = []
    while entries and not _whole(entries[-1]):
        torn.append(entries.pop())
    version = _number(entries[-1]) if entries else -1
    # An entry vouches for the checkpoints before it: its writer had opened the table.
    bad = {n: file for n, file in checkpoints.items() if n > version or (n == version and not _readable(file))}
    dangling = hinted is not None and hinted not in checkpoints.keys() - bad.keys()
    return _End(version, tuple(torn), (*bad.values(), *([hint] if dangling else [])))


def _hinted(hint: Path) -> int | None:
    """The version of the checkpoint that readers are led to; -1 if the hint is torn, None if there is none."""
    try:
        return int(json.loads(hint.read_bytes())["version"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return -1


def _number(file: Path) -> int:
    return int(file.name[:20])


def _whole(entry: Path) -> bool:
    """Whether an entry is there to its end: each line an action, and of ours the last one, which is the application transaction."""
    kinds: dict[str, Any] = {}
    with suppress(ValueError, AttributeError):
        for line in entry.read_bytes().splitlines():
            kinds |= json.loads(line)
        first = {"protocol", "metaData"} if _number(entry) == 0 else set()
        ours = {"txn"} if METADATA in kinds.get("commitInfo", ()) else set()
        return bool(kinds) and first | ours <= kinds.keys()
    return False


def _readable(checkpoint: Path) -> bool:
    try:
        pq.read_table(checkpoint)
    except (pa.ArrowInvalid, OSError):
        return False
    return True
