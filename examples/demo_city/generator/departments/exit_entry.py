"""市公安局出入境管理局: travel permits in a workbook; a merged title above the header, issue dates as true Excel dates."""

from datetime import date, timedelta
from random import Random

from examples.demo_city.generator.people import Person
from examples.demo_city.generator.tables import Row, Table
from examples.demo_city.generator.world import City

COLUMNS = ("证件号码", "身份证号", "姓名", "姓名拼音", "证件种类", "签发日期", "有效期至", "证件状态")
TITLE = "往来港澳通行证签发情况表"
ADULT_TERM, CHILD_TERM = 10, 5


def travel_permits(city: City) -> Table:
    """A permit for one resident in seven: some run out within thirty days, some have already."""
    dice = city.plan.dice("travel_permits")
    holders = [p for p in city.people if dice.random() < 0.15]
    rows = [permit(p, i, city.plan.eve, dice) for i, p in enumerate(holders)]
    return Table("travel_permits", COLUMNS, rows)


def permit(person: Person, number: int, today: date, dice: Random, issued: date | None = None) -> Row:
    """A permit issued on `issued`, or so long ago that it ends around today or within its term."""
    years = ADULT_TERM if (today - person.born).days > 16 * 366 else CHILD_TERM
    luck = dice.random()
    term = years * 365
    left = (
        dice.randrange(1, 30) if luck < 0.05 else -dice.randrange(1, 300) if luck < 0.10 else dice.randrange(31, term)
    )
    start = issued or max(today - timedelta(days=term - left), person.born + timedelta(days=1))
    start = min(start, issued or today - timedelta(days=1))
    until = start + timedelta(days=term)
    status = dice.choice(("有效", "有效证件")) if until >= today else "过期失效"
    return Row(
        [f"CD{number:07d}", person.id, person.name, person.pinyin, "往来港澳通行证", start, until.isoformat(), status]
    )
