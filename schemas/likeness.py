"""Whether two departments' values mean the same: `compare` for one pair, `likeness` as DuckDB SQL for whole columns.

`same`: the standard values are equal. `alike`: they differ only in what spelling leaves open (a middle dot, brackets, Chinese or Arabic
house numbers), so a person should look. `different`, and `missing` where one has none. What spelling leaves open is a list of steps per
reading, each a regular expression that Python and RE2 read alike; both twins take the same steps.
"""

import re
from typing import Literal

from schemas.characters import FOLDED, LOWER
from schemas.elements import Element, Reading
from schemas.sql import replaced, substituted
from schemas.texts import plain
from schemas.values import normalise

Likeness = Literal["same", "alike", "different", "missing"]

_NUMERAL = "[一二三四五六七八九]"
_NOISE = (r"[\s!-/:-@\[-`{-~·、。，．；：（）《》【】“”‘’—－]+", "")
_NUMERALS = (
    (f"({_NUMERAL})百零({_NUMERAL})", r"\g<1>0\g<2>"),
    (f"({_NUMERAL})十({_NUMERAL})", r"\g<1>\g<2>"),
    (f"({_NUMERAL})十", r"\g<1>0"),
    (f"十({_NUMERAL})", r"1\g<1>"),
    ("十", "10"),
    *((f"[{character}]", digit) for character, digit in zip("〇零一二三四五六七八九", "00123456789", strict=True)),
    ("號", "号"),
)
_STEPS: dict[Reading, tuple[tuple[str, str], ...]] = {
    "address": (*_NUMERALS, _NOISE),
    "email": (),
    **dict.fromkeys(("person_name", "org_name", "identifier", "serial", "text", "mobile", "phone"), (_NOISE,)),
}
_TABLE = FOLDED.then(LOWER)


def compare(element: Element, a: str | None, b: str | None) -> Likeness:
    """How two departments' spellings of one element's value relate.

    >>> from schemas.elements import element
    >>> compare(element("DE04003"), "示例路十二弄三号502室", "示例路12弄3号502室")
    'alike'
    >>> compare(element("DE01001"), "610104620927690", "610104196209276908"), compare(element("DE01002"), "张三", None)
    ('same', 'missing')
    """
    one, other = (normalise(element, text) if text is not None else None for text in (a, b))
    if one is None or other is None:
        return "missing"
    if one == other:
        return "same"
    loose = isinstance(one, str) and isinstance(other, str) and element.reading in _STEPS
    return "alike" if loose and _key(element.reading, str(one)) == _key(element.reading, str(other)) else "different"


def likeness(reading: Reading, a: str, b: str) -> str:
    """`compare` as a SQL expression over two standardised SQL values (best plain column names)."""
    alike = f"WHEN {_sql_key(reading, a)} = {_sql_key(reading, b)} THEN 'alike' " if reading in _STEPS else ""
    return f"CASE WHEN {a} IS NULL OR {b} IS NULL THEN 'missing' WHEN {a} = {b} THEN 'same' {alike}ELSE 'different' END"


def _key(reading: Reading, value: str) -> str:
    key = plain(value, _TABLE) or ""
    for pattern, by in _STEPS[reading]:
        key = re.sub(pattern, by, key)
    return key


def _sql_key(reading: Reading, value: str) -> str:
    key = f"coalesce({substituted(value, _TABLE)}, '')"
    for pattern, by in _STEPS[reading]:
        key = replaced(key, pattern, by.replace("\\g<1>", "\\1").replace("\\g<2>", "\\2"), "g")
    return key
