"""Landing: what the source sent, kept as it came.

1. Each part of a reading becomes a file named by its content's SHA-256: original bytes for files and APIs, a compressed Arrow stream
   for databases.
2. Files are fsynced, then the manifest is written atomically. A folder without a manifest is an interrupted read and counts for nothing.
3. `files` gives them back, each verified against its hash: a flipped bit stops the run instead of becoming data.
"""

import hashlib
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors.interface import Media, Part, Reading
from lake import crash
from lake.durable import make_folder, sync_folder, write_atomically
from schemas.errors import SourceDamaged

MANIFEST = "manifest.json"
_BLOCK = 1 << 20
_WRITTEN = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1), use_threads=False)


@dataclass(frozen=True)
class Landed:
    """One landed file: its name at the source, its name here, size in bytes, rows where known (else -1)."""

    source: str
    file: str
    media: Media
    bytes: int
    sha256: str
    rows: int = -1


@dataclass(frozen=True)
class Manifest:
    """The facts of one read.

    `watermark` is the connector's own text; `complete` means that an absent key was deleted; `note` is what a person should know
    of the read (an overlap instead of a bound, for one).
    """

    dataset: str
    run: str
    files: tuple[Landed, ...]
    watermark: str | None
    complete: bool
    consistent: bool
    landed_at: str
    note: str = ""

    @property
    def bytes(self) -> int:
        """Bytes landed in all."""
        return sum(f.bytes for f in self.files)


def folder(lake: Path, dataset: str, run: str) -> Path:
    """Where a run's landing lies."""
    return lake / "landing" / dataset / run


def land(
    lake: Path,
    dataset: str,
    run: str,
    reading: Reading,
    *,
    landed_at: str,
    progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Write a reading down and seal it with its manifest. An earlier, interrupted try of the same run is written over.

    `progress` is told the bytes written since its last call.
    """
    target = folder(lake, dataset, run)
    make_folder(target)
    for leftover in target.iterdir():
        leftover.unlink()
    files = []
    with reading as source:
        for part in source.parts():
            files.append(_land_part(target, part, progress or (lambda _n: None)))
            crash.point("land.part")
        manifest = Manifest(
            dataset, run, tuple(files), source.watermark, source.complete, source.consistent, landed_at, source.note
        )
    sync_folder(target)
    crash.point("land.before-manifest")
    write_atomically(target / MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode())
    crash.point("land.after-manifest")
    return manifest


def manifest(lake: Path, dataset: str, run: str) -> Manifest | None:
    """The manifest of a run's landing, or None if it was never sealed."""
    path = folder(lake, dataset, run) / MANIFEST
    if not path.exists():
        return None
    value = json.loads(path.read_bytes())
    return Manifest(**{**value, "files": tuple(Landed(**f) for f in value["files"])})


def files(lake: Path, manifest: Manifest) -> Iterator[tuple[Landed, Path]]:
    """Each landed file with its path, in the order of reading, its hash verified.

    Raises:
        SourceDamaged: a landed file is missing or no longer has the content that was landed.
    """
    for landed in manifest.files:
        path = folder(lake, manifest.dataset, manifest.run) / landed.file
        if not path.exists() or _sha256(path) != landed.sha256:
            raise SourceDamaged(
                f"landed file {landed.file} of {manifest.dataset} differs from its manifest",
                todo=f"hub pull {manifest.dataset}",
            )
        yield landed, path


class _Hashing(io.RawIOBase):
    """A writable file that hashes what passes through."""

    def __init__(self, path: Path, progress: Callable[[int], None]) -> None:
        self.file = path.open("wb")
        self.hash = hashlib.sha256()
        self.bytes = 0
        self.progress = progress

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.hash.update(data)
        size = memoryview(data).nbytes
        self.bytes += size
        self.progress(size)
        return self.file.write(data)

    def close(self) -> None:
        if not self.closed:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        super().close()


def _land_part(target: Path, part: Part, progress: Callable[[int], None]) -> Landed:
    temporary = target / f".{uuid.uuid4().hex}.tmp"  # two tries of one run must not share it
    sink = _Hashing(temporary, progress)
    rows = -1
    if part.batches is not None and part.schema is not None:
        rows = 0
        with (  # buffered, so that the interpreter is not asked for each column's bytes
            pa.BufferedOutputStream(pa.PythonFile(sink, mode="w"), _BLOCK) as blocks,
            pa.ipc.new_stream(blocks, part.schema, options=_WRITTEN) as writer,
        ):
            for batch in part.batches:
                writer.write_batch(batch)
                rows += batch.num_rows
    elif part.chunks is not None:
        for chunk in part.chunks:
            sink.write(chunk)
    sink.close()
    digest = sink.hash.hexdigest()
    name = f"{digest[:32]}.{part.media}"
    temporary.replace(target / name)
    return Landed(part.name, name, part.media, sink.bytes, digest, rows)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
