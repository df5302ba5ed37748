"""The firms: who runs them, what they trade in, and the food licences that some of them need."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from examples.demo_city.generator import words
from examples.demo_city.generator.identifiers import spell, uscc
from examples.demo_city.generator.people import Person

_KINDS: Final = ("91",) * 15 + ("92",) * 4 + ("93",)


@dataclass(slots=True)
class Firm:
    """One registered firm; `capital` in 万元, `until` None for a firm without term."""

    uscc: str
    name: str
    head: Person
    kind: str
    trade: tuple[str, str, str]
    capital: int
    founded: date
    until: date | None
    address: str
    phone: str
    sells_food: bool


def found(
    rng: Random, people: list[Person], addresses: list[str], today: date, size: int, first: int = 0
) -> list[Firm]:
    """`size` firms, numbered from `first`, each led by an adult resident."""
    heads = [p for p in people if 22 * 365 < (today - p.born).days < 70 * 366]
    return [_firm(rng, heads, addresses, today, first + i) for i in range(size)]


def _firm(rng: Random, heads: list[Person], addresses: list[str], today: date, number: int) -> Firm:
    head = heads[int(rng.random() * len(heads))]
    kind = _KINDS[int(rng.random() * len(_KINDS))]
    trade = words.TRADES[int(rng.random() ** 1.5 * len(words.TRADES))]
    region = rng.choice(tuple(words.HOME_REGIONS))
    founded = today - timedelta(days=int(30 + rng.random() ** 2 * 30 * 365))
    brand = rng.choice(words.BRANDS) + rng.choice(words.BRANDS)
    until = founded + timedelta(days=365 * 50) if rng.random() < 0.2 else None
    return Firm(
        uscc(kind, region, "MADE" + spell(number, 4)),
        f"示例市{brand}{trade[0]}{words.FORMS[kind]}",
        head,
        kind,
        trade,
        rng.choice((1, 3, 10, 50, 100, 200, 500, 1000, 5000)) if kind != "92" else rng.choice((1, 2, 5)),
        founded,
        until,
        addresses[int(rng.random() * len(addresses))],
        f"1{rng.randrange(3, 10)}{rng.randrange(10)}0000{rng.randrange(10000):04d}",
        trade in words.TRADES[: words.FOOD_TRADES],
    )
