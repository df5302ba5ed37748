"""The three lists of a department (三清单): what it provides, what it requires, and what it is responsible for.

Nobody writes them: provided is what its contracts describe; required is what its forms and its rules take from other departments;
responsible it is for the data elements whose authoritative source it is, and for the cycles that it promised.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from catalog.cards import Card
from catalog.lineage import Binding
from ledger.authorities import Authority


@dataclass(frozen=True)
class Reason:
    """Why a resource is required: a form that is filled from it, or a dataset whose rules look into it."""

    kind: Literal["form", "dataset"]
    name: str
    zh: str
    en: str


@dataclass(frozen=True)
class Need:
    """A resource of another department, and what for."""

    card: Card
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Lists:
    """One department's three lists."""

    code: str
    name: str
    name_en: str
    provides: tuple[Card, ...]
    requires: tuple[Need, ...]
    responsible: tuple[Authority, ...]


def lists(
    own: tuple[Card, ...],
    bindings: Iterable[tuple[Binding, Iterable[str]]],
    references: Iterable[tuple[str, str]],
    cards: Mapping[str, Card],
    held: tuple[Authority, ...],
) -> Lists:
    """The lists of the department of these cards, of which there is one at least.

    `bindings` are its forms' fields with the datasets behind each, `references` pairs of a dataset of its own and one that its rules look
    into, `cards` every listed resource by dataset, `held` what its datasets are the authoritative sources of.
    """
    first = own[0]
    needs: dict[str, dict[Reason, None]] = {}
    for binding, datasets in bindings:
        for dataset in datasets:
            needs.setdefault(dataset, {})[Reason("form", binding.form, binding.form_zh, binding.form_en)] = None
    for dataset, other in references:
        reading = cards[dataset]
        needs.setdefault(other, {})[Reason("dataset", dataset, reading.title, reading.title_en)] = None
    foreign = {n: r for n, r in needs.items() if n in cards and cards[n].provider_code != first.provider_code}
    required = tuple(Need(cards[name], tuple(reasons)) for name, reasons in sorted(foreign.items()))
    return Lists(first.provider_code, first.provider, first.provider_en, own, required, held)
