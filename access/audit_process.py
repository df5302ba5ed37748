"""The audit's writer as a process of its own: what hashing, charging and committing take of an interpreter is no longer the answers'.

1. Entries go down a line (a pair of sockets) as MessagePack and come back as verdicts, both under a number. The writer is an `AuditLog` at
   the other end, with a chain of its own.
2. Whoever ends first: a server that is gone closes the line, and its writer writes what came and ends. A writer that is gone fails whatever
   waits (no audit, no answer), and the next entries begin another, on another chain; so they do where a writer hangs, which is ended.
3. What the writer needs to know, and no more, it is told first, down the line: a command line can be read by others.
4. What it tells is read by the server's event loop: a thread would wait for the interpreter, and the loop for the thread, at every message.
   Where there is no loop a thread reads.
"""

import asyncio
import logging
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection

from msgspec.msgpack import Decoder, Encoder

from access.audit import PATIENCE_SECONDS, AuditLog, Charged, Log, closed, refusals, unavailable
from ledger.budgets import Verdict
from ledger.database import Database
from schemas.errors import TooMany

_LOG = logging.getLogger(__name__)
HANGING_SECONDS = PATIENCE_SECONDS
"""So long a writer may take for what it was handed; nobody waits any longer for it."""
_CLOSE_SECONDS = 10
_ENCODER = Encoder()
_ASKED: "Decoder[tuple[int, list[Charged]]]" = Decoder(tuple[int, list[Charged]])
_TOLD: "Decoder[tuple[int, list[Verdict] | str]]" = Decoder(tuple[int, list[Verdict] | str])
"""For each entry what it is over, or why none could be written."""
_Waiting = tuple[Future[list[TooMany | None]], float]
"""What somebody waits for, and since when (`time.monotonic`)."""


class AuditProcess(Log):
    """A log whose writer is another process, begun with this one. Use from any thread; start it after any fork."""

    def __init__(
        self,
        db: Database,
        *,
        command: Sequence[str],
        told: bytes,
        clock: Callable[[], datetime],
        timezone: str,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`command` runs the writer, with the number of its end of the line as last argument (`written`); `told` is what it is told first.

        With a `loop`, whose thread then is the one to close this and must not wait for what it hands over, that loop reads what is told.
        """
        super().__init__(db, clock=clock, timezone=timezone)
        self._begun = partial(_Writer, command, told, loop)
        self._lock = threading.Lock()
        self._writer = self._begun()
        self._closed = False

    @property
    def writer(self) -> int:
        """The pid of the writer."""
        return self._writer.process.pid

    def submit(self, asked: Sequence[Charged]) -> Future[list[TooMany | None]]:
        """See `Log`."""
        with self._lock:
            if self._closed:
                raise closed()
            hangs = self._writer.hangs()
            if hangs:
                self._writer.process.kill()
            if hangs or self._writer.gone:
                self._writer = self._begun()
            return self._writer.send(asked)

    def close(self) -> None:
        """See `Log`."""
        with self._lock:
            self._closed = True
        self._writer.close()


class _Writer:
    """This end of the line to one writer."""

    def __init__(self, command: Sequence[str], told: bytes, loop: asyncio.AbstractEventLoop | None) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            end = theirs.fileno()
            self.process = subprocess.Popen([*command, str(end)], pass_fds=[end], stdin=subprocess.DEVNULL)  # noqa: S603 - our own writer
        self.gone = False
        self._line = Connection(ours.detach())
        self._waiting: dict[int, _Waiting] = {}
        self._number = 0
        self._lock = threading.Lock()
        self._loop = loop
        self._thread = threading.Thread(target=self._listen, name="audit-line", daemon=True)
        if loop is None:
            self._thread.start()
        else:
            loop.call_soon_threadsafe(self._watch, loop)
        with suppress(OSError):  # who listens will tell
            self._line.send_bytes(told)

    def send(self, asked: Sequence[Charged]) -> Future[list[TooMany | None]]:
        """Hand the entries over; one caller at a time."""
        done: Future[list[TooMany | None]] = Future()
        self._number += 1
        with self._lock:
            if self.gone:
                raise unavailable()
            self._waiting[self._number] = done, time.monotonic()
        with suppress(OSError):
            self._line.send_bytes(_ENCODER.encode((self._number, asked)))
        return done

    def hangs(self) -> bool:
        """Whether what was handed over first has waited for too long."""
        with self._lock:
            since = next((since for _, since in self._waiting.values()), None)
        return since is not None and time.monotonic() - since > HANGING_SECONDS

    def close(self) -> None:
        """Tell the writer that nothing more comes, and wait until it has written what came."""
        with suppress(OSError):
            self._line.send_bytes(b"")
        if self._loop is None:
            self._thread.join(_CLOSE_SECONDS)
        else:
            self._listen(_CLOSE_SECONDS)
        self.process.kill()
        self.process.wait()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self.gone:
            loop.add_reader(self._line.fileno(), self._hear)

    def _listen(self, seconds: float | None = None) -> None:
        """Hear all that is told, at most so many seconds from one word to the next."""
        while not self.gone and (seconds is None or self._line.poll(seconds)):
            self._hear()

    def _hear(self) -> None:
        """One message, which comes whole, or the line's end."""
        try:
            number, told = _TOLD.decode(self._line.recv_bytes())
            with self._lock:
                done, _ = self._waiting.pop(number)
        except Exception as error:  # noqa: BLE001 - the line's end, or no line any more: whoever waits must hear of it
            self._end(str(error) or type(error).__name__)
            return
        _finish(done, told)

    def _end(self, why: str) -> None:
        with self._lock:
            self.gone, left = True, [done for done, _ in self._waiting.values()]
            self._waiting.clear()
        if self._loop is not None:
            self._loop.remove_reader(self._line.fileno())
        for done in left:
            _finish(done, why)
        self._line.close()
        self.process.kill()
        self.process.wait()


def written(end: int, opened: Callable[[bytes], AbstractContextManager[AuditLog]]) -> None:
    """The writer: write what comes down the line until nothing more does. `opened` gives the log for what the writer is told first.

    A terminal's or a supervisor's signal goes to the server, which ends this by closing the line.
    """
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    line = Connection(end)
    with suppress(EOFError), opened(line.recv_bytes()) as log:
        while asked := line.recv_bytes():
            number, entries = _ASKED.decode(asked)
            log.submit(entries).add_done_callback(partial(_tell, line, number))


def _tell(line: Connection, number: int, done: Future[list[TooMany | None]]) -> None:
    error = done.exception()
    if error is not None:
        _LOG.error("audit entries could not be written", exc_info=error)
    told = str(error) if error else ["" if over is None else over.facts["limit"] for over in done.result()]
    with suppress(OSError):  # whoever asked is gone; the entries are durable all the same
        line.send_bytes(_ENCODER.encode((number, told)))


def _finish(done: Future[list[TooMany | None]], told: list[Verdict] | str) -> None:
    if not done.set_running_or_notify_cancel():
        return  # whoever waited has given up
    if isinstance(told, str):
        done.set_exception(unavailable(RuntimeError(told)))
    else:
        done.set_result(refusals(told))
