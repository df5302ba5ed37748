"""What a data element gives for one value: its standard form, and what is wrong with that.

`normalise`, `check` (here), `mask` (`schemas.masking`) and `compare` (`schemas.likeness`) are an element's meaning one value at a time;
`schemas.expressions` says the same in SQL for whole columns. A property test holds the two together for every element.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal

from schemas import findings, identifiers, texts
from schemas.characters import CONTROL, FOLDED, HALF_WIDTH, UNSPACED
from schemas.codes import code_list
from schemas.elements import Element, Reading
from schemas.findings import FORMS, Finding

Value = str | Decimal | date | datetime

_TEXTS: dict[Reading, Callable[[str], str | None]] = {
    "citizen_id": texts.citizen_id,
    "person_name": texts.person_name,
    "org_name": texts.org_name,
    "mobile": texts.mobile,
    "phone": texts.phone,
    "email": texts.email,
    "address": lambda text: texts.plain(text, HALF_WIDTH),
    "code": lambda text: texts.plain(text, FOLDED),
    **dict.fromkeys(("serial", "region", "town", "postcode", "lon_lat"), lambda text: texts.plain(text, UNSPACED)),
    **dict.fromkeys(
        ("identifier", "uscc", "licence_oid", "licence_type", "task_code", "industry"), texts.identifier
    ),
}  # fmt: skip


def normalise(element: Element, text: str, *, timezone: str = "Asia/Shanghai") -> Value | None:
    """The value that a department's spelling stands for; None where it is blank or not convertible.

    Text elements give `str`, numbers `Decimal`, dates `date`, points in time `datetime` in UTC (`timezone` is that of text without one).

    >>> from schemas.elements import element
    >>> normalise(element("DE01001"), "６１０１０４６２０９２７６９０"), normalise(element("DE02007"), "500万人民币")
    ('610104196209276908', Decimal('500.0000'))
    """
    match element.type:
        case "D":
            return texts.day(text, timezone, open_end=element.reading == "open_date")
        case "DT":
            return texts.instant(text, timezone)
        case "N":
            return texts.capital(text) if element.reading == "capital" else texts.decimal(text)
        case _:
            return _TEXTS.get(element.reading, texts.plain)(text)


def check(element: Element, value: Value, *, today: date) -> tuple[Finding, ...]:
    """What is wrong with a value that `normalise` gave: errors set a row aside, warnings are counted. Empty: nothing.

    >>> from schemas.elements import element
    >>> [(f.code, f.severity) for f in check(element("DE01001"), "440308199901101513", today=date(2025, 6, 30))]
    [('checksum', 'error')]
    """
    if isinstance(value, str):
        return tuple(_of_text(element, value, today))
    if isinstance(value, Decimal):
        return (findings.NEGATIVE,) if element.reading == "capital" and value < 0 else ()
    day = texts.local_day(value) if isinstance(value, datetime) else value
    return (findings.FUTURE,) if element.past and day > today else ()


def _of_text(element: Element, value: str, today: date) -> Iterator[Finding]:
    reading = element.reading
    formed = reading not in FORMS or re.fullmatch(FORMS[reading][0], value) is not None
    if not formed:
        yield findings.malformed(reading)
    if re.search(CONTROL, value):
        yield findings.CONTROL
    if formed:
        yield from _of_formed(element, value, today)


def _of_formed(element: Element, value: str, today: date) -> Iterator[Finding]:
    """What the checks beyond the form find, in the order of `schemas.predicates`."""
    match element.reading:
        case "citizen_id":
            faults = identifiers.citizen_faults(value, today)
            named = (findings.CHECKSUM, findings.BIRTH, findings.BORN_LATER, findings.ISSUER)
            yield from (finding for finding in named if finding.code in faults)
        case "uscc":
            yield from [findings.CHECKSUM] if identifiers.uscc_faults(value) else []
        case "licence_oid":
            yield from [findings.LICENCE_CHECKSUM] if identifiers.licence_faults(value) else []
        case "industry":
            yield from [] if value[:3] in code_list("industry").values else [findings.NO_INDUSTRY]
        case "region" | "town":
            yield from _listed("region", value[:6], findings.NO_REGION)
        case _ if element.codes:
            yield from _listed(element.codes, value, findings.unlisted(code_list(element.codes)))


def _listed(name: str, code: str, unknown: Finding) -> Iterator[Finding]:
    listed = code_list(name)
    if code not in listed.values:
        yield unknown
    elif code in listed.retired:
        yield findings.retired(listed)
