"""Landed bytes into batches of text: one module a format, one door for all of them.

Every batch leads with `_row`, the 1-based number of the record in its file. Formats with a header give at least one batch, so
that the columns of an empty file show. A fault is SourceDamaged and names the file and the line or record, never a value.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, assert_never

import pyarrow as pa

from connectors.formats.arrow_stream import arrow_stream
from connectors.formats.columnar import parquet
from connectors.formats.delimited import delimited
from connectors.formats.objects import objects
from connectors.formats.workbook import workbook
from connectors.interface import Media
from schemas.contract import Source
from schemas.errors import SourceDamaged


def decode(path: Path, media: Media, source: Source, *, name: str = "") -> Iterator[pa.RecordBatch]:
    """The records of a landed file: `_row` and the source's column names, all text (Parquet keeps its own types).

    `name` stands for the file in messages, where the landed name says little to the department.
    """
    where = name or path.name
    if not path.stat().st_size:
        raise SourceDamaged(
            f"{where} is empty", todo="ask for the file again; a delivery without records still has a header"
        )
    return _opened(path, media, source, where)


def _opened(path: Path, media: Media, source: Source, where: str) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        yield from records(file, media, source, where)


def records(file: BinaryIO, media: Media, source: Source, where: str) -> Iterator[pa.RecordBatch]:
    """The records of an open, seekable file."""
    match media:
        case "csv":
            return delimited(file, source, where)
        case "xlsx":
            return workbook(file, source, where)
        case "jsonl" | "json":
            return objects(file, source, where)
        case "parquet":
            return parquet(file, where)
        case "arrow":
            return arrow_stream(file, where)
        case _:
            assert_never(media)
