"""Version numbers of contracts: MAJOR.MINOR.PATCH. A breaking change wants a new major number, a compatible one a minor, words a patch."""

import re
from collections.abc import Iterable

from schemas.diff import Change, Kind

Number = tuple[int, int, int]


def number(version: str) -> Number:
    """The version as numbers that compare; what is missing counts as 0, what is no number as 0.0.0.

    >>> number("1.2.0"), number("v3"), number("draft")
    ((1, 2, 0), (3, 0, 0), (0, 0, 0))
    """
    match = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?", version)
    major, minor, patch = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    return major, minor, patch


def kind(changes: Iterable[Change]) -> Kind | None:
    """The gravest kind among the changes; None without any."""
    found = {change.kind for change in changes}
    grades: tuple[Kind, ...] = ("breaking", "compatible", "cosmetic")
    return next((grade for grade in grades if grade in found), None)


def wanted(version: str, changes: Iterable[Change]) -> str:
    """The version that these changes ask for.

    >>> wanted("1.2.3", [Change("breaking", "columns.x", "removed")])
    '2.0.0'
    """
    major, minor, patch = number(version)
    match kind(changes):
        case "breaking":
            return f"{major + 1}.0.0"
        case "compatible":
            return f"{major}.{minor + 1}.0"
        case "cosmetic":
            return f"{major}.{minor}.{patch + 1}"
        case None:
            return version
