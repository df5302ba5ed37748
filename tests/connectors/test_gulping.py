"""A server's bytes in gulps: much at a time while they stream, and the last of them without a wait for each piece."""

import array
import fcntl
import os
import socket
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import make_url

from connectors.sql import copying
from connectors.sql.gulping import Gulps, gulps

GULP = 512 << 10


class Counting(Gulps):
    """Gulps that count how often they waited for one."""

    waits = 0

    def wait(self) -> bool:
        self.waits += 1
        return super().wait()


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a TCP connection: a server's, and ours."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
        server.accept()[0] as theirs,
    ):
        yield theirs, ours


def test_the_last_bytes_are_waited_for_once_not_piece_by_piece(line: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = line
    theirs.sendall(bytes(100_000))
    source, taken = Counting(ours, GULP), 0
    assert ours.recv(1)
    while source.more():
        taken += len(ours.recv(8_192))
    assert taken == 99_999
    assert source.waits == 1, "for what comes after the last byte"


def test_less_than_a_gulp_does_not_wake_who_takes_everything_at_once(line: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = line
    theirs.sendall(bytes(1_000))
    with gulps(ours.fileno(), GULP) as source:
        assert not source.wait()
        assert len(source.socket.recv(4_096, socket.MSG_DONTWAIT)) == 1_000
        theirs.close()
        assert source.wait(), "the end counts as a gulp"


def test_the_owner_of_the_socket_is_woken_by_every_byte_again(line: tuple[socket.socket, socket.socket]) -> None:
    theirs, ours = line
    with gulps(ours.fileno(), GULP) as source:
        assert not source.wait()
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
    theirs.sendall(b"x")
    assert ours.recv(10) == b"x"


@pytest.mark.needs_postgres
def test_a_copy_that_is_there_whole_is_read_without_waiting_for_its_pieces(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[Counting]()

    @contextmanager
    def whole(descriptor: int, size: int) -> Iterator[Counting]:
        with socket.socket(fileno=os.dup(descriptor)) as shared:
            _settled(shared)
            made.append(Counting(shared, size))
            yield made[0]

    monkeypatch.setattr(copying, "gulps", whole)
    address = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        rows = "SELECT i, repeat('x', 100) FROM generate_series(1, 1000) AS i"
        columns: dict[str, pa.DataType] = {"i": pa.int64(), "text": pa.string()}
        found = [*copying.copied(connection, f"COPY ({rows}) TO STDOUT", pa.schema(columns))]
    assert sum(batch.num_rows for batch in found) == 1_000
    assert made[0].waits <= 1


def _settled(shared: socket.socket) -> None:
    """Return when the server has sent what it has: nothing has come for a while."""
    before, there = -1, array.array("i", [0])
    while there[0] != before:
        before = there[0]
        time.sleep(0.3)
        fcntl.ioctl(shared, termios.FIONREAD, there)
