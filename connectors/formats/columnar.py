"""Columns with types of their own: the Arrow stream that is landed from databases, and the Parquet file that a department delivers."""

from collections.abc import Iterator
from io import IOBase
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.batches import check_names, number, numbered_schema
from schemas.errors import SourceDamaged

ROWS = 65_536


def landed(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    """The rows of a stream that the hub itself wrote down, and whose bytes are verified: nothing in it is looked at twice."""
    first = 1
    with pa.ipc.open_stream(cast("IOBase", file), options=pa.ipc.IpcReadOptions(use_threads=False)) as stream:
        schema = numbered_schema(stream.schema.remove_metadata())
        for batch in stream:
            yield number(batch, schema, first)
            first += batch.num_rows
    if first == 1:
        yield pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def counted(file: BinaryIO, where: str) -> int:
    """How many rows the file says that it has."""
    try:
        return int(pq.read_metadata(file).num_rows)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(where, error) from None


def parquet(file: BinaryIO, where: str) -> Iterator[pa.RecordBatch]:
    """The file's rows, row group by row group."""
    first = 1
    try:
        with pq.ParquetFile(file) as table:
            check_names(table.schema_arrow.names, where)
            plain = table.schema_arrow.remove_metadata()
            schema = numbered_schema(plain)
            for group in range(table.num_row_groups):  # over all groups at once, memory grows with the file
                for batch in table.iter_batches(ROWS, row_groups=[group], use_threads=False):
                    batch.validate(full=True)  # a text that is not UTF-8 would fail later, and nobody would know where
                    yield number(batch, schema, first)
                    first += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        if "UTF8" in str(error):
            raise SourceDamaged(
                f"{where}: a text value after record {first - 1} is not UTF-8", todo="ask for the file again"
            ) from None
        raise _unreadable(where, error) from None
    if first == 1:
        yield pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _unreadable(where: str, error: Exception) -> SourceDamaged:
    return SourceDamaged(f"{where} is no readable Parquet file ({type(error).__name__})", todo="ask for the file again")
