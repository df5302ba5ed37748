"""A department's text file as text: decoded strictly first, split only then, for trail bytes of GB 18030 hold ASCII.

GB 18030 has moved 19 characters out of the private use area: ḿ in 2005; eight components such as 龴 and ten marks of vertical
punctuation in 2022. CPython's codec maps their two-byte codes as the edition of 2000 did; they are translated to what they have
become. (Six more, FE51 to FE91, stand in the private use area in the edition of 2022 too. The four-byte codes that once were the only
way to write the 19 still mean them, whatever the table of 2022 puts there: that is what files hold.)
"""

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

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
_PRIVATE = b"\xee"  # leads U+E000 to U+EFFF in UTF-8, and nothing else
_BLOCK = 1 << 20


def codec(encoding: str | None) -> str:
    """The codec's name: UTF-8 (with or without BOM) unless stated; all of GBK's names mean GB 18030, its superset.

    >>> codec("GBK"), codec(None)
    ('gb18030', 'utf-8-sig')
    """
    try:
        name = codecs.lookup(encoding or "utf-8").name
        "".encode(name)  # a codec of text, not of bytes to bytes
    except LookupError:
        raise ContractInvalid(
            [Problem("servers[0].customProperties.encoding", f"{encoding!r} is no encoding", "value: gb18030")]
        ) from None
    return {"utf-8": "utf-8-sig", "gbk": "gb18030", "gb2312": "gb18030"}.get(name, name)


@contextmanager
def open_text(file: BinaryIO, encoding: str | None, *, newline: str = "") -> Iterator[TextIO]:
    """The file from its start as strictly decoded text, line ends kept; the file itself stays open."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=codec(encoding), errors="strict", newline=newline)
    try:
        yield text
    finally:
        text.detach()


def lines(text: TextIO, encoding: str | None) -> Iterator[str]:
    """The file's lines, the moved characters of GB 18030 put right."""
    moved = codec(encoding) == "gb18030"
    for line in text:
        yield line.translate(_TABLE) if moved and _ANY_MOVED.search(line) else line


def utf8_blocks(file: BinaryIO, encoding: str | None) -> Iterator[bytes]:
    """The rest of the file as UTF-8, block by block, the moved characters put right.

    Raises:
        UnicodeError: a byte is not of the encoding, or a character is half of one. (UTF-8 itself goes through unlooked at.)
    """
    name = codec(encoding)
    if name == "utf-8-sig":
        yield from iter(lambda: file.read(_BLOCK), b"")
        return
    decoder = codecs.getincrementaldecoder(name)("strict")
    while block := file.read(_BLOCK):
        yield _encoded(decoder.decode(block), name)
    yield _encoded(decoder.decode(b"", final=True), name)


def _encoded(text: str, name: str) -> bytes:
    block = text.encode()
    return text.translate(_TABLE).encode() if name == "gb18030" and _PRIVATE in block else block


def undecodable(file: BinaryIO, encoding: str | None, where: str) -> SourceDamaged:
    """The error for a file that did not decode; it is read again to find the line and the byte."""
    decoder = codecs.getincrementaldecoder(codec(encoding))("strict")
    offset, line = 0, 1
    file.seek(0)
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
    return SourceDamaged(
        f"{where}: line {line}, byte {offset} is not {shown(encoding)}",
        todo="ask for the file again, or state its encoding in the contract (encoding: gb18030)",
        line=line,
        byte=offset,
    )


def shown(encoding: str | None) -> str:
    """An encoding's name as people write it.

    >>> shown("gbk"), shown(None)
    ('GB18030', 'UTF-8')
    """
    return codec(encoding).removesuffix("-sig").upper()
