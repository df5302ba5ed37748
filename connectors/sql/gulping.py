"""A server's bytes taken in gulps: whoever waits for a socket is woken when there is much to read, not at each of the server's small writes.

A server sends some kilobytes at a time. Woken for each, two processes spend as much on waking as on the bytes.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

GULP_MS = 10
"""How long to wait for a gulp before what there is is taken; the last bytes are never a whole one."""


@contextmanager
def gulps(descriptor: int, size: int) -> Iterator[socket.socket]:
    """The socket by a descriptor of its own; meanwhile it counts as ready only when `size` bytes are there, or its end."""
    with socket.socket(fileno=os.dup(descriptor)) as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
        try:
            yield shared
        finally:
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
