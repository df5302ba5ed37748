"""Scorecards as they are shown: one dataset's card, a department's, and both as plain JSON values."""

from dataclasses import asdict, dataclass
from typing import Any

from quality.scorecard import DIMENSIONS, Score, mean


@dataclass(frozen=True)
class Card:
    """One dataset's scores, a day each, oldest first; the last is today's. `condition` is how its last run ended, and why."""

    dataset: str
    title: str
    title_en: str
    provider: str
    provider_en: str
    provider_code: str
    trend: tuple[Score, ...]
    condition: str = "ok"
    condition_reason: str = ""

    @property
    def today(self) -> Score:
        """The newest day's score."""
        return self.trend[-1]


@dataclass(frozen=True)
class Department:
    """A department's datasets and what they come to: the mean of what could be measured, dimension by dimension and day by day."""

    code: str
    name: str
    name_en: str
    cards: tuple[Card, ...]

    @property
    def dimensions(self) -> dict[str, float | None]:
        """Each dimension's mean over the datasets, today."""
        return {d: mean(c.today.dimensions[d] for c in self.cards) for d in DIMENSIONS}

    @property
    def trend(self) -> list[float | None]:
        """The overall mean of each day, oldest first."""
        return [mean(c.trend[i].overall for c in self.cards) for i in range(len(self.cards[0].trend))]


def to_json(card: Card) -> dict[str, Any]:
    """A card as plain values: today in full with its rules, and the trend."""
    score = card.today
    return {
        "dataset": card.dataset,
        "title": {"zh": card.title, "en": card.title_en},
        "department": {"code": card.provider_code, "zh": card.provider, "en": card.provider_en},
        "day": score.day.isoformat(),
        "verdict_of": score.verdict_of.isoformat() if score.verdict_of else None,
        "overall": rounded(score.overall),
        "dimensions": {name: rounded(value) for name, value in score.dimensions.items()},
        "reasons": [asdict(reason) for reason in score.reasons],
        "condition": {"status": card.condition, "reason": card.condition_reason},
        "rules": [{**asdict(rule), "held": rounded(_percent(rule.held))} for rule in score.rules],
        "trend": [
            {
                "day": s.day.isoformat(),
                "overall": rounded(s.overall),
                **{n: rounded(v) for n, v in s.dimensions.items()},
            }
            for s in card.trend
        ],
    }


def of_department(department: Department) -> dict[str, Any]:
    """A department as plain values: its means, and a line for each dataset."""
    return {
        "code": department.code,
        "zh": department.name,
        "en": department.name_en,
        "overall": rounded(department.trend[-1]),
        "dimensions": {name: rounded(value) for name, value in department.dimensions.items()},
        "trend": [rounded(value) for value in department.trend],
        "datasets": [line(c) for c in department.cards],
    }


def line(card: Card) -> dict[str, Any]:
    """One dataset's scores of today on one line."""
    score = card.today
    return {
        "dataset": card.dataset,
        "title": card.title,
        "provider": card.provider,
        "overall": rounded(score.overall),
        **{name: rounded(value) for name, value in score.dimensions.items()},
        "reasons": [reason.code for reason in score.reasons],
    }


def rounded(value: float | None) -> float | None:
    """A score with one digit; what is not whole never shows as whole.

    >>> rounded(100.0), rounded(99.99), rounded(None)
    (100.0, 99.9, None)
    """
    return None if value is None else 100.0 if value == 100 else min(round(value, 1), 99.9)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
