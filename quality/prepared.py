"""A delivery standardised while it is still being read: batches are looked at on their way into landing.

1. `Preparing.watched` gives the same reading; each batch that it hands on is shown to a thread, which standardises into a folder of its own.
2. `seal`, called once the landing is sealed, waits for the thread, forces its files to the disk and names the delivery in `prepared.json`.
3. `find` gives the judge what was prepared from exactly this landing under this contract. If there is nothing, it standardises what landed.

Only a database's batches are prepared, others land as bytes; and only if they are worth a thread (`WORTH`). Whatever goes wrong here is no
fault of the read: nothing is prepared then, and the judge meets the same fault in what landed, and tells it.
"""

import hashlib
import json
import queue
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Self

import pyarrow as pa

from connectors.batches import number, numbered_schema
from connectors.interface import Part, Reading
from lake.durable import sync_file, sync_folder, write_atomically
from lake.session import session
from quality.drift import Delivery, Fitting
from quality.standardise import merged, standardise
from schemas.contract import Contract

NAME = "prepared.json"
WORTH = 8 << 20
"""Bytes of batches from which on preparing begins: less is standardised sooner afterwards than a thread and its session are there."""
Shown = tuple[int, str, pa.RecordBatch]


@dataclass(frozen=True)
class Prepared:
    """A delivery's standardised files, how many rows they hold, and how it was fitted to the contract."""

    folder: Path
    rows: int
    files: tuple[Path, ...]
    fitting: Fitting


class Preparing:
    """Standardises in a thread what it is shown; leaving the block ends it, and without `seal` nothing stays.

    Each has a folder of its own: a task tried again beside its zombie must not write over what the zombie publishes.
    """

    def __init__(self, contract: Contract, work: Path, *, first_seq: int, load: int, memory_mb: int) -> None:
        self.contract, self.first_seq, self.load, self.memory_mb = contract, first_seq, load, memory_mb
        self.folder = work / f"early-{uuid.uuid4().hex[:8]}"
        self._shown: queue.Queue[Shown | None] = queue.Queue(4)
        self._left, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._held, self._size = list[Shown](), 0
        self._parts = 0
        self._found: Prepared | None = None

    def watched(self, reading: Reading) -> Reading:
        """The same reading, its batches shown on their way."""
        return replace(reading, produce=lambda it: map(self._watched, reading.produce(it)))

    def seal(self, manifest: str) -> None:
        """Say that what was prepared is the delivery of the sealed landing with this manifest's digest."""
        if self._thread is None:
            return
        self._hand(None)
        self._thread.join()
        if self._found is None:
            return
        for file in self.folder.iterdir():
            sync_file(file)
        told = {
            "of": _identity(self.contract, manifest, self.first_seq, self.load),
            "rows": self._found.rows,
            "files": {file.name: file.stat().st_size for file in self._found.files},
            "fitting": self._found.fitting.to_json(),
        }
        write_atomically(self.folder / NAME, json.dumps(told, ensure_ascii=False).encode())
        sync_folder(self.folder.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        self._held.clear()
        if self._thread is not None:
            self._thread.join()
        if not (self.folder / NAME).exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _watched(self, part: Part) -> Part:
        if part.batches is None or part.schema is None:
            self._leave()
            return part
        self._parts += 1
        return replace(part, batches=self._passing(self._parts, part.name, part.schema, part.batches))

    def _passing(
        self, place: int, name: str, plain: pa.Schema, batches: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        """The batches of a part; they are shown as landing will give them back (`connectors.formats.columnar.landed`)."""
        schema, first = numbered_schema(plain.remove_metadata()), 1
        for batch in batches:
            self._show((place, name, number(batch, schema, first)))
            first += batch.num_rows
            yield batch
        if first == 1:
            empty = pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
            self._show((place, name, empty))

    def _show(self, shown: Shown) -> None:
        """Hand a batch to the thread, which begins once there is enough for it."""
        if self._thread is not None:
            self._hand(shown)
            return
        self._held.append(shown)
        self._size += shown[2].nbytes
        if self._size < WORTH:
            return
        self.folder.mkdir(parents=True)
        self._thread = threading.Thread(target=self._work, name=f"prepare-{self.contract.dataset}", daemon=True)
        self._thread.start()
        while self._held:
            self._hand(self._held.pop(0))

    def _hand(self, shown: Shown | None) -> None:
        """Wait until the thread takes something, unless it has given up; None is the end."""
        while not self._ended.is_set() and not self._left.is_set():
            with suppress(queue.Full):
                self._shown.put(shown, timeout=0.2)
                return

    def _work(self) -> None:
        fitting = Fitting(self.contract, self.folder / "drifted.parquet")
        try:
            with session(self.folder, self.memory_mb) as con:
                con.execute("SET threads = 1")
                fitted = fitting.fitted(merged(self._deliveries()))
                rows, files = standardise(con, self.contract, fitted, self.first_seq, self.folder, self.load)
            self._found = Prepared(self.folder, rows, tuple(files), fitting)
        except Exception:  # noqa: BLE001, S110 - the judge will meet it again, and tell it
            pass
        finally:
            self._ended.set()

    def _deliveries(self) -> Iterator[Delivery]:
        for (_, name), shown in groupby(self._taken(), itemgetter(0, 1)):
            yield name, (batch for _, _, batch in shown)

    def _taken(self) -> Iterator[Shown]:
        while True:
            try:
                shown = self._shown.get(timeout=0.2)
            except queue.Empty:
                if self._left.is_set():
                    raise RuntimeError("the reading ended early") from None
                continue
            if shown is None:
                return
            yield shown

    def _leave(self) -> None:
        """Prepare nothing more, and of this delivery nothing at all unless it is sealed already."""
        self._left.set()


def find(contract: Contract, work: Path, manifest: str, *, first_seq: int, load: int) -> Prepared | None:
    """What was prepared from the landing with this manifest's digest, for this run under this contract."""
    wanted = _identity(contract, manifest, first_seq, load)
    for path in work.glob(f"early-*/{NAME}"):
        told = json.loads(path.read_bytes())
        files = {path.with_name(name): size for name, size in told["files"].items()}
        if told["of"] == wanted and all(file.exists() and file.stat().st_size == size for file, size in files.items()):
            fitting = Fitting.of_json(contract, path.with_name("drifted.parquet"), told["fitting"])
            return Prepared(path.parent, told["rows"], tuple(files), fitting)
    return None


def _identity(contract: Contract, manifest: str, first_seq: int, load: int) -> str:
    """A delivery's rows, the meaning given to them and the numbers that they bear."""
    return hashlib.sha256(repr((manifest, contract, first_seq, load)).encode()).hexdigest()
