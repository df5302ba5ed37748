"""A bench whose contract is in force, for events."""

from dataclasses import replace
from pathlib import Path

import pytest
from events_bench import KEY, ROWS, Clock
from modes_bench import Bench, sieve_alone


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench whose contract is in force and whose source has two rows, once for all tests."""
    made = Bench(tmp_path_factory.mktemp("events"))
    made.apply()
    made.source(ROWS)
    return made


@pytest.fixture
def bench(applied: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    sieve_alone(monkeypatch)
    made = applied.copy(tmp_path)
    made.hub = replace(made.hub, clock=Clock(), secret=lambda name: {"file:key": KEY}[name])
    return made
