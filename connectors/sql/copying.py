"""COPY's csv out of PostgreSQL into typed batches, block by block.

1. The server sends one message a row, so a block of messages is a block of whole rows. They are taken from libpq directly: the driver's own
   iterator costs more than the rows do. A thread receives the next block while this one is parsed.
2. A block is parsed into the types of the schema. Where a value does not fit its column's (`infinity`, a year before Christ, NaN in a numeric),
   that column is text from this block on: the schema of the batches changes, no value does.

In COPY's csv an empty field is NULL and `""` the empty string, which the parser keeps apart.
"""

import select
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import pq
from pyarrow import csv

from connectors.batches import ahead
from schemas.errors import SourceDamaged

BLOCK = 4 << 20
WAIT_SECONDS = 900
"""The longest silence in the middle of a COPY before the server counts as gone (its own time-outs are shorter)."""


def copied(connection: psycopg.Connection, statement: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of a COPY ... TO STDOUT (FORMAT csv) statement; `schema` may turn to text column by column on the way.

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
    while True:
        size, row = take(1)
        if size > 0:
            block += row
            if len(block) >= BLOCK:
                yield block
                block = bytearray()
        elif size == 0:
            if poll.poll(1000):
                silence = 0
                session.consume_input()
                continue
            silence += 1
            if silence > WAIT_SECONDS:
                raise psycopg.OperationalError("the server fell silent")
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
        BytesIO(block),
        csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=schema.names),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types={field.name: field.type for field in schema},
            null_values=[""],
            true_values=["t", "true"],
            false_values=["f", "false"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return pa.RecordBatch.from_arrays([pa.concat_arrays(column.chunks) for column in table.columns], schema=schema)


def _loosened(block: bytearray, schema: pa.Schema) -> pa.Schema:
    """The schema with those columns as text that the block does not fit."""
    plain = pa.schema([field.with_type(pa.string()) for field in schema])
    try:
        text = _batch(block, plain)
    except pa.ArrowInvalid:
        raise SourceDamaged(
            "a text value is not UTF-8 (a database of encoding SQL_ASCII?)",
            todo="ask the department to store valid text",
        ) from None
    return pa.schema([field if _fits(text.column(field.name), field) else plain.field(field.name) for field in schema])


def _fits(values: "pa.Array[Any]", field: "pa.Field[Any]") -> bool:
    """Whether the column parses alone."""
    if field.type == pa.string():
        return True
    sink = BytesIO()
    csv.write_csv(pa.table([values], names=["value"]), sink, csv.WriteOptions(include_header=False))
    try:
        _batch(bytearray(sink.getvalue()), pa.schema([pa.field("value", field.type)]))
    except pa.ArrowInvalid:
        return False
    return True
