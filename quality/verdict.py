"""What the gate found: a value that travels as JSON from task to task, into the commit's metadata and the ledger.

It holds counts, rule ids and words, never a delivered value.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pydantic import TypeAdapter

from schemas.contract import DriftMode, Severity


@dataclass(frozen=True)
class RuleResult:
    """One rule's counts over the delivery: rows it had something to say of, and rows that broke it.

    `column` is empty for a rule over several columns or over the whole. `passed` is whether the rule as a whole holds: no row broke it, or
    the number is within its limit. `measured` is what a rule over the table as a whole found. `standing` counts rows published before
    that break it now and stay: values that no longer are unique, references that are gone.
    """

    id: str
    column: str
    kind: str
    severity: Severity
    dimension: str
    checked: int
    unexpected: int
    passed: bool
    zh: str
    en: str
    fix_zh: str
    fix_en: str
    measured: float | None = None
    standing: int = 0


@dataclass(frozen=True)
class Reason:
    """Why a delivery is held."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True)
class Counts:
    """Where each delivered row went: delivered = passed + rejected + duplicates + superseded. `unkeyable` is part of rejected."""

    delivered: int
    passed: int
    rejected: int
    duplicates: int
    superseded: int
    unkeyable: int

    @property
    def balanced(self) -> bool:
        """Whether every delivered row is accounted for exactly once."""
        return self.delivered == self.passed + self.rejected + self.duplicates + self.superseded


What = Literal["unknown", "missing", "type", "length", "table"]


@dataclass(frozen=True)
class Finding:
    """One difference between source and contract and what was done about it; `name` is the department's own, fit to be told."""

    what: What
    name: str
    mode: DriftMode
    zh: str
    en: str
    rows: int = 0


@dataclass(frozen=True)
class Verdict:
    """The gate's answer. `rules_version` names the rules' content; `next_seq` is the first `_seq` not used.

    `drift` tells where the source was not as the contract says, and what was done about it. `fit_for`: the load whose data file
    the passes can be as they stand (every row passed, and no delivered spelling is kept beside a value), or 0. `references` are the loads
    of other datasets that references were sought in. `seconds` by part of the gate.
    """

    dataset: str
    contract_version: str
    rules_version: str
    outcome: Literal["publish", "hold"]
    reasons: tuple[Reason, ...]
    counts: Counts
    rules: tuple[RuleResult, ...]
    next_seq: int
    drift: tuple[Finding, ...] = ()
    fit_for: int = 0
    references: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        return cast("dict[str, Any]", _ADAPTER.dump_python(self, mode="json"))

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Verdict":
        """The inverse of `to_json`."""
        return _ADAPTER.validate_python(value)


_ADAPTER: TypeAdapter[Verdict] = TypeAdapter(Verdict)
