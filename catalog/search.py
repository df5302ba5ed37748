"""Search that works for Chinese without a search server, forgives typing errors, counts facets and prefers good data.

1. A query is split at blanks and punctuation. Every word must be found somewhere, whole or as a part: Chinese by pairs of neighbours,
   Latin by beginnings, pinyin in full or as initials (`catalog.terms`).
2. If that finds nothing, a word that is nowhere by itself is replaced by what it may have meant: the nearest Latin words, the Chinese
   that sounds the same, or names that hold most of its pairs (食品许可正 finds 食品经营许可证).
3. What matches best comes first: a title before an item, an item before a summary; among equals the fresh, complete and used.
4. Facets are counted over everything found; a chosen value narrows all facets but its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

from catalog import terms
from catalog.cards import Card
from catalog.columns import FACETS, Columns, Ids, Mask, Numbers
from catalog.index import Index

_SPLIT = re.compile(r"[\s,，、;；|]+")
_WORDS = 12
"""More words than a person types; the rest of a query is not looked at."""
_PRIOR = 0.35
_LOOKED_AT = 200
_VALUES = 12


@dataclass(frozen=True)
class Query:
    """Words, chosen facet values (`catalog.columns.FACETS`), and which of the hits are wanted."""

    text: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)
    size: int = 20
    skip: int = 0


@dataclass(frozen=True)
class Value:
    """One value of a facet: how many of what was found have it, and whether it is chosen."""

    value: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class Found:
    """How many entries match, those that were wanted, the facets, and whether words had to be guessed."""

    total: int
    hits: tuple[Card, ...]
    facets: Mapping[str, tuple[Value, ...]]
    guessed: bool = False


def search(index: Index, columns: Columns, query: Query, now: datetime) -> Found:
    """What matches the query, best first; everything by resource code for a query without words."""
    words = [word for word in _SPLIT.split(terms.fold(query.text)) if terms.runs(word)][:_WORDS]
    guessed, typed = False, bool(terms.fold(query.text))
    if words:
        ids, weights = _matching(index, columns, words)
        if not len(ids):
            ids, weights = _guessing(index, columns, words)
            guessed = bool(len(ids))
    else:
        ids = columns.everything() if not typed else np.zeros(0, dtype=np.int64)
        weights = np.zeros(len(ids))
    narrowed = {name: columns.choose(name, value, ids) for name, value in query.chosen.items() if name in FACETS}
    kept = np.logical_and.reduce([*narrowed.values()]) if narrowed else np.ones(len(ids), dtype=bool)
    order = _ranked(columns, ids[kept], weights[kept], words, now, query.skip + query.size) if words else ids[kept]
    wanted = [columns.cards[i] for i in order[query.skip : query.skip + query.size]]
    facets = {name: _facet(columns, name, ids, narrowed, query) for name in FACETS}
    return Found(int(kept.sum()), tuple(card for card in wanted if card), facets, guessed)


def _matching(index: Index, columns: Columns, words: Sequence[str]) -> tuple[Ids, Numbers]:
    return _listed(columns, index.match(" AND ".join(_expression(word) for word in words)))


def _listed(columns: Columns, found: tuple[Ids, Numbers]) -> tuple[Ids, Numbers]:
    """The listed entries of a match; what the index took in since the columns last looked comes next time."""
    ids, weights = found
    known = ids < len(columns.cards)
    known[known] = columns.listed(ids[known])
    return ids[known], weights[known]


def _expression(word: str) -> str:
    """The word as the index is asked for it; every run of it must be there."""
    return " AND ".join(_run(run) for run in terms.runs(word))


def _run(run: str) -> str:
    if not terms.is_han(run):
        return f'"{run}"*'
    return f'"{" ".join(terms.pairs(run)) if len(run) > 1 else run}"'


def _guessing(index: Index, columns: Columns, words: Sequence[str]) -> tuple[Ids, Numbers]:
    """Entries that hold every word, where words that nobody holds are guessed."""
    ids, weights = columns.everything(), np.zeros(len(columns.everything()))
    for word in words:
        found, gained = _matching(index, columns, [word])
        if not len(found):
            found, gained = _nearest(index, columns, word)
        ids, left, right = np.intersect1d(ids, found, return_indices=True)
        weights = weights[left] + gained[right]
    return ids, weights


def _nearest(index: Index, columns: Columns, word: str) -> tuple[Ids, Numbers]:
    """Entries that hold what the word may have meant, run by run."""
    ids, weights = columns.everything(), np.zeros(len(columns.everything()))
    for run in terms.runs(word):
        found, gained = _like(index, columns, run) if terms.is_han(run) else _spelt(index, columns, run)
        ids, left, right = np.intersect1d(ids, found, return_indices=True)
        weights = weights[left] + gained[right]
    return ids, weights


def _spelt(index: Index, columns: Columns, run: str) -> tuple[Ids, Numbers]:
    """Entries with a Latin word that one typing error (two in a long word) makes of this one."""
    allowed = 0 if len(run) < 4 or run.isdigit() else 1 if len(run) < 8 else 2
    near = process.extract(run, columns.vocabulary, scorer=OSA.distance, score_cutoff=allowed, limit=5)
    options = [f'"{word}"*' for word, distance, _ in near if distance == near[0][1]]
    return _listed(columns, index.match(" OR ".join([f'"{run}"*', *options])))


def _like(index: Index, columns: Columns, run: str) -> tuple[Ids, Numbers]:
    """Entries with Chinese that sounds like the run, else those that hold most of its pairs, the more the better."""
    if len(run) > 1:
        sound = _listed(columns, index.match(f'{{parts within}}: "{"".join(terms.syllables(run))}"*'))
        if len(sound[0]):
            return sound
    pairs = terms.pairs(run)
    held, weights = np.zeros(len(columns.cards)), np.zeros(len(columns.cards))
    for pair in pairs:
        ids, _ = _listed(columns, index.match(f'{{name items}}: "{pair}"'))
        held[ids] += 1
        weights[ids] += np.log1p(len(held) / max(len(ids), 1))
    ids = np.flatnonzero(held >= max(1, round(0.6 * len(pairs)))) if len(pairs) > 1 else np.zeros(0, dtype=np.int64)
    return ids, weights[ids]


def _ranked(columns: Columns, ids: Ids, weights: Numbers, words: Sequence[str], now: datetime, wanted: int) -> Ids:
    """The entries best first; titles are looked at where it can make a difference."""
    if not len(ids):
        return ids
    score = weights / max(float(weights.max()), 1e-12) + _PRIOR * columns.prior(ids, now)
    for place in np.argsort(-score, kind="stable")[: max(_LOOKED_AT, wanted)]:
        score[place] += max(_title(columns.names[ids[place]], word) for word in words)
    ordered: Ids = ids[np.argsort(-score, kind="stable")]
    return ordered


def _title(names: Sequence[str], word: str) -> float:
    """A whole name before its beginning, its beginning before a part."""
    if word in names:
        return 2.0
    return 0.5 if any(name.startswith(word) for name in names) else 0.3 if any(word in name for name in names) else 0.0


def _facet(columns: Columns, name: str, ids: Ids, narrowed: Mapping[str, Mask], query: Query) -> tuple[Value, ...]:
    """The facet's most frequent values under all other choices, with the chosen one."""
    others = [mask for other, mask in narrowed.items() if other != name]
    counted = columns.count(name, ids[np.logical_and.reduce(others)] if others else ids)
    chosen = query.chosen.get(name)
    shown = counted[:_VALUES] + [pair for pair in counted[_VALUES:] if pair[0] == chosen]
    return tuple(Value(value, count, value == chosen) for value, count in shown)
