"""Departments that cannot be reached send batches to the hub; this connector reads what has arrived and was not read before.

The watermark is the id of the last batch read. Batches come as they were sent, one part each, in order of arrival, so that of two that
hold one key the later wins. A batch declared complete is the whole table: it is read alone, in the place of all before it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa

from connectors import inbox
from connectors.batches import ROW
from connectors.formats import decode
from connectors.inbox import Receipt
from connectors.interface import Closing, Part, Probe, Reading, Rows, SourceColumn
from connectors.options import options
from connectors.paths import held
from schemas.contract import Column, Source
from schemas.errors import SourceDamaged, SourceMissing

CHUNK = 1 << 20


class PushConnector(Closing):
    """One dataset's inbox below `root`; `source.table` is the dataset."""

    def __init__(self, source: Source, *, root: Path) -> None:
        options(source)
        self.source = source
        self.root = root

    def probe(self) -> Probe:
        """Tell what has arrived; an empty inbox is no fault, for the department has yet to send."""
        batches = self._sealed(self.source.table)
        rows = {self.source.table: Rows(sum(r.records for r in batches))}
        return Probe("inbox", "push", self.tables(), f"{len(batches)} batches in the inbox", rows)

    def tables(self) -> tuple[str, ...]:
        """The dataset alone."""
        return (self.source.table,)

    def describe(self, table: str) -> tuple[SourceColumn, ...]:
        """The columns of the newest batch; text, or an Arrow stream's own types."""
        return tuple(SourceColumn(field.name, str(field.type)) for field in self._head(table, 1).schema)

    def sample(self, table: str, n: int) -> pa.Table:
        """The first `n` records of the newest batch."""
        return self._head(table, n)

    def read(self, columns: Sequence[Column], watermark: str | None) -> Reading:  # noqa: ARG002 - the inbox is not asked by column
        """The batches that arrived after the watermark; the newest complete one alone, if there is one."""
        if watermark and not watermark.isdecimal():
            raise SourceDamaged("the watermark is not one of this source", todo="run once with full refresh")
        batches = self._sealed(self.source.table, watermark or "")
        whole = [batch for batch in batches if batch.complete][-1:]
        chosen = whole or batches
        mark = chosen[-1].id if chosen else watermark
        note = f"{len(batches) - 1} other batches wait or were superseded" if whole and len(batches) > 1 else ""
        return Reading(
            lambda _: (Part(b.name, b.media, chunks=self._chunks(b)) for b in chosen),
            complete=bool(whole), consistent=True, mark=mark, note=note,
        )  # fmt: skip

    def _sealed(self, table: str, after: str = "") -> list[Receipt]:
        folder = held(self.root, table)
        return [r for r in inbox.sealed(folder, after=after) if not inbox.discarded(folder, r.id).exists()]

    def _chunks(self, batch: Receipt) -> Iterator[bytes]:
        """The batch's bytes, which must be those that the receipt was given for."""
        digest = hashlib.sha256()
        try:
            with inbox.body(held(self.root, self.source.table), batch).open("rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
                    yield chunk
        except FileNotFoundError:
            digest = hashlib.sha256(b"gone")
        if digest.hexdigest() != batch.sha256:
            raise SourceDamaged(
                f"batch {batch.name} is no longer what its receipt says",
                todo=f"restore it, or: hub inbox discard {batch.dataset} {batch.id}, and ask the department to send it again",
            )

    def _head(self, table: str, n: int) -> pa.Table:
        newest = self._sealed(table)[-1:]
        if not newest:
            raise SourceMissing(f"nothing has arrived for {table}", todo="ask the department to push a first batch")
        batches = decode(inbox.body(held(self.root, table), newest[0]), newest[0].media, self.source)
        first = next(batches)
        taken = [first, *islice(batches, max(n - 1, 0) // max(first.num_rows, 1))]
        return pa.Table.from_batches(taken).slice(0, n).drop_columns([ROW])
