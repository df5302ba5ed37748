"""Scorecards, wired: each dataset's loads from the ledger and its promise from the contract, by day and by department."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hub.core import Hub
from ledger import contracts, loads
from quality import scorecard
from quality.cards import Card, Department
from quality.scorecard import Published
from schemas.contract import Contract
from schemas.errors import NotFound

DAYS = 30


def card(hub: Hub, dataset: str, days: int = DAYS) -> Card:
    """One dataset's card. Raises NotFound."""
    return _card(hub, hub.contract(dataset), days, loads.conditions(hub.ledger))


def departments(hub: Hub, days: int = DAYS, only: str = "") -> tuple[Department, ...]:
    """Every department with its datasets' cards, or the one of this code or name. Raises NotFound where nobody is called so."""
    applied, conditions = contracts.applied(hub.ledger), loads.conditions(hub.ledger)
    by_code: dict[str, list[Contract]] = {}
    for contract in applied.values():
        if contract.status != "retired" and only in ("", contract.provider_code, contract.provider):
            by_code.setdefault(contract.provider_code, []).append(contract)
    if only and not by_code:
        raise NotFound(f"no dataset is provided by {only!r}", todo="hub scorecard")
    return tuple(
        Department(
            code, own[0].provider, own[0].provider_en or own[0].provider,
            tuple(_card(hub, contract, days, conditions) for contract in own),
        )
        for code, own in sorted(by_code.items())
    )  # fmt: skip


def _card(hub: Hub, contract: Contract, days: int, conditions: dict[str, Any]) -> Card:
    now = hub.clock().astimezone(ZoneInfo(hub.settings.timezone))
    wanted = [now.date() - timedelta(days=n) for n in range(days)]
    trend = scorecard.days(_published(hub, contract.dataset), wanted, contract.cycle_hours, now)
    status, reason, _ = conditions.get(contract.dataset, ("ok", "", None))
    return Card(
        contract.dataset, contract.title, contract.title_en or contract.title, contract.provider,
        contract.provider_en or contract.provider, contract.provider_code, trend, status, reason,
    )  # fmt: skip


def _published(hub: Hub, dataset: str) -> Sequence[Published]:
    found = loads.history(hub.ledger, dataset)
    return [
        Published(one.load, one.published_at, scorecard.rules_of(one.facts.get("verdict") or {}))
        for one in reversed(found)
    ]
