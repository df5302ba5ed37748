"""Our own expectations, made on first use since the import of Great Expectations takes seconds.

    expect_rows_to_satisfy          an SQL predicate over a row
    expect_values_of_data_element   the same, of what a data element demands of a column (a citizen ID's check character, ...)
    expect_measure_to_be_between    an SQL scalar over the whole table

Why not `UnexpectedRowsExpectation`: it runs a query per rule and brings rows home; the first is a summand in the single query that Great
Expectations bundles its counts into, and brings home a number.
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
    from great_expectations.expectations.metrics.metric_provider import metric_partial, metric_value
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

    class ExpectValuesOfDataElement(ExpectRowsToSatisfy):  # type: ignore[misc, valid-type, unused-ignore]
        """Expect a column's values to be what its data element demands: `finding` names the demand, as `checksum` of DE01001."""

        column: str
        element: str
        finding: str
        success_keys: ClassVar[tuple[str, ...]] = ("predicate", "element", "finding")

    class TableMeasure(TableMetricProvider):  # type: ignore[misc, unused-ignore]
        """What an SQL scalar comes to; None where there is nothing to measure."""

        metric_name = "table.measure"
        value_keys = ("measure",)

        @metric_value(engine=SqlAlchemyExecutionEngine)  # type: ignore[untyped-decorator, unused-ignore]
        def _sqlalchemy(
            cls,  # noqa: N805 - GX makes class methods of these
            execution_engine: Any,
            metric_domain_kwargs: Any,  # noqa: ARG002
            metric_value_kwargs: Any,
            metrics: Any,  # noqa: ARG002
            runtime_configuration: Any,  # noqa: ARG002
        ) -> Any:
            measure = sa.literal_column(metric_value_kwargs["measure"])
            found = execution_engine.execute_query(sa.select(measure)).scalar()
            return None if found is None else float(found)

    class ExpectMeasureToBeBetween(BatchExpectation):  # type: ignore[misc, unused-ignore]
        """Expect an SQL scalar to lie between two bounds; where there is nothing to measure, it does."""

        measure: str
        min_value: float | None = None
        max_value: float | None = None
        strict_min: bool = False
        strict_max: bool = False
        metric_dependencies: ClassVar[tuple[str, ...]] = ("table.measure",)
        success_keys: ClassVar[tuple[str, ...]] = ("measure", "min_value", "max_value", "strict_min", "strict_max")

        def _validate(
            self,
            metrics: dict[str, Any],
            runtime_configuration: Any = None,  # noqa: ARG002
            execution_engine: Any = None,  # noqa: ARG002
        ) -> dict[str, Any]:
            found, low, high = metrics["table.measure"], self.min_value, self.max_value
            good = found is None or not (
                (low is not None and (found <= low if self.strict_min else found < low))
                or (high is not None and (found >= high if self.strict_max else found > high))
            )
            return {"success": good, "result": {"observed_value": found}}
