"""What a standardised value must be, as DuckDB SQL predicates: the vectorised twin of `schemas.identifiers`.

Each predicate holds (true, never NULL) for NULL, and each but `format` holds for a value of the wrong form: one fault, one reason.
They say so over `_formed(value)`, NULL where the form is wrong, and not by CASE or OR around the question: DuckDB evaluates a
common subexpression once only outside of such branches (a citizen ID's four checks: 0.3 s instead of 1.1 s a million).
No predicate contains a colon before a word, which SQLAlchemy would take for a bind parameter.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from schemas.characters import CONTROL
from schemas.codes import code_list, pattern
from schemas.contract import Column, Severity
from schemas.elements import ELEMENTS, Element, Reading
from schemas.identifiers import (
    ALPHANUMERIC,
    CITIZEN_FORM,
    FIRST_BIRTH_YEAR,
    LICENCE_FORM,
    MOBILE_FORM,
    ORGANISATION_CHECKS,
    ORGANISATION_WEIGHTS,
    USCC_ALPHABET,
    USCC_FORM,
    USCC_WEIGHTS,
)
from schemas.sql import full_match, literal, one_of
from schemas.standardise import citizen_check, reading_of

_FORMS: dict[Reading, tuple[str, str, str]] = {
    "citizen_id": (CITIZEN_FORM, "不是18位公民身份号码", "is no citizen ID of 18 characters"),
    "uscc": (USCC_FORM, "不是18位统一社会信用代码", "is no unified social credit code of 18 characters"),
    "identifier": ("[0-9A-Z()-]{5,30}", "不是5至30位字母数字", "is not of 5 to 30 letters and digits"),
    "licence_oid": (LICENCE_FORM, "不是电子证照标识", "is no licence identifier after GB/T 36904"),
    "licence_type": ("[0-9A-Z]{18}[0-9]{3}", "不是21位证照类型代码", "is no licence type code of 21 characters"),
    "task_code": ("[0-9A-Z]{18}[1-6][0-9A-Z]{12}", "不是31位实施编码", "is no implementation code of 31 characters"),
    "industry": ("[A-T]([0-9]{2,4})?", "不是行业代码", "is no industry code: a letter and 2 to 4 digits"),
    "region": ("[1-9][0-9]{5}", "不是6位行政区划代码", "is no region code of 6 digits"),
    "town": ("[1-9][0-9]{8}", "不是9位乡镇街道代码", "is no town code of 9 digits"),
    "postcode": ("([1-9][0-9]{5}|0[1-9][0-9]{4}|00[1-9][0-9]{3})", "不是6位邮政编码", "is no postcode of 6 digits"),
    "mobile": (MOBILE_FORM, "不是11位手机号码", "is no mobile number of 11 digits"),
    "email": (
        "[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z]{2,63}",
        "不是电子邮箱地址",
        "is no e-mail address",
    ),
    "lon_lat": (
        "(7[3-9]|[89][0-9]|1[0-2][0-9]|13[0-5])[.][0-9]{4,8},([3-9]|[1-4][0-9]|5[0-3])[.][0-9]{4,8}",
        "不是境内经纬度",
        "is no longitude 73-136, latitude 3-54 in decimal degrees",
    ),
    "person_name": ("[^0-9]+", "姓名含数字", "is no name: it has digits"),
}


@dataclass(frozen=True)
class ElementCheck:
    """One rule a column owes to its type or data element: the SQL predicate that holds, and what to say where it does not."""

    code: str
    severity: Severity
    ok: str
    zh: str
    en: str


def of_string(column: Column, value: str, today: date) -> Iterator[ElementCheck]:
    """The checks of a string column over a SQL value."""
    reading = reading_of(column)
    form = _FORMS.get(reading)
    if form:
        yield _check("format", full_match(value, form[0]), form[1], form[2])
    yield _check("control", f"NOT regexp_matches({value}, {literal(CONTROL)})", "含控制字符", "has control characters")
    match reading:
        case "citizen_id":
            yield from _citizen(value, today)
        case "uscc":
            yield _check("checksum", _uscc(value), "校验码不符", "has a wrong check character")
        case "licence_oid":
            ok = _licence(value)
            yield _check("checksum", ok, "校验位不符", "has a wrong check character", "warning")
        case "region" | "town" | "industry":
            yield _register(reading, value)
        case _:
            yield from _listed(column, value)


def of_date(element: Element | None, column: Column, value: str, today: date) -> Iterator[ElementCheck]:
    """The checks of a date or timestamp column: some elements cannot lie in the future."""
    if element is None or not element.past:
        return
    bound = f"DATE '{today}'"
    if column.type == "timestamp":
        bound = f"timezone('Asia/Shanghai', TIMESTAMP '{today + timedelta(days=1)}')"
    operator = "<" if column.type == "timestamp" else "<="
    yield _check("future", f"{value} {operator} {bound}", "晚于今天", "lies in the future")


def of_number(element: Element | None, column: Column, value: str) -> Iterator[ElementCheck]:
    """The checks of a number column: capital is not negative, unless the contract states its own bound."""
    if element is not None and element.reading == "capital" and column.minimum is None:
        yield _check("range", f"{value} >= 0", "小于零", "is negative")


def _check(code: str, ok: str, zh: str, en: str, severity: Severity = "error") -> ElementCheck:
    return ElementCheck(code, severity, f"coalesce({ok}, true)", zh, en)


def _formed(form: str, value: str) -> str:
    """The value where it has the form, else NULL."""
    return f"CASE WHEN {full_match(value, form)} THEN {value} END"


def _citizen(value: str, today: date) -> Iterator[ElementCheck]:
    value = _formed(CITIZEN_FORM, value)
    check = citizen_check(f"CAST(substr({value}, 1, 17) AS BIGINT)")
    yield _check("checksum", f"{check} = substr({value}, 18, 1)", "校验码不符", "has a wrong check character")
    born = f"try_strptime(substr({value}, 7, 8), '%Y%m%d')"
    exists = f"coalesce({born} >= TIMESTAMP '{FIRST_BIRTH_YEAR}-01-01', false) = ({value} IS NOT NULL)"
    yield _check("date", exists, "出生日期不存在", "has an impossible birth date")
    yield _check(
        "future",
        f"{born} < TIMESTAMP '{today + timedelta(days=1)}'",
        "出生日期晚于今天",
        "has a birth date in the future",
    )
    regions = f"(9[0-9]{{5}}|{pattern([*code_list('region').current, '830000'])})"
    known = full_match(f"substr({value}, 1, 6)", regions)
    yield _check("region", known, "行政区划不存在或已撤销", "has an unknown or retired region", "warning")


def _uscc(value: str) -> str:
    """Both check characters in one comparison."""
    value = _formed(USCC_FORM, value)
    total = " + ".join(_term(USCC_ALPHABET, value, i, w) for i, w in enumerate(USCC_WEIGHTS, 1))
    own = f"substr('{USCC_ALPHABET}', 1 + (31 - ({total}) % 31) % 31, 1)"
    total = " + ".join(_term(ALPHANUMERIC, value, i, w) for i, w in enumerate(ORGANISATION_WEIGHTS, 9))
    organisation = f"substr('{ORGANISATION_CHECKS}', 1 + ({total}) % 11, 1)"
    return f"{organisation} || {own} = substr({value}, 17, 2)"


def _term(alphabet: str, value: str, position: int, weight: int) -> str:
    return f"{weight} * (instr('{alphabet}', substr({value}, {position}, 1)) - 1)"


def _licence(value: str) -> str:
    value = _formed(LICENCE_FORM, value)
    parts = " || ".join(f"split_part({value}, '.', {n})" for n in (6, 7, 8, 9))
    digits = f"list_transform(string_split({parts}, ''), lambda c: instr('{ALPHANUMERIC}', c) - 1)"
    step = "CASE WHEN (p + a) % 36 = 0 THEN 72 % 37 ELSE (p + a) % 36 * 2 % 37 END"
    total = f"list_reduce({digits}, lambda p, a: {step}, 36)"
    return f"substr('{ALPHANUMERIC}', 1 + (37 - {total}) % 36, 1) = split_part({value}, '.', 10)"


def _register(reading: Reading, value: str) -> ElementCheck:
    """Membership of a long register, by one regular expression."""
    if reading == "industry":
        codes, head, what = code_list("industry").values, 3, ("行业代码不存在", "is no industry of GB/T 4754")
    else:
        codes, head, what = code_list("region").values, 6, ("行政区划不存在", "names no region, current or historic")
    formed = _formed(_FORMS[reading][0], value)
    return _check("code", full_match(f"substr({formed}, 1, {head})", pattern(codes)), *what)


def _listed(column: Column, value: str) -> Iterator[ElementCheck]:
    """Membership of the element's code list, else of the code map's targets."""
    element = ELEMENTS[column.element] if column.element else None
    if element and element.codes:
        listed = code_list(element.codes)
        yield _check(
            "code", _member(value, listed.values), f"不在代码集“{listed.zh}”中", f"is not in code list {listed.name}"
        )
    elif column.codes and not column.enum:
        yield _check(
            "code", _member(value, set(column.codes.values())), "不在代码对照表中", "is not in the contract's code map"
        )


def _member(value: str, codes: Iterable[str]) -> str:
    values = sorted(codes)
    if len(values) > 40 and all(v.isalnum() for v in values):
        return full_match(value, pattern(values))
    return one_of(value, values)
