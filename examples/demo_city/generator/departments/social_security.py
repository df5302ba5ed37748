"""市人力资源和社会保障局: insurance accounts behind a paged REST service; amounts as text, times with their offset."""

from datetime import date, datetime, timedelta
from random import Random

from examples.demo_city.generator.firms import Firm
from examples.demo_city.generator.people import Person
from examples.demo_city.generator.tables import Row, Table
from examples.demo_city.generator.world import City

COLUMNS = ("accountNo", "idNo", "name", "employerUscc", "scheme", "status", "baseAmount", "paidUntil", "updatedAt")
SCHEMES = ("pension", "medical", "unemployment", "injury", "maternity")


def insurance(city: City) -> Table:
    """One or two accounts for each of seven in ten residents of working age."""
    dice = city.plan.dice("insurance")
    end = datetime.combine(city.plan.eve, datetime.min.time())
    rows: list[Row] = []
    for person in city.people:
        age = (city.plan.eve - person.born).days / 365.25
        if 18 <= age < 62 and dice.random() < 0.7:
            firm = city.firms[int(dice.random() * len(city.firms))]
            schemes = SCHEMES[:2] if dice.random() < 0.3 else (SCHEMES[int(dice.random() ** 2 * 5)],)
            for scheme in schemes:
                touched = end - timedelta(seconds=1 + int(dice.random() * 90 * 86400))
                rows.append(account(person, firm, scheme, len(rows), dice, touched))
    return Table("insurance", COLUMNS, rows)


def account(person: Person, firm: Firm, scheme: str, number: int, dice: Random, touched: datetime) -> Row:
    """One account, last touched at `touched`."""
    status = "参保缴费" if dice.random() < 0.9 else dice.choice(("暂停缴费", "终止参保"))
    return Row(
        [
            f"SB{number:09d}",
            person.id,
            person.name,
            firm.uscc,
            scheme,
            status,
            f"{int(4000 + dice.random() ** 3 * 30000)}.{dice.randrange(100):02d}",
            _month_end(touched.date()).isoformat(),
            stamp(touched),
        ]
    )


def stamp(moment: datetime) -> str:
    """A time as the service writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S+08:00")


def _month_end(day: date) -> date:
    return day.replace(day=1) - timedelta(days=1)
