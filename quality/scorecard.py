"""Scorecards: how good a dataset was on a day, in five dimensions, from what the gate said of the deliveries published by then.

    completeness    values that must be there are there; rows that must be there are there
    validity        values are of their type, form, range and code list, and checksums hold
    uniqueness      no two records share what only one may have
    consistency     columns agree with one another, and with other datasets
    timeliness      the share of the day in which the data was as fresh as its contract promises

The first four are the share of checks that held: 100 × (1 - Σ w·unexpected / Σ w·checked) over the dimension's rules, with w = 1 for errors
and 1/2 for warnings. A rule over the table as a whole counts as one check. A day without a judged row keeps the last verdict before it, and
says of which day that is. The overall score is the mean of the dimensions that could be measured; a department's is the mean of its datasets'.

GB/T 36344-2018 names six characteristics of data quality. Conformity and accuracy are both in validity here (a checksum is a bit of each),
repetition, which it counts to accuracy, is a dimension of its own, and accessibility is left out: no rule over rows can tell it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

Dimension = Literal["completeness", "validity", "uniqueness", "consistency", "timeliness"]
DIMENSIONS: tuple[Dimension, ...] = ("completeness", "validity", "uniqueness", "consistency", "timeliness")
OF_RULES: dict[str, Dimension] = {
    "completeness": "completeness", "coverage": "completeness", "conformity": "validity", "accuracy": "validity",
    "uniqueness": "uniqueness", "consistency": "consistency", "timeliness": "timeliness",
}  # fmt: skip
"""Where each dimension that a rule may have (ODCS) is counted."""
WEIGHTS = {"error": 1.0, "warning": 0.5}
GRACE = 1.1
"""A promise of 24 hours is broken after 26.4: a daily run needs some time itself."""
_WHOLE = frozenset({"rowCount", "rowCountChange", "freshness", "distribution", "expectation"})
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class RuleScore:
    """How one rule fared: checks made, and those that did not hold; `column` is empty for a rule over several.

    `whole`: a rule over the table as a whole, which is one check.
    """

    id: str
    column: str
    dimension: Dimension
    severity: str
    checked: int
    unexpected: int
    zh: str = ""
    en: str = ""
    whole: bool = False

    @property
    def held(self) -> float | None:
        """The share of checks that held, 0..1; None if there was none to make."""
        return 1 - min(self.unexpected, self.checked) / self.checked if self.checked else None


@dataclass(frozen=True)
class Published:
    """One published load: when, and how its delivery fared by rule (none where it brought no row)."""

    load: int
    at: datetime
    rules: tuple[RuleScore, ...] = ()


@dataclass(frozen=True)
class Reason:
    """Why a score is not 100, in plain words; `code` is stable, `rules` are the ids behind it, worst first."""

    code: str
    dimension: Dimension
    zh: str
    en: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """One dataset on one day. Scores are 0..100, None where nothing could be measured; `verdict_of` is the day whose verdicts count."""

    day: date
    dimensions: Mapping[Dimension, float | None]
    verdict_of: date | None = None
    loads: int = 0
    reasons: tuple[Reason, ...] = ()
    rules: tuple[RuleScore, ...] = ()

    @property
    def overall(self) -> float | None:
        """The mean of the dimensions that could be measured."""
        return mean(self.dimensions.values())


def rules_of(verdict: Mapping[str, Any]) -> tuple[RuleScore, ...]:
    """The rules of a verdict as a commit holds it; empty for a load that was not judged (a rollback)."""
    return tuple(_rule(r) for r in verdict.get("rules") or () if str(r.get("dimension")) in OF_RULES)


def days(
    published: Sequence[Published], wanted: Sequence[date], promise: float | None, now: datetime
) -> tuple[Score, ...]:
    """The scores of these days, oldest first; days begin at midnight in the time zone of `now`, and none is scored beyond `now`.

    `published` is every load, oldest first; `promise` the hours within which the contract promises new data, None for no promise.
    """
    return tuple(_score(published, day, promise, now) for day in sorted(wanted))


def mean(values: Any) -> float | None:
    """The mean of what could be measured.

    >>> mean([100.0, None, 50.0]), mean([None])
    (75.0, None)
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _score(published: Sequence[Published], day: date, promise: float | None, now: datetime) -> Score:
    begin = datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)
    end = min(begin + timedelta(days=1), now)
    known = [one for one in published if one.at < begin + timedelta(days=1) and one.at <= now]
    today = [one for one in known if one.at >= begin]
    judged = _verdicts(known, today, whole=False)
    rules = _summed(judged, _verdicts(known, today, whole=True))
    dimensions: dict[Dimension, float | None] = {d: _held([r for r in rules if r.dimension == d]) for d in DIMENSIONS}
    fresh = _freshness(known, begin, end, promise)
    dimensions["timeliness"] = min((v for v in (fresh, dimensions["timeliness"]) if v is not None), default=None)
    reasons = _reasons(rules, fresh, known)
    of = judged[-1].at.astimezone(now.tzinfo).date() if judged else None
    return Score(day, dimensions, of, len(today), reasons, rules)


def _freshness(known: Sequence[Published], begin: datetime, end: datetime, promise: float | None) -> float | None:
    """The share of the day, from the first load on, in which the newest load was within its promise, as 0..100."""
    if promise is None or not known:
        return None
    begin = max(begin, known[0].at)
    spans = zip(known, [*(one.at for one in known[1:]), end], strict=True)
    covered = [(max(one.at, begin), min(one.at + promise * GRACE * _HOUR, until, end)) for one, until in spans]
    fresh = sum((max(last - first, timedelta()) for first, last in covered), timedelta())
    return 100 * (fresh / (end - begin)) if end > begin else 100.0


def _held(rules: Sequence[RuleScore]) -> float | None:
    checked = sum(WEIGHTS[r.severity] * r.checked for r in rules)
    broken = sum(WEIGHTS[r.severity] * min(r.unexpected, r.checked) for r in rules)
    return 100 * (1 - broken / checked) if checked else None


def _verdicts(known: Sequence[Published], today: Sequence[Published], *, whole: bool) -> Sequence[Published]:
    """The loads whose rules over rows, or over the whole, count: those of the day that judged something, else the last before that did."""

    def judged(several: Sequence[Published]) -> list[Published]:
        return [one for one in several if any(rule.checked for rule in one.rules if rule.whole == whole)]

    return judged(today) or judged(known)[-1:]


def _summed(rows: Sequence[Published], wholes: Sequence[Published]) -> tuple[RuleScore, ...]:
    """Each rule over all its loads, worst first."""
    found: dict[str, RuleScore] = {}
    ours = [r for one in rows for r in one.rules if not r.whole] + [r for one in wholes for r in one.rules if r.whole]
    for rule in ours:
        so_far = found.get(rule.id)
        checked, unexpected = (so_far.checked, so_far.unexpected) if so_far else (0, 0)
        found[rule.id] = replace(rule, checked=rule.checked + checked, unexpected=rule.unexpected + unexpected)
    return tuple(sorted(found.values(), key=lambda r: (r.held if r.held is not None else 2, r.id)))


def _checked(one: Published) -> bool:
    return any(rule.checked for rule in one.rules)


def _rule(rule: Mapping[str, Any]) -> RuleScore:
    whole = rule.get("kind") in _WHOLE
    return RuleScore(
        id=str(rule["id"]),
        column=str(rule.get("column") or ""),
        dimension=OF_RULES[str(rule["dimension"])],
        severity=str(rule.get("severity") or "error"),
        checked=1 if whole else int(rule.get("checked") or 0),
        unexpected=int(not rule.get("passed", True)) if whole else int(rule.get("unexpected") or 0),
        zh=str(rule.get("zh") or ""),
        en=str(rule.get("en") or ""),
        whole=whole,
    )


_BROKEN: dict[Dimension, tuple[str, str, str]] = {
    "completeness": ("values-missing", "有必填项未填或记录不全", "values or records that must be there are missing"),
    "validity": (
        "values-invalid",
        "有取值不合类型、格式、范围或代码",
        "values break their type, form, range or code list",
    ),
    "uniqueness": ("records-repeated", "有记录重复", "records repeat what only one may have"),
    "consistency": (
        "records-contradict",
        "有记录自相矛盾或与其他数据不符",
        "records contradict themselves or other datasets",
    ),
    "timeliness": ("values-old", "数据内容陈旧", "the newest values are older than agreed"),
}
REASONS: tuple[str, ...] = (
    *(code for code, _, _ in _BROKEN.values()),
    "published-late",
    "never-published",
    "nothing-judged",
)
"""Every reason code. A test holds the reference page to this list."""


def _reasons(rules: Sequence[RuleScore], fresh: float | None, known: Sequence[Published]) -> tuple[Reason, ...]:
    found = []
    for dimension, (code, zh, en) in _BROKEN.items():
        broken = tuple(r.id for r in rules if r.dimension == dimension and r.unexpected)
        if broken:
            found.append(Reason(code, dimension, zh, en, broken))
    if fresh is not None and fresh < 100:
        found.append(
            Reason("published-late", "timeliness", "未按承诺的周期更新", "published later than the contract promises")
        )
    if not known:
        found.append(Reason("never-published", "timeliness", "从未发布", "never published"))
    elif not any(r.checked for r in rules):
        found.append(Reason("nothing-judged", "validity", "没有可判定的记录", "no row has been judged yet"))
    return tuple(found)
