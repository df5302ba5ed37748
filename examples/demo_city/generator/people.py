"""The residents: households of couples, children and people living alone, with who married whom and when."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from examples.demo_city.generator import words
from examples.demo_city.generator.identifiers import citizen_id

_SURNAMES: Final = tuple(words.SURNAMES)
_GIVEN: Final = tuple(words.GIVEN)
_RARE: Final = tuple(words.RARE_GIVEN)
_REGIONS: Final = tuple(words.HOME_REGIONS)
_YEAR: Final = 365.25


@dataclass(slots=True)
class Person:
    """One resident as the city knows her, before any department writes her down."""

    id: str
    name: str
    pinyin: str
    man: bool
    born: date
    ethnic: tuple[str, str]
    address: str
    mobile: str


@dataclass(frozen=True, slots=True)
class Wedding:
    """A marriage or, with `divorce`, its end."""

    husband: Person
    wife: Person
    on: date
    divorce: bool = False


class Registry:
    """Makes persons of a city, each with an ID number that no other has; `today` is the first day not yet over."""

    def __init__(self, rng: Random, today: date) -> None:
        self.rng = rng
        self.today = today
        self._sequences: dict[str, int] = {}

    def person(self, man: bool, born: date, address: str, region: str, surname: str = "") -> Person:
        """A new resident of this sex and birth date; `surname` is the father's, if known."""
        rng = self.rng
        name, pinyin = self._name(surname)
        mobile = f"1{rng.randrange(3, 10)}{rng.randrange(10)}0000{rng.randrange(10000):04d}"
        ethnic = words.ETHNIC[int(rng.random() * 100)]
        return Person(self._id(region, born, man), name, pinyin, man, born, ethnic, address, mobile)

    def address(self) -> tuple[str, str]:
        """A flat and the region code of its district."""
        rng = self.rng
        region = _REGIONS[int(rng.random() * len(_REGIONS))]
        street = words.STREETS[int(rng.random() * len(words.STREETS))]
        number, house, flat = rng.randrange(1, 900), rng.randrange(1, 60), rng.randrange(101, 2405)
        return f"示例市{words.HOME_REGIONS[region]}{street}路{number}弄{house}号{flat}室", region

    def birthday(self, low: float, high: float) -> date:
        """A birth date that makes its owner between `low` and `high` years old."""
        days = low * _YEAR + self.rng.random() * (high - low) * _YEAR
        return self.today - timedelta(days=int(days) + 1)

    def origin(self, region: str) -> str:
        """Where an adult's ID was issued: here, or in three of ten cases elsewhere."""
        return region if self.rng.random() < 0.7 else self.rng.choice(words.OTHER_REGIONS)

    def _id(self, region: str, born: date, man: bool) -> str:
        slot = f"{region}{born:%Y%m%d}{man:d}"
        turn = self._sequences[slot] = self._sequences.get(slot, int(self.rng.random() * 40)) + 1
        return citizen_id(region, born, turn * 2 + man)

    def _name(self, surname: str) -> tuple[str, str]:
        rng = self.rng
        luck = rng.random()
        if luck < 0.002 and not surname:
            chosen = rng.randrange(len(words.DOTTED))
            return words.DOTTED[chosen], words.DOTTED_PINYIN[chosen]
        surname = surname or _SURNAMES[int(rng.random() ** 1.6 * len(_SURNAMES))]
        given = _GIVEN[int(rng.random() * 22)]
        sound = words.GIVEN[given]
        if 0.002 <= luck < 0.006:
            rare = _RARE[int(rng.random() * 3)]
            given, sound = given + rare, sound + words.RARE_GIVEN[rare]
        elif luck < 0.9:
            second = _GIVEN[int(rng.random() * 22)]
            given, sound = given + second, sound + words.GIVEN[second]
        return surname + given, f"{words.SURNAMES[surname]} {sound}"


def settle(registry: Registry, size: int) -> tuple[list[Person], list[Wedding]]:
    """`size` residents in households, and every marriage and divorce among them that was registered here.

    The first brides bear the rare characters, so that even a hamlet has them.
    """
    people: list[Person] = []
    weddings: list[Wedding] = []
    rng = registry.rng
    while len(people) < size:
        address, region = registry.address()
        luck = rng.random()
        if luck < 0.3:
            people.append(_adult(registry, rng.random() < 0.5, registry.birthday(19, 88), address, region))
            continue
        couple = _couple(registry, address, region)
        people += couple
        together = max(couple[0].born, couple[1].born) + timedelta(days=int((23 + rng.random() * 9) * _YEAR))
        if together < registry.today and rng.random() < 0.85:
            weddings += _registered(registry, *couple, together)
        children = 0 if luck < 0.5 else 1 if luck < 0.83 else 2
        people += _children(registry, couple, together, children, region)
    del people[size:]
    kept = {p.id for p in people}
    weddings = [w for w in weddings if w.husband.id in kept and w.wife.id in kept]
    for wedding, (given, sound) in zip(weddings, words.RARE_GIVEN.items(), strict=False):
        family = surname(wedding.wife) or _SURNAMES[0]
        wedding.wife.name, wedding.wife.pinyin = family + given, f"{words.SURNAMES[family]} {sound}"
    return people, weddings


def surname(person: Person) -> str:
    """The surname that a child would take; empty for a name without one."""
    return next((person.name[:n] for n in (2, 1) if person.name[:n] in words.SURNAMES), "")


def _adult(registry: Registry, man: bool, born: date, address: str, region: str) -> Person:
    return registry.person(man, born, address, registry.origin(region))


def _couple(registry: Registry, address: str, region: str) -> tuple[Person, Person]:
    born = registry.birthday(24, 85)
    younger = born + timedelta(days=int((registry.rng.random() * 6 - 2) * _YEAR))
    return _adult(registry, True, born, address, region), _adult(registry, False, younger, address, region)


def _registered(registry: Registry, husband: Person, wife: Person, on: date) -> list[Wedding]:
    found = [Wedding(husband, wife, on)]
    apart = on + timedelta(days=int((2 + registry.rng.random() * 20) * _YEAR))
    if registry.rng.random() < 0.04 and apart < registry.today:
        found.append(Wedding(husband, wife, apart, divorce=True))
    return found


def _children(
    registry: Registry, couple: tuple[Person, Person], together: date, number: int, region: str
) -> list[Person]:
    children: list[Person] = []
    father = surname(couple[0])
    born = together
    for _ in range(number):
        born += timedelta(days=int((1 + registry.rng.random() * 3) * _YEAR))
        if registry.today - timedelta(days=int(21 * _YEAR)) < born < registry.today:
            man = registry.rng.random() < 0.51
            children.append(registry.person(man, born, couple[0].address, region, father))
    return children
