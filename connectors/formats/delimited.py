"""CSV and TSV: a header, then records of exactly its width.

`options.delimiter` is the separator (tab for .tsv, else comma); `options.headerRow` is the header's record number where a
preamble stands above it (1 by default). Names lose surrounding blanks; trailing columns without a name must be empty.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pyarrow as pa

from connectors.batches import numbered
from connectors.encodings import lines, open_text, undecodable
from connectors.formats.header import Header
from connectors.options import options
from schemas.contract import Source
from schemas.errors import SourceDamaged

if TYPE_CHECKING:
    from _csv import Reader

LONGEST_FIELD = 64 << 20


def delimited(path: Path, source: Source, where: str) -> Iterator[pa.RecordBatch]:
    """The file's records, streamed."""
    try:
        with open_text(path, source.encoding) as text:
            yield from _batches(text, source, where)
    except UnicodeDecodeError:
        raise undecodable(path, source.encoding, where) from None


def _batches(text: TextIO, source: Source, where: str) -> Iterator[pa.RecordBatch]:
    settings = options(source)
    delimiter = str(settings.get("delimiter") or ("\t" if Path(source.table).suffix == ".tsv" else ","))
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(lines(text, source.encoding), delimiter=delimiter, strict=True)
    try:
        header = Header.find((record for record in reader if record), int(settings.get("header_row", 1)), where)
        yield from numbered(header.names, _even(reader, header), where)
    except csv.Error as error:
        raise SourceDamaged(
            f"{where}: the record that ends at line {reader.line_num} cannot be read ({error})",
            todo="ask for a file whose quotes are closed and doubled",
            line=reader.line_num,
        ) from None


def _even(reader: "Reader", header: Header) -> Iterator[list[str]]:
    """Records of the header's width; blank lines are none."""
    width, named = header.width, len(header.names)
    for record in reader:
        if len(record) != width:
            if not record:
                continue
            raise SourceDamaged(
                f"{header.where}: line {reader.line_num} has {len(record)} fields where the header has {width}",
                todo="ask for the file again; a separator inside a value wants quotes",
                line=reader.line_num,
            )
        if width != named:
            header.check(record, f"line {reader.line_num}")
            record = record[:named]
        yield record
