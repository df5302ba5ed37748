r"""Half characters in JSON: `\ud800` without its other half, which the fast parser would turn into `?` without a word."""

import re
from typing import BinaryIO

from schemas.errors import SourceDamaged

_HALF = re.compile(rb"(\\+)u[dD]([89a-fA-F])[0-9a-fA-F]{2}")
_CUT_OFF = re.compile(rb"\\+(?:u[0-9a-fA-F]{0,3})?\Z")
_LOOK_BACK = 4096


class WholeCharacters:
    """A file of JSON that cannot be read past half a character; for parsers that ask for `read` alone."""

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.file = file
        self.where = where
        self._rest = b""
        self._open = False  # what was seen so far ends with the first half of a character

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            SourceDamaged: they hold half a character.
        """
        block = self.file.read(size)
        text = self._rest + block
        end = self._halves(text)
        cut = _CUT_OFF.search(text, max(len(text) - _LOOK_BACK, 0)) if block else None
        kept = cut.start() if cut else len(text)
        if end >= 0 and (end < kept or not block):
            self._refuse()
        self._open, self._rest = end >= 0, text[kept:]
        return block

    def _halves(self, text: bytes) -> int:
        """Where the first half of a character ended that waits for its second, -1 if none does."""
        waits = 0 if self._open else -1
        for found in _HALF.finditer(text):
            if len(found[1]) % 2 == 0:
                continue  # backslashes that stand for themselves
            second = found[2] not in b"89abAB"
            if second != (waits == found.end() - 6) or (not second and waits >= 0):
                self._refuse()
            waits = -1 if second else found.end()
        return waits

    def _refuse(self) -> None:
        raise SourceDamaged(
            f"{self.where}: a text value holds half a character (a lone surrogate)",
            todo="correct the record at the source",
        )
