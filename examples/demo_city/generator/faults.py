"""What is planted where, how often, and what must become of it: the table `FAULTS`, and `plant`, which follows it.

Each fault goes into rows that are clean so far, so that a row has one fault and the truth about it is exact. Faults that
take a company out of the hub spare companies with a food licence, save the one kind that is there for its consequences.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from examples.demo_city.generator import damage as do
from examples.demo_city.generator.damage import Damage
from examples.demo_city.generator.identifiers import uscc
from examples.demo_city.generator.tables import Expected, Note, Row, Table

Eligible = Callable[[Table, Row], bool]


@dataclass(frozen=True)
class Fault:
    """One kind of planted error: `rate` in rows per 10,000, at least one row; `also` are damages to further columns."""

    dataset: str
    kind: str
    rate: float
    column: str
    damage: Damage
    rules: tuple[str, ...] = ()
    expected: Expected = "quarantined"
    also: dict[str, Damage] = field(default_factory=dict)
    eligible: Eligible | None = None


def _ends_in_x(column: str) -> Eligible:
    return lambda table, row: str(row.values[table.at(column)]).endswith("X")


def _person(table: Table, row: Row) -> bool:
    return bool(row.values[table.at("holder.type")] == "person")


def _filled(column: str) -> Eligible:
    return lambda table, row: bool(row.values[table.at(column)])


_ID, _NO = "公民身份号码", "身份证号"
_FUTURE = do.one_of("2091-05-06")
_NOBODY = uscc("91", "310104", "MADF0001")
FAULTS: Final[tuple[Fault, ...]] = (
    Fault("residents", "bad_id_checksum", 10, _ID, do.checksum_of_citizen, ("citizen_id.checksum",)),
    Fault("residents", "impossible_date_in_id", 5, _ID, do.impossible_date, ("citizen_id.date",), also={"出生日期": do.blank}),
    Fault("residents", "born_in_future", 3, _ID, do.born_in_future, ("citizen_id.future",), also={"出生日期": do.blank}),
    Fault("residents", "unknown_code", 8, "民族", do.one_of("火星族", "未识别"), ("ethnic_code.code",)),
    Fault("residents", "missing_required", 4, "姓名", do.blank, ("name.required",)),
    Fault("residents", "blank_name", 3, "姓名", do.one_of("　", "  "), ("name.required",)),
    Fault("residents", "digit_in_name", 4, "姓名", do.digit_in_name, ("name.format",)),
    Fault("residents", "unparsable_date", 5, "出生日期", do.one_of("一九八〇年", "19801350", "不详"), ("birth_date.type",)),
    Fault("residents", "sex_disagrees_with_id", 6, "性别", do.other_sex, ("id_agrees",)),
    Fault("residents", "birth_disagrees_with_id", 4, "出生日期", do.day_later, ("id_agrees",)),
    Fault("residents", "bad_mobile", 10, "联系电话", do.short_number, ("mobile.format",), eligible=_filled("联系电话")),
    Fault("residents", "unknown_region", 4, "户籍地区划", do.one_of("990101", "310199"), ("hukou_region.code",)),
    Fault("residents", "retired_region_in_id", 10, _ID, do.retired_region, ("citizen_id.region",), "warning"),
    Fault("residents", "full_width_id", 30, _ID, do.wide, expected="standardised"),
    Fault("residents", "lower_case_x", 20, _ID, do.lower, expected="standardised", eligible=_ends_in_x(_ID)),
    Fault("residents", "times_sign_for_x", 5, _ID, do.times_sign, expected="standardised", eligible=_ends_in_x(_ID)),
    Fault("residents", "spaces_around", 10, "姓名", do.spaced, expected="standardised"),
    Fault("residents", "mobile_with_prefix", 40, "联系电话", do.dialled, expected="standardised", eligible=_filled("联系电话")),
    Fault("companies", "bad_uscc_checksum", 20, "uscc", do.checksum_of_organisation, ("uscc.checksum",)),
    Fault("companies", "unknown_code", 15, "reg_state", do.one_of("查无此状态", "Z"), ("reg_status_code.code",)),
    Fault("companies", "no_number", 10, "legal_rep_id", do.one_of("无", "待补"), ("legal_rep_id.format",)),
    Fault("companies", "dates_reversed", 10, "term_to", do.one_of("1979-12-31"), ("term_order",)),
    Fault("companies", "date_in_future", 7, "est_date", _FUTURE, ("establish_date.future",), also={"term_to": do.blank}),
    Fault("companies", "unparsable_amount", 10, "reg_cap", do.one_of("面议", "见章程"), ("reg_capital.type",)),
    Fault("companies", "negative_amount", 7, "reg_cap", do.negative, ("reg_capital.range",)),
    Fault("companies", "missing_required", 7, "ent_name", do.blank, ("org_name.required",)),
    Fault("companies", "bad_mobile", 10, "tel", do.short_number, ("phone.format",)),
    Fault("companies", "full_width_code", 20, "uscc", do.wide, expected="standardised"),
    Fault("companies", "lower_case_code", 20, "uscc", do.lower, expected="standardised"),
    Fault("companies", "half_width_brackets", 20, "ent_name", do.half_width_brackets, expected="standardised"),
    Fault("food_licences", "dates_reversed", 30, "valid_to", do.one_of("2001-01-31"), ("validity_order",)),
    Fault("food_licences", "orphan", 40, "uscc", do.one_of(_NOBODY), ("company_known",)),
    Fault("food_licences", "unknown_code", 20, "status", do.one_of("待定", "??"), ("status.code",)),
    Fault("food_licences", "missing_required", 20, "valid_to", do.blank, ("valid_to.required",)),
    Fault("food_licences", "bad_uscc_checksum", 20, "issuer_code", do.checksum_of_organisation, ("issuer_code.checksum",)),
    Fault("marriages", "bad_id_checksum", 15, "男方证件号", do.checksum_of_citizen, ("husband_id.checksum",)),
    Fault("marriages", "impossible_date_in_id", 8, "女方证件号", do.impossible_date, ("wife_id.date",)),
    Fault("marriages", "unknown_code", 10, "登记类别", do.one_of("同居", "订婚"), ("marital_code.code",)),
    Fault("marriages", "unparsable_date", 10, "登记日期", do.one_of("去年五月", "2019/13/40"), ("registered_on.required", "registered_on.type")),
    Fault("marriages", "missing_key", 6, "证书字号", do.one_of(""), ("key.missing", "cert_no.required")),
    Fault("marriages", "missing_required", 6, "女方姓名", do.blank, ("wife_name.required",)),
    Fault("marriages", "lower_case_x", 30, "男方证件号", do.lower, expected="standardised", eligible=_ends_in_x("男方证件号")),
    Fault("marriages", "full_width_id", 20, "女方证件号", do.wide, expected="standardised"),
    Fault("insurance", "bad_id_checksum", 10, "idNo", do.checksum_of_citizen, ("citizen_id.checksum",)),
    Fault("insurance", "bad_uscc_checksum", 8, "employerUscc", do.checksum_of_organisation, ("employer_uscc.checksum",)),
    Fault("insurance", "unknown_value", 8, "scheme", do.one_of("lottery", "养老"), ("scheme.enum",)),
    Fault("insurance", "unknown_code", 8, "status", do.one_of("失联", "9"), ("status.enum",)),
    Fault("insurance", "negative_amount", 5, "baseAmount", do.negative, ("base_amount.range",)),
    Fault("insurance", "unparsable_amount", 5, "baseAmount", do.one_of("N/A", "保密"), ("base_amount.type",)),
    Fault("insurance", "unparsable_date", 5, "paidUntil", do.one_of("2026-02-30", "下个月"), ("paid_until.type",)),
    Fault("insurance", "lower_case_x", 20, "idNo", do.lower, expected="standardised", eligible=_ends_in_x("idNo")),
    Fault("travel_permits", "bad_id_checksum", 20, _NO, do.checksum_of_citizen, ("citizen_id.checksum",)),
    Fault("travel_permits", "missing_required", 10, _NO, do.blank, ("citizen_id.required",)),
    Fault("travel_permits", "dates_reversed", 15, "有效期至", do.one_of("1999-12-31"), ("validity_order",)),
    Fault("travel_permits", "unknown_code", 15, "证件状态", do.one_of("遗失待查", "X9"), ("status.code",)),
    Fault("travel_permits", "full_width_id", 30, _NO, do.wide, expected="standardised"),
    Fault("utility_accounts", "unknown_value", 8, "utility", do.one_of("heating", "broadband"), ("utility.enum",)),
    Fault("utility_accounts", "unparsable_amount", 6, "balance", do.one_of("欠费", "--"), ("balance.type",)),
    Fault("utility_accounts", "missing_required", 6, "address", do.blank, ("address.required",)),
    Fault("utility_accounts", "no_number", 10, "holder.id", do.one_of("无", "租户"), ("holder_id.format",), eligible=_person),
    Fault("utility_accounts", "full_width_id", 20, "holder.id", do.wide, expected="standardised", eligible=_person),
)  # fmt: skip
REPEATS: Final = {
    "residents": (10, 5), "companies": (10, 7), "food_licences": (30, 15), "marriages": (15, 8),
    "travel_permits": (15, 8), "utility_accounts": (10, 6),
}  # fmt: skip
"""Exact repeats and contradicting repeats of one key, per 10,000 rows. Insurance has none: its pages are separate deliveries."""
CONTRADICTED: Final = {
    "residents": ("现住址", "示例市东江区示范路1弄1号101室"), "companies": ("op_scope", "其他"), "food_licences": ("category", "单位食堂"),
    "marriages": ("登记日期", "2001/01/01"), "travel_permits": ("姓名拼音", "JIA YI"), "utility_accounts": ("balance", "0.01"),
}  # fmt: skip
HOLDERS: Final = {
    "insurance": ("idNo", "name"),
    "travel_permits": (_NO, "姓名"),
    "utility_accounts": ("holder.id", "holder.name"),
}
CONFLICTS: Final = 20
"""Rows per 10,000 that name a known resident otherwise than the police do."""


def plant(tables: dict[str, Table], dice: Callable[..., Random]) -> None:
    """Plants every fault of the table, then repeats, conflicting names and redelivered certificates."""
    licensed = {row.values[1] for row in tables["food_licences"].rows}
    for fault in FAULTS:
        _spoil(tables[fault.dataset], fault, licensed, dice("fault", fault.dataset, fault.kind))
    _take_licences_along(tables, dice("fault", "knock_on"))
    for dataset, (exact, contradicting) in REPEATS.items():
        _repeat(tables[dataset], exact, contradicting, licensed, dice("fault", dataset, "repeat"))
    names = {row.values[0]: row.values[1] for row in tables["residents"].clean()}
    for dataset, (holder, name) in HOLDERS.items():
        _rename(tables[dataset], holder, name, names, dice("fault", dataset, "conflict"))
    _redeliver(tables["marriages"], dice("fault", "redeliver"))


def share(rate: float, rows: int) -> int:
    """How many of `rows` a rate per 10,000 makes: at least one."""
    return max(1, round(rate * rows / 10_000))


def _spoil(table: Table, fault: Fault, licensed: set[Any], dice: Random) -> None:
    spared = licensed if fault.dataset == "companies" and fault.expected == "quarantined" else set()
    chosen = _choose(table, share(fault.rate, len(table.rows)), dice, fault.eligible, spared)
    at = table.at(fault.column)
    for row in chosen:
        right = row.values[at]
        row.values[at] = fault.damage(right, dice)
        for column, damage in fault.also.items():
            row.values[table.at(column)] = damage(row.values[table.at(column)], dice)
        if fault.expected == "standardised" and fault.kind == "half_width_brackets":
            right = row.values[at].replace("(", "（").replace(")", "）")
        detail = {"column": fault.column, "right": right}
        row.note = Note(fault.kind, fault.expected, fault.rules, detail)


def _choose(table: Table, number: int, dice: Random, eligible: Eligible | None, spared: set[Any]) -> list[Row]:
    pool = [row for row in table.clean() if row.values[0] not in spared and (eligible is None or eligible(table, row))]
    return dice.sample(pool, min(number, len(pool)))


def _take_licences_along(tables: dict[str, Table], dice: Random) -> None:
    companies, licences = tables["companies"], tables["food_licences"]
    held = {row.values[1] for row in licences.clean()} - {r.values[1] for r in licences.rows if r.note}
    sellers = [row for row in companies.clean() if row.values[0] in held]
    for row in dice.sample(sellers, min(share(10, len(companies.rows)), len(sellers))):
        state = companies.at("reg_state")
        row.note = Note(
            "unknown_code",
            "quarantined",
            ("reg_status_code.code",),
            {"column": "reg_state", "right": row.values[state]},
        )
        row.values[state] = "待核实"
        for licence in licences.clean():
            if licence.values[1] == row.values[0]:
                licence.note = Note("company_in_quarantine", "quarantined", ("company_known",), {"column": "uscc"})


def _rename(table: Table, holder: str, name: str, names: dict[Any, Any], dice: Random) -> None:
    who, called = table.at(holder), table.at(name)
    chosen = _choose(table, share(CONFLICTS, len(table.rows)), dice, lambda _, row: row.values[who] in names, set())
    for row in chosen:
        right = row.values[called]
        row.values[called] = do.other_name(right, dice)
        row.note = Note(
            "name_differs_from_police", "conflict", detail={"column": name, "right": right, "subject": row.values[who]}
        )


def _repeat(table: Table, exact: float, contradicting: float, licensed: set[Any], dice: Random) -> None:
    column, other = CONTRADICTED[table.dataset]
    for row in _choose(table, share(exact, len(table.rows)), dice, None, set()):
        _insert(table, row, Row(list(row.values), Note("exact_repeat", "duplicate"), row.file), dice)
    spared = licensed if table.dataset == "companies" else set()
    for row in _choose(table, share(contradicting, len(table.rows)), dice, None, spared):
        twin = Row(list(row.values), file=row.file)
        twin.values[table.at(column)] = other
        row.note = twin.note = Note("contradicting_repeat", "quarantined", ("key.duplicate",), {"column": column})
        _insert(table, row, twin, dice)


def _insert(table: Table, after: Row, row: Row, dice: Random) -> None:
    table.twinned.add(row.values[0])
    start = table.rows.index(after) + 1
    table.rows.insert(dice.randrange(start, len(table.rows) + 1), row)


def _redeliver(table: Table, dice: Random) -> None:
    """Certificates of the old drop that come again, corrected, in the newer one."""
    newest = max(row.file for row in table.rows)
    old = [row for row in table.clean() if row.file != newest]
    for row in dice.sample(old, min(share(10, len(table.rows)), len(old))):
        again = Row(list(row.values), file=newest)
        row.values[table.at("男方姓名")] = "误录"
        row.note = Note("corrected_in_later_drop", "superseded")
        table.twinned.add(row.values[0])
        table.rows.append(again)
