"""Look-ups that wait at the same moment are one call; an error is everybody's who waited, and whoever has gone keeps nobody waiting."""

import asyncio
import threading
from collections.abc import Sequence

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


def test_what_waits_together_is_asked_together_and_each_gets_its_own() -> None:
    server = Server()

    async def ask() -> list[str]:
        gather = Gather(server)
        first = gather("person", "1")
        await asyncio.sleep(0)
        others = [gather("person", str(n)) for n in range(2, 6)]
        server.open.set()
        return [await first, *[await one for one in others]]

    assert asyncio.run(ask()) == [f"person/{n}" for n in range(1, 6)]
    assert [len(call) for call in server.calls] == [1, 4]


def test_no_call_is_larger_than_the_most() -> None:
    server = Server()
    server.open.set()

    async def ask() -> None:
        gather = Gather(server, most=3)
        await asyncio.gather(*[gather("person", str(n)) for n in range(7)])

    asyncio.run(ask())
    assert [len(call) for call in server.calls] == [3, 3, 1]


def test_an_error_is_told_to_all_who_waited_and_the_next_call_works() -> None:
    server = Server()
    server.open.set()

    async def ask() -> None:
        gather = Gather(server)
        both = await asyncio.gather(gather("person", "broken"), gather("person", "1"), return_exceptions=True)
        assert all(isinstance(one, OSError) for one in both)
        assert await gather("person", "1") == "person/1"

    asyncio.run(ask())


def test_whoever_has_gone_keeps_nobody_waiting() -> None:
    server = Server()

    async def ask() -> str:
        gather = Gather(server)
        gone, here = gather("person", "1"), gather("person", "2")
        gone.cancel()
        server.open.set()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await here

    assert asyncio.run(ask()) == "person/2"
