"""A department's text file as text: decoded strictly first, split only then, for trail bytes of GB 18030 hold ASCII.

CPython's codec still maps 19 characters of GB 18030 to the private use area, as the standard did before 2005 and 2022; they are
translated to what they have become (ḿ, eight components such as 龴, and the vertical punctuation).
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from schemas.errors import ContractInvalid, Problem, SourceDamaged

MOVED = dict(
    zip(
        "\ue7c7\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
        "\u1e3f\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
        strict=True,
    )
)
_TABLE = str.maketrans(MOVED)
_ANY_MOVED = re.compile(f"[{''.join(MOVED)}]")
_BLOCK = 1 << 20


def codec(encoding: str | None) -> str:
    """The codec's name: UTF-8 (with or without BOM) unless stated; all of GBK's names mean GB 18030, its superset.

    >>> codec("GBK"), codec(None)
    ('gb18030', 'utf-8-sig')
    """
    try:
        name = codecs.lookup(encoding or "utf-8").name
    except LookupError:
        raise ContractInvalid(
            [Problem("servers[0].customProperties.encoding", f"{encoding!r} is no encoding", "value: gb18030")]
        ) from None
    return {"utf-8": "utf-8-sig", "gbk": "gb18030", "gb2312": "gb18030"}.get(name, name)


def open_text(path: Path, encoding: str | None, *, newline: str = "") -> TextIO:
    """The file opened for strict decoding, line ends kept."""
    return path.open(encoding=codec(encoding), errors="strict", newline=newline)


def lines(text: TextIO, encoding: str | None) -> Iterator[str]:
    """The file's lines, the moved characters of GB 18030 put right."""
    if codec(encoding) != "gb18030":
        yield from text
        return
    for line in text:
        yield line.translate(_TABLE) if _ANY_MOVED.search(line) else line


def undecodable(path: Path, encoding: str | None, where: str) -> SourceDamaged:
    """The error for a file that did not decode; it is read again to find the line and the byte."""
    decoder = codecs.getincrementaldecoder(codec(encoding))("strict")
    offset, line = 0, 1
    with path.open("rb") as file:
        while True:
            block = file.read(_BLOCK)
            held = len(decoder.getstate()[0])
            try:
                line += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                offset += error.start - held
                line += error.object[: error.start].count(b"\n")
                break
            offset += len(block)
            if not block:
                break
    name = codec(encoding).removesuffix("-sig").upper()
    return SourceDamaged(
        f"{where}: line {line}, byte {offset} is not {name}",
        todo="ask for the file again, or state its encoding in the contract (encoding: gb18030)",
        line=line,
        byte=offset,
    )
