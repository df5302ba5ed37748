"""市市场监督管理局: companies and food licences in one database; capital and status as clerks typed them."""

from datetime import date, datetime, timedelta
from random import Random

from examples.demo_city.generator.firms import Firm
from examples.demo_city.generator.identifiers import uscc
from examples.demo_city.generator.tables import Row, Table
from examples.demo_city.generator.world import City

OFFICE = uscc("11", "310100", "MADEM002")
COMPANY_COLUMNS = (
    "uscc", "ent_name", "legal_rep", "legal_rep_id", "ent_type", "industry", "reg_cap", "est_date", "term_to", "dom",
    "op_scope", "reg_state", "tel", "updated_at",
)  # fmt: skip
LICENCE_COLUMNS = (
    "licence_no", "uscc", "premises_name", "premises_addr", "category", "valid_from", "valid_to", "status", "issuer_code",
)  # fmt: skip
TYPES = {"91": "有限责任公司", "92": "个体工商户", "93": "农民专业合作社"}
CATEGORIES = ("食品销售经营者", "餐饮服务经营者", "单位食堂")
TERM = 5 * 365


def companies(city: City) -> Table:
    """One row a firm: ent_base."""
    dice = city.plan.dice("companies")
    end = datetime.combine(city.plan.eve, datetime.min.time())
    rows = []
    for firm in city.firms:
        touched = end - timedelta(seconds=60 + int(dice.random() * (end.date() - firm.founded).days * 86400))
        rows.append(company(firm, dice, touched))
    return Table("companies", COMPANY_COLUMNS, rows)


def company(firm: Firm, dice: Random, touched: datetime) -> Row:
    """A firm's row in one of the ways in which clerks write capital, long terms and a living firm."""
    amount = firm.capital
    capital = dice.choice((f"{amount}万人民币", f"{amount}万元人民币", f"{amount}.0000", f"{amount}万元"))
    state = (
        dice.choices(("存续", "在业", "开业", "注销", "吊销"), (70, 15, 8, 5, 2))[0] if not firm.sells_food else "存续"
    )
    return Row(
        [
            firm.uscc,
            firm.name,
            firm.head.name,
            firm.head.id,
            TYPES[firm.kind],
            firm.trade[1],
            capital,
            firm.founded.isoformat(),
            firm.until.isoformat() if firm.until else dice.choice(("9999-12-31", None)),
            firm.address,
            firm.trade[2],
            state,
            firm.phone,
            touched.strftime("%Y-%m-%d %H:%M:%S"),
        ]
    )


def food_licences(city: City) -> Table:
    """One row a licence of a firm that sells food: some run out within thirty days, some have already."""
    dice = city.plan.dice("food_licences")
    sellers = [firm for firm in city.firms if firm.sells_food]
    rows = [licence(firm, i, city.plan.eve, dice) for i, firm in enumerate(sellers)]
    return Table("food_licences", LICENCE_COLUMNS, rows)


def licence(firm: Firm, number: int, today: date, dice: Random, start: date | None = None) -> Row:
    """A licence that began on `start`, or at some time in the last five years and a bit."""
    luck = dice.random()
    left = (
        dice.randrange(1, 30) if luck < 0.05 else -dice.randrange(1, 200) if luck < 0.11 else dice.randrange(31, TERM)
    )
    start = max(start or today - timedelta(days=TERM - left), firm.founded)
    until = start + timedelta(days=TERM)
    status = "有效" if until >= today else dice.choice(("已过期", "失效"))
    category = CATEGORIES[1] if firm.trade[1].startswith("H") else CATEGORIES[0]
    return Row(
        [
            f"JY{1 + CATEGORIES.index(category)}{firm.uscc[2:8]}{number:07d}",
            firm.uscc,
            firm.name.removeprefix("示例市"),
            firm.address,
            category,
            start.isoformat(),
            until.isoformat(),
            status,
            OFFICE,
        ]
    )
