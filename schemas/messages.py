"""What an error says, in Chinese: the sentences of the code as templates, each with its translation.

1. Code raises in English (`schemas.errors`), and so the API and `--json` answer. Whoever shows an error to a reader of Chinese looks it up here.
2. `data/messages.zh.csv` has a row for each template: what the code writes, with `{}` where it fills something in, and the Chinese with the same
   places, in order or by number (`{2}`). What fills a place is carried over; `{:zh}` says that it is a sentence or a word of the hub's own, to be
   looked up as well. Where the Chinese is left out, the text stays as typed: a command, an example.
3. What the code says in both languages already (`中文 / English`) is shown by its first half.
4. The template with the most letters of its own wins, so `{} has no column {}` comes before `{} has no {}`. A text that fits none stays English.

A test walks the code and fails where a message has no row, or a row no message.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

_RIGHT = " — right: "
"""What stands between a problem and its example (`schemas.errors.Problem`)."""
_BOTH = re.compile(r"(.*?[\u4e00-\u9fff].*?) / ")
_BESIDE = re.compile(r"; (?![^()]*\))")
_PLACE = re.compile(r"\{(\d?)(:zh)?\}")


@dataclass(frozen=True)
class Template:
    """One row: the pieces of English around its places, and the Chinese."""

    pieces: tuple[str, ...]
    chinese: str

    def held(self, text: str) -> list[str] | None:
        """What fills the places in this text, or None where it is another's.

        A text that begins with a place and a colon (a file, a dataset) is first cut there: no first place holds one.

        >>> Template(("", " has no sheet ", ""), "").held("a.xlsx has no sheet 'Data'")
        ['a.xlsx', "'Data'"]
        """
        first, *rest, last = self.pieces
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last):
            return None
        at, found = len(first), list[str]()
        for piece in rest:
            to = text.find(piece, at, end)
            if to < 0:
                return None
            found.append(text[at:to])
            at = to + len(piece)
        found.append(text[at:end])
        return None if at > end or (not first and ": " in found[0]) else found

    def filled(self, values: list[str]) -> str:
        """The Chinese with these values in its places."""
        order = iter(values)

        def value(place: re.Match[str]) -> str:
            text = values[int(place[1]) - 1] if place[1] else next(order)
            return in_chinese(text) if place[2] else text

        return _PLACE.sub(value, self.chinese)


def in_chinese(text: str) -> str:
    """A message of the hub in Chinese, line by line; what is not known stays as it is.

    >>> in_chinese("there is no client benefits")
    '没有调用方 benefits'
    """
    if "\n" in text:
        return "\n".join(map(in_chinese, text.split("\n")))
    wrong, right, example = text.partition(_RIGHT)
    if right:
        return f"{in_chinese(wrong)}；正确写法：{in_chinese(example)}"
    if _BOTH.match(text):
        return "；".join(in_chinese(found[1] if (found := _BOTH.match(x)) else x) for x in _BESIDE.split(text))
    whole, templates = _catalogue()
    known = whole.get(text)
    if known is not None:
        return known or text
    for mark, template in templates:
        if mark in text and (values := template.held(text)) is not None:
            return template.filled(values) if template.chinese else text
    return text


def in_both(text: str) -> str:
    """A message of the hub for readers of either language.

    >>> in_both("there is no client benefits")
    '没有调用方 benefits / there is no client benefits'
    """
    chinese = in_chinese(text)
    return text if chinese == text or _BOTH.match(text) else f"{chinese} / {text}"


def rows() -> dict[str, str]:
    """The catalogue as it is written: English to Chinese."""
    text = resources.files("schemas").joinpath("data", "messages.zh.csv").read_text(encoding="utf-8")
    return {row["english"]: row["chinese"] for row in csv.DictReader(text.splitlines())}


@cache
def _catalogue() -> tuple[Mapping[str, str], tuple[tuple[str, Template], ...]]:
    """The texts without places, and the templates by their longest piece: the most telling first, those without a letter in the file's order."""
    found = rows()
    whole = {english: chinese for english, chinese in found.items() if "{}" not in english}
    templates = [Template(tuple(e.split("{}")), chinese) for e, chinese in found.items() if "{}" in e]
    return whole, tuple((max(t.pieces, key=len), t) for t in sorted(templates, key=_weight, reverse=True))


def _weight(template: Template) -> tuple[int, int]:
    own = "".join(template.pieces)
    letters = sum(map(str.isalpha, own))
    return letters, len(own) if letters else 0
