"""Calls that wait at the same moment are one call, made by a thread while nobody blocks: one look-up, one transaction for many."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


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
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
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
            sent = asyncio.wrap_future(self._send([key for key, _ in batch]), loop=loop)
        except Exception as error:  # noqa: BLE001 - it is told to those who wait
            sent = loop.create_future()
            sent.set_exception(error)
        timer = loop.call_later(self._patience, sent.cancel)
        sent.add_done_callback(lambda done: self._answer(loop, batch, timer, done))
        self._look(loop)

    def _answer(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: "list[tuple[K, asyncio.Future[V]]]",
        timer: asyncio.TimerHandle,
        done: "asyncio.Future[list[V]]",
    ) -> None:
        timer.cancel()
        self._under_way -= 1
        error = self._late() if done.cancelled() else done.exception()
        for place, (_, future) in enumerate(batch):
            if future.done():  # whoever waited has gone
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(done.result()[place])
        self._look(loop)
