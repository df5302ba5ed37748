"""JSON within measure: nested only so deep, numbers only so long.

The fast parser has no measure: it holds a path for each level that it is in, and at a number of more digits than Python converts (4300)
it ends the process. Either would be a small file that takes the hub down.
"""

from itertools import accumulate
from typing import BinaryIO

from schemas.errors import SourceDamaged

MOST_DEPTH = 200
MOST_DIGITS = 4000
_TODO = "ask for a flatter file, and for long numbers as text"
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEP))
_DIGITS = bytes(ord("0") if chr(byte) in "0123456789.eE+-" else ord(" ") for byte in range(256))


class WithinMeasure:
    """A file of JSON that cannot be read past what is nested too deep or a number too long; for parsers that ask for `read` alone."""

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.file = file
        self.where = where
        self._depth = 0
        self._inside = 0  # 1 within a text
        self._escape = b""
        self._number = b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            SourceDamaged: they go beyond the measure.
        """
        block = self.file.read(size)
        self._look(self._between(block))
        return block

    def _between(self, block: bytes) -> bytes:
        """What stands between texts, a quote in the place of each."""
        text = self._escape + block
        whole = text.rstrip(b"\\")
        self._escape = text[len(whole) :]
        pieces = whole.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        found = b'"'.join(pieces[self._inside :: 2])
        self._inside = (self._inside + len(pieces) - 1) % 2
        return found + b'"' * self._inside

    def _look(self, between: bytes) -> None:
        numbers = self._number + between
        self._number = numbers[-MOST_DIGITS:]
        if len(numbers) > MOST_DIGITS and b"0" * (MOST_DIGITS + 1) in numbers.translate(_DIGITS):
            raise SourceDamaged(f"{self.where}: a number has more than {MOST_DIGITS} digits", todo=_TODO)
        *levels, self._depth = accumulate(
            map(_STEP.__getitem__, between.translate(None, _NO_BRACKETS)), initial=self._depth
        )
        if max(levels, default=0) > MOST_DEPTH or self._depth > MOST_DEPTH:
            raise SourceDamaged(f"{self.where}: values are nested deeper than {MOST_DEPTH} levels", todo=_TODO)
