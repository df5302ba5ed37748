"""What the runs measured of one dataset: rows, freshness against the promise, quality of the last delivery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ledger.loads import Load
from schemas.contract import Contract

Freshness = Literal["fresh", "late", "stale", "never"]
Condition = tuple[str, str, datetime]
"""Status, reason and moment of a dataset's last ended run (`ledger.loads.conditions`)."""
_GRACE = 1.1
"""A promise of 24 hours is broken after 26.4: a daily run needs some time itself."""


@dataclass(frozen=True)
class RuleResult:
    """How one rule fared: rows it looked at and rows that broke it; `zh` and `en` say what it checks, where the verdict does."""

    id: str
    column: str
    severity: str
    dimension: str
    checked: int
    unexpected: int
    zh: str = ""
    en: str = ""

    @property
    def pass_rate(self) -> float | None:
        """The share of looked-at rows that kept the rule, 0..1; None if it looked at none."""
        return 1 - self.unexpected / self.checked if self.checked else None


@dataclass(frozen=True)
class Quality:
    """How the last judged delivery fared, row by row and rule by rule."""

    delivered: int = 0
    passed: int = 0
    rejected: int = 0
    rules: tuple[RuleResult, ...] = ()

    @property
    def pass_rate(self) -> float | None:
        """The share of delivered rows that were not rejected, 0..1; None if nothing was delivered."""
        return 1 - self.rejected / self.delivered if self.delivered else None


@dataclass(frozen=True)
class Measured:
    """The measured half of a catalog entry. `outcome` is that of the last run: ok, held, failed, or never.

    `score` is today's overall quality score, 0..100, and `trend` that of the last days, the oldest first (`quality.scorecard`).
    """

    freshness: Freshness = "never"
    rows: int = 0
    load: int | None = None
    run: str = ""
    published_at: datetime | None = None
    confirmed_at: datetime | None = None
    due_at: datetime | None = None
    outcome: str = "never"
    reason: str = ""
    quality: Quality = Quality()
    score: float | None = None
    trend: tuple[float | None, ...] = ()


def measure(contract: Contract, load: Load | None, now: datetime, condition: Condition | None = None) -> Measured:
    """The facts of the newest load as of `now`; of a dataset never published, how its last run ended.

    Data counts as confirmed when a run last ended well, whether or not it found changes; a held or failed run confirms
    nothing, so that its data ages from the last publication.
    """
    if load is None:
        return Measured(outcome=condition[0], reason=condition[1]) if condition else Measured()
    confirmed = load.checked_at if load.status == "ok" else load.published_at
    return Measured(
        freshness=freshness(contract.cycle_hours, contract.latency_hours, confirmed, now),
        rows=load.rows,
        load=load.load,
        run=load.run,
        published_at=load.published_at,
        confirmed_at=confirmed,
        due_at=confirmed + timedelta(hours=contract.cycle_hours) if contract.cycle_hours else None,
        outcome=load.status,
        reason=load.status_reason,
        quality=quality(load),
    )


def freshness(cycle_hours: float | None, latency_hours: float | None, confirmed: datetime, now: datetime) -> Freshness:
    """`stale` beyond the promised latency, `late` beyond the promised cycle and a tenth, else `fresh`."""
    hours = (now - confirmed) / timedelta(hours=1)
    if latency_hours is not None and hours > latency_hours:
        return "stale"
    if cycle_hours is not None and hours > cycle_hours * _GRACE:
        return "late"
    return "fresh"


def quality(load: Load) -> Quality:
    """How a load's delivery was judged, rules with most broken rows first."""
    rules = (
        RuleResult(
            id=str(rule["id"]),
            column=str(rule.get("column") or ""),
            severity=str(rule.get("severity") or ""),
            dimension=str(rule.get("dimension") or ""),
            checked=int(rule.get("checked") or 0),
            unexpected=int(rule.get("unexpected") or 0),
            zh=str(rule.get("zh") or ""),
            en=str(rule.get("en") or ""),
        )
        for rule in _rules(load.facts)
    )
    numbers = {name: int(load.counts.get(name) or 0) for name in ("delivered", "passed", "rejected")}
    return Quality(**numbers, rules=tuple(sorted(rules, key=lambda rule: (-rule.unexpected, rule.id))))


def _rules(facts: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The verdict's rules in a commit's metadata."""
    verdict = facts.get("verdict")
    rules = verdict.get("rules") if isinstance(verdict, Mapping) else facts.get("rules")
    return rules if isinstance(rules, list | tuple) else ()
