"""Words as the index holds them and as a query asks for them, Chinese without a word list.

1. Text is folded (width, case) and cut into runs of Chinese characters and of Latin letters or digits.
2. A Chinese run gives its pairs of neighbours in order (常住 住人 人口): a phrase of pairs finds any part of two characters and more.
   Single characters stand behind them.
3. A Latin run stands as it is; what may be typed from its middle stands as its endings, so that a prefix search finds any part.
4. Names also give their pinyin, in full and as initials, with every ending: `renkou` and `rkjb` find 常住人口基本信息.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from pypinyin import lazy_pinyin

HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+")
_IS_HAN = re.compile(rf"[{HAN}]")
_SHORTEST_ENDING = 2


def fold(text: str) -> str:
    """The text as search compares it.

    >>> fold("ＤＥ０１００１ Citizen_ID")
    'de01001 citizen_id'
    """
    return unicodedata.normalize("NFKC", text).casefold().strip()


def runs(text: str) -> list[str]:
    """The text's runs, folded.

    >>> runs("常住人口(2026) Citizen_ID")
    ['常住人口', '2026', 'citizen', 'id']
    """
    return _RUN.findall(fold(text))


def is_han(run: str) -> bool:
    """Whether a run is of Chinese characters."""
    return bool(_IS_HAN.match(run))


def pairs(run: str) -> list[str]:
    """The neighbours of a Chinese run.

    >>> pairs("常住人口")
    ['常住', '住人', '人口']
    """
    return [run[i : i + 2] for i in range(len(run) - 1)]


def words(texts: Iterable[str]) -> str:
    """What the index holds of texts as such: pairs and Latin runs in order, then the single characters."""
    ordered: list[str] = []
    single: dict[str, None] = {}
    for text in texts:
        for run in runs(text):
            ordered += pairs(run) if is_han(run) else [run]
            single |= dict.fromkeys(run) if is_han(run) else {}
    return " ".join([*ordered, *single])


def parts(names: Iterable[str]) -> str:
    """What the index holds of names beyond their words: endings of Latin runs, pinyin in full and as initials, each once."""
    return " ".join(dict.fromkeys(part for name in names for part in _parts(name)))


def latin(texts: Iterable[str]) -> set[str]:
    """The Latin words of texts that a misspelt one may have meant, with the pinyin of Chinese runs."""
    found: set[str] = set()
    for text in texts:
        for run in runs(text):
            found.add("".join(syllables(run)) if is_han(run) else run)
    return {word for word in found if len(word) > 3 and not word.isdigit()}


@lru_cache(maxsize=50_000)
def syllables(run: str) -> tuple[str, ...]:
    """A Chinese run's pinyin without tones; characters without any stand for themselves.

    >>> syllables("重庆银行")
    ('chong', 'qing', 'yin', 'hang')
    """
    return tuple(lazy_pinyin(run))


@lru_cache(maxsize=50_000)
def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for run in runs(name) for part in (_spoken(run) if is_han(run) else _endings(run)))


def _spoken(run: str) -> Iterator[str]:
    spelt = syllables(run)
    for i in range(len(spelt)):
        yield "".join(spelt[i:])
        if len(spelt) - i >= _SHORTEST_ENDING:
            yield "".join(s[0] for s in spelt[i:])


def _endings(run: str) -> Iterator[str]:
    yield from (run[i:] for i in range(1, len(run) - _SHORTEST_ENDING + 1))
