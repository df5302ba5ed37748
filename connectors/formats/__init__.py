"""Landed bytes into batches of text: one module a format, one door for all of them.

Every batch leads with `_row`, the 1-based number of the record in its file. Formats with a header give at least one batch, so
that the columns of an empty file show. A fault is SourceDamaged and names the file and the line or record, never a value.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, assert_never

import pyarrow as pa

from connectors.formats.archives import members
from connectors.formats.arrow_stream import arrow_stream
from connectors.formats.columnar import landed, parquet
from connectors.formats.delimited import delimited
from connectors.formats.objects import objects
from connectors.formats.workbook import workbook
from connectors.interface import Media
from schemas.contract import Source
from schemas.errors import SourceDamaged

KINDS: dict[str, Media] = {"csv": "csv", "xlsx": "xlsx", "jsonl": "jsonl", "parquet": "parquet"}
"""What the files of each kind of source are."""


def decode(path: Path, media: Media, source: Source, *, name: str = "") -> Iterator[pa.RecordBatch]:
    """The records of a landed file: `_row` and the source's column names, all text (Parquet keeps its own types).

    `name` stands for the file in messages, where the landed name says little to the department. An archive gives its members' records
    one after the other, each numbered from 1; `deliveries` tells them apart.
    """
    where = name or path.name
    with closing(deliveries(path, media, source, name=where)) as parts:
        for _, batches in parts:
            yield from batches


def deliveries(
    path: Path, media: Media, source: Source, *, name: str = ""
) -> Generator[tuple[str, Iterator[pa.RecordBatch]], None, None]:
    """Each file of a landed part with its records: an archive's members, else the part itself, under its name for people.

    Its records are to be read before the next is asked for.
    """
    with path.open("rb") as file:
        yield from inside(file, media, source, name or path.name)


def inside(file: BinaryIO, media: Media, source: Source, where: str) -> Iterator[tuple[str, Iterator[pa.RecordBatch]]]:
    """`deliveries` of an open, seekable file."""
    _check_filled(file, where)
    if media == "zip" or media == "gz":
        for member, content in members(file, media, source, where):
            with content:
                _check_filled(content, member)
                yield member, records(content, KINDS[source.kind], source, member)
    else:
        yield where, records(file, media, source, where)


def _check_filled(file: BinaryIO, where: str) -> None:
    if not file.seek(0, 2):
        raise SourceDamaged(
            f"{where} is empty", todo="ask for the file again; a delivery without records still has a header"
        )
    file.seek(0)


def records(file: BinaryIO, media: Media, source: Source, where: str) -> Iterator[pa.RecordBatch]:
    """The records of an open, seekable file that is no archive."""
    match media:
        case "csv":
            return delimited(file, source, where)
        case "xlsx":
            return workbook(file, source, where)
        case "jsonl" | "json":
            return objects(file, source, where)
        case "arrows":
            return landed(file)
        case "parquet":
            return parquet(file, where)
        case "arrow":
            return arrow_stream(file, where)
        case "zip" | "gz":
            raise SourceDamaged(f"{where} is an archive in an archive", todo="pack the files once")
        case _:
            assert_never(media)
