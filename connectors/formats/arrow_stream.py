"""Arrow IPC streams: what a department may push; the columns' own types are kept.

The bytes come from outside, so nothing is believed: plain columns only (a dictionary, a view or a nested column can make gigabytes of
a few bytes), no compressed buffers, every batch validated whole, no more bytes in it than came, the end mark where they end.
"""

import mmap
import struct
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.types as kinds

from connectors.batches import ROWS, check_names, number, numbered_schema
from schemas.errors import SourceDamaged

END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_PLAIN = (
    kinds.is_boolean, kinds.is_integer, kinds.is_float32, kinds.is_float64, kinds.is_decimal128, kinds.is_string,
    kinds.is_large_string, kinds.is_date, kinds.is_time, kinds.is_timestamp,
)  # fmt: skip
_HEADER, _COMPRESSION = 2, 3
_AGAIN = "write it with pyarrow.ipc.new_stream and plain columns, and send it again"


def arrow_stream(file: BinaryIO, where: str) -> Iterator[pa.RecordBatch]:
    """The rows of a stream in a file on disk; a stream without rows gives one empty batch, so that the columns show."""
    first = 1
    for plain in _batches(file, where):
        schema = numbered_schema(plain.schema)
        for start in range(0, plain.num_rows, ROWS):
            batch = plain.slice(start, ROWS)
            yield number(batch, schema, first)
            first += batch.num_rows
    if first == 1:
        yield pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _batches(file: BinaryIO, where: str) -> Iterator[pa.RecordBatch]:
    """The stream's batches as they were written, after an empty one."""
    count = size = 0
    try:
        content = pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        _check_messages(content, where)
        with pa.ipc.open_stream(pa.BufferReader(content)) as reader:
            schema = reader.schema.remove_metadata()
            _check_columns(schema, where)
            yield pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
            for batch in reader:
                batch.validate(full=True)
                size += batch.nbytes
                if size > content.size:
                    raise SourceDamaged(f"{where}: columns share their bytes in batch {count + 1}", todo=_AGAIN)
                count += 1
                yield batch.replace_schema_metadata()
    except (pa.ArrowException, OSError, StopIteration, struct.error, ValueError):
        raise SourceDamaged(f"{where} is no whole Arrow stream: unreadable after batch {count}", todo=_AGAIN) from None


def _check_messages(content: pa.Buffer, where: str) -> None:
    """See that there are plain batches up to an end mark, and nothing behind it; they are not decoded yet."""
    reader = pa.BufferReader(content)
    messages = pa.ipc.MessageReader.open_stream(reader)
    for place, message in enumerate(messages):
        wanted = "record batch" if place else "schema"
        if message.type != wanted or (place and _is_compressed(memoryview(message.metadata))):
            raise SourceDamaged(f"{where}: message {place + 1} is compressed, or no batch of rows", todo=_AGAIN)
    if reader.tell() != content.size or content[-len(END) :].to_pybytes() != END:
        raise SourceDamaged(f"{where}: no end mark where the stream ends", todo=_AGAIN)


def _check_columns(schema: pa.Schema, where: str) -> None:
    if not schema.names:
        raise SourceDamaged(f"{where} has no columns", todo=_AGAIN)
    check_names(schema.names, where)
    for place, field in enumerate(schema, 1):
        if not any(is_plain(field.type) for is_plain in _PLAIN):
            raise SourceDamaged(
                f"{where}: column {place} is of a type that is not plain (text, number, date, time, true or false)",
                todo=_AGAIN,
            )


def _is_compressed(metadata: memoryview) -> bool:
    """Whether a RecordBatch message's buffers are: `Message.header.compression` is there (Arrow's Message.fbs)."""
    (root,) = struct.unpack_from("<I", metadata)
    header = _field(metadata, root, _HEADER)
    if header is None:
        return True
    (offset,) = struct.unpack_from("<I", metadata, header)
    return _field(metadata, header + offset, _COMPRESSION) is not None


def _field(buffer: memoryview, table: int, slot: int) -> int | None:
    """Where a flatbuffer table keeps the field of this slot; None if the field is absent."""
    (back,) = struct.unpack_from("<i", buffer, table)
    (size,) = struct.unpack_from("<H", buffer, table - back)
    if 4 + 2 * slot >= size:
        return None
    (offset,) = struct.unpack_from("<H", buffer, table - back + 4 + 2 * slot)
    return table + offset if offset else None
