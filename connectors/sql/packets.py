"""MariaDB's and MySQL's rows, taken from the wire in blocks: text by column, without an object in Python for a cell.

1. The driver sends the statement and reads what the columns are; from there on its stream is read here, by a thread, block by block.
2. A packet is a row: the row's length, a running number, then each value's text led by its length. A loop finds where the rows begin.
3. Where a column's values begin and end follows for all rows of a block at once, from where the column before it ends; the last must end where
   the row does. Arrow gathers each column's texts from the block.

So rows cost half of what a driver in Rust takes, are of the connection's own snapshot, and come alike with TLS.
"""

import io
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pymysql
from pymysql.constants import CR, ER

from connectors.batches import ahead
from connectors.sql.gulping import GULP_MS, gulps

BLOCK = 4 << 20
GULP = 512 << 10
_HEADER, _MOST = 4, 0xFFFFFF
_NULL, _ENDED, _FAILED = 0xFB, 0xFE, 0xFF
_WIDE = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""Bytes of a length that does not fit the byte before a value, by what stands there instead."""
Take = Callable[[memoryview], int | None]
_length = struct.Struct("<I").unpack_from


class Block(NamedTuple):
    """Whole rows as they came: where each row's packet begins, and where the last one ends."""

    content: bytearray
    starts: list[int]
    end: int


def rows(connection: Any, statement: str, names: list[str], patience: float) -> Iterator[pa.RecordBatch]:
    """The statement's rows as text; the connection can be closed afterwards, nothing else.

    Raises:
        pymysql.Error: the server refuses, ends the statement or is gone, or a text is not UTF-8.
    """
    connection.query(statement, unbuffered=True)
    ended = False
    try:
        for block in ahead(_blocks(connection, patience), patience=patience):
            yield pa.RecordBatch.from_arrays(_columns(block, len(names)), names)
        ended = True
    except TimeoutError:
        raise pymysql.OperationalError(CR.CR_SERVER_LOST) from None
    except pa.ArrowInvalid:
        raise pymysql.DataError(ER.TRUNCATED_WRONG_VALUE_FOR_FIELD) from None
    finally:
        connection._result.unbuffered_active = False  # else the driver would read the rest before it lets go
        if not ended:
            _wake(connection)


def _wake(connection: Any) -> None:
    """End the thread that may wait for the server, and with it its hold on the connection."""
    with suppress(OSError, AttributeError):  # it is closed already
        connection._sock.shutdown(socket.SHUT_RDWR)


def _blocks(connection: Any, patience: float) -> Iterator[Block]:
    content, at, starts = bytearray(BLOCK), 0, list[int]()
    with _taking(connection, patience) as take:
        buffered = memoryview(content)[: io.DEFAULT_BUFFER_SIZE]  # what the driver has read ahead
        have = _received(connection._rfile.readinto1, buffered)
        while True:
            at, have = _follow(content, at, have, starts)
            ended = bool(starts) and _is_last(content, starts[-1], at)
            if ended or have == len(content):
                if ended:
                    at = starts.pop()
                if starts:
                    yield Block(content, starts, at)
                if ended:
                    return
                rest = content[at:have]
                content = bytearray(max(BLOCK, 2 * len(rest)))
                content[: len(rest)] = rest
                have, at, starts = len(rest), 0, []
            have += _received(take, memoryview(content)[have:])


@contextmanager
def _taking(connection: Any, patience: float) -> Iterator[Take]:
    """How to take what comes into a buffer: in gulps, but for what TLS hands out."""
    if isinstance(connection._sock, ssl.SSLSocket):
        yield connection._rfile.raw.readinto
        return
    with gulps(connection._sock.fileno(), GULP) as source:

        def take(room: memoryview) -> int:
            for _ in range(int(patience * 1000 / GULP_MS)):
                source.wait()
                with suppress(BlockingIOError):
                    return source.socket.recv_into(room, 0, socket.MSG_DONTWAIT)
            return 0

        yield take


def _received(read: Take, room: memoryview) -> int:
    """How many bytes came, at least one."""
    try:
        got = read(room)
    except OSError:
        got = None
    if not got:
        raise pymysql.OperationalError(CR.CR_SERVER_LOST)
    return got


def _follow(content: bytearray, at: int, have: int, starts: list[int]) -> tuple[int, int]:
    """Note where the whole packets of `content[at:have]` begin; where the rest begins, and where it ends."""
    while at + _HEADER <= have:
        size = _length(content, at)[0] & _MOST
        end = at + _HEADER + size
        if size == _MOST:
            end, have = _joined(content, at, have)
        if end > have:
            break
        starts.append(at)
        at = end
    return at, have


def _joined(content: bytearray, at: int, have: int) -> tuple[int, int]:
    """Where a row of several packets ends, and `content` once the headers between them are taken out; if it is all there."""
    seams, end, size = [], at + _HEADER + _MOST, _MOST
    while size == _MOST:
        if end + _HEADER > have:
            return have + 1, have
        seams.append(end)
        size = _length(content, end)[0] & _MOST
        end += _HEADER + size
    if end > have:
        return end, have
    for seam in reversed(seams):
        content[seam:] = content[seam + _HEADER :] + bytes(_HEADER)
    lost = _HEADER * len(seams)
    return end - lost, have - lost


def _is_last(content: bytearray, start: int, end: int) -> bool:
    """Whether the packet is the server's last word: that this was all, or why there is no more, which is raised."""
    first, size = content[start + _HEADER], end - start - _HEADER
    if first == _FAILED:
        pymysql.err.raise_mysql_exception(bytes(content[start + _HEADER : end]))
    return first == _ENDED and size < 9


def _columns(block: Block, count: int) -> list["pa.Array[Any]"]:
    """The block's values as text, column by column."""
    data, whole = np.frombuffer(block.content, np.uint8), pa.py_buffer(block.content)
    starts = np.array([*block.starts, block.end], np.intp)
    at, found = starts[:-1] + _HEADER, []
    for _ in range(count):
        at, sizes, there = _sizes(data, at)
        found.append(_texts(whole, at, at + sizes, there))
        at += sizes
    if not np.array_equal(at, starts[1:]):
        raise pymysql.OperationalError(CR.CR_MALFORMED_PACKET)
    return found


def _sizes(data: "np.ndarray[Any, Any]", at: "np.ndarray[Any, Any]") -> tuple[Any, Any, Any]:
    """Where the values begin whose lengths stand at `at`, how long they are, and which are not NULL (None: all)."""
    lead = data[at]
    sizes, at, there = lead.astype(np.intp), at + 1, None
    most = lead.max()
    if most < _NULL:
        return at, sizes, there
    for mark, width in _WIDE.items():
        if most >= mark:
            (long,) = np.nonzero(lead == mark)
            sizes[long] = sum(data[at[long] + i].astype(np.intp) << 8 * i for i in range(width))
            at[long] += width
    there = lead != _NULL
    if there.all():
        return at, sizes, None
    sizes[~there] = 0
    return at, sizes, there


def _texts(
    whole: pa.Buffer, begins: "np.ndarray[Any, Any]", ends: "np.ndarray[Any, Any]", there: Any
) -> "pa.Array[Any]":
    """The texts between these places; ArrowInvalid if one is not UTF-8.

    Values and what stands between them are one array over the block, of which every second is taken.
    """
    count = len(begins)
    places = np.empty(2 * count, np.int32)
    places[::2], places[1::2] = begins, ends
    both: pa.Array[Any] = pa.Array.from_buffers(pa.binary(), 2 * count - 1, [None, _buffer(places), whole])
    every_second: pa.Array[Any] = pa.array(np.arange(count, dtype=np.int32) * 2)
    taken = both.take(every_second)
    if there is not None:
        known = _buffer(np.packbits(there, bitorder="little"))
        taken = pa.Array.from_buffers(pa.binary(), count, [known, *taken.buffers()[1:]])
    return taken.cast(pa.string())


def _buffer(values: Any) -> pa.Buffer:
    return pa.py_buffer(values)
