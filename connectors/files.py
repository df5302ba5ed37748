"""Files that a department drops: `csv`, `xlsx`, `jsonl`, `parquet`; landed as their original bytes, decoded later.

`Source.table` is a path or a glob pattern below the drop root. With `options.done` (".ok") a file counts only once its marker
stands beside it (`2026.csv.ok`).

- snapshot: the newest file by name is the full state; no watermark.
- append, incremental: every file whose content was not read before, in the order of names. The watermark is `{name: sha256}`, so a
  file renamed is known and a file replaced is new.
"""

import glob
import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import fsspec
import pyarrow as pa

from connectors.batches import ROW, text_schema
from connectors.formats import decode
from connectors.interface import Closing, Media, Part, Probe, Reading, SourceColumn
from connectors.options import options
from connectors.paths import held
from schemas.contract import Column, Source
from schemas.errors import ContractInvalid, Problem, Retry, SourceDamaged, SourceMissing

MEDIA: dict[str, Media] = {"csv": "csv", "xlsx": "xlsx", "jsonl": "jsonl", "parquet": "parquet"}
CHUNK = 1 << 20
State = tuple[int, float]


class FileConnector(Closing):
    """One family of files below the drop root."""

    def __init__(self, source: Source, *, root: Path) -> None:
        if source.url not in ("", "file://"):
            raise ContractInvalid(
                [
                    Problem(
                        "servers[0]", "only local files below the drop root are read", "type: local, path: civil/*.csv"
                    )
                ]
            )
        self.source = source
        self.options = options(source)
        self.media = MEDIA[source.kind]
        self.root = root.resolve()
        self.files = fsspec.filesystem("file")

    def probe(self) -> Probe:
        """See that a file is there."""
        there = self.tables()
        if not there:
            raise self._missing(self.source.table)
        return Probe(f"file://{self.source.table}", self.media, there)

    def tables(self) -> tuple[str, ...]:
        """The files that match, by name below the drop root, sorted."""
        return tuple(self._match(self.source.table))

    def describe(self, table: str) -> tuple[SourceColumn, ...]:
        """The columns of the newest file that matches; types are those of Parquet, else text."""
        schema = self._head(table, 1).schema
        return tuple(SourceColumn(field.name, str(field.type)) for field in schema)

    def sample(self, table: str, n: int) -> pa.Table:
        """The first `n` records of the newest file that matches."""
        return self._head(table, n)

    def read(self, columns: Sequence[Column], watermark: str | None) -> Reading:  # noqa: ARG002 - files have no cursor column
        """The files to land; each is hashed as it streams, and refused if it changed meanwhile."""
        names = self._match(self.source.table)
        if self.source.sync == "snapshot":
            if not names:
                raise self._missing(self.source.table)
            return Reading(lambda _: (self._part(n) for n in names[-1:]), complete=True, consistent=True)
        known: dict[str, str] = json.loads(watermark) if watermark else {}
        if not names and not known:
            raise self._missing(self.source.table)
        return Reading(
            lambda reading: self._unread(reading, names, known), complete=False, consistent=True, mark=watermark
        )

    def _unread(self, reading: Reading, names: list[str], known: dict[str, str]) -> Iterator[Part]:
        """The parts whose content is new; two files of one content are one."""
        seen = dict(known)
        for name in names:
            content = _sha256(self._chunks(name))
            if content not in seen.values():
                yield self._part(name, content)
            seen[name] = content
        reading.mark = json.dumps(seen, ensure_ascii=False, sort_keys=True)

    def _part(self, name: str, content: str | None = None) -> Part:
        if not self._state(name)[0]:
            raise SourceDamaged(
                f"{name} is empty", todo="ask for the file again; a delivery without records still has a header"
            )
        return Part(name, self.media, chunks=self._chunks(name, content))

    def _chunks(self, name: str, content: str | None = None) -> Iterator[bytes]:
        """The file's bytes; Retry if its size, time or content is another at the end than at the start."""
        before, digest = self._state(name), hashlib.sha256()
        with self.files.open(str(held(self.root, name)), "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                yield chunk
        if self._state(name) != before or content not in (None, digest.hexdigest()):
            raise Retry(
                f"{name} changed while it was read",
                todo="the run tries again by itself; let the department drop whole files",
            )

    def _state(self, name: str) -> State:
        try:
            info = self.files.info(str(held(self.root, name)))
        except FileNotFoundError:
            raise Retry(f"{name} went away while it was read", todo="the run tries again by itself") from None
        return int(info["size"]), float(info["mtime"])

    def _match(self, pattern: str) -> list[str]:
        """Names below the root that match; a link that leads out is refused, as is a pattern that climbs."""
        held(self.root, pattern)
        found = self.files.glob(str(Path(glob.escape(str(self.root))) / pattern))
        names = sorted(Path(path).relative_to(self.root).as_posix() for path in found if self.files.isfile(path))
        marker = str(self.options.get("done") or "")
        if marker:
            names = [n for n in names if not n.endswith(marker) and self.files.exists(str(held(self.root, n + marker)))]
        return [name for name in names if held(self.root, name)]

    def _head(self, table: str, n: int) -> pa.Table:
        names = self._match(table)
        if not names:
            raise self._missing(table)
        batches = decode(held(self.root, names[-1]), self.media, self.source, name=names[-1])
        first = next(batches, None)
        if first is None:
            return text_schema(()).empty_table()
        taken = [first, *islice(batches, max(n - 1, 0) // max(first.num_rows, 1))]
        return pa.Table.from_batches(taken).slice(0, n).drop_columns([ROW])

    def _missing(self, pattern: str) -> SourceMissing:
        folder = held(self.root, pattern).parent
        there = sorted(p.name for p in islice(folder.iterdir(), 1000)) if folder.is_dir() else []
        return SourceMissing(
            f"no file {pattern} in the drop root (beside it: {', '.join(there[:20]) or 'nothing'})",
            todo="correct path in the contract, or ask for the file"
            + (" and its marker" if self.options.get("done") else ""),
        )


def _sha256(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
