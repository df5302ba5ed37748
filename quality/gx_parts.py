"""Our one expectation: `expect_rows_to_satisfy`, an SQL predicate over a row.

Why not `UnexpectedRowsExpectation`: it runs a query per rule and brings rows home; this one is a summand in the single query that Great
Expectations bundles its counts into, and brings home a number. Classes are made on first use since the import takes seconds.
"""

from functools import cache
from typing import Any, ClassVar

from quality.gx_repairs import sqlalchemy


@cache
def register() -> None:
    """Make the metric and the expectation known to Great Expectations."""
    from great_expectations.core.metric_domain_types import MetricDomainTypes
    from great_expectations.core.metric_function_types import MetricPartialFunctionTypes
    from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
    from great_expectations.expectations.expectation import BatchExpectation
    from great_expectations.expectations.metrics.metric_provider import metric_partial
    from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

    sa = sqlalchemy()

    class RowsBreakingPredicate(TableMetricProvider):  # type: ignore[misc, unused-ignore]
        """The number of rows for which the predicate is false (NULL is right)."""

        metric_name = "table.rows_breaking_predicate"
        value_keys = ("predicate",)

        @metric_partial(  # type: ignore[untyped-decorator, unused-ignore]
            engine=SqlAlchemyExecutionEngine,
            partial_fn_type=MetricPartialFunctionTypes.AGGREGATE_FN,
            domain_type=MetricDomainTypes.TABLE,
        )
        def _sqlalchemy(
            cls,  # noqa: N805 - GX makes class methods of these
            execution_engine: Any,  # noqa: ARG002
            metric_domain_kwargs: Any,
            metric_value_kwargs: Any,
            metrics: Any,  # noqa: ARG002
            runtime_configuration: Any,  # noqa: ARG002
        ) -> Any:
            broken = sa.literal_column(f"({metric_value_kwargs['predicate']})").is_(sa.false())
            return sa.func.sum(sa.case((broken, 1), else_=0)), metric_domain_kwargs, {}

    class ExpectRowsToSatisfy(BatchExpectation):  # type: ignore[misc, unused-ignore]
        """Expect every row to satisfy an SQL predicate."""

        predicate: str
        column: str | None = None
        metric_dependencies: ClassVar[tuple[str, ...]] = ("table.rows_breaking_predicate", "table.row_count")
        success_keys: ClassVar[tuple[str, ...]] = ("predicate",)

        def _validate(
            self,
            metrics: dict[str, Any],
            runtime_configuration: Any = None,  # noqa: ARG002
            execution_engine: Any = None,  # noqa: ARG002
        ) -> dict[str, Any]:
            rows, broken = metrics["table.row_count"], int(metrics["table.rows_breaking_predicate"] or 0)
            result = {
                "element_count": rows,
                "unexpected_count": broken,
                "unexpected_percent": 100 * broken / max(rows, 1),
            }
            return {"success": broken == 0, "result": result}
