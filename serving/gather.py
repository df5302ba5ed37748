"""Calls that wait at the same moment are one call, made by a thread while nobody blocks: one look-up, one transaction for many."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
_Batch = list[tuple[K, "asyncio.Future[V]"]]


class Gather(Generic[K, V]):
    """Awaits `send`, which is handed several keys and later gives a value for each, in their order.

    So many `calls` are under way at a time, each with at most `most` keys; what comes meanwhile goes with the next, which begins beside
    another only when `enough` wait: many small calls cost more than few large ones. An error is everybody's who waited for the call, and
    so is `late` where it takes longer than `patience` seconds.
    """

    def __init__(
        self,
        send: Callable[[Sequence[K]], "Future[list[V]]"],
        late: Callable[[], Exception] = TimeoutError,
        *,
        patience: float = 60.0,
        most: int = 256,
        calls: int = 1,
        enough: int = 1,
    ) -> None:
        self._send, self._late, self._patience = send, late, patience
        self._most, self._calls, self._enough = most, calls, enough
        self._waiting: _Batch[K, V] = []
        self._under_way, self._due = 0, False

    def __call__(self, key: K) -> "asyncio.Future[V]":
        """The value of one key."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[V] = loop.create_future()
        self._waiting.append((key, future))
        self._look(loop)
        return future

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send what waits as soon as the loop has taken in whatever else comes now, if a call may begin."""
        free = self._under_way < self._calls and len(self._waiting) >= (self._enough if self._under_way else 1)
        if free and not self._due:
            self._due = True
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        self._due = False
        self._under_way += 1
        try:
            sent = self._send([key for key, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is told to those who wait
            sent = Future()
            sent.set_exception(error)
        timer, here = loop.call_later(self._patience, self._give_up, loop, batch, sent), threading.get_ident()

        def done(sent: "Future[list[V]]") -> None:
            if threading.get_ident() == here:
                self._answer(loop, batch, timer, sent)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(self._answer, loop, batch, timer, sent)

        sent.add_done_callback(done)
        self._look(loop)

    def _give_up(self, loop: asyncio.AbstractEventLoop, batch: "_Batch[K, V]", sent: "Future[list[V]]") -> None:
        sent.cancel()
        self._tell(loop, batch, self._late(), ())

    def _answer(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: "_Batch[K, V]",
        timer: asyncio.TimerHandle,
        sent: "Future[list[V]]",
    ) -> None:
        timer.cancel()
        error = self._late() if sent.cancelled() else sent.exception()
        self._tell(loop, batch, error, () if error else sent.result())

    def _tell(
        self, loop: asyncio.AbstractEventLoop, batch: "_Batch[K, V]", error: BaseException | None, values: Sequence[V]
    ) -> None:
        """Tell everybody of the batch, once."""
        if not batch:
            return
        self._under_way -= 1
        for place, (_, future) in enumerate(batch):
            if future.done():  # whoever waited has gone
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(values[place])
        batch.clear()
        self._look(loop)
