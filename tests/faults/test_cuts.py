"""A source that breaks off, resets or falls silent in the middle of a read: nothing partial is published, the next read is exact."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from faults_bench import SEEDS, Bench, Zygote, city, later, moved
from faults_departments import Api, Department, Server
from faults_oracle import Oracle, Reader, Tally
from faults_proxy import Proxy
from sqlalchemy import make_url

from lake.history import History

SYSTEMS = (
    "api", pytest.param("postgresql snapshot", marks=pytest.mark.needs_postgres),
    pytest.param("mariadb snapshot", marks=pytest.mark.needs_mariadb),
)  # fmt: skip
IMPATIENT = {"FAULTS_IMPATIENT": "1"}


@dataclass
class Line:
    """A bench whose source is behind a proxy; `connection` is the one that the rows come by, counted from the run's first."""

    bench: Bench
    proxy: Proxy
    connection: int = 0
    stream: bytes = b""

    def measure(self) -> None:
        """Read once in whole, byte by byte, and look where the rows went by."""
        self.proxy.clear()
        self.proxy.step = 1
        assert self.bench.pull() == "exit 0"
        self.proxy.step = 1 << 16
        keys = [key.encode() for key in self.bench.rows]
        streams = [bytes(s) for s in self.proxy.streams]
        with_rows = [n for n, stream in enumerate(streams) if any(key in stream for key in keys)]
        self.connection = with_rows[-1]
        self.stream = streams[self.connection]

    def places(self) -> dict[str, int]:
        """How many bytes go by before the rows are announced, in the first, middle and last row, and before the last byte of all."""
        found = sorted(self.stream.find(key.encode()) for key in self.bench.rows)
        rows = [at for at in found if at >= 0]
        return {
            "answer before the rows": rows[0] - 60, "first row": rows[0] + 1, "middle row": rows[len(rows) // 2] + 9, "last row": rows[-1] + 17,
            "last byte": len(self.stream) - 1,
        }  # fmt: skip


@pytest.fixture
def line_of(zygote: Zygote, found: Callable[[str], Department]) -> Iterator[Callable[[str], Line]]:
    with ExitStack() as stack:

        def made(kind: str) -> Line:
            department = found(kind)
            assert isinstance(department, Server | Api)
            upstream = department.port or make_url(department.url).port
            proxy = stack.enter_context(Proxy(int(upstream or 0)).serving())
            department.port = proxy.port
            bench = Bench(department.drop.parent, zygote, department, env=IMPATIENT)
            stack.callback(bench.close)
            return Line(bench, proxy)

        yield made


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", SYSTEMS)
def test_a_read_that_is_cut_publishes_nothing_and_the_next_one_is_exact(
    line_of: Callable[[str], Line], tally: Tally, kind: str
) -> None:
    line = line_of(kind)
    bench, proxy = line.bench, line.proxy
    bench.source(city(1))
    line.measure()
    with Reader(bench, tally):
        for number, (place, at) in enumerate(line.places().items()):
            for how in ("close", "reset") if SEEDS else ("close", "reset")[number % 2 :][:1]:
                bench.source(moved(bench.rows))
                proxy.set(line.connection, at, how, everywhere=True)
                tally.at(f"{kind}: {how} at the {place}")
                broken_off(line, Oracle(bench, tally), place)
                if SEEDS:
                    proxy.clear()
                    Oracle(bench, tally).check_recovery()
        proxy.clear()
        bench.source(later(bench.rows, 1))
        Oracle(bench, tally).check_recovery()


def broken_off(line: Line, oracle: Oracle, place: str) -> None:
    """A pull into the trap: it fails and changes nothing. If only the farewell was lost it may as well have got everything."""
    bench, number = line.bench, History(line.bench.hub.lake, "people").number
    ended = bench.pull()
    assert line.proxy.fired, "the trap lay on the way"
    oracle.tally.count("faults")
    if place == "last byte" and ended == "exit 0":
        oracle.check_converged()
        return
    assert ended == "source-unreachable"
    assert History(bench.hub.lake, "people").number == number
    oracle.check_either(bench.before)
    oracle.check_loads()


@pytest.mark.parametrize("kind", SYSTEMS)
def test_a_source_that_falls_silent_is_given_up_and_the_next_read_is_exact(
    line_of: Callable[[str], Line], tally: Tally, kind: str
) -> None:
    line = line_of(kind)
    line.bench.source(city(2))
    line.measure()
    line.bench.source(later(line.bench.rows, 2))
    for place in (
        ("answer before the rows", "first row", "middle row") if SEEDS else ("answer before the rows", "middle row")
    ):
        tally.at(f"{kind}: silence at the {place}")
        line.proxy.set(line.connection, line.places()[place], "silence", everywhere=True)
        broken_off(line, Oracle(line.bench, tally), place)
    line.proxy.clear()
    Oracle(line.bench, tally).check_recovery()
