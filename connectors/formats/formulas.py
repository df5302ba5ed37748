"""Formulas that no program has computed yet: the file says how to reckon, not what; a reader of values would see nothing there."""

import re
import zipfile
from typing import BinaryIO

from schemas.errors import SourceDamaged

_BLOCK = 1 << 20
_UNCOMPUTED = re.compile(
    rb"<(?:\w+:)?c\b(?![^>]*\bt=\"str\")[^>]*\br=\"([A-Z]+\d+)\"(?![^>]*\bt=\"str\")[^>]*>"
    rb"\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)"
    rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_CELL = re.compile(rb"<(?:\w+:)?c\b")


def check_computed(file: BinaryIO, member: str, where: str) -> None:
    """Refuse a sheet (an archive member) with such a formula. A formula whose value is the empty text says so itself."""
    rest = b""
    with zipfile.ZipFile(file) as archive, archive.open(member) as sheet:
        while block := sheet.read(_BLOCK):
            text = rest + block
            found = _UNCOMPUTED.search(text)
            if found:
                raise SourceDamaged(
                    f"{where}: cell {found[1].decode()} is a formula without a value",
                    todo="open the file in a spreadsheet program, save it, and send it again",
                )
            cells = [match.start() for match in _CELL.finditer(text, max(len(text) - _BLOCK // 8, 0))]
            rest = text[cells[-1] :] if cells else text[-64:]
