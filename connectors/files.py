"""Files that a department drops or offers: `csv`, `xlsx`, `jsonl`, `parquet`, plain or in `.zip` and `.gz`; landed as they came.

`Source.url` says where they are (`connectors.stores`), `Source.table` is a path or a glob pattern there. With `options.done` (".ok") a file
counts only once its marker stands beside it (`2026.csv.ok`).

- snapshot: the newest file by name is the full state; no watermark.
- append, incremental: every file whose content was not read before, in the order of names. The watermark is `{name: [sha256, state]}`, so a
  file renamed is known and a file replaced is new. A file whose state (size, times, ETag) is the one it was hashed with is not read
  again to be hashed; a state younger than `SETTLED` at that time is not trusted, for clocks are coarse and not the hub's.

An encoding that is found out, not stated, and is not UTF-8 is told in the reading's note and in the probe's.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pyarrow as pa

from connectors.batches import ROW, text_schema
from connectors.detection import Sample, detect
from connectors.encodings import shown
from connectors.formats import KINDS, inside
from connectors.formats.archives import ARCHIVES, members
from connectors.formats.columnar import counted
from connectors.guard import Guard
from connectors.interface import Closing, Media, Part, Probe, Reading, Rows, SourceColumn
from connectors.options import options
from connectors.spool import spooled
from connectors.stores import State, open_store
from schemas.contract import Column, Source
from schemas.errors import Retry, SourceDamaged, SourceMissing

BLOCK = 1 << 20
SETTLED = timedelta(hours=1)
Known = dict[str, tuple[str, str]]


class FileConnector(Closing):
    """One family of files in one place."""

    def __init__(
        self,
        source: Source,
        *,
        secret: Callable[[str], str],
        root: Path,
        clock: Callable[[], datetime],
        guard: Guard,
    ) -> None:
        self.source = source
        self.options = options(source)
        self.clock = clock
        self.store = open_store(source, secret=secret, root=root, clock=clock, guard=guard)

    def __repr__(self) -> str:
        return f"FileConnector({self.store.where}, {self.source.table})"

    def probe(self) -> Probe:
        """See that a file is there, and how its text is encoded."""
        there = self.tables()
        if not there:
            raise self._missing(self.source.table)
        where = f"{self.store.where.rstrip('/')}/{self.source.table}"
        encoding = None
        if self._guesses():
            with self._start(there[-1]) as file:
                encoding = detect(file)
        note = f"encoding found out: {shown(encoding)}" if encoding else ""
        return Probe(where, self.source.kind, there, note, self._rows(there[-1]), encoding)

    def tables(self) -> tuple[str, ...]:
        """The files that match, by name, sorted."""
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
            return Reading(lambda reading: self._newest(reading, names[-1]), complete=True, consistent=True)
        known: Known = {name: (each[0], each[1]) for name, each in json.loads(watermark or "{}").items()}
        if not names and not known:
            raise self._missing(self.source.table)
        return Reading(
            lambda reading: self._unread(reading, names, known), complete=False, consistent=True, mark=watermark
        )

    def close(self) -> None:
        """Let go of the connection."""
        self.store.close()

    def _unread(self, reading: Reading, names: list[str], known: Known) -> Iterator[Part]:
        """The parts whose content is new; two files of one content are one."""
        seen, contents = dict(known), {content for content, _ in known.values()}
        for name in names:
            state = self.store.state(name)
            if name in known and state.stamp and known[name][1] == state.stamp:
                continue
            with self.store.whole(name) as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
                if content not in contents:
                    file.seek(0)
                    yield self._part(reading, name, state, file, content)
            contents.add(content)
            seen[name] = content, state.stamp if self._settled(state) else ""
        reading.mark = json.dumps(seen, ensure_ascii=False, sort_keys=True)

    def _settled(self, state: State) -> bool:
        """Whether a later change cannot leave the same state behind."""
        moment = state.changed
        return moment is not None and self.clock() - (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) > SETTLED

    def _newest(self, reading: Reading, name: str) -> Iterator[Part]:
        yield self._part(reading, name, self.store.state(name))

    def _part(
        self, reading: Reading, name: str, before: State, file: BinaryIO | None = None, content: str = ""
    ) -> Part:
        if before.size == 0:
            raise SourceDamaged(
                f"{name} is empty", todo="ask for the file again; a delivery without records still has a header"
            )
        chunks = self.store.chunks(name) if file is None else iter(lambda: file.read(BLOCK), b"")
        return Part(name, self._media(name), chunks=self._watched(reading, name, chunks, before, content))

    def _watched(
        self, reading: Reading, name: str, chunks: Iterator[bytes], before: State, content: str
    ) -> Iterator[bytes]:
        """The bytes as they pass; Retry if they are not all, or the file's state or content is another at the end."""
        size, digest, sample = 0, hashlib.sha256(), Sample()
        for chunk in chunks:
            size += len(chunk)
            digest.update(chunk)
            sample.feed(chunk)
            yield chunk
        if self.store.state(name) != before or content not in ("", digest.hexdigest()):
            raise Retry(
                f"{name} changed while it was read",
                todo="the run tries again by itself; let the department drop whole files",
            )
        if before.size not in (None, size):
            raise Retry(f"{name} broke off after {size} of {before.size} bytes", todo="the run tries again by itself")
        if self._guesses() and self._media(name) == "csv" and sample.encoding() != "utf-8":
            reading.note = "; ".join(
                filter(
                    None, (reading.note, f"{name} is taken for {shown(sample.encoding())}, as no encoding is stated")
                )
            )

    def _rows(self, name: str) -> dict[str, Rows]:
        """How many records the newest file has: as Parquet says, or by the length of a text file's first lines."""
        media, size = self._media(name), self.store.state(name).size
        if media == "parquet" and self.store.where == "file://":
            with self.store.whole(name) as file:
                return {name: Rows(counted(file, name))}
        if media not in ("csv", "jsonl") or not size:
            return {}
        start = next(self.store.chunks(name), b"")
        if media == "jsonl" and (self.options.get("records") or start[:64].lstrip(b"\xef\xbb\xbf \r\n")[:1] == b"["):
            return {}  # a document, not lines
        lines = start.count(b"\n") + (len(start) == size and not start.endswith(b"\n"))
        return {name: Rows(max(lines * size // len(start) - (media == "csv"), 0), exact=False)}

    def _guesses(self) -> bool:
        return self.source.kind == "csv" and not self.source.encoding

    def _media(self, name: str) -> Media:
        kind = KINDS[self.source.kind]
        return ARCHIVES.get(PurePosixPath(name).suffix.lower(), kind)

    def _match(self, pattern: str) -> list[str]:
        names = self.store.match(pattern)
        marker = str(self.options.get("done") or "")
        if not marker:
            return names
        return [name for name in names if not name.endswith(marker) and self.store.exists(name + marker)]

    def _head(self, table: str, n: int) -> pa.Table:
        names = self._match(table)
        if not names:
            raise self._missing(table)
        name = names[-1]
        if self._media(name) == "csv":
            start = next(self.store.chunks(name), b"")
            whole = self.store.state(name).size in (None, len(start))
            try:
                return self._taken(spooled([start if whole else start[: start.rfind(b"\n") + 1]]), name, n)
            except SourceDamaged:
                if whole:
                    raise
        return self._taken(self.store.whole(name), name, n)

    def _taken(self, file: BinaryIO, name: str, n: int) -> pa.Table:
        with file:
            batches = (batch for _, found in inside(file, self._media(name), self.source, name) for batch in found)
            first = next(batches, None)
            if first is None:
                return text_schema(()).empty_table()
            taken = [first, *islice(batches, max(n - 1, 0) // max(first.num_rows, 1))]
            return pa.Table.from_batches(taken).slice(0, n).drop_columns([ROW])

    def _start(self, name: str) -> BinaryIO:
        """As much of a text file, or of an archive's first member, as its encoding is found out from."""
        media = self._media(name)
        if media == "zip" or media == "gz":
            with self.store.whole(name) as file:
                return next(members(file, media, self.source, name))[1]
        return spooled([next(self.store.chunks(name), b"")])

    def _missing(self, pattern: str) -> SourceMissing:
        there = self.store.beside(pattern)
        return SourceMissing(
            f"no file {pattern} in {'the drop root' if self.store.where == 'file://' else self.store.where}"
            f" (beside it: {', '.join(there[:20]) or 'nothing'})",
            todo="correct path in the contract, or ask for the file"
            + (" and its marker" if self.options.get("done") else ""),
        )
