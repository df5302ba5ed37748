"""市民政局: marriages as CSV drops in GB 18030 with Chinese headers, one file per closing day."""

from datetime import date, timedelta

from examples.demo_city.generator.people import Wedding
from examples.demo_city.generator.tables import Row, Table
from examples.demo_city.generator.world import City

COLUMNS = ("证书字号", "男方证件号", "男方姓名", "女方证件号", "女方姓名", "登记日期", "登记类别")


def drop(day: date) -> str:
    """The name of the drop that closed at the end of `day`."""
    return f"marriages_{day:%Y%m%d}.csv"


def marriages(city: City) -> Table:
    """Every certificate of a marriage or divorce: all but the last thirty days' in one old drop, those in a second."""
    dice = city.plan.dice("marriages")
    closed = city.plan.eve - timedelta(days=1)
    month = city.plan.eve - timedelta(days=31)
    rows = []
    for number, wedding in enumerate(city.weddings):
        row = certificate(wedding, number, dice.choice(("结婚登记", "结婚")))
        row.file = drop(month if wedding.on <= month else closed)
        rows.append(row)
    return Table("marriages", COLUMNS, rows)


def certificate(wedding: Wedding, number: int, word: str) -> Row:
    """One certificate's row."""
    return Row(
        [
            f"{'L' if wedding.divorce else 'J'}310100-{wedding.on.year}-{number:06d}",
            wedding.husband.id,
            wedding.husband.name,
            wedding.wife.id,
            wedding.wife.name,
            wedding.on.strftime("%Y/%m/%d"),
            "离婚登记" if wedding.divorce else word,
        ]
    )
