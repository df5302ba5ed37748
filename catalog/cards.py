"""A card: one resource as lists, facets and ranking need it, without its items."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from pydantic import TypeAdapter

from catalog.measured import Freshness, Measured, freshness
from schemas.contract import Contract

LISTED = ("published", "deprecated")
"""States of resources that lists, search and harvesters see."""


@dataclass(frozen=True)
class Card:
    """One resource in short. `complete` is how much of its description is there, 0..1; `used` how many use it."""

    dataset: str
    code: str
    title: str
    title_en: str
    provider: str
    provider_en: str
    provider_code: str
    summary: str
    share_type: int
    format: str
    cycle: str
    cycle_hours: float | None
    latency_hours: float | None
    items: int
    authoritative: bool
    state: str
    successor: str | None
    version: str
    complete: float
    used: int
    load: int | None
    rows: int
    pass_rate: float | None
    confirmed_at: datetime | None
    outcome: str
    reason: str

    def freshness(self, now: datetime) -> Freshness:
        """Whether the data is as fresh as promised."""
        if self.confirmed_at is None:
            return "never"
        return freshness(self.cycle_hours, self.latency_hours, self.confirmed_at, now)

    def to_json(self) -> dict[str, Any]:
        """The card as plain JSON values."""
        return cast("dict[str, Any]", _ADAPTER.dump_python(self, mode="json"))

    def dump(self) -> bytes:
        """The card as JSON text."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def load_json(text: str | bytes) -> "Card":
        """The inverse of `dump`."""
        return _ADAPTER.validate_json(text)


_ADAPTER: TypeAdapter[Card] = TypeAdapter(Card)


_FORMATS = {
    "csv": "spreadsheet",
    "xlsx": "spreadsheet",
    "jsonl": "self-describing",
    "parquet": "self-describing",
    "rest": "self-describing",
}


def format_of(contract: Contract) -> str:
    """The resource's format after the guide, from how the department keeps it."""
    return _FORMATS.get(contract.source.kind, "database")


def card(contract: Contract, measured: Measured, used: int) -> Card:
    """The card of a contract with what its runs measured."""
    quality = measured.quality
    return Card(
        dataset=contract.dataset, code=contract.resource_code, title=contract.title, title_en=contract.title_en,
        provider=contract.provider, provider_en=contract.provider_en, provider_code=contract.provider_code,
        summary=contract.purpose, share_type=contract.share_type, format=format_of(contract), cycle=contract.cycle.partition("：")[0],
        cycle_hours=contract.cycle_hours, latency_hours=contract.latency_hours, items=len(contract.columns),
        authoritative=contract.authoritative or bool(contract.claims), state=state_of(contract), successor=contract.successor,
        version=contract.version, complete=completeness(contract), used=used, load=measured.load, rows=measured.rows,
        pass_rate=quality.pass_rate, confirmed_at=measured.confirmed_at, outcome=measured.outcome, reason=measured.reason,
    )  # fmt: skip


def state_of(contract: Contract) -> str:
    """The entry's state: what is applied was approved by the data office, so it is published until it is deprecated or retired."""
    return contract.status if contract.status in ("deprecated", "retired") else "published"


def completeness(contract: Contract) -> float:
    """How much of what helps a reader the contract says, 0..1: summary, English title, tags, described items, data elements."""
    items = max(len(contract.columns), 1)
    said = [
        1.0 if contract.purpose else 0.0,
        1.0 if contract.title_en != contract.dataset.replace("_", " ") else 0.0,
        1.0 if contract.tags or contract.domain else 0.0,
        sum(bool(c.description or c.element) for c in contract.columns) / items,
        sum(bool(c.element) for c in contract.columns) / items,
    ]
    return sum(said) / len(said)
