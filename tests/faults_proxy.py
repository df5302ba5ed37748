"""A small TCP proxy before a source, which lets so many bytes through and then cuts, resets or falls silent."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

How = Literal["close", "reset", "silence"]
RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""`struct linger`: on, no seconds; closing then sends RST."""


@dataclass
class Proxy:
    """Passes a source's bytes on; what the connections got is kept in `streams`, in their order.

    With `trap` set the bytes up to a place in one connection's stream pass, then `how` happens, once: `fired` says that it did. With
    `everywhere` it happens on every connection from that one on, so that a client that tries again meets it again.
    """

    upstream: int
    port: int = 0
    step: int = 1 << 16
    trap: tuple[int, int, How] | None = None
    everywhere: bool = False
    fired: int = 0
    streams: list[bytearray] = field(default_factory=list)

    def set(self, connection: int, after: int, how: How, *, everywhere: bool = False) -> None:
        """Begin anew: connection number `connection` from now (0 is the next) gets `after` bytes."""
        self.streams, self.fired = [], 0
        self.trap, self.everywhere = (connection, after, how), everywhere

    def clear(self) -> None:
        """Let everything through again."""
        self.streams, self.trap = [], None

    @contextmanager
    def serving(self) -> Iterator["Proxy"]:
        """The proxy on a port of 127.0.0.1, in a thread of its own."""
        loop, ready = asyncio.new_event_loop(), threading.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(self._serve(ready),))
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(self._stop.set)
            thread.join()
            loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        self._stop, self._tasks = asyncio.Event(), set[asyncio.Task[None]]()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number = len(self.streams)
        self.streams.append(bytearray())
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        asking = asyncio.create_task(_ask(reader, up_writer))
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await self._answer(number, up_reader, writer)
        finally:
            asking.cancel()
            up_writer.close()
            writer.close()
            self._tasks.discard(task)

    async def _answer(self, number: int, source: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Bytes from the source to the client, up to the trap."""
        passed = self.streams[number]
        while chunk := await source.read(self.step):
            trap = self.trap
            sprung = trap is not None and (number >= trap[0] if self.everywhere else number == trap[0])
            if trap is not None and sprung and len(passed) + len(chunk) >= trap[1]:
                chunk = chunk[: max(0, trap[1] - len(passed))]
                client.write(chunk)
                passed += chunk
                await client.drain()
                self.fired += 1
                await self._spring(trap[2], client)
                return
            passed += chunk
            client.write(chunk)
            await client.drain()

    async def _spring(self, how: How, client: asyncio.StreamWriter) -> None:
        if how == "silence":
            await self._stop.wait()
        elif how == "reset":
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.transport.abort()


async def _ask(client: asyncio.StreamReader, source: asyncio.StreamWriter) -> None:
    """Bytes from the client to the source, for as long as there are any."""
    with suppress(ConnectionError):
        while chunk := await client.read(1 << 16):
            source.write(chunk)
            await source.drain()
        source.write_eof()
