"""Rows and cells of a sheet in the order of their numbers: a reader that streams drops what stands behind its place, without a word.

A row beyond the last that a sheet can have would be made up of as many blank ones before it.
"""

import re
import zipfile
from typing import BinaryIO

from schemas.errors import SourceDamaged

LAST_ROW = 1_048_576
_BLOCK = 1 << 20
_LONGEST = 4096
_PLACE = re.compile(rb"<(?:\w+:)?(?:row|c)\b[^>]*?\br=\"([A-Z]*)(\d+)\"")


def check_order(file: BinaryIO, member: str, where: str) -> None:
    """Refuse a sheet (an archive member) whose rows, or whose cells of a row, are not in order, or that has a row beyond the last."""
    row, column, rest = 0, b"", b""
    with zipfile.ZipFile(file) as archive, archive.open(member) as sheet:
        while block := sheet.read(_BLOCK):
            text = rest + block
            end = text.rfind(b"<", max(len(text) - _LONGEST, 0))
            end = end if end >= 0 else len(text)
            for letters, digits in _PLACE.findall(text, 0, end):
                place = letters.rjust(3)
                if letters and place > column:
                    column = place
                elif letters or not row < int(digits) <= LAST_ROW:
                    _refuse(where, (letters + digits).decode())
                else:
                    row, column = int(digits), b""
            rest = text[end:]


def _refuse(where: str, place: str) -> None:
    raise SourceDamaged(
        f"{where}: {place} is out of its order in the sheet, or beyond the last row",
        todo="open the file in a spreadsheet program, save it, and send it again",
    )
