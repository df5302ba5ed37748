"""What ranking and facets need of every entry, in memory as arrays over entry ids; follows the index.

The word index answers which entries match and how well; everything else about them is counted here, ten thousand at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from catalog.cards import Card
from catalog.index import Index
from catalog.terms import fold

FACETS = ("department", "class", "share", "format", "cycle", "element")
Ids = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass
class _Facet:
    """A facet's values by number, and each entry's number."""

    values: dict[str, int] = field(default_factory=dict)
    of: list[int] = field(default_factory=list)
    array: Ids = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


class Columns:
    """Arrays over entry ids; id 0 is nobody's."""

    def __init__(self) -> None:
        self.serial = 0
        self.cards: list[Card | None] = [None]
        self.names: list[tuple[str, ...]] = [()]
        self.vocabulary: list[str] = []
        self._facets = {name: _Facet(of=[0]) for name in FACETS if name != "element"}
        self._elements: dict[str, int] = {}
        self._holder = self._held = np.zeros(0, dtype=np.int64)
        self._listed: list[bool] = [False]
        self._freeze()

    def follow(self, index: Index) -> None:
        """Take in what changed in the index since last time."""
        rows = list(index.rows(self.serial))
        if not rows:
            return
        versions = {row.id: row.card.version for row in rows}
        anew = any(id_ >= len(self.cards) or self._version(id_) != version for id_, version in versions.items())
        for row in rows:
            while len(self.cards) <= row.id:
                self.cards.append(None)
                self.names.append(())
                self._listed.append(False)
                for facet in self._facets.values():
                    facet.of.append(0)
            self.cards[row.id], self._listed[row.id] = row.card, row.listed
            self.names[row.id] = tuple(map(fold, (row.card.title, row.card.title_en, row.card.dataset, row.card.code)))
            for name, value in facets_of(row.card).items():
                facet = self._facets[name]
                facet.of[row.id] = facet.values.setdefault(value, len(facet.values))
            self.serial = max(self.serial, row.serial)
        self._freeze()
        if anew:
            self._take_elements(index.elements())
            self.vocabulary = index.vocabulary()

    def everything(self) -> Ids:
        """The ids of all listed entries, by resource code."""
        return self._by_code

    def listed(self, ids: Ids) -> Mask:
        """Which of these are listed."""
        shown: Mask = self._shown[ids]
        return shown

    def prior(self, ids: Ids, now: datetime) -> Numbers:
        """How much each of these is worth before any word, 0..1: fresh, complete and used; one less if deprecated."""
        hours = (now.timestamp() - self._confirmed[ids]) / 3600
        fresh = np.where(hours > self._latency[ids], 0.2, np.where(hours > self._cycle[ids], 0.5, 1.0))
        fresh = np.where(self._confirmed[ids] > 0, fresh, 0.0)
        worth: Numbers = 0.4 * fresh + 0.3 * self._complete[ids] + 0.3 * self._used[ids]
        return np.where(self._deprecated[ids], worth - 1, worth)

    def choose(self, name: str, value: str, ids: Ids) -> Mask:
        """Which of these entries have the facet's value."""
        if name == "element":
            holders = self._holder[self._held == self._elements.get(value, -1)]
            return np.isin(ids, holders)
        facet = self._facets[name]
        chosen: Mask = facet.array[ids] == facet.values.get(value, -1)
        return chosen

    def count(self, name: str, ids: Ids) -> list[tuple[str, int]]:
        """The facet's values among these entries, most frequent first."""
        if name == "element":
            among = np.zeros(len(self.cards), dtype=bool)
            among[ids] = True
            return _counted(self._elements, self._held[among[self._holder]])
        facet = self._facets[name]
        return _counted(facet.values, facet.array[ids])

    def _version(self, id_: int) -> str:
        card = self.cards[id_]
        return card.version if card else ""

    def _freeze(self) -> None:
        for facet in self._facets.values():
            facet.array = np.array(facet.of, dtype=np.int64)
        cards = self.cards
        self._shown = np.array(self._listed)
        self._confirmed = _numbers([c.confirmed_at.timestamp() if c and c.confirmed_at else 0.0 for c in cards])
        self._cycle = _numbers([c.cycle_hours * 1.1 if c and c.cycle_hours is not None else np.inf for c in cards])
        self._latency = _numbers([c.latency_hours if c and c.latency_hours is not None else np.inf for c in cards])
        self._complete = _numbers([c.complete if c else 0.0 for c in cards])
        used = np.log1p(_numbers([c.used if c else 0 for c in cards]))
        self._used = used / max(float(used.max()), 1.0)
        self._deprecated = np.array([c is not None and c.state == "deprecated" for c in cards])
        ids = [i for i, shown in enumerate(self._listed) if shown]
        self._by_code = np.array(sorted(ids, key=lambda i: c.code if (c := cards[i]) else ""), dtype=np.int64)

    def _take_elements(self, pairs: Sequence[tuple[int, str]]) -> None:
        self._elements = {name: n for n, name in enumerate(sorted({element for _, element in pairs}))}
        self._holder = np.array([entry for entry, _ in pairs], dtype=np.int64)
        self._held = np.array([self._elements[element] for _, element in pairs], dtype=np.int64)


def facets_of(card: Card) -> Mapping[str, str]:
    """A card's value of every facet but the data elements, of which a resource has many."""
    return {
        "department": card.provider,
        "class": card.code[:1],
        "share": str(card.share_type),
        "format": card.format,
        "cycle": card.cycle,
    }


def _numbers(values: Sequence[float]) -> Numbers:
    return np.array(values, dtype=np.float64)


def _counted(values: Mapping[str, int], found: Ids) -> list[tuple[str, int]]:
    if not len(found):
        return []
    counts = np.bincount(found, minlength=len(values))
    return sorted(((v, int(counts[n])) for v, n in values.items() if counts[n]), key=lambda pair: (-pair[1], pair[0]))
