"""A read that is decoded on the way instead of landed: what reconciliation compares with the published table."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from connectors.batches import ROW, number, numbered_schema
from connectors.formats import decode
from connectors.interface import Connector, Part, Reading, Sweep
from schemas.contract import Column, Source


def sweep(connector: Connector, columns: Sequence[Column], scratch: Path) -> Sweep:
    """The sweep of any connector: its read without a watermark, held to the contract's columns."""
    reading = connector.read(columns, None)
    batches = _batches(reading, connector.source, [c.source for c in columns], scratch)
    return Sweep(batches, reading.complete, reading.consistent, reading.note, reading.release)


def _batches(reading: Reading, source: Source, names: Sequence[str], scratch: Path) -> Iterator[pa.RecordBatch]:
    for part in reading.parts():
        for batch in _numbered(part) if part.batches is not None else _decoded(part, source, scratch):
            yield batch.select([ROW, *(name for name in names if name in batch.schema.names)])


def _numbered(part: Part) -> Iterator[pa.RecordBatch]:
    first, schema = 1, numbered_schema(part.schema or pa.schema([]))
    for batch in part.batches or ():
        yield number(batch, schema, first)
        first += batch.num_rows


def _decoded(part: Part, source: Source, scratch: Path) -> Iterator[pa.RecordBatch]:
    """The part's records, from a file that is there only meanwhile."""
    spool = scratch / f"sweep.{part.media}"
    try:
        with spool.open("wb") as file:
            file.writelines(part.chunks or ())
        yield from decode(spool, part.media, source, name=part.name)
    finally:
        spool.unlink(missing_ok=True)
