"""The encoding of a text file whose contract does not state it, found out from its bytes and told to people.

1. A byte order mark says it.
2. Else the first megabyte from the first byte that is not ASCII: UTF-8 if it is strictly that, for hardly any other text is.
3. Else GB 18030 or Big5, whichever it strictly is; of both, the one in which more of the characters are everyday ones.
4. What is none of these is called by the one that gets farthest, so that the reader's error names the byte at which it ends.

The same bytes always give the same answer, whatever pieces they come in.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterable
from typing import BinaryIO

MOST = 1 << 20
_BLOCK = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_EVERYDAY = {"gb18030": (0xB0, 0xD7, 0xA1), "big5": (0xA4, 0xC6, 0x40)}


class Sample:
    """What detection looks at, gathered from a stream that somebody else reads."""

    def __init__(self) -> None:
        self.start = b""
        self.telling = b""

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes of the file."""
        if len(self.start) < 4:
            self.start += chunk[:4]
        if self.telling:
            self.telling += chunk[: MOST - len(self.telling)]
        elif not chunk.isascii():
            found = _NOT_ASCII.search(chunk)
            begin = found.start() if found else 0
            self.telling = chunk[begin : begin + MOST]

    @property
    def enough(self) -> bool:
        """Whether further bytes would change nothing."""
        return len(self.telling) >= MOST

    def encoding(self) -> str:
        """The encoding found: utf-8, utf-16, gb18030 or big5."""
        for mark, name in _MARKS:
            if self.start.startswith(mark):
                return name
        return _of_text(self.telling)


def detect(file: BinaryIO) -> str:
    """The encoding of an open file, read from its start: utf-8, utf-16, gb18030 or big5."""
    file.seek(0)
    return sampled(iter(lambda: file.read(_BLOCK), b"")).encoding()


def sampled(chunks: Iterable[bytes]) -> Sample:
    """The sample of a file that comes in chunks; no more of them are taken than it needs."""
    sample = Sample()
    for chunk in chunks:
        sample.feed(chunk)
        if sample.enough:
            break
    return sample


def _of_text(telling: bytes) -> str:
    reach = {name: _reach(telling, name) for name in ("utf-8", "gb18030", "big5")}
    if reach["utf-8"] == len(telling):
        return "utf-8"
    whole = [name for name in ("gb18030", "big5") if reach[name] == len(telling)]
    if whole:
        return max(whole, key=lambda name: _everyday(telling, name))
    return max(reach, key=lambda name: reach[name])


def _reach(telling: bytes, name: str) -> int:
    """How many bytes decode; a character cut off by the sample's end counts as good."""
    try:
        codecs.getincrementaldecoder(name)("strict").decode(telling, final=False)
    except UnicodeDecodeError as error:
        return error.start
    return len(telling)


def _everyday(telling: bytes, name: str) -> float:
    """The fraction of the characters beyond ASCII that are in the encoding's area of common ones (level 1) or punctuation."""
    text = codecs.getincrementaldecoder(name)("strict").decode(telling, final=False)
    low, high, trail = _EVERYDAY[name]
    good = total = 0
    for character, count in Counter(text).items():
        code = character.encode(name)
        if len(code) > 1:
            total += count
            common = len(code) == 2 and (low <= code[0] <= high or 0xA1 <= code[0] <= 0xA3) and code[1] >= trail
            good += count * common
    return good / max(total, 1)
