r"""COPY's text out of PostgreSQL into typed batches, block by block.

1. The server sends one message a row, so a block of messages is a block of whole rows. They are taken from libpq directly: the driver's own
   iterator costs more than the rows do. A thread receives the next block while this one is parsed.
2. A block is parsed into the types of the schema. Where a value does not fit its column's (`infinity`, a year before Christ, NaN in a numeric),
   that column is text from this block on: the schema of the batches changes, no value does.

The text format costs the server a quarter less than csv. In it `\N` is NULL, and a backslash leads whatever could be taken for structure; so a column
without a backslash has nothing to undo, which is nearly every column.
"""

import select
from collections.abc import Iterator
from typing import IO, Any, cast

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import pq
from pyarrow import csv

from connectors.batches import ahead
from connectors.sql.gulping import GULP_MS, gulps
from schemas.errors import SourceDamaged

BLOCK = 4 << 20
GULP = 512 << 10
_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\r": "\r", r"\b": "\b", r"\f": "\f", r"\v": "\v"}
WAIT_SECONDS = 900
"""The longest silence in the middle of a COPY before the server counts as gone (its own time-outs are shorter)."""


def copied(connection: psycopg.Connection, statement: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of a COPY ... TO STDOUT statement in text format; `schema` may turn to text column by column on the way.

    Raises:
        psycopg.Error: the server refuses, ends the statement or is gone.
        SourceDamaged: a text value is not UTF-8.
    """
    for block in ahead(_blocks(connection.pgconn, statement.encode())):
        if not block:
            continue
        try:
            batch = _batch(block, schema)
        except pa.ArrowInvalid:
            schema = _loosened(block, schema)
            batch = _batch(block, schema)
        yield batch


def _blocks(session: pq.abc.PGconn, statement: bytes) -> Iterator[bytearray]:
    """Blocks of whole rows; an empty one for each second of silence, so that whoever left is noticed."""
    poll = select.poll()
    poll.register(session.socket, select.POLLIN)
    session.send_query(statement)
    result = _answer(session, poll)
    if result.status != pq.ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(result)
    block, silence = bytearray(), 0
    take = session.get_copy_data
    with gulps(session.socket, GULP) as source:
        while True:
            size, row = take(1)
            if size > 0:
                block += row
                silence = 0
                if len(block) >= BLOCK:
                    yield block
                    block = bytearray()
            elif size == 0:
                silence = 0 if source.more() else silence + 1
                session.consume_input()
                if silence * GULP_MS > WAIT_SECONDS * 1000:
                    raise psycopg.OperationalError("the server fell silent")
                if silence and silence * GULP_MS % 1000 == 0:
                    yield bytearray()
            else:
                break
    while (ended := session.get_result()) is not None:
        if ended.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(ended)
    if block:
        yield block


def _answer(session: pq.abc.PGconn, poll: select.poll) -> pq.abc.PGresult:
    """The answer to a statement; libpq itself would wait for it for ever."""
    while session.is_busy():
        if not poll.poll(WAIT_SECONDS * 1000):
            raise psycopg.OperationalError("the server fell silent")
        session.consume_input()
    result = session.get_result()
    if result is None:
        raise psycopg.OperationalError("the server gave no answer")
    return result


def _batch(block: bytearray, schema: pa.Schema) -> pa.RecordBatch:
    """The block's rows; ArrowInvalid if a value does not fit."""
    table = csv.read_csv(
        cast("IO[Any]", pa.BufferReader(pa.py_buffer(block))),
        csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=schema.names),
        csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types={field.name: field.type for field in schema},
            null_values=["\\N"],
            true_values=["t", "true", "1"],
            false_values=["f", "false", "0"],
            strings_can_be_null=True,
        ),
    )
    (batch,) = table.to_batches()
    columns = batch.columns
    columns = [_unescaped(c) if c.type == pa.string() and _has_escapes(c) else c for c in columns]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _has_escapes(values: "pa.Array[Any]") -> bool:
    content = values.buffers()[2]
    return content is not None and b"\\" in content.to_pybytes()


def _unescaped(values: "pa.Array[Any]") -> "pa.Array[Any]":
    """COPY's escapes undone. No text of PostgreSQL holds NUL, so it can stand for the backslash meanwhile."""
    values = pc.replace_substring(values, "\\\\", "\0")
    for written, meant in _ESCAPES.items():
        values = pc.replace_substring(values, written, meant)
    return pc.replace_substring(values, "\0", "\\")


def _loosened(block: bytearray, schema: pa.Schema) -> pa.Schema:
    """The schema with those columns as text that the block does not fit."""
    plain = pa.schema([field.with_type(pa.string()) for field in schema])
    if not _fits(block, plain):
        raise SourceDamaged(
            "a text value is not UTF-8 (a database of encoding SQL_ASCII?)",
            todo="ask the department to store valid text",
        )
    return pa.schema([f if _fits(block, plain.set(i, f)) else plain.field(i) for i, f in enumerate(schema)])


def _fits(block: bytearray, schema: pa.Schema) -> bool:
    try:
        _batch(block, schema)
    except pa.ArrowInvalid:
        return False
    return True
