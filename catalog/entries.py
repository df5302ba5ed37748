"""Catalog entries: one per contract, with what its runs measured.

1. `entry` takes a contract and what was measured of its dataset, both as values; `catalog.library` looks them up.
2. An entry carries the core metadata of the compilation guide (2017, 发改高技〔2017〕1272号) and its data items with their elements.
3. `Measured` says how many rows there are, whether they are as fresh as promised, and how the last delivery was judged.
"""

from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from typing import Any, Literal, cast

from pydantic import TypeAdapter

from catalog.cards import format_of, state_of
from catalog.measured import Measured
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
class Consumer:
    """Who builds on a resource: a subject kind, a form, or whoever subscribes to its changes."""

    kind: Literal["subject", "form", "subscriber"]
    name: str
    zh: str
    en: str


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
    format: str
    items: tuple[Item, ...]
    share_type: int
    share_condition: str
    share_modes: tuple[str, ...]
    open: bool | None
    open_condition: str
    cycle: str
    cycle_hours: float | None
    latency_hours: float | None
    published_on: date | None
    related: tuple[str, ...]
    version: str
    state: str
    retire_on: str | None
    successor: str | None
    domain: str
    tags: tuple[str, ...]
    authoritative: bool
    subjects: tuple[str, ...]
    measured: Measured
    consumers: tuple[Consumer, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The entry as plain JSON values."""
        return cast("dict[str, Any]", _ADAPTER.dump_python(self, mode="json"))


_ADAPTER: TypeAdapter[Entry] = TypeAdapter(Entry)


def entry(contract: Contract, measured: Measured, zone: tzinfo = UTC) -> Entry:
    """The entry of a contract with what its runs measured; related resources and consumers are for the catalog to add.

    `zone` is the city's, in which days begin.
    """
    return Entry(
        dataset=contract.dataset,
        code=contract.resource_code,
        title=contract.title,
        title_en=contract.title_en,
        provider=contract.provider,
        provider_en=contract.provider_en,
        provider_code=contract.provider_code,
        summary=contract.purpose,
        format=format_of(contract),
        items=tuple(_item(column) for column in contract.columns),
        share_type=contract.share_type,
        share_condition=contract.share_condition,
        share_modes=contract.share_modes,
        open=contract.open,
        open_condition=contract.open_condition,
        cycle=contract.cycle,
        cycle_hours=contract.cycle_hours,
        latency_hours=contract.latency_hours,
        published_on=measured.published_at.astimezone(zone).date() if measured.published_at else None,
        related=(),
        version=contract.version,
        state=state_of(contract),
        retire_on=contract.retire_on,
        successor=contract.successor,
        domain=contract.domain,
        tags=contract.tags,
        authoritative=contract.authoritative or bool(contract.claims),
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
