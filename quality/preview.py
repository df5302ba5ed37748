"""What a sample of a source came to under a contract's rules: counts, and a few rows that would be set aside, masked.

It is made of the gate's own verdict and files, so what is shown before publishing is what happens when it is published.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from quality.rule import Rule
from quality.verdict import Counts, Finding, Reason, RuleResult, Verdict
from schemas.contract import Contract
from schemas.masking import mask

EACH, MOST = 3, 40


@dataclass(frozen=True)
class Example:
    """A row that would be set aside: its place in the sample, and what stands in the columns that the rule looks at (title, masked)."""

    rule: str
    row: int
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Preview:
    """A sample judged: `broken` are the rules that rows break, the worst first; `held` is why a delivery like this would not be published.

    `untold` are rules that were not judged, because they look into another department's data.
    """

    counts: Counts
    rules: int
    broken: tuple[RuleResult, ...]
    examples: tuple[Example, ...]
    held: tuple[Reason, ...] = ()
    drift: tuple[Finding, ...] = ()
    untold: tuple[str, ...] = ()

    def examples_of(self, rule: str) -> tuple[Example, ...]:
        """The examples of one rule."""
        return tuple(example for example in self.examples if example.rule == rule)


def preview(contract: Contract, verdict: Verdict, compiled: Sequence[Rule], workdir: Path, untold: Sequence[str]) -> Preview:  # fmt: skip
    """The preview of a judged sample whose files lie in the work folder."""
    broken = sorted((r for r in verdict.rules if r.unexpected), key=lambda r: (r.severity != "error", -r.unexpected))
    return Preview(
        counts=verdict.counts,
        rules=len(verdict.rules),
        broken=tuple(broken),
        examples=_examples(contract, compiled, workdir / "rejects.parquet"),
        held=verdict.reasons,
        drift=verdict.drift,
        untold=tuple(untold),
    )


def _examples(contract: Contract, compiled: Sequence[Rule], rejects: Path) -> tuple[Example, ...]:
    columns = {rule.id: rule.columns for rule in compiled}
    found: dict[str, list[Example]] = {}
    table = pq.read_table(rejects, columns=["_row", "reasons", "delivered"])
    for row in table.sort_by("_row").to_pylist():
        delivered = json.loads(row["delivered"])
        for rule in row["reasons"]:
            kept = found.setdefault(rule, [])
            if len(kept) < EACH:
                kept.append(Example(rule, row["_row"], _cells(contract, columns.get(rule, ()), delivered)))
    return tuple(example for kept in found.values() for example in kept)[:MOST]


def _cells(contract: Contract, names: Sequence[str], delivered: dict[str, str | None]) -> tuple[tuple[str, str], ...]:
    """What stands in these columns, masked; nothing delivered shows as nothing."""
    cells = []
    for column in map(contract.column, names):
        value = delivered.get(column.source)
        cells.append((column.title, "" if value is None else mask(column.element, str(value))[:80]))
    return tuple(cells)
