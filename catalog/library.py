"""The catalog as the rest of the hub asks it: search, entries, who holds an element, lineage, versions; always as the ledger is now.

Every question first lets the index follow the ledger: one number is compared, and only what changed since is read (`ledger.catalog`).
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from catalog import entries, lineage
from catalog.cards import Card
from catalog.columns import Columns
from catalog.departments import Lists, lists
from catalog.entries import Consumer, Entry
from catalog.index import Facts, Index
from catalog.lineage import Binding, Flow, parts_from
from catalog.measured import measure
from catalog.search import Found, Query, search
from ledger import authorities, contracts, loads, subscriptions
from ledger import catalog as changes
from ledger.database import Database
from ledger.loads import Load
from quality import scorecard
from schemas import diff
from schemas.contract import Contract
from subjects.kinds import Kind

_BATCH = 500
_DAYS = 14
_LOADS = 40


@dataclass(frozen=True)
class Uses:
    """Who builds on the datasets: subject kinds and forms, as declared."""

    kinds: Mapping[str, Kind]
    bindings: tuple[Binding, ...] = ()

    def of(self, dataset: str) -> tuple[Consumer, ...]:
        """The kinds and forms that a dataset goes into."""
        kinds = [k for k in self.kinds.values() if dataset in k.datasets]
        parts = {f"{k.name}.{part}" for k in kinds for part in parts_from(k, dataset)}
        forms = {b.form: b for b in self.bindings if f"{b.subject}.{b.part}" in parts}
        return (
            *(Consumer("subject", k.name, k.title, k.title_en) for k in kinds),
            *(Consumer("form", b.form, b.form_zh, b.form_en) for b in forms.values()),
        )

    def behind(self, binding: Binding) -> tuple[str, ...]:
        """The datasets that may fill a form's field."""
        kind = self.kinds.get(binding.subject)
        names = kind.datasets if kind else ()
        return tuple(name for name in names if kind and binding.part in parts_from(kind, name))


@dataclass(frozen=True)
class Holder:
    """One dataset that has a data element: in which item, and of which subject kinds it is the authoritative source."""

    card: Card
    item: str
    title: str
    authoritative_for: tuple[str, ...]


@dataclass(frozen=True)
class Revision:
    """One applied version of a contract, with what it changed."""

    number: int
    version: str
    applied_at: datetime
    because: str | None
    changes: tuple[diff.Change, ...]


class Catalog:
    """The catalog over one ledger; `path` is its index file, `uses` what is declared at this moment."""

    def __init__(
        self, ledger: Database, path: Path, clock: Callable[[], datetime], uses: Callable[[], Uses], timezone: str
    ) -> None:
        self.ledger = ledger
        self._clock, self._uses, self._zone = clock, uses, ZoneInfo(timezone)
        self._path, self._columns, self._lock = path, Columns(), threading.Lock()

    @cached_property
    def _index(self) -> Index:
        return Index(self._path)

    def search(self, query: Query) -> Found:
        """What matches the query, best first, with facets."""
        with self._lock:
            self._follow()
            return search(self._index, self._columns, query, self._clock())

    def entry(self, name: str) -> Entry | None:
        """The whole entry of a dataset name or resource code; None if there is none."""
        dataset = self._named(name)
        return next(iter(self._entries([dataset], deep=True)), None) if dataset else None

    def contract(self, name: str) -> Contract | None:
        """The contract in force behind a dataset name or resource code."""
        dataset = self._named(name)
        return contracts.applied(self.ledger, [dataset]).get(dataset) if dataset else None

    def page(self, after: str, size: int) -> tuple[Entry, ...]:
        """The listed entries whose resource codes come after `after`, in that order.

        Whoever walks on from the last code meets each entry that was there all the time once, whatever comes and goes meanwhile.
        """
        with self._lock:
            self._follow()
            names = [dataset for dataset, _ in self._index.page(after, size)]
        return self._entries(names)

    def everything(self) -> tuple[Entry, ...]:
        """Every listed entry, by resource code."""
        found: list[Entry] = []
        while more := self.page(found[-1].code if found else "", _BATCH):
            found += more
        return tuple(found)

    def totals(self) -> tuple[int, str]:
        """How many resources are listed, and when any entry last changed."""
        with self._lock:
            self._follow()
            return self._index.totals()

    def holders(self, element: str) -> tuple[Holder, ...]:
        """The resources that hold a data element, authoritative ones first."""
        with self._lock:
            self._follow()
            holding = self._index.holding(element)
        held: dict[str, list[str]] = {}
        for authority in authorities.held(self.ledger, [element]):
            held.setdefault(authority.dataset, []).append(authority.subject)
        found = [Holder(card, name, title, tuple(held.get(card.dataset, ()))) for card, name, title in holding]
        return tuple(sorted(found, key=lambda holder: not holder.authoritative_for))

    def departments(self) -> tuple[tuple[str, str, str, int], ...]:
        """Code, name, English name and number of listed resources of every department, by name."""
        counted: dict[str, tuple[Card, int]] = {}
        for card in self._cards().values():
            counted[card.provider_code] = (card, counted.get(card.provider_code, (card, 0))[1] + 1)
        found = [(code, card.provider, card.provider_en, count) for code, (card, count) in counted.items()]
        return tuple(sorted(found, key=lambda one: one[1]))

    def department(self, name: str) -> Lists | None:
        """The three lists of the department of this code or name; None if it provides nothing."""
        cards, uses = self._cards(), self._uses()
        own = tuple(card for card in cards.values() if name in (card.provider_code, card.provider))
        if not own:
            return None
        names = [card.dataset for card in own]
        forms = [(b, uses.behind(b)) for b in uses.bindings if b.department == own[0].provider]
        with self._lock:
            references = self._index.references(names)
        return lists(own, forms, references, cards, authorities.held_by(self.ledger, names))

    def related(self, dataset: str) -> tuple[Card, ...]:
        """The resources that a dataset refers to, and those that refer to it."""
        with self._lock:
            self._follow()
            return self._index.related(dataset)

    def lineage(self, contract: Contract) -> Flow:
        """Where the dataset's columns come from and go to."""
        uses = self._uses()
        return lineage.flow(contract, uses.kinds, uses.bindings)

    def uses(self) -> Uses:
        """What is declared to build on the datasets."""
        return self._uses()

    def history(self, dataset: str, limit: int = 20) -> list[Load]:
        """The dataset's loads, newest first."""
        return loads.history(self.ledger, dataset, limit)

    def versions(self, dataset: str) -> tuple[Revision, ...]:
        """Every applied version of the dataset's contract with its changes, newest first."""
        applied = contracts.versions(self.ledger, dataset)
        pairs = zip((None, *applied), applied, strict=False)
        return tuple(
            Revision(
                v.number, v.version, v.applied_at, v.forced_because, diff.diff(b.contract, v.contract) if b else ()
            )
            for b, v in reversed(list(pairs))
        )

    def rebuild(self) -> int:
        """Make the index anew from the ledger; returns how many entries it holds."""
        with self._lock:
            self._index.clear()
            self._columns = Columns()
            self._follow()
            return len(self._columns.everything())

    def _cards(self) -> dict[str, Card]:
        """The listed resources by dataset, in the order of their codes."""
        with self._lock:
            self._follow()
            several = (self._columns.cards[i] for i in self._columns.everything())
            return {card.dataset: card for card in several if card is not None}

    def _named(self, name: str) -> str | None:
        with self._lock:
            self._follow()
            return self._index.named(name)

    def _follow(self) -> None:
        """Take what changed in the ledger into the index file, and what changed there into memory."""
        seen = max(self._columns.serial, self._index.serial())
        newest = changes.newest(self.ledger)
        if newest < seen:  # another ledger, or an older copy of it
            self._index.clear()
            self._columns = Columns()
        if newest != self._index.serial():
            with self._index.writing():
                self._take(changes.changed(self.ledger, self._index.serial()))
        if newest != self._columns.serial:
            self._columns.follow(self._index)
            self._columns.serial = max(newest, self._columns.serial)

    def _take(self, changed: Mapping[str, int]) -> None:
        names = list(changed)
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            found = ((changed[facts.contract.dataset], facts) for facts in self._facts(batch))
            self._index.follow(found, changed[batch[-1]])

    def _facts(self, names: list[str]) -> Iterable[Facts]:
        now, uses = self._clock(), self._uses()
        newest, conditions = loads.latest(self.ledger, names), loads.conditions(self.ledger, names)
        for name, version in contracts.newest(self.ledger, names).items():
            measured = measure(version.contract, newest.get(name), now, conditions.get(name))
            changed = max(at for at in (version.applied_at, measured.published_at) if at)
            used = len(uses.of(name)) + len(subscriptions.of(self.ledger, name))
            yield Facts(version.contract, version.number, measured, used, changed.isoformat())

    def _entries(self, names: list[str], *, deep: bool = False) -> tuple[Entry, ...]:
        """The entries of datasets in this order; `deep` ones with the trend of their quality, consumers and related codes."""
        now = self._clock()
        found, newest = contracts.applied(self.ledger, names), loads.latest(self.ledger, names)
        conditions = loads.conditions(self.ledger, names)
        several = [
            entries.entry(found[n], measure(found[n], newest.get(n), now, conditions.get(n)), self._zone)
            for n in names
            if n in found
        ]
        return tuple(self._deepen(one) if deep else one for one in several)

    def _deepen(self, entry: Entry) -> Entry:
        related = self.related(entry.dataset)
        told = [Consumer("subscriber", s.name, s.name, s.name) for s in subscriptions.of(self.ledger, entry.dataset)]
        scores = self._scores(entry)
        return replace(
            entry,
            related=tuple(card.code for card in related),
            consumers=(*self._uses().of(entry.dataset), *told),
            measured=replace(entry.measured, score=scores[-1] if scores else None, trend=scores),
        )

    def _scores(self, entry: Entry) -> tuple[float | None, ...]:
        """The overall quality score of each of the last days, oldest first."""
        now = self._clock().astimezone(self._zone)
        wanted = [now.date() - timedelta(days=n) for n in range(_DAYS)]
        told = [
            scorecard.Published(one.load, one.published_at, scorecard.rules_of(one.facts.get("verdict") or {}))
            for one in reversed(loads.history(self.ledger, entry.dataset, _LOADS))
        ]
        return tuple(day.overall for day in scorecard.days(told, wanted, entry.cycle_hours, now)) if told else ()
