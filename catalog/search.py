"""Search over catalog entries that works for Chinese without word lists: every word must occur somewhere.

A query is split at blanks and punctuation; each word must be found, as a part of any text of the entry, folded for width and case.
A Chinese word that is nowhere in one piece may still match a name that has its characters in order (食品许可 finds 食品经营许可证).
Names count more than items, items more than summaries; a whole match more than a beginning, a beginning more than a part.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from catalog.entries import Entry
from catalog.guide import SHARE_TYPES

_SPLIT = re.compile(r"[\s,，、;；|]+")
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]{2,}")
_WHOLE, _BEGINNING, _PART, _IN_ORDER = 4.0, 2.0, 1.0, 0.5


def search(entries: Sequence[Entry], query: str) -> tuple[Entry, ...]:
    """The entries that match every word of the query, best first; all of them, as they come, for an empty query."""
    words = [word for word in _SPLIT.split(fold(query)) if word]
    if not words:
        return tuple(entries)
    scored = [(_score(entry, words), entry) for entry in entries]
    hits = [(score, entry) for score, entry in scored if score > 0]
    return tuple(entry for _, entry in sorted(hits, key=lambda hit: -hit[0]))


def fold(text: str) -> str:
    """The text as search compares it.

    >>> fold("ＤＥ０１００１ Citizen_ID")
    'de01001 citizen_id'
    """
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _score(entry: Entry, words: Iterable[str]) -> float:
    """The sum over the words of each one's best match; 0 if any word is found nowhere."""
    texts = [(weight, fold(text)) for weight, text in _texts(entry) if text]
    total = 0.0
    for word in words:
        best = max((weight * _match(word, text) for weight, text in texts), default=0.0)
        if not best:
            return 0.0
        total += best
    return total


def _match(word: str, text: str) -> float:
    if word == text:
        return _WHOLE
    if text.startswith(word):
        return _BEGINNING
    if word in text:
        return _PART
    return _IN_ORDER if _HAN.fullmatch(word) and _in_order(word, text) else 0.0


def _in_order(word: str, text: str) -> bool:
    """Whether a short name has the word's characters in order; a long text proves nothing by that."""
    remaining = iter(text)
    return len(text) <= 4 * len(word) and all(character in remaining for character in word)


def _texts(entry: Entry) -> list[tuple[float, str]]:
    """What can be found of an entry, and how much each counts."""
    texts = [(10.0, text) for text in (entry.title, entry.title_en, entry.dataset, entry.code)]
    texts += [
        (6.0, text) for text in (entry.provider, entry.provider_en, entry.provider_code, entry.domain, *entry.tags)
    ]
    for item in entry.items:
        texts += [(4.0, item.title), (4.0, item.name), (3.0, item.element), (3.0, item.element_zh)]
        texts += [(3.0, item.element_en), (1.0, item.description)]
    share = SHARE_TYPES.get(entry.share_type)
    texts += [(2.0, share.zh), (2.0, share.en)] if share else []
    return [*texts, (2.0, entry.summary), (1.0, entry.share_condition), (1.0, entry.cycle)]
