"""One small city for all tests of this folder, as it is on its first day and a day later."""

from datetime import date
from pathlib import Path

import by_hand
import pytest

from examples.demo_city.generator import Plan, advance, generate

PLAN = Plan(residents=1_500, companies=240, seed=7, today=date(2026, 11, 23))


@pytest.fixture(scope="session")
def plan() -> Plan:
    """What the small city is made from."""
    return PLAN


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the first delivery."""
    root = tmp_path_factory.mktemp("city")
    generate(root, PLAN)
    return root


@pytest.fixture(scope="session")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same city a day later, advanced."""
    root = tmp_path_factory.mktemp("later")
    generate(root, PLAN)
    advance(root)
    return root


@pytest.fixture(scope="session")
def judged(city: Path) -> dict[str, by_hand.Judged]:
    """The first delivery as judged by hand."""
    return by_hand.judge(city, PLAN.today)


@pytest.fixture(scope="session")
def judged_later(later: Path) -> dict[str, by_hand.Judged]:
    """A full delivery of the day after, as judged by hand."""
    return by_hand.judge(later, PLAN.today)
