"""Look-ups that wait at the same moment share one call: a database server is then asked once for many, by a thread, while nobody blocks."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

V = TypeVar("V")
Key = tuple[str, str]


class Gather(Generic[V]):
    """Awaits `fetch`, which takes several keys and gives a value for each, in their order; an error is everybody's who waited for it."""

    def __init__(self, fetch: Callable[[Sequence[Key]], Sequence[V]], most: int = 256) -> None:
        self._fetch, self._most = fetch, most
        self._waiting: list[tuple[Key, asyncio.Future[V]]] = []
        self._running = False
        self._thread = ThreadPoolExecutor(1, "gather")

    def __call__(self, *key: str) -> "asyncio.Future[V]":
        """The value of one key."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[V] = loop.create_future()
        self._waiting.append(((key[0], key[1]), future))
        if not self._running:
            self._running = True
            loop.call_soon(self._next, loop)
        return future

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask for all that waits now; what comes meanwhile is asked for next."""
        batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        self._running = bool(batch)
        if batch:
            asked = loop.run_in_executor(self._thread, self._fetch, [key for key, _ in batch])
            asked.add_done_callback(lambda done: self._answer(loop, batch, done))

    def _answer(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[tuple[Key, "asyncio.Future[V]"]],
        done: "asyncio.Future[Sequence[V]]",
    ) -> None:
        error = done.exception()
        for place, (_, future) in enumerate(batch):
            if future.done():  # whoever waited has gone
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(done.result()[place])
        self._next(loop)
