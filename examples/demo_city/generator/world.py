"""The city as it is, before its departments write it down: `build` makes all of it from a seed.

Day 0 is the city as it was when `today` was about to begin its eve: everything in it happened before `Plan.eve`, and day 1 is
the eve itself. So both lie in the past of whoever looks on `today`, whatever the hour and the time zone.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from examples.demo_city.generator.firms import Firm, found
from examples.demo_city.generator.people import Person, Registry, Wedding, settle


@dataclass(frozen=True)
class Plan:
    """What a city is made from; equal plans make equal cities."""

    residents: int
    companies: int
    seed: int
    today: date

    @property
    def eve(self) -> date:
        """The day before `today`: the first that day 0 knows nothing of."""
        return self.today - timedelta(days=1)

    def dice(self, *purpose: str | int) -> Random:
        """Randomness of its own for each purpose, so that a change in one department leaves the others as they were."""
        return Random(":".join(map(str, (self.seed, *purpose))))


@dataclass(slots=True)
class City:
    """Everybody and every firm, with the registry that can add to them."""

    plan: Plan
    registry: Registry
    people: list[Person]
    weddings: list[Wedding]
    firms: list[Firm]


def build(plan: Plan) -> City:
    """The city of a plan."""
    registry = Registry(plan.dice("people"), plan.eve)
    people, weddings = settle(registry, plan.residents)
    dice = plan.dice("firms")
    addresses = [registry.address()[0] for _ in range(max(plan.companies // 2, 1))]
    return City(plan, registry, people, weddings, found(dice, people, addresses, plan.eve, plan.companies))
