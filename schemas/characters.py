"""Which characters a value is written with: the substitution tables behind every reading of text.

A department's systems write the same value in many ways: full-width digits, lower-case check characters, four kinds of middle
dot, private-use code points that older GB 18030 codecs produce. A `Table` says what each character becomes; it serves the
scalar functions (`apply`) and the SQL text (`schemas.sql`) alike, so that the two cannot part.
"""

import unicodedata
from dataclasses import dataclass
from functools import cached_property

WHITE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What is trimmed from both ends of every value: white space and the byte order mark."""

HAN = "\u4e00-\u9fa5"
CONTROL = r"[\x00-\x08\x0B\x0C\x0E-\x1F]"
"""Control characters that no value may hold: NUL and C0 except tab and the line ends."""

_GB18030 = {
    0xE7C7: 0x1E3F, 0xE78D: 0xFE10, 0xE78E: 0xFE12, 0xE78F: 0xFE11, 0xE790: 0xFE13, 0xE791: 0xFE14, 0xE792: 0xFE15,
    0xE793: 0xFE16, 0xE794: 0xFE17, 0xE795: 0xFE18, 0xE796: 0xFE19, 0xE81E: 0x9FB4, 0xE826: 0x9FB5, 0xE82B: 0x9FB6,
    0xE82C: 0x9FB7, 0xE832: 0x9FB8, 0xE843: 0x9FB9, 0xE854: 0x9FBA, 0xE864: 0x9FBB,
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """What each character becomes: another character, or nothing."""

    changes: dict[str, str]

    def then(self, later: "Table") -> "Table":
        """This substitution followed by another, as one."""
        first = {k: later.changes.get(v, v) for k, v in self.changes.items()}
        return Table({**later.changes, **first})

    def apply(self, text: str) -> str:
        """The text after substitution."""
        return text.translate(self._translation)

    @cached_property
    def _translation(self) -> dict[int, str]:
        return str.maketrans(self.changes)


def composed(text: str) -> str:
    """Unicode NFC, trimmed; text with a NUL stays uncomposed, as DuckDB's composition would cut it off there."""
    return (text if "\0" in text else unicodedata.normalize("NFC", text)).strip(WHITE)


REMAPPED = Table({chr(k): chr(v) for k, v in _GB18030.items()})
"""The 19 code points of GB 18030 that Python's codec still maps to the private use area."""

_WIDE = Table({chr(c + 0xFEE0): chr(c) for c in range(0x21, 0x7F)} | {"\u3000": " "})
_WIDE_ALPHANUMERIC = Table({k: v for k, v in _WIDE.changes.items() if v.isalnum() or v == "-"})
_CAPITALS = Table({chr(c): chr(c - 32) for c in range(ord("a"), ord("z") + 1)} | {"×": "X"})
LOWER = Table({chr(c): chr(c + 32) for c in range(ord("A"), ord("Z") + 1)})
"""ASCII letters in lower case: SQL's and Python's own rules differ beyond ASCII."""
_NO_SPACE = Table(dict.fromkeys(WHITE, ""))

NAME = REMAPPED.then(Table(dict.fromkeys("\u2022\u30fb\u2027\uff65", "\u00b7")))
"""Names of persons: every middle dot is U+00B7."""
ORGANISATION = REMAPPED.then(Table({"(": "（", ")": "）"}))
"""Names of organisations: brackets are full-width."""
HALF_WIDTH = REMAPPED.then(_WIDE_ALPHANUMERIC)
"""Addresses and local codes: digits, letters and hyphens are half-width, Chinese punctuation stays."""
FOLDED = REMAPPED.then(_WIDE)
"""Codes, numbers and dates: everything is half-width."""
UNSPACED = FOLDED.then(_NO_SPACE)
"""Serial numbers: half-width, without inner spaces."""
CAPITAL = UNSPACED.then(_CAPITALS)
"""Identifiers: half-width, without inner spaces, capital letters, × for X repaired."""
DIALLED = UNSPACED.then(Table(dict.fromkeys("-\u2010\u2011\u2013\u2014()", "")))
"""Telephone numbers: without spaces, hyphens and brackets."""
HYPHENED = CAPITAL.then(Table(dict.fromkeys("\u2010\u2011\u2013\u2014", "-")))
"""Telephone numbers with area code and extension: half-width, without spaces, one kind of hyphen."""
AMOUNT = UNSPACED.then(Table({"(": "", ")": ""}))
"""Amounts of money: half-width, without spaces and brackets."""
