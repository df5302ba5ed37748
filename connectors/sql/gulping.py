"""A server's bytes taken in gulps: whoever waits for a socket is woken when there is much to read, not at each of the server's small writes.

A server sends some kilobytes at a time. Woken for each, two processes spend as much on waking as on the bytes.
"""

import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

GULP_MS = 10
"""How long to wait for a gulp before what there is is taken; the last bytes are never a whole one."""


class Gulps:
    """A socket under a descriptor of its own, waited for `size` bytes at a time."""

    def __init__(self, shared: socket.socket, size: int) -> None:
        self.socket, self._size, self._least = shared, size, 1
        self._poll = select.poll()
        self._poll.register(shared, select.POLLIN)

    def wait(self) -> bool:
        """Wait for a gulp, `GULP_MS` at most; whether one came. For who then takes all there is."""
        return self._ready(self._size, GULP_MS)

    def more(self) -> bool:
        """Whether there is anything to read, for who takes a gulp bit by bit: only when it is taken to its end the next is waited for."""
        return self._ready(1, 0) or self.wait() or self._ready(1, 0)

    def _ready(self, least: int, milliseconds: int) -> bool:
        """Whether so many bytes, or the end, are there within a time."""
        if least != self._least:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
            self._least = least
        return bool(self._poll.poll(milliseconds))


@contextmanager
def gulps(descriptor: int, size: int) -> Iterator[Gulps]:
    """The socket of a descriptor, in gulps; the descriptor stays its owner's."""
    with socket.socket(fileno=os.dup(descriptor)) as shared:
        source = Gulps(shared, size)
        try:
            yield source
        finally:
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)  # it is the owner's socket as well
