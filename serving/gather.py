"""Calls that wait at the same moment are one call, made by a thread while nobody blocks: one look-up, one transaction for many."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Gather(Generic[K, V]):
    """Awaits `send`, which is handed several keys and later gives a value for each, in their order.

    So many `calls` are under way at a time, each with at most `most` keys; what comes meanwhile goes with the next. An error is everybody's
    who waited for the call, and so is `late` where it takes longer than `patience` seconds.
    """

    def __init__(
        self,
        send: Callable[[Sequence[K]], "Future[list[V]]"],
        late: Callable[[], Exception] = TimeoutError,
        *,
        patience: float = 60.0,
        most: int = 256,
        calls: int = 1,
    ) -> None:
        self._send, self._late, self._patience, self._most = send, late, patience, most
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._free = calls

    def __call__(self, key: K) -> "asyncio.Future[V]":
        """The value of one key."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[V] = loop.create_future()
        self._waiting.append((key, future))
        if self._free:
            self._free -= 1
            loop.call_soon(self._next, loop)
        return future

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send all that waits now; what comes meanwhile is sent next."""
        batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        if not batch:
            self._free += 1
            return
        try:
            sent = asyncio.wrap_future(self._send([key for key, _ in batch]), loop=loop)
        except Exception as error:  # noqa: BLE001 - it is told to those who wait
            sent = loop.create_future()
            sent.set_exception(error)
        timer = loop.call_later(self._patience, sent.cancel)
        sent.add_done_callback(lambda done: self._answer(loop, batch, timer, done))

    def _answer(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: "list[tuple[K, asyncio.Future[V]]]",
        timer: asyncio.TimerHandle,
        done: "asyncio.Future[list[V]]",
    ) -> None:
        timer.cancel()
        error = self._late() if done.cancelled() else done.exception()
        for place, (_, future) in enumerate(batch):
            if future.done():  # whoever waited has gone
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(done.result()[place])
        self._next(loop)
