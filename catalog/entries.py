"""Catalog entries: one per contract, with what its runs measured.

1. `build` takes the applied contracts and the newest load of each dataset, both as values, and the moment it is.
2. An entry carries the core metadata of the compilation guide (2017, 发改高技〔2017〕1272号) and its data items with their elements.
3. `Measured` says how many rows there are, whether they are as fresh as promised, and how the last delivery was judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from pydantic import TypeAdapter

from catalog.measured import Condition, Measured, measure
from ledger.loads import Load
from schemas.contract import Column, Contract
from schemas.elements import element


@dataclass(frozen=True)
class Item:
    """One data item (信息项) of a resource, with the data element it holds, if it holds one."""

    name: str
    title: str
    type: str
    key: bool
    required: bool
    share_type: int
    classification: str
    description: str
    element: str = ""
    element_zh: str = ""
    element_en: str = ""


@dataclass(frozen=True)
class Entry:
    """One resource of the catalog: promised by its contract, measured by its runs."""

    dataset: str
    code: str
    title: str
    title_en: str
    provider: str
    provider_en: str
    provider_code: str
    summary: str
    source_kind: str
    items: tuple[Item, ...]
    share_type: int
    share_condition: str
    share_modes: tuple[str, ...]
    cycle: str
    cycle_hours: float | None
    latency_hours: float | None
    published_on: date | None
    related: tuple[str, ...]
    version: str
    status: str
    domain: str
    tags: tuple[str, ...]
    authoritative: bool
    subjects: tuple[str, ...]
    measured: Measured

    def to_json(self) -> dict[str, Any]:
        """The entry as plain JSON values."""
        return cast("dict[str, Any]", _ADAPTER.dump_python(self, mode="json"))


_ADAPTER: TypeAdapter[Entry] = TypeAdapter(Entry)


def build(
    contracts: Mapping[str, Contract],
    loads: Mapping[str, Load],
    now: datetime,
    conditions: Mapping[str, Condition] | None = None,
) -> tuple[Entry, ...]:
    """An entry for every contract, by resource code; one that never ran has its promises and no measures.

    `conditions` (`ledger.loads.conditions`) tells how a run ended that published nothing yet.
    """
    known = conditions or {}
    entries = (
        _entry(contract, measure(contract, loads.get(name), now, known.get(name)), contracts)
        for name, contract in contracts.items()
    )
    return tuple(sorted(entries, key=lambda entry: (entry.code, entry.dataset)))


def find(entries: Sequence[Entry], name: str) -> Entry | None:
    """The entry with this dataset name or resource code."""
    return next((entry for entry in entries if name in (entry.dataset, entry.code)), None)


def _entry(contract: Contract, measured: Measured, others: Mapping[str, Contract]) -> Entry:
    return Entry(
        dataset=contract.dataset,
        code=contract.resource_code,
        title=contract.title,
        title_en=contract.title_en,
        provider=contract.provider,
        provider_en=contract.provider_en,
        provider_code=contract.provider_code,
        summary=contract.purpose,
        source_kind=contract.source.kind,
        items=tuple(_item(column) for column in contract.columns),
        share_type=contract.share_type,
        share_condition=contract.share_condition,
        share_modes=contract.share_modes,
        cycle=contract.cycle,
        cycle_hours=contract.cycle_hours,
        latency_hours=contract.latency_hours,
        published_on=measured.published_at.date() if measured.published_at else None,
        related=_related(contract, others),
        version=contract.version,
        status=contract.status,
        domain=contract.domain,
        tags=contract.tags,
        authoritative=contract.authoritative,
        subjects=tuple(sorted({link.kind for link in contract.subjects})),
        measured=measured,
    )


def _item(column: Column) -> Item:
    known = element(column.element) if column.element else None
    return Item(
        name=column.name,
        title=column.title,
        type=column.type,
        key=column.key_position > 0,
        required=column.required or column.key_position > 0,
        share_type=column.share_type,
        classification=column.classification,
        description=column.description,
        element=known.id if known else "",
        element_zh=known.zh if known else "",
        element_en=known.en if known else "",
    )


def _related(contract: Contract, others: Mapping[str, Contract]) -> tuple[str, ...]:
    """Resource codes of the datasets that this one refers to, and of those that refer to it."""

    def referred(from_: Contract) -> set[str]:
        return {str(check.arguments.get("dataset")) for check in from_.checks if check.kind == "reference"}

    outward = referred(contract)
    names = {n for n, other in others.items() if n in outward or contract.dataset in referred(other)}
    return tuple(sorted(others[name].resource_code for name in names if name != contract.dataset))
