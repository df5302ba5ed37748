"""The judge: Great Expectations' own count of what breaks each rule.

1. An ephemeral context (nothing on disk, no usage statistics) is given the gate's DuckDB session.
2. The rules of each stage become an expectation suite over that stage's table and are validated.
3. Results are asked for without sample values; what is kept is success and counts.
4. An expectation that raised is neither a pass nor a failure: the run stops. So does a count that differs from the sieve's.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from quality import gx_parts
from quality.gx_repairs import quietly_imported, repaired
from quality.rule import Rule, Stage
from quality.sieve import TABLES
from schemas.errors import JudgeFailed

_COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}
_KEPT = (
    "element_count", "unexpected_count", "unexpected_percent", "missing_count", "missing_percent",
    "unexpected_percent_total", "unexpected_percent_nonmissing", "observed_value",
)  # fmt: skip


@dataclass(frozen=True)
class Judgement:
    """Great Expectations' results: `results` is the whole suite's validation result, stripped; `counts` is by rule id."""

    results: Any
    counts: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """The results as plain JSON values."""
        return dict(self.results.to_json_dict())


def count(con: duckdb.DuckDBPyConnection, dataset: str, rules: Sequence[Rule]) -> Judgement:
    """Every rule's expectation, validated.

    Raises:
        JudgeFailed: an expectation raised.
    """
    gx = quietly_imported()
    results: list[Any] = []
    with repaired(), _source(con, dataset) as (context, source):
        for stage in TABLES:
            if here := [r for r in rules if r.stage == stage]:
                results += _validate(gx, context, source, f"{dataset}.{stage}", stage, here)
    by_id = {r.expectation_config.meta["rule"]: r for r in results}
    kept = [_stripped(by_id[rule.id], rule) for rule in rules]
    return Judgement(_whole(dataset, kept), {rule.id: _count(by_id[rule.id]) for rule in rules})


def agree(dataset: str, judged: Mapping[str, int], sifted: Mapping[str, int]) -> None:
    """Nothing, if both counted the same for every rule.

    Raises:
        JudgeFailed: naming each rule they disagree on.
    """
    apart = [name for name in sifted if judged.get(name) != sifted[name]]
    if apart or judged.keys() != sifted.keys():
        shown = "; ".join(f"{n}: judge {judged.get(n)}, sieve {sifted[n]}" for n in apart)
        raise JudgeFailed(
            f"{dataset}: judge and sieve disagree on {shown or 'which rules there are'}",
            todo="nothing was published; report this rule and the contract's version",
        )


def within(limit: tuple[str, float], value: int) -> bool:
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
def _source(con: duckdb.DuckDBPyConnection, dataset: str) -> Iterator[tuple[Any, Any]]:
    """A context and a data source that reads through a cursor of our own session, closed at the end."""
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
        yield context, source
    finally:
        engine = source.get_execution_engine()
        if engine._connection is not None:
            engine._connection.close()
        engine.engine.dispose()


def _validate(gx: Any, context: Any, source: Any, name: str, stage: Stage, rules: Sequence[Rule]) -> list[Any]:
    gx_parts.register()
    batch = source.add_table_asset(stage, table_name=TABLES[stage]).add_batch_definition_whole_table("all")
    suite = context.suites.add(gx.ExpectationSuite(name, expectations=[_expectation(r) for r in rules]))
    definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
    result = context.validation_definitions.add(definition).run(result_format=_COUNTS_ONLY)
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
    found = result.result
    return int(found.get("unexpected_count", found.get("observed_value")) or 0)


def _stripped(result: Any, rule: Rule) -> Any:
    """The result with nothing but counts, and success as the rule's limit has it."""
    result.result = {k: v for k, v in result.result.items() if k in _KEPT}
    result.success = within(rule.limit or ("mustBe", 0), _count(result))
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
