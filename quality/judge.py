"""The judge: Great Expectations' own count of what breaks each rule.

1. An ephemeral context (nothing on disk, no usage statistics) is given the gate's DuckDB session.
2. The rules of each stage become an expectation suite over that stage's table and are validated.
3. Results are asked for without sample values; what is kept is success and counts.
4. An expectation that raised is neither a pass nor a failure: the run stops. So does a count or a measure that differs from the sieve's.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import isclose
from typing import Any

import duckdb

from quality import gx_parts
from quality.gx_repairs import quietly_imported, repaired
from quality.rule import Rule, Stage
from quality.sieve import TABLES, Ready
from schemas.errors import JudgeFailed

_THERE: tuple[Ready, ...] = tuple((stage, ()) for stage in TABLES)
_COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}
_KEPT = (
    "element_count", "unexpected_count", "unexpected_percent", "missing_count", "missing_percent",
    "unexpected_percent_total", "unexpected_percent_nonmissing", "observed_value",
)  # fmt: skip


@dataclass(frozen=True)
class Judgement:
    """Great Expectations' results: `results` is the whole suite's validation result, stripped; the rest is by rule id.

    `counts` are unexpected rows, `measures` what measuring rules found, `alone` the results of plain expectations.
    """

    results: Any
    counts: dict[str, int]
    measures: dict[str, float | None] = field(default_factory=dict)
    alone: dict[str, tuple[bool, int, int]] = field(default_factory=dict)

    def to_text(self) -> str:
        """The results as Great Expectations' JSON."""
        return json.dumps(self.results.to_json_dict(), ensure_ascii=False, indent=1, default=str)


def count(
    con: duckdb.DuckDBPyConnection,
    dataset: str,
    rules: Sequence[Rule],
    stages: Iterable[Ready] = _THERE,
) -> Judgement:
    """Every rule's expectation, validated stage by stage, as they come; but for those that a stage says cannot be judged.

    Raises:
        JudgeFailed: an expectation raised.
    """
    gx = quietly_imported()
    results: list[Any] = []
    with repaired(), _source(con, dataset) as source:
        for stage, unknown in stages:
            rules = [r for r in rules if r.id not in unknown]
            if here := [r for r in rules if r.stage == stage]:
                results += _validate(gx, source, f"{dataset}.{stage}", stage, here)
    by_id = {r.expectation_config.meta["rule"]: r for r in results}
    judgement = Judgement(
        None,
        {r.id: _count(by_id[r.id]) for r in rules if r.of_rows},
        {r.id: _measure(by_id[r.id]) for r in rules if r.measure},
        {r.id: _alone(by_id[r.id]) for r in rules if r.alone},
    )
    (delivered,) = con.execute("SELECT count(*) FROM standard").fetchone() or (0,)
    kept = [_stripped(by_id[rule.id], rule, delivered) for rule in rules]
    return replace(judgement, results=_whole(dataset, kept))


def suite(dataset: str, rules: Sequence[Rule]) -> Any:
    """The rules as one expectation suite of Great Expectations, for who works with it elsewhere."""
    gx = quietly_imported()
    gx_parts.register()
    return gx.ExpectationSuite(dataset, expectations=[_expectation(r) for r in rules])


def unknown_expectations(rules: Sequence[Rule]) -> dict[str, str]:
    """Which rules' expectations Great Expectations does not know or take, by id, and why."""
    wrong = {}
    for rule in rules:
        quietly_imported()
        try:
            _expectation(rule)
        except Exception as error:  # noqa: BLE001 - whatever it is, the contract's arguments made it
            wrong[rule.id] = f"{rule.expectation.type}: {str(error).splitlines()[0]}"
    return wrong


def agree(dataset: str, judged: Mapping[str, float | None], sifted: Mapping[str, float | None]) -> None:
    """Nothing, if both found the same for every rule.

    Raises:
        JudgeFailed: naming each rule they disagree on.
    """
    apart = [name for name in sifted if name not in judged or not _same(judged[name], sifted[name])]
    if apart or judged.keys() != sifted.keys():
        shown = "; ".join(f"{n}: judge {judged.get(n)}, sieve {sifted[n]}" for n in apart)
        raise JudgeFailed(
            f"{dataset}: judge and sieve disagree on {shown or 'which rules there are'}",
            todo="nothing was published; report this rule and the contract's version",
        )


def _same(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and isclose(one, other, rel_tol=1e-9, abs_tol=1e-9))


def within(limit: tuple[str, float], value: float) -> bool:
    """Whether a count keeps an ODCS limit.

    >>> within(("mustBeLessThan", 5), 4), within(("mustNotBe", 4), 4)
    (True, False)
    """
    operator, bound = limit
    return {
        "mustBe": value == bound,
        "mustNotBe": value != bound,
        "mustBeGreaterThan": value > bound,
        "mustBeGreaterOrEqualTo": value >= bound,
        "mustBeLessThan": value < bound,
        "mustBeLessOrEqualTo": value <= bound,
    }[operator]


@contextmanager
def _source(con: duckdb.DuckDBPyConnection, dataset: str) -> Iterator[Any]:
    """A data source that reads through a cursor of our own session, closed at the end."""
    from duckdb_engine import ConnectionWrapper
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = quietly_imported().get_context(mode="ephemeral", project_config=config)
    source = context.data_sources.add_sql(
        dataset, connection_string="duckdb://", kwargs={"creator": lambda: ConnectionWrapper(con.cursor())}
    )
    try:
        yield source
    finally:
        engine = source.get_execution_engine()
        if engine._connection is not None:
            engine._connection.close()
        engine.engine.dispose()


def _validate(gx: Any, source: Any, name: str, stage: Stage, rules: Sequence[Rule]) -> list[Any]:
    gx_parts.register()
    asset = source.add_table_asset(stage, table_name=TABLES[stage])
    batch = asset.get_batch(asset.build_batch_request())
    suite = gx.ExpectationSuite(name, expectations=[_expectation(r) for r in rules])
    result = batch.validate(suite, result_format=_COUNTS_ONLY)
    for one in result.results:
        if one.exception_info.get("raised_exception") is not False:
            rule = one.expectation_config.meta["rule"]
            raise JudgeFailed(
                f"rule {rule}: its expectation {one.expectation_config.type} raised", todo="report this rule"
            )
    return list(result.results)


def _expectation(rule: Rule) -> Any:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    return ExpectationConfiguration(
        type=rule.expectation.type,
        kwargs=rule.expectation.kwargs,
        meta={"rule": rule.id, "severity": rule.severity, "dimension": rule.dimension},
        description=f"不得:{rule.words.zh} · never: {rule.words.en}",
    ).to_domain_obj()


def _count(result: Any) -> int:
    return int(result.result.get("unexpected_count") or 0)


def _measure(result: Any) -> float | None:
    found = result.result.get("observed_value")
    return None if found is None else float(found)


def _alone(result: Any) -> tuple[bool, int, int]:
    """Success, unexpected rows and rows looked at; of an expectation that counts no rows it is one of one."""
    found = result.result
    looked = int(found.get("element_count") or 1) - int(found.get("missing_count") or 0)
    return bool(result.success), int(found.get("unexpected_count", not result.success) or 0), looked


def _stripped(result: Any, rule: Rule, delivered: int) -> Any:
    """The result with nothing but counts, and success as the rule's limit has it.

    A text rule was asked of few rows, for no other can break it; it holds of all that were delivered.
    """
    found, measured = _count(result), _measure(result) if rule.measure else None
    kept = {k: v for k, v in result.result.items() if k in _KEPT and (rule.of_rows or k != "observed_value")}
    if rule.measure:
        kept["observed_value"] = measured
    if rule.stage == "text" and delivered:
        kept |= {"element_count": delivered, "unexpected_percent": 100 * found / delivered}
    result.result = kept
    if rule.measure:
        result.success = measured is None or rule.limit is None or within(rule.limit, measured)
    elif rule.of_rows:
        bound = kept.get("element_count", 0) - kept.get("missing_count", 0)
        share = 100 * found / max(bound, 1) if rule.percent else found
        result.success = within(rule.limit or ("mustBe", 0), share)
    return result


def _whole(dataset: str, results: Sequence[Any]) -> Any:
    """The stages' results as one."""
    from great_expectations.core import ExpectationSuiteValidationResult

    good, all_ = sum(bool(r.success) for r in results), len(results)
    return ExpectationSuiteValidationResult(
        success=good == all_,
        results=list(results),
        suite_name=dataset,
        statistics={
            "evaluated_expectations": all_,
            "successful_expectations": good,
            "unsuccessful_expectations": all_ - good,
            "success_percent": 100 * good / max(all_, 1),
        },
        meta={},
    )
