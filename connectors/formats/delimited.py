"""CSV and TSV: a header, then records of exactly its width.

`options.delimiter` is the separator; without it a tab for .tsv, else a comma, or, where the header has none, the tab, semicolon or
bar that splits it most. `options.headerRow` is the header's record number where a preamble stands above it (1 by default). Names lose
surrounding blanks; trailing columns without a name must be empty.

1. The encoding is the contract's, or found out (`detection`). The careful reader, Python's own, takes the header.
2. The records go through Arrow's parser (`bulk`), many times faster.
3. Where that one meets anything odd, the careful reader goes on: it alone decides what a record is, and names faults by line.
"""

import csv
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from connectors.batches import check_names, number, numbered_schema, text_batches, text_schema
from connectors.detection import detect
from connectors.encodings import codec, lines, open_text, undecodable, utf8_blocks
from connectors.formats.bulk import Odd, bulk
from connectors.formats.header import Header
from connectors.options import number as numeric
from connectors.options import options
from schemas.contract import Source
from schemas.errors import ContractInvalid, Problem, SourceDamaged

if TYPE_CHECKING:
    from _csv import Reader

LONGEST_FIELD = 64 << 20


@dataclass(frozen=True)
class _Layout:
    """How a file is to be read; the records begin after `lines` lines, which are `bytes` long in UTF-8."""

    where: str
    encoding: str
    delimiter: str
    header: Header
    lines: int
    bytes: int


def delimited(file: BinaryIO, source: Source, where: str) -> Iterator[pa.RecordBatch]:
    """The file's records, streamed."""
    encoding = codec(source.encoding or detect(file))
    try:
        layout = _layout(file, source, where, encoding)
        done = 0
        try:
            for batch in bulk(_after(file, layout), layout.delimiter, layout.header):
                done += batch.num_rows
                yield batch
        except Odd as odd:
            for batch in _careful(file, layout, odd.done):
                done += batch.num_rows
                yield batch
    except UnicodeDecodeError:
        raise undecodable(file, encoding, where) from None
    if not done:
        schema = numbered_schema(text_schema(layout.header.names))
        yield pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


def _layout(file: BinaryIO, source: Source, where: str, encoding: str) -> _Layout:
    settings = options(source)
    given, row = settings.get("delimiter"), numeric(settings, "header_row", 1)
    if given is None and PurePath(where).suffix.lower() == ".tsv":
        given = "\t"
    layout = _head(file, where, encoding, _separator(given), row)
    if given is None and layout.header.width == 1:
        layout = max([layout, *_others(file, where, encoding, row)], key=lambda each: each.header.width)
    check_names(layout.header.names, where)
    return layout


def _separator(given: object) -> str:
    separator = "," if given is None else str(given)
    if len(separator) != 1 or separator in '"\r\n':
        raise ContractInvalid(
            [Problem("servers[0].customProperties.options.delimiter", f"{given!r} is no separator", 'delimiter: ";"')]
        )
    return separator


def _others(file: BinaryIO, where: str, encoding: str, row: int) -> Iterator[_Layout]:
    for separator in "\t;|":
        with suppress(SourceDamaged):
            yield _head(file, where, encoding, separator, row)


def _head(file: BinaryIO, where: str, encoding: str, delimiter: str, row: int) -> _Layout:
    """The header as this separator gives it."""
    taken: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines(text, encoding):
            taken.append(line)
            yield line if len(taken) > 1 else line.removeprefix("\ufeff")

    with open_text(file, encoding) as text:
        reader = _reader(noted(), delimiter)
        try:
            header = Header.find((record for record in reader if record), row, where)
        except csv.Error as error:
            raise _unreadable(reader, error, where) from None
    return _Layout(where, encoding, delimiter, header, len(taken), len("".join(taken).encode()))


def _after(file: BinaryIO, layout: _Layout) -> Iterator[bytes]:
    """The file as UTF-8 from behind its header."""
    skip = layout.bytes
    file.seek(0)
    if layout.encoding == "utf-8-sig" and file.read(3) != b"\xef\xbb\xbf":
        file.seek(0)
    for block in utf8_blocks(file, layout.encoding):
        if skip < len(block):
            yield block[skip:]
        skip = max(skip - len(block), 0)


def _careful(file: BinaryIO, layout: _Layout, done: int) -> Iterator[pa.RecordBatch]:
    """The records from the `done`th on, by the reader whose word is final."""
    plain = text_schema(layout.header.names)
    schema, first = numbered_schema(plain), done + 1
    with open_text(file, layout.encoding) as text:
        rest = lines(text, layout.encoding)
        deque(islice(rest, layout.lines), maxlen=0)
        reader = _reader(rest, layout.delimiter)
        try:
            for batch in text_batches(islice(_even(reader, layout.lines, layout.header), done, None), plain):
                yield number(batch, schema, first)
                first += batch.num_rows
        except csv.Error as error:
            raise _unreadable(reader, error, layout.where, layout.lines) from None


def _reader(texts: Iterator[str], delimiter: str) -> "Reader":
    csv.field_size_limit(LONGEST_FIELD)
    return csv.reader(texts, delimiter=delimiter, strict=True)


def _even(reader: "Reader", before: int, header: Header) -> Iterator[list[str]]:
    """Records of the header's width; blank lines are none."""
    width, named = header.width, len(header.names)
    for record in reader:
        if len(record) != width:
            if not record:
                continue
            line = before + reader.line_num
            raise SourceDamaged(
                f"{header.where}: line {line} has {len(record)} fields where the header has {width}",
                todo="ask for the file again; a separator inside a value wants quotes",
                line=line,
            )
        if width != named:
            header.check(record, f"line {before + reader.line_num}")
            record = record[:named]
        yield record


def _unreadable(reader: "Reader", error: csv.Error, where: str, before: int = 0) -> SourceDamaged:
    line = before + reader.line_num
    return SourceDamaged(
        f"{where}: the record that ends at line {line} cannot be read ({error})",
        todo="ask for a file whose quotes are closed and doubled",
        line=line,
    )
