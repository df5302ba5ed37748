"""Checksum-valid identifiers for people and organisations who do not exist.

Written from the standards (GB 11643, GB 32100 with GB 11714), apart from the hub's own validators on purpose: the city's truth
must not lean on the code that it is used to test.
"""

from datetime import date

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK = "10X98765432"
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_VALUE = {c: i for i, c in enumerate(ALPHABET)}
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_USCC_WEIGHTS = tuple(3**i % 31 for i in range(17))


def citizen_check(body: str) -> str:
    """The check character of 17 digits (GB 11643).

    >>> citizen_check("44030819990110151")
    '2'
    """
    return _ID_CHECK[sum(int(c) * w for c, w in zip(body, _ID_WEIGHTS, strict=True)) % 11]


def citizen_id(region: str, born: date, sequence: int) -> str:
    """An 18-character citizen ID; an odd `sequence` (0..999) is a man's.

    >>> citizen_id("440308", date(1999, 1, 10), 151)
    '440308199901101512'
    """
    body = f"{region}{born:%Y%m%d}{sequence:03d}"
    return body + citizen_check(body)


def uscc(kind: str, region: str, organisation: str) -> str:
    """An 18-character unified social credit code of registration kind (2), region (6) and organisation body (8).

    >>> uscc("91", "110000", "60003734")
    '91110000600037341L'
    """
    org_sum = 11 - sum(_letter_value(c) * w for c, w in zip(organisation, _ORG_WEIGHTS, strict=True)) % 11
    body = f"{kind}{region}{organisation}{'X' if org_sum == 10 else '0' if org_sum == 11 else org_sum}"
    total = sum(_VALUE[c] * w for c, w in zip(body, _USCC_WEIGHTS, strict=True))
    return body + ALPHABET[(31 - total % 31) % 31]


def other_check(code: str, alphabet: str) -> str:
    """The same code with its last character moved on by one in `alphabet`: a typing slip that a checksum catches."""
    return code[:-1] + alphabet[(alphabet.index(code[-1]) + 1) % len(alphabet)]


def spell(number: int, width: int) -> str:
    """`number` in the credit code's 31 characters, left-padded to `width`.

    >>> spell(31, 4)
    '0010'
    """
    digits = ""
    for _ in range(width):
        number, rest = divmod(number, 31)
        digits = ALPHABET[rest] + digits
    return digits


def _letter_value(c: str) -> int:
    return int(c) if c.isdigit() else ord(c) - 55
