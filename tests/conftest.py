"""What every test folder shares: real servers, started once a run, and an honest last word on what could not be exercised."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import servers

PREFIX = "NEEDS: "
MARKS = {"postgres_url": "needs_postgres", "mariadb_url": "needs_mariadb", "chromium": "needs_chromium"}


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The superuser's URL of a real PostgreSQL server; make a database of your own with `servers.database`."""
    yield from _served(servers.POSTGRES, servers.postgres)


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """The administrator's URL of a real MariaDB server; make a database of your own with `servers.database`."""
    yield from _served(servers.MARIADB, servers.mariadb)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    _want(servers.CHROMIUM)
    return str(servers.chromium_path())


@pytest.fixture(autouse=True)
def own_ground(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Airflow changes in a process that it runs in does not reach the tests after it: the hub's settings, loggers switched off."""
    if request.node.get_closest_marker("airflow"):
        return
    for name in [n for n in os.environ if n.startswith("HUB_")]:
        monkeypatch.delenv(name)
    for name, logger in logging.Logger.manager.loggerDict.items():
        if isinstance(logger, logging.Logger):
            logger.disabled = False
            if name.partition(".")[0] in ("httpx", "httpcore"):
                logger.setLevel(logging.NOTSET)
                logger.propagate = True


def _served(need: servers.Need, start: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    _want(need)
    with start() as url:
        yield url


def _want(need: servers.Need) -> None:
    """Skip without it, or fail in CI, where everything is to be exercised."""
    if servers.missing(need):
        if os.environ.get("CI") == "true":
            pytest.fail(need.reason, pytrace=False)
        pytest.skip(need.reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the server it wants, so that `-m "not needs_mariadb"` leaves those out."""
    for item in items:
        for fixture, mark in MARKS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was not exercised, and the line that installs it."""
    reports = [*terminalreporter.getreports("skipped"), *terminalreporter.getreports("error")]
    lacking: dict[str, int] = {}
    for report in reports:
        text = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if PREFIX in text:
            line = text.partition(PREFIX)[2].splitlines()[0]
            lacking[line] = lacking.get(line, 0) + 1
    if lacking:
        terminalreporter.section("NOT EXERCISED", sep="!", red=True, bold=True)
        for line, count in sorted(lacking.items()):
            terminalreporter.line(f"{count} test(s) could not run here. To run them:  {line}")
