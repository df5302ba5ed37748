"""The bench as fixtures, and the figures of a campaign as a table at the end."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
import servers
from faults_bench import Bench, Zygote
from faults_departments import Api, Changes, Department, Drops, Server, ServerChanges
from faults_oracle import LETTERS, Tally

_numbers = count(1)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    warm = Zygote()
    yield warm
    warm.close()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """The test's figures; they travel with its report, from whatever worker."""
    made = Tally()
    made.at(request.node.originalname)
    began = time.monotonic()
    yield made
    seconds = time.monotonic() - began
    for place, figures in made.figures.items():
        if figures:
            share = figures["faults"] / max(1, sum(f["faults"] for f in made.figures.values()))
            request.node.user_properties.append(("faults", (place, dict(figures), seconds * share)))


@pytest.fixture
def found(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Department]]:
    """Founds a department of some kind, with its server."""
    with ExitStack() as stack:

        def made(kind: str) -> Department:
            drop = tmp_path / f"city-{next(_numbers)}" / "drop"
            drop.mkdir(parents=True)
            plain = {"snapshot": Department, "incremental": Changes, "files": Drops, "api": Api}
            if kind in plain:
                department = plain[kind](drop)
                if isinstance(department, Api):
                    stack.enter_context(department.serving())
                return department
            system, _, mode = kind.partition(" ")
            url = request.getfixturevalue({"postgresql": "postgres_url", "mariadb": "mariadb_url"}[system])
            name = f"faults {os.getpid()} {next(_numbers)}"
            database = stack.enter_context(servers.database(url, name))
            return (ServerChanges if mode == "incremental" else Server)(drop, url=database)

        yield made


@pytest.fixture
def bench_of(
    zygote: Zygote, found: Callable[[str], Department], request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Bench]]:
    """A city whose only dataset comes from a department of some kind; `ledger on postgresql` is `snapshot` beside such a ledger."""
    with ExitStack() as stack:

        def made(kind: str) -> Bench:
            if kind != "ledger on postgresql":
                department, ledger_url = found(kind), ""
            else:
                department = found("snapshot")
                url = request.getfixturevalue("postgres_url")
                ledger_url = stack.enter_context(servers.database(url, f"ledger {os.getpid()} {next(_numbers)}"))
            bench = Bench(department.drop.parent, zygote, department, ledger_url)
            stack.callback(bench.close)
            return bench

        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures: faults that fired and oracle checks that held, by place; a failed test adds none.

    They are told when `tally` is torn down; of a worker, only that report brings them.
    """
    passed = {report.nodeid for report in terminalreporter.getreports("passed")}
    total: dict[str, Counter[str]] = {}
    seconds: Counter[str] = Counter()
    for report in terminalreporter.getreports(""):
        for name, value in report.user_properties:
            if name == "faults" and report.when == "teardown" and report.nodeid in passed:
                place, figures, took = value
                total.setdefault(place, Counter()).update(figures)
                seconds[place] += took
    if not total:
        return
    wide = max(map(len, total)) + 2
    terminalreporter.section("faults and oracle checks")
    terminalreporter.line(
        f"{'point':<{wide}}{'faults':>7}" + "".join(f"{x:>7}" for x in LETTERS) + f"{'reads':>8}{'seconds':>9}"
    )
    for place, figures in total.items():
        letters = "".join(f"{figures[x] or '':>7}" for x in LETTERS)
        terminalreporter.line(
            f"{place:<{wide}}{figures['faults']:>7}{letters}{figures['looks'] or '':>8}{seconds[place]:>9.1f}"
        )
    every = sum(total.values(), Counter())
    letters = "".join(f"{every[x]:>7}" for x in LETTERS)
    terminalreporter.line(
        f"{'in all':<{wide}}{every['faults']:>7}{letters}{every['looks']:>8}{sum(seconds.values()):>9.1f}"
    )
