"""Identifiers of persons, organisations and licences: the reference algorithms, one value at a time.

`schemas.predicates` says the same in SQL for whole columns; a property test holds the two together. Every function here takes
a value already standardised (`schemas.texts`). python-stdnum is no reference: `cn.ric` rejects codes that came into force after
the birth year and fails on real regions, `cn.uscc` rejects valid codes of the N, A and Y registers.

- Citizen ID, GB 11643: region 6, birth 8, sequence 3 (odd: male), check. The same layout serves residence permits of Hong Kong,
  Macao and Taiwan residents (81/82/83 + 0000) and, since December 2023, foreign permanent residents (9 + province 2 + ISO numeric
  country 3). Their older cards, still valid, have 15 characters: ISO country 3, place of issue 4, birth 6 (YYMMDD), sequence 1,
  check 1 (weights 7 3 1, as in passports).
- USCC, GB 32100: weights 3^i mod 31; characters 9 to 17 are an organisation code after GB 11714 with its own check character.
- Licence identifier, GB/T 36904: check after ISO 7064 MOD 37,36.
"""

import re
from datetime import date
from functools import cache
from typing import Literal

from schemas.codes import code_list, pattern

CITIZEN_FORM = "[1-9][0-9]{16}[0-9X]"
CITIZEN_15 = "[1-9][0-9]{14}"
FOREIGN_15 = "[A-Z]{3}[0-9]{12}"
FOREIGN_WEIGHTS = (7, 3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1, 7, 3)
CITIZEN_CHECKS = "10X98765432"
CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CENTENARIANS = ("996", "997", "998", "999")
FIRST_BIRTH_YEAR = 1800
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_FORM = "[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}"
USCC_WEIGHTS = tuple(pow(3, i, 31) for i in range(17))
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
ORGANISATION_CHECKS = "0X987654321"
ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LICENCE_FORM = r"1\.2\.156\.3005\.2\.([0-9A-Z]{21})\.([0-9A-Z]{18})\.([0-9A-Z]{1,64})\.([0-9]{3})\.([0-9A-Z])"
MOBILE_FORM = "1[3-9][0-9]{9}"
LANDLINE_FORM = "0(10|2[0-9]|[3-9][0-9]{2})-[0-9]{7,8}(-[0-9]{1,6})?"

Fault = Literal["format", "checksum", "date", "future", "region"]
Holder = Literal["resident", "hong kong, macao, taiwan", "foreign", "foreign, old card"]


def citizen_check(first17: str) -> str:
    """The check character of a citizen ID's first 17 digits.

    >>> citizen_check("44030819990110151")
    '2'
    """
    return CITIZEN_CHECKS[sum(int(d) * w for d, w in zip(first17, CITIZEN_WEIGHTS, strict=True)) % 11]


def citizen_18(fifteen: str) -> str:
    """A first-generation citizen ID of 15 digits as one of 18; centenarians (sequence 996 to 999) were born in the 1800s.

    >>> citizen_18("610104620927690")
    '610104196209276908'
    """
    century = "18" if fifteen[12:] in CENTENARIANS else "19"
    first17 = fifteen[:6] + century + fifteen[6:]
    return first17 + citizen_check(first17)


def citizen_faults(value: str, today: date) -> frozenset[Fault]:
    """What is wrong with a citizen ID; `region` (an unknown or retired region or country) is a warning, everything else an error."""
    if re.fullmatch(FOREIGN_15, value):
        return _old_card_faults(value)
    if not re.fullmatch(CITIZEN_FORM, value):
        return frozenset({"format"})
    faults: set[Fault] = set()
    if citizen_check(value[:17]) != value[17]:
        faults.add("checksum")
    born = citizen_birth(value)
    if born is None:
        faults.add("date")
    elif born > today:
        faults.add("future")
    if not re.fullmatch(citizen_issuers(), value[:6]):
        faults.add("region")
    return frozenset(faults)


def foreign_check(first14: str) -> str:
    """The check digit of a foreign permanent resident's older card.

    >>> foreign_check("USA31019001010")
    '7'
    """
    return str(sum(ALPHANUMERIC.index(c) * w for c, w in zip(first14, FOREIGN_WEIGHTS, strict=True)) % 10)


@cache
def citizen_issuers() -> str:
    """A pattern of the first six digits that need no warning: a region in force, or 9 + province + the number of a country."""
    regions = code_list("region").current
    provinces = pattern({code[:2] for code in regions})
    numbers = pattern(code_list("nationality").numbers)
    return f"({pattern([*regions, '830000'])}|9{provinces}{numbers})"


@cache
def foreign_countries() -> str:
    """A pattern of the country codes that an older card begins with."""
    return pattern(code_list("nationality").values)


def citizen_birth(value: str) -> date | None:
    """The birth date in a citizen ID; None where there is no such day, and for older foreign cards, whose year has two digits."""
    born = _day(value[6:14]) if value[:1].isdigit() else None
    return born if born and born.year >= FIRST_BIRTH_YEAR else None


def citizen_sex(value: str) -> str:
    """The sex code (GB/T 2261.1) in a citizen ID of 18 characters.

    >>> citizen_sex("440308199901101512")
    '1'
    """
    return "1" if int(value[16]) % 2 else "2"


def citizen_kind(value: str) -> Holder:
    """Whom the number belongs to: a citizen, a resident of Hong Kong, Macao or Taiwan, or a foreign permanent resident."""
    if value[:6] in {"810000", "820000", "830000"}:
        return "hong kong, macao, taiwan"
    if value[:1].isalpha():
        return "foreign, old card"
    return "foreign" if value.startswith("9") else "resident"


def _old_card_faults(value: str) -> frozenset[Fault]:
    faults: set[Fault] = set()
    if foreign_check(value[:14]) != value[14]:
        faults.add("checksum")
    if all(_day(century + value[7:13]) is None for century in ("19", "20")):
        faults.add("date")
    if not re.fullmatch(foreign_countries(), value[:3]):
        faults.add("region")
    return frozenset(faults)


def _day(digits: str) -> date | None:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def uscc_check(first17: str) -> str:
    """The check character of a unified social credit code.

    >>> uscc_check("91110000600037341")
    'L'
    """
    total = sum(USCC_ALPHABET.index(c) * w for c, w in zip(first17, USCC_WEIGHTS, strict=True))
    return USCC_ALPHABET[-total % 31]


def organisation_check(first8: str) -> str:
    """The check character of an organisation code (GB 11714), characters 9 to 16 of a USCC.

    >>> organisation_check("60003734")
    '1'
    """
    total = sum(ALPHANUMERIC.index(c) * w for c, w in zip(first8, ORGANISATION_WEIGHTS, strict=True))
    return ORGANISATION_CHECKS[total % 11]


def uscc_faults(value: str) -> frozenset[Fault]:
    """What is wrong with a unified social credit code: its form, or one of its two check characters."""
    if not re.fullmatch(USCC_FORM, value):
        return frozenset({"format"})
    good = uscc_check(value[:17]) == value[17] and organisation_check(value[8:16]) == value[16]
    return frozenset() if good else frozenset({"checksum"})


def mod_37_36(text: str) -> str:
    """The check character of ISO 7064 MOD 37,36 over digits and capital letters."""
    remainder = 36
    for character in text:
        remainder = (remainder + ALPHANUMERIC.index(character)) % 36 or 36
        remainder = remainder * 2 % 37
    return ALPHANUMERIC[(37 - remainder) % 36]


def licence_faults(value: str) -> frozenset[Fault]:
    """What is wrong with a licence identifier (GB/T 36904); a checksum that differs is a warning only."""
    match = re.fullmatch(LICENCE_FORM, value)
    if not match:
        return frozenset({"format"})
    kind, issuer, serial, version, check = match.groups()
    return frozenset() if mod_37_36(kind + issuer + serial + version) == check else frozenset({"checksum"})
