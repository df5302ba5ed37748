"""Taking in what a department pushes: nothing is acknowledged before it would survive a power cut, nothing is taken in twice.

1. `Door.open` locks the key (client and Idempotency-Key); while another request of that key is under way it is a Conflict. The lock
   is the operating system's (flock): whoever is killed lets go of it.
2. `Arrival.write` streams the body to `DATASET/arriving/KEY`, hashed on the way, up to the limit.
3. `Arrival.seal` looks at the form, forces the body to the disk, and under the dataset's lock gives it the next id, has the audit
   written, moves the body to its place and writes the receipt, atomically. From then on the batch is there; before, it is not.
4. A key that has a receipt gets the same receipt for the same body, and Invalid for another.

`clean` removes what was published and is past the contract's retention, and what nobody will finish.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from connectors import form
from connectors.inbox import PushMedia, Receipt, body, discarded, sealed
from lake import crash
from lake.durable import make_folder, sync_folder, write_atomically
from schemas.contract import Contract, SyncMode
from schemas.errors import Conflict, Invalid, NotFound, Retry, SourceDamaged, TooLarge

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNFINISHED = timedelta(days=1)


def folder(lake: Path, dataset: str) -> Path:
    """The dataset's inbox."""
    return root(lake) / dataset


def root(lake: Path) -> Path:
    """The folder of all inboxes."""
    return lake / "inbox"


@dataclass(frozen=True)
class Door:
    """Where one client's batches for one dataset come in; bodies up to `limit` bytes."""

    lake: Path
    dataset: str
    client: str
    sync: SyncMode
    limit: int
    clock: Callable[[], datetime]

    def open(self, key: str, media: PushMedia, *, complete: bool) -> "Arrival":
        """An arrival under this Idempotency-Key, to be used in a `with`.

        Raises:
            Conflict: a request with this key is under way.
            Invalid: the dataset wants whole tables and this is none, or the other way round.
        """
        self._check(complete)
        place = folder(self.lake, self.dataset)
        with _storing():
            for name in ("arriving", "batches", "receipts"):
                make_folder(place / name)
            digest = hashlib.sha256(f"{self.client}\0{key}".encode()).hexdigest()[:32]
            return Arrival(self, place, digest, media, complete)

    def _check(self, complete: bool) -> None:
        if self.sync == "snapshot" and not complete:
            raise Invalid(
                f"each batch of {self.dataset} is the whole table", todo="say so: ?complete=true", field="complete"
            )
        if self.sync == "append" and complete:
            raise Invalid(
                f"{self.dataset} only grows: no batch is the whole table", todo="leave complete out", field="complete"
            )


class Arrival:
    """One body on its way in; used by one thread at a time. Leaving it lets go of the key and of what was not sealed."""

    def __init__(self, door: Door, place: Path, key: str, media: PushMedia, complete: bool) -> None:
        self.door, self.folder, self.key, self.media, self.complete = door, place, key, media, complete
        self.bytes = 0
        self._digest = hashlib.sha256()
        self._path = place / "arriving" / key
        self._file = os.fdopen(_lock(self._path), "wb", buffering=0)
        self._file.truncate()
        self._known = next(iter(sealed(place, key=key)), None)

    def write(self, chunk: bytes) -> None:
        """Take in the next bytes. Raises TooLarge beyond the door's limit, Retry if the disk does not take them."""
        self.bytes += len(chunk)
        if self.bytes > self.door.limit:
            raise too_large(self.door.limit)
        self._digest.update(chunk)
        if self._known is None:
            with _storing():
                self._file.write(chunk)

    def seal(self, record: Callable[[Receipt], None]) -> tuple[Receipt, bool]:
        """The receipt, and whether it was given before. `record` returns once the acceptance is in the audit.

        Raises:
            Invalid: the body is empty or cannot be read to its end, or the key came with another body before.
            Retry: the disk does not take it.
        """
        crash.point("push.received")
        if self._known is not None:
            return self._again(self._known), True
        records = self._count()
        with _storing():
            os.fsync(self._file.fileno())
            with _alone(self.folder):
                now = self.door.clock()
                receipt = Receipt(
                    _next_id(self.folder, now), self.door.dataset, now.astimezone(UTC).isoformat(), self.media,
                    self.bytes, records, self._digest.hexdigest(), self.complete,
                )  # fmt: skip
                record(receipt)
                self._path.replace(body(self.folder, receipt))
                sync_folder(self.folder / "batches")
                crash.point("push.before-receipt")
                write_atomically(self.folder / "receipts" / f"{receipt.id}.{self.key}.json", receipt.to_json().encode())
        crash.point("push.after-receipt")
        return receipt, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _is_at(self._file.fileno(), self._path):
            self._path.unlink()
        self._file.close()

    def _again(self, known: Receipt) -> Receipt:
        same = (known.sha256, known.media, known.complete) == (self._digest.hexdigest(), self.media, self.complete)
        if not same:
            raise Invalid(
                "this Idempotency-Key came with another body before",
                todo="send each batch under a key of its own",
                field="Idempotency-Key",
                receipt=known.id,
            )
        return known

    def _count(self) -> int:
        try:
            records = form.count(self._path, self.media) if self.bytes else 0
        except SourceDamaged as error:
            raise Invalid(error.what, todo=error.todo, **error.facts) from None
        if not records:
            raise Invalid("the body holds no record", todo="send at least one", field="body")
        return records


@contextmanager
def once(place: Path, key: str) -> Iterator[None]:
    """Nobody else does the same under this key meanwhile; whoever is killed lets go of it. Raises Conflict."""
    make_folder(place)
    path = place / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.lock"
    descriptor = _lock(path)
    try:
        yield
    finally:
        path.unlink()
        os.close(descriptor)


def too_large(limit: int) -> TooLarge:
    """The refusal of a body beyond `limit` bytes."""
    return TooLarge(
        f"the body is larger than {limit >> 20} MiB",
        todo="send several smaller ones, each with a key of its own",
        limit=limit,
    )


def find(lake: Path, dataset: str, id_: str) -> Receipt:
    """The receipt with this id. Raises NotFound."""
    place = folder(lake, dataset)
    names = list((place / "receipts").glob(f"{id_}.*.json")) if re.fullmatch(r"\d{16}", id_) else []
    if not names:
        raise NotFound(
            f"{dataset} has no receipt of this id", todo="a receipt is kept as long as its batch: see retention"
        )
    return Receipt.from_json(names[0].read_text())


def discard(lake: Path, receipt: Receipt, *, reason: str, at: datetime) -> None:
    """Set a batch aside, so that no read takes it; it stays until upkeep."""
    mark = discarded(folder(lake, receipt.dataset), receipt.id)
    make_folder(mark.parent)
    write_atomically(mark, json.dumps({"reason": reason, "at": at.isoformat()}, ensure_ascii=False).encode())


def discard_reason(lake: Path, receipt: Receipt) -> str | None:
    """Why a batch was set aside, None if it was not."""
    mark = discarded(folder(lake, receipt.dataset), receipt.id)
    return str(json.loads(mark.read_bytes())["reason"]) if mark.exists() else None


def clean(lake: Path, contract: Contract, *, now: datetime, published: str) -> int:
    """Remove batches that a published load covers (up to id `published`) or that were discarded, once past retention; returns how many.

    Bodies that never got their receipt go after a day.
    """
    place = folder(lake, contract.dataset)
    if not (place / "receipts").is_dir():
        return 0
    limit = f"{_micros(now - timedelta(days=contract.retention_days)):016d}"
    old = [r for r in sealed(place) if r.id <= limit and (r.id <= published or discarded(place, r.id).exists())]
    for receipt in old:
        for path in (*(place / "receipts").glob(f"{receipt.id}.*"), body(place, receipt), discarded(place, receipt.id)):
            path.unlink(missing_ok=True)
    _clean_unfinished(place, now - _UNFINISHED)
    return len(old)


def _clean_unfinished(place: Path, before: datetime) -> None:
    for path in (place / "arriving").iterdir():
        with suppress(Conflict, FileNotFoundError):
            if path.stat().st_mtime < before.timestamp():
                descriptor = _lock(path)
                path.unlink()
                os.close(descriptor)
    with _alone(place):
        ids = {path.name[:16] for path in (place / "receipts").iterdir()}
        for path in (place / "batches").iterdir():
            if path.name[:16] not in ids and path.stat().st_mtime < before.timestamp():
                path.unlink()


def _next_id(place: Path, now: datetime) -> str:
    """Microseconds since 1970, but always above the last: a clock set back does not change the order."""
    last = max((path.name[:16] for path in (place / "receipts").glob("*.json")), default="0")
    return f"{max(int(last) + 1, _micros(now)):016d}"


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _lock(path: Path) -> int:
    """The descriptor of a file that nobody else has locked. Raises Conflict."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Conflict(
                "a request with this Idempotency-Key is still under way",
                todo="wait for its answer, then send the same again",
            ) from None
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # it was moved away while this waited in line


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one at `path` now."""
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One sealing at a time in a dataset's inbox."""
    descriptor = os.open(place / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _storing() -> Iterator[None]:
    """A disk that does not take the bytes is no fault of the caller's."""
    try:
        yield
    except OSError as error:
        what = os.strerror(error.errno or 0)
        raise Retry(
            f"the batch could not be stored ({what})", todo="send the same again later, under the same key"
        ) from None
