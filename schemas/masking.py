"""Masked values: enough to recognise what one knows, too little to learn what one does not.

Patterns by the data element's reading: a citizen ID keeps 6 and 4 characters around 8 stars, a mobile 3 and 4 around 4, a name its
first character, a region its province; a code that tells of a person (ethnic group, marital status) is hidden. What may be public (other
codes, dates of licences, names of organisations) is shown; everything else is hidden by default.
"""

from schemas.elements import ELEMENTS

_OPEN = frozenset({"L1"})
_PERSONAL = frozenset({"L3", "L4"})


def mask(element_id: str | None, value: str) -> str:
    """The value masked as its data element asks; without an element, all but the ends of a long text are hidden.

    >>> mask("DE01001", "110101199003074610"), mask("DE01002", "张三丰"), mask("DE01012", "13800138000")
    ('110101********4610', '张**', '138****8000')
    """
    found = ELEMENTS.get(element_id or "")
    if found is None:
        return _ends(value, 2) if len(value) >= 8 else "*" * len(value)
    if found.sensitivity in _OPEN:
        return value
    match found.reading:
        case "citizen_id":
            return value[:6] + "*" * max(len(value) - 10, 3) + value[-4:] if len(value) >= 15 else "*" * len(value)
        case "mobile":
            return value[:3] + "*" * max(len(value) - 7, 3) + value[-4:] if len(value) >= 11 else "*" * len(value)
        case "person_name":
            return value[:1] + "*" * (len(value) - 1) if len(value) > 1 else "*"
        case "email":
            name, _, domain = value.partition("@")
            return f"{name[:1]}***@{domain}"
        case "address":
            return value[:6] + "*" * max(len(value) - 6, 3)
        case "region" if found.sensitivity in _PERSONAL:
            return value[:2] + "*" * max(len(value) - 2, 3)
        case "code" if found.sensitivity in _PERSONAL:
            return "*" * len(value)
        case "uscc" | "code" | "org_name" | "region" | "town" | "industry":
            return value
        case _:
            return _ends(value, 2) if len(value) >= 8 else "*" * len(value)


def _ends(value: str, shown: int) -> str:
    return value[:shown] + "*" * (len(value) - 2 * shown) + value[-shown:]
