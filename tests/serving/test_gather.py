"""Look-ups that wait at the same moment are one call; an error is everybody's who waited, and whoever has gone keeps nobody waiting."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

from serving.gather import Gather


class Server:
    """A server that answers when it is let."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls: list[list[tuple[str, str]]] = []

    def __call__(self, asked: Sequence[tuple[str, str]]) -> list[str]:
        self.open.wait(10)
        self.calls.append(list(asked))
        if ("person", "broken") in asked:
            raise OSError("the server has gone")
        return [f"{kind}/{name}" for kind, name in asked]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def test_what_waits_together_is_asked_together_and_each_gets_its_own(pool: ThreadPoolExecutor) -> None:
    server = Server()

    async def ask() -> list[str]:
        gather = Gather(partial(pool.submit, server))
        first = gather(("person", "1"))
        await asyncio.sleep(0)
        others = [gather(("person", str(n))) for n in range(2, 6)]
        server.open.set()
        return [await first, *[await one for one in others]]

    assert asyncio.run(ask()) == [f"person/{n}" for n in range(1, 6)]
    assert [len(call) for call in server.calls] == [1, 4]


def test_so_many_calls_are_under_way_at_once_and_no_more(pool: ThreadPoolExecutor) -> None:
    server, sent = Server(), list[int]()

    def send(keys: Sequence[tuple[str, str]]) -> "Future[list[str]]":
        sent.append(len(keys))
        return pool.submit(server, keys)

    async def ask() -> list[str]:
        gather = Gather(send, most=1, calls=2)
        waiting = [gather(("person", str(n))) for n in range(5)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert sent == [1, 1]
        server.open.set()
        return [await one for one in waiting]

    assert asyncio.run(ask()) == [f"person/{n}" for n in range(5)]
    assert sent == [1] * 5


def test_no_call_is_larger_than_the_most(pool: ThreadPoolExecutor) -> None:
    server = Server()
    server.open.set()

    async def ask() -> None:
        gather = Gather(partial(pool.submit, server), most=3)
        await asyncio.gather(*[gather(("person", str(n))) for n in range(7)])

    asyncio.run(ask())
    assert [len(call) for call in server.calls] == [3, 3, 1]


def test_an_error_is_told_to_all_who_waited_and_the_next_call_works(pool: ThreadPoolExecutor) -> None:
    server = Server()
    server.open.set()

    async def ask() -> None:
        gather = Gather(partial(pool.submit, server))
        both = await asyncio.gather(gather(("person", "broken")), gather(("person", "1")), return_exceptions=True)
        assert all(isinstance(one, OSError) for one in both)
        assert await gather(("person", "1")) == "person/1"

    asyncio.run(ask())


def test_whoever_has_gone_keeps_nobody_waiting(pool: ThreadPoolExecutor) -> None:
    server = Server()

    async def ask() -> str:
        gather = Gather(partial(pool.submit, server))
        gone, here = gather(("person", "1")), gather(("person", "2"))
        gone.cancel()
        server.open.set()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await here

    assert asyncio.run(ask()) == "person/2"


def test_who_waits_too_long_is_told_so_and_the_next_call_works() -> None:
    silent: Future[list[str]] = Future()
    answered: Future[list[str]] = Future()
    answered.set_result(["here"])
    calls = iter([silent, answered])

    async def ask() -> str:
        gather = Gather(lambda _keys: next(calls), lambda: OSError("it does not answer"), patience=0.01)
        with pytest.raises(OSError, match="does not answer"):
            await gather("1")
        return await gather("2")

    assert asyncio.run(ask()) == "here"
    assert silent.cancelled(), "what was not begun is not done after all"


def test_who_waits_too_long_for_what_has_begun_is_told_so_once() -> None:
    begun: Future[list[str]] = Future()
    begun.set_running_or_notify_cancel()

    async def ask() -> None:
        gather = Gather(lambda _keys: begun, lambda: OSError("it does not answer"), patience=0.01)
        with pytest.raises(OSError, match="does not answer"):
            await gather("1")
        begun.set_result(["here"])
        assert await gather("2") == "here"

    asyncio.run(ask())


def test_a_call_that_cannot_be_made_is_told_to_who_waits() -> None:
    def closed(_keys: Sequence[str]) -> "Future[list[str]]":
        raise OSError("closed")

    async def ask() -> None:
        with pytest.raises(OSError, match="closed"):
            await Gather(closed)("1")

    asyncio.run(ask())
