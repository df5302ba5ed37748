"""Reading text: the reference for how a department's spelling becomes a value, one value at a time.

`schemas.standardise` says the same in SQL for whole columns; a property test holds the two together. None means blank or not
convertible; whoever calls tells the two apart by the text itself, so that nothing becomes None unnoticed.
"""

import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from schemas.characters import (
    AMOUNT,
    CAPITAL,
    DIALLED,
    FOLDED,
    HYPHENED,
    LOWER,
    NAME,
    ORGANISATION,
    REMAPPED,
    UNSPACED,
    Table,
    composed,
)
from schemas.identifiers import CITIZEN_15, MOBILE_FORM, citizen_18

OPEN_END = date(9999, 12, 31)
OPEN_WORDS = ("长期", "长期有效", "永久", "永久有效", "无固定期限", "无期限")
TRUE_WORDS = ("是", "true", "t", "yes", "y", "1")
FALSE_WORDS = ("否", "false", "f", "no", "n", "0")
INTEGER = r"([+-]?)([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.0*)?"
NUMBER = r"[+-]?(?:(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
MONEY = (
    r"(?:人民币|RMB|CNY|￥|¥)?([+-]?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.[0-9]{1,20})?)"
    r"(亿|千万|百万|万)?(元|圆)?整?(?:人民币|RMB|CNY)?"
)
UNITS = {"亿": Decimal(10000), "千万": Decimal(1000), "百万": Decimal(100), "万": Decimal(1)}
_YEAR = "([1-9][0-9]{3})"
_PARTED = "[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})"
_CLOSED = "([0-9]{2})([0-9]{2})"
DAY = f"{_YEAR}(?:{_PARTED}日?|{_CLOSED})"
DAY_LEAD = f"{_YEAR}(?:{_PARTED}(?:日[T ]*|[T ]+)|{_CLOSED}[T ]?)"
CLOCK = (
    r"(?:([01]?[0-9]|2[0-3])[:时]([0-5][0-9])(?:[:分]([0-5][0-9])(\.[0-9]+)?秒?|分)?"
    r"|([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])(\.[0-9]+)?)"
)
ZONE = r" ?(Z|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
_EXACT = Context(prec=60)
MOBILE_PREFIX = r"(?:\+86|0086|86)(1[0-9]{10})"
LANDLINE = (
    r"(?:(?:\+86|0086)-?\(?0?|\(?0)(10|2[0-9]|[3-9][0-9]{2})\)?-?([0-9]{7,8})(?:(?:-|转|#|EXT\.?|X)([0-9]{1,6}))?"
)


def plain(text: str, table: Table = REMAPPED) -> str | None:
    """Free text: GB 18030 repaired, NFC, trimmed.

    >>> plain("　Cafe\u0301 ")
    'Café'
    """
    return composed(table.apply(text)) or None


def person_name(text: str) -> str | None:
    """A person's name; every middle dot becomes U+00B7."""
    return plain(text, NAME)


def org_name(text: str) -> str | None:
    """An organisation's name, in full-width brackets.

    >>> org_name("示例(上海)有限公司")
    '示例（上海）有限公司'
    """
    return plain(text, ORGANISATION)


def identifier(text: str) -> str | None:
    """An identifier in half-width capitals without spaces.

    >>> identifier(" ４４０308 19990110151x")
    '44030819990110151X'
    """
    return plain(text, CAPITAL)


def citizen_id(text: str) -> str | None:
    """A citizen ID, 15 digits made 18; anything else stays as written, for the checks to find."""
    value = identifier(text)
    return citizen_18(value) if value and re.fullmatch(CITIZEN_15, value) else value


def mobile(text: str) -> str | None:
    """A telephone number without separators and, for mobiles, without the country prefix.

    >>> mobile("+86 138-0013-8000")
    '13800138000'
    """
    value = plain(text, DIALLED)
    match = re.fullmatch(MOBILE_PREFIX, value or "")
    return match[1] if match else value


def phone(text: str) -> str | None:
    """A telephone number: mobiles as `mobile` has them, landlines as area code, number and extension with hyphens.

    >>> phone("(021)6234 5678转801"), phone("+86 10 62345678"), phone("138-0013-8000")
    ('021-62345678-801', '010-62345678', '13800138000')
    """
    handset = mobile(text)
    if handset and re.fullmatch(MOBILE_FORM, handset):
        return handset
    value = plain(text, HYPHENED)
    match = re.fullmatch(LANDLINE, value or "")
    return "-".join(["0" + match[1], *(part for part in match.groups()[1:] if part)]) if match else value


def email(text: str) -> str | None:
    """An e-mail address with its domain in lower case (the local part may be case-sensitive)."""
    value = plain(text, FOLDED)
    if not value or "@" not in value:
        return value
    local, domain = value.rsplit("@", 1)
    return f"{local}@{LOWER.apply(domain)}"


def code(text: str, codes: dict[str, str] | None = None, mark: str = "") -> str | None:
    """A code, mapped by the contract's code map; an unknown one stays as it is, behind `mark`."""
    value = plain(text, FOLDED)
    if not value or codes is None:
        return value
    return codes.get(value, mark + value)


def integer(text: str) -> int | None:
    """An integer of 64 bits; thousands separators are read, a fraction other than zeros is not."""
    match = re.fullmatch(INTEGER, plain(text, UNSPACED) or "")
    value = int(match[1] + match[2].replace(",", "")) if match else None
    return value if value is not None and -(2**63) <= value < 2**63 else None


def number(text: str) -> float | None:
    """A finite floating-point number."""
    value = _number_text(text)
    return float(value) if value and math.isfinite(float(value)) else None


def decimal(text: str, precision: int = 18, scale: int = 4) -> Decimal | None:
    """A decimal, rounded half up to its scale; None where it does not fit the precision."""
    value = _number_text(text)
    return _fitted(Decimal(value), precision, scale) if value else None


def capital(text: str, precision: int = 18, scale: int = 4) -> Decimal | None:
    """An amount in 万元 of renminbi; a bare number is one already, another currency is not read.

    >>> capital("500万人民币"), capital("5000000元"), capital("1.2亿元"), capital("500万美元")
    (Decimal('500.0000'), Decimal('500.0000'), Decimal('12000.0000'), None)
    """
    match = re.fullmatch(MONEY, plain(text, AMOUNT) or "")
    if not match:
        return None
    amount = Decimal(match[1].replace(",", "")).quantize(Decimal("1e-8"), ROUND_HALF_UP, _EXACT)
    if match[2]:
        amount *= UNITS[match[2]]
    elif match[3]:
        amount /= 10000
    return _fitted(amount, precision, scale)


def boolean(text: str) -> bool | None:
    """Yes or no, in Chinese, English or digits."""
    value = LOWER.apply(plain(text, FOLDED) or "")
    return True if value in TRUE_WORDS else False if value in FALSE_WORDS else None


def day(text: str, timezone: str = "Asia/Shanghai", *, open_end: bool = False) -> date | None:
    """A calendar day; with `open_end`, 长期 and its like are 9999-12-31. A point in time gives its day in `timezone`."""
    value = plain(text, FOLDED) or ""
    if open_end and value in OPEN_WORDS:
        return OPEN_END
    match = re.fullmatch(DAY, value)
    if match:
        return _date(*match.groups())
    moment = instant(text, timezone)
    return local_day(moment, timezone) if moment else None


def instant(text: str, timezone: str = "Asia/Shanghai") -> datetime | None:
    """A point in time, in UTC; text without a zone is in `timezone`, and where that names two points, the later."""
    value = plain(text, FOLDED) or ""
    match = re.fullmatch(f"{DAY_LEAD}{CLOCK}(?:{ZONE})?", value)
    parts = match.groups() if match else _midnight(value)
    on = _date(*parts[:5]) if parts else None
    if parts is None or on is None:
        return None
    hour, minute, second, fraction = (parts[i] or parts[i + 4] for i in range(5, 9))
    micro = int((fraction or ".")[1:7].ljust(6, "0"))
    local = datetime.combine(on, time(int(hour or 0), int(minute or 0), int(second or 0), micro))
    if parts[13]:
        return (local - _offset(parts[13])).replace(tzinfo=UTC)
    zone = ZoneInfo(timezone)
    return max(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def local_day(moment: datetime, timezone: str = "Asia/Shanghai") -> date:
    """The calendar day of a point in time."""
    return moment.astimezone(ZoneInfo(timezone)).date()


def _midnight(value: str) -> tuple[str | None, ...] | None:
    match = re.fullmatch(DAY, value)
    return (*match.groups(), *[None] * 9) if match else None


def _date(year: str | None, *parts: str | None) -> date | None:
    month, dom = (p for p in parts if p)
    try:
        return date(int(year or 0), int(month), int(dom))
    except ValueError:
        return None


def _offset(zone: str) -> timedelta:
    digits = zone[1:].replace(":", "").ljust(4, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) if zone != "Z" else timedelta()
    return -size if zone[0] == "-" else size


def _number_text(text: str) -> str | None:
    value = plain(text, UNSPACED) or ""
    return value.replace(",", "") if re.fullmatch(NUMBER, value) else None


def _fitted(value: Decimal, precision: int, scale: int) -> Decimal | None:
    try:
        rounded = value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _EXACT)
    except InvalidOperation:
        return None
    return rounded if abs(rounded) < Decimal(10) ** (precision - scale) else None
