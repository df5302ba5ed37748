"""市公用事业集团: water, gas and electricity accounts as JSON lines with a nested holder."""

from datetime import date, timedelta
from random import Random

from examples.demo_city.generator.tables import Row, Table
from examples.demo_city.generator.world import City

COLUMNS = ("account", "utility", "holder.type", "holder.id", "holder.name", "address", "openedOn", "balance")
UTILITIES = ("water", "electricity", "gas")


def utility_accounts(city: City) -> Table:
    """Accounts of about half the households and most firms; the person who opened one may have moved since."""
    dice = city.plan.dice("utility_accounts")
    rows: list[Row] = []
    seen: set[str] = set()
    for person in city.people:
        if person.address in seen:
            continue
        seen.add(person.address)
        for utility in UTILITIES[: dice.randrange(3)]:
            rows.append(
                account("person", person.id, person.name, person.address, utility, len(rows), city.plan.eve, dice)
            )
    for firm in city.firms:
        if dice.random() < 0.8:
            rows.append(
                account("enterprise", firm.uscc, firm.name, firm.address, "electricity", len(rows), city.plan.eve, dice)
            )
    return Table("utility_accounts", COLUMNS, rows)


def account(
    kind: str, holder: str, name: str, address: str, utility: str, number: int, today: date, dice: Random
) -> Row:
    """One account, opened at some time in the last twenty years."""
    opened = today - timedelta(days=1 + dice.randrange(20 * 365))
    balance = f"{dice.randrange(-200, 2000)}.{dice.randrange(100):02d}"
    return Row([f"GY{number:08d}", utility, kind, holder, name, address, opened.isoformat(), balance])
