"""What each rule came to, and why a delivery must not be published."""

from collections.abc import Iterator, Mapping, Sequence

from quality.judge import within
from quality.rule import Rule
from quality.sieve import Sifted
from quality.verdict import Counts, Reason, RuleResult
from schemas.contract import Contract, Threshold


def result(rule: Rule, sifted: Sifted, alone: Mapping[str, tuple[bool, int, int]]) -> RuleResult:
    """One rule's counts; `alone` are the results of plain expectations."""
    unexpected, checked = sifted.unexpected[rule.id], sifted.checked.get(rule.id, 0)
    measured = sifted.measures.get(rule.id)
    if rule.measure:
        passed = measured is None or rule.limit is None or within(rule.limit, measured)
        unexpected, checked = int(not passed), int(measured is not None)
    elif rule.alone:
        passed, unexpected, checked = alone[rule.id]
    else:
        share = 100 * unexpected / max(checked, 1) if rule.percent else unexpected
        passed = within(rule.limit or ("mustBe", 0), share) and rule.id not in sifted.unknown_references
    return RuleResult(
        id=rule.id,
        column=rule.columns[0] if len(rule.columns) == 1 else "",
        kind=rule.kind,
        severity=rule.severity,
        dimension=rule.dimension,
        checked=checked,
        unexpected=unexpected,
        passed=passed,
        zh=rule.words.zh,
        en=rule.words.en,
        fix_zh=rule.words.fix_zh,
        fix_en=rule.words.fix_en,
        measured=measured,
        standing=sifted.standing.get(rule.id, 0),
    )


def reasons(
    contract: Contract, compiled: Sequence[Rule], sifted: Sifted, results: Sequence[RuleResult], *, had_rows: bool
) -> Iterator[Reason]:
    """Why the delivery is held; nothing if it may be published. `had_rows`: whether something is published."""
    counts = sifted.counts
    if contract.source.sync == "snapshot" and not counts.delivered and had_rows:
        yield Reason("empty", "本次报送为空,而已有数据", "empty delivery of a source that had rows")
    yield from _too_many(counts, contract)
    for rule, found in zip(compiled, results, strict=True):
        stopping = rule.kind == "type" and contract.drift.types == "stop" and found.unexpected
        if stopping or (rule.severity == "error" and not rule.rejects and not found.passed):
            yield _told(found)
        elif rule.threshold and _beyond(rule.threshold, found.unexpected, found.checked):
            yield _told(found, f"上限 {_shown(rule.threshold)}", f"at most {_shown(rule.threshold)}")
        if rule.severity == "error" and rule.id in sifted.unknown_references and rule.reference:
            name = rule.reference[0]
            yield Reason(rule.id, f"被引用的数据集 {name} 尚无数据", f"the referenced dataset {name} has no rows yet")


def _told(found: RuleResult, zh: str = "", en: str = "") -> Reason:
    """The rule's words with what was found."""
    number = f"{found.unexpected}" if found.measured is None else f"{found.measured:.4g}"
    return Reason(
        found.id,
        f"{found.zh}({';'.join(filter(None, (number, zh)))})",
        f"{found.en} ({'; '.join(filter(None, (number, en)))})",
    )


def _too_many(counts: Counts, contract: Contract) -> Iterator[Reason]:
    limits = contract.limits
    if counts.rejected > limits.rejected * counts.delivered:
        zh = f"{counts.delivered} 条中有 {counts.rejected} 条不合格,超过 {limits.rejected:.0%}"
        en = f"{counts.rejected} of {counts.delivered} rows rejected, more than {limits.rejected:.0%}"
        yield Reason("rejected", zh, en)
    elif limits.rejected_rows is not None and counts.rejected > limits.rejected_rows:
        zh = f"{counts.rejected} 条不合格,超过 {limits.rejected_rows} 条"
        yield Reason("rejected", zh, f"{counts.rejected} rows rejected, more than {limits.rejected_rows}")


def _beyond(threshold: Threshold, unexpected: int, checked: int) -> bool:
    return (100 * unexpected / max(checked, 1) if threshold.percent else unexpected) > threshold.most


def _shown(threshold: Threshold) -> str:
    return f"{threshold.most:g}{'%' if threshold.percent else ''}"
