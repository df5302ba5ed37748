"""Rows of text into Arrow batches: the one form in which all connectors hand records on."""

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import pyarrow as pa

from schemas.errors import SourceDamaged

ROWS = 8_192
ROW = "_row"
T = TypeVar("T")


def text_schema(names: Sequence[str], types: Sequence[str] = ()) -> pa.Schema:
    """A schema of nullable text columns; the source's declared type is kept in each field's metadata."""
    metas = [{"source_type": t} if t else None for t in types] or [None] * len(names)
    return pa.schema([pa.field(name, pa.string(), metadata=meta) for name, meta in zip(names, metas, strict=True)])


def text_batches(rows: Iterable[Sequence[str | None]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Batches of at most `ROWS` rows; no row, no batch."""
    source = iter(rows)
    while chunk := list(islice(source, ROWS)):
        columns = zip(*chunk, strict=True)
        try:
            arrays = [pa.array(column, pa.string()) for column in columns]
        except (UnicodeEncodeError, pa.ArrowInvalid):
            raise SourceDamaged(
                "a text value holds half a character (a lone surrogate)", todo="correct the record at the source"
            ) from None
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def ahead(items: Iterator[T], room: int = 2, patience: float | None = None) -> Iterator[T]:
    """The items, produced by a thread up to `room` ahead of their use; its error is raised here, and it ends when this does.

    Raises:
        TimeoutError: no item came for `patience` seconds; the thread is left to itself, for what it waits in may never end.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(room)
    left = threading.Event()

    def put(item: "T | _End") -> bool:
        while not left.is_set():
            with suppress(queue.Full):
                waiting.put(item, timeout=0.2)
                return True
        return False

    def produce() -> None:
        try:
            if all(put(item) for item in items):
                put(_End())
        except Exception as error:  # noqa: BLE001 - raised again by who takes the items
            put(_End(error))

    thread = threading.Thread(target=produce, name="read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(timeout=patience), _End):
            yield item
        if item.error is not None:
            raise item.error
    except queue.Empty:
        raise TimeoutError from None
    finally:
        left.set()
        thread.join(patience and 1)


@dataclass(frozen=True)
class _End:
    """The end of the items, or what ended them."""

    error: Exception | None = None


def numbered(names: Sequence[str], rows: Iterable[Sequence[str | None]], where: str) -> Iterator[pa.RecordBatch]:
    """Batches led by `_row`, the 1-based number of the record; an empty batch if there is no row, so that the columns show."""
    check_names(names, where)
    plain, schema = text_schema(names), numbered_schema(text_schema(names))
    first = 1
    for batch in text_batches(rows, plain):
        yield number(batch, schema, first)
        first += batch.num_rows
    if first == 1 and names:
        yield pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


def numbered_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` led by `_row`."""
    return pa.schema([pa.field(ROW, pa.int64(), nullable=False), *schema])


def number(batch: pa.RecordBatch, schema: pa.Schema, first: int) -> pa.RecordBatch:
    """`batch` led by running numbers from `first`; `schema` is its schema with `_row`."""
    numbers = pa.array(np.arange(first, first + batch.num_rows))
    return pa.RecordBatch.from_arrays([numbers, *batch.columns], schema=schema)


def check_names(names: Sequence[str], where: str) -> None:
    """Refuse columns that cannot be told apart, or that bear the name of the row number."""
    for name in names:
        if names.count(name) > 1:
            raise SourceDamaged(
                f"{where}: column {name!r} stands twice in the header", todo="ask for a header of distinct names"
            )
        if name == ROW:
            raise SourceDamaged(
                f"{where}: a column is named {ROW!r}, which the hub uses itself", todo="ask for another name"
            )
