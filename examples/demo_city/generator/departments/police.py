"""市公安局: residents in a database with Chinese names; dates as YYYYMMDD, sex and ethnic group in words."""

from datetime import datetime, timedelta
from random import Random

from examples.demo_city.generator.people import Person
from examples.demo_city.generator.tables import Row, Table
from examples.demo_city.generator.world import City

COLUMNS = ("公民身份号码", "姓名", "性别", "出生日期", "民族", "户籍地区划", "现住址", "联系电话", "更新时间")


def residents(city: City) -> Table:
    """One row a resident: 人口基本信息."""
    dice = city.plan.dice("residents")
    end = datetime.combine(city.plan.eve, datetime.min.time())
    return Table("residents", COLUMNS, [record(p, end, dice) for p in city.people])


def record(person: Person, end: datetime, dice: Random) -> Row:
    """A person's row, last touched some time in the five years before `end`."""
    touched = end - timedelta(seconds=1 + int(dice.random() * 5 * 365 * 86400))
    return Row(
        [
            person.id,
            person.name,
            "男" if person.man else "女",
            person.born.strftime("%Y%m%d"),
            person.ethnic[1],
            person.id[:6],
            person.address,
            person.mobile if (end.year - person.born.year) > 13 else None,
            touched.strftime("%Y-%m-%d %H:%M:%S"),
        ]
    )
