"""Rules over the table as it would be, as a whole: its size, its age, its shape, and what only Great Expectations can say.

Each but the last is a *measure*, an SQL scalar, held within the contract's bound:

    rowCount        the number of rows
    rowCountChange  how far that is from the median of the last loads, as a fraction (of: delivery: delivered rows instead)
    freshness       hours since the newest value of a date or timestamp column
    distribution    the share of rows that fall elsewhere than they did in what is published (total variation distance): by value, of numbers
                    and dates by the published deciles
    expectation     any expectation of Great Expectations, by its type and arguments, over the delivered rows

Where there is nothing to compare with (no load before, no value), the measure is NULL and the rule holds. `prepare` lays out what measures look at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from lake.current import literal, quote
from quality.rule import Expectation, Rule, Words
from schemas.contract import Check, Column, Contract

OF_DELIVERIES = ("rowCountChange", "freshness", "distribution", "expectation")
"""Kinds that speak of a whole delivery, and not of a few rows judged beside a table that stays."""
_OPERATORS = {
    "mustBe": ("应等于", "must be"), "mustNotBe": ("不应等于", "must not be"),
    "mustBeGreaterThan": ("应大于", "must be more than"), "mustBeGreaterOrEqualTo": ("应不小于", "must be at least"),
    "mustBeLessThan": ("应小于", "must be less than"), "mustBeLessOrEqualTo": ("应不大于", "must be at most"),
}  # fmt: skip
_PERCENT_OF = ("rowCountChange", "distribution")
_BUCKETS = 50


@dataclass(frozen=True)
class Past:
    """What rules compare a delivery with: the hour, and of earlier loads, newest first, the rows published and delivered."""

    now: datetime
    loads: Sequence[tuple[int, int]] = ()


def row_count(_: Contract, check: Check) -> Rule:
    """The rule about the number of rows."""
    operator, bound = check.limit or ("mustBeGreaterThan", 0.0)
    built_in = Expectation("expect_table_row_count_to_be_between", _row_bounds(operator, bound))
    words = _words("记录数", "the number of records", check, "请确认是否报送完整", "check that the delivery is whole")
    return _rule(check, (), "(SELECT count(*) FROM candidates)", words, built_in, limit=(operator, bound))


def row_count_change(_: Contract, check: Check) -> Rule:
    """The rule about how the number of rows changed. Raises KeyError('mustBeLessThan') without a bound."""
    of, loads = check.arguments.get("of", "table"), int(check.arguments.get("loads", 5))
    column, now = ("delivered", "standard") if of == "delivery" else ("rows", "candidates")
    usual = f"(SELECT median({column}) FROM (SELECT {column} FROM past ORDER BY load DESC LIMIT {loads}))"
    measure = f"(SELECT abs(count(*) - {usual}) / nullif({usual}, 0) FROM {now})"
    fix = "请确认是否报送完整", "check that the delivery is whole"
    words = _words("记录数与历次相比的变化", "the change of the number of records", check, *fix)
    return _rule(check, (), measure, words)


def freshness(contract: Contract, check: Check) -> Rule:
    """The rule about the newest value's age in hours. Raises KeyError('mustBeLessThan') without a bound."""
    column = contract.column(check.arguments.get("column") or check.column)
    newest = f"max({quote(column.name)})"
    if column.type == "date":  # a day lasts to its end
        newest = f"least(timezone({literal(contract.source.timezone)}, CAST({newest} + 1 AS TIMESTAMP)), (FROM moment))"
    elif column.type != "timestamp":
        raise KeyError(column.name)
    measure = f"(SELECT date_diff('second', {newest}, (FROM moment)) / 3600 FROM candidates)"
    words = _words(
        f"{column.title}距今小时数", f"hours since the newest {column.name}", check,
        "数据陈旧:请检查源系统是否停止更新", "the source is stale: see whether it is still written to",
    )  # fmt: skip
    return _rule(check, (column.name,), measure, words)


def distribution(contract: Contract, check: Check) -> Rule:
    """The rule about how far a column's distribution moved. Raises KeyError('mustBeLessThan') without a bound."""
    column = contract.column(check.arguments.get("column") or check.column)
    words = _words(
        f"{column.title}分布的变化", f"the shift of {column.name}'s distribution", check,
        "请确认源系统口径或编码是否改变", "see whether the source's definitions or codes have changed",
    )  # fmt: skip
    return _rule(check, (column.name,), f"(SELECT value FROM {quote(_distance(check.id))})", words)


def expectation(_: Contract, check: Check) -> Rule:
    """The rule that is a plain expectation. Raises KeyError('type') without its type, KeyError of an argument that it must not have."""
    kind, kwargs = str(check.arguments["type"]), dict(check.arguments.get("arguments") or {})
    if not kind.startswith("expect_") or kind in ("expect_rows_to_satisfy", "expect_measure_to_be_between"):
        raise KeyError("type")
    for name in ("row_condition", "condition_parser", "result_format", "catch_exceptions", "meta"):
        if name in kwargs:
            raise KeyError(name)
    shown = str(check.arguments.get("description") or kind)
    words = Words(f"不满足:{shown}", f"does not hold: {shown}", "请核对报送数据", "look into the delivery")
    columns = (str(kwargs["column"]),) if "column" in kwargs else ()
    return Rule(
        check.id, check.kind, columns, "TRUE", words, Expectation(kind, kwargs), check.severity, check.dimension, alone=True
    )  # fmt: skip


def prepare(
    con: duckdb.DuckDBPyConnection, contract: Contract, rules: Sequence[Rule], past: Past | None, *, published: str
) -> None:
    """Lay out what the measures look at: tables `moment` and `past`, and for each distribution what is `published` (a relation) by bucket.

    Without `past` there is nothing to compare with.
    """
    moment = f"TIMESTAMPTZ {literal(past.now.isoformat())}" if past else "NULL::TIMESTAMPTZ"
    con.execute(f"CREATE TABLE moment AS SELECT {moment} AS now")
    con.execute("CREATE TABLE past (load INTEGER, rows DOUBLE, delivered DOUBLE)")
    for n, (rows, delivered) in enumerate(past.loads if past else ()):
        con.execute("INSERT INTO past VALUES (?, ?, ?)", [-n, rows, delivered])
    for rule in rules:
        if rule.kind == "distribution":
            bucket = _bucket(con, contract.column(rule.columns[0]), published)
            shares = "SELECT {0} AS bucket, count(*) / nullif(sum(count(*)) OVER (), 0) AS share FROM {1} GROUP BY 1"
            was, distance = quote(f"was:{rule.id}"), quote(_distance(rule.id))
            con.execute(f"CREATE TABLE {was} AS {shares.format(bucket, published)}")
            con.execute(
                f"CREATE VIEW {distance} AS SELECT CASE WHEN (SELECT count(*) FROM {was}) > 0 THEN sum(abs(coalesce(i.share, 0) - "
                f"coalesce(w.share, 0))) / 2 END AS value FROM ({shares.format(bucket, 'candidates')}) i "
                f"FULL JOIN {was} w ON i.bucket IS NOT DISTINCT FROM w.bucket"
            )


def _bucket(con: duckdb.DuckDBPyConnection, column: Column, published: str) -> str:
    """The expression of the bucket that a value falls into: its decile, or itself if it is among the commonest."""
    name = quote(column.name)
    if column.type in ("string", "boolean"):
        common = f"SELECT {name} FROM {published} WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC LIMIT {_BUCKETS}"
        listed = ", ".join(literal(str(value)) for (value,) in con.execute(common).fetchall())
        return f"CASE WHEN {name}::VARCHAR IN ({listed or 'NULL'}) THEN {name}::VARCHAR WHEN {name} IS NOT NULL THEN '…' END"
    tenths = (
        f"SELECT unnest(quantile_disc({name}, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]))::VARCHAR FROM {published}"
    )
    cuts = [cut for (cut,) in con.execute(tenths).fetchall() if cut is not None]
    cases = " ".join(f"WHEN {name} <= CAST({literal(cut)} AS {column.sql_type}) THEN {n}" for n, cut in enumerate(cuts))
    return f"CASE {cases} WHEN {name} IS NOT NULL THEN {len(cuts)} END"


def _distance(rule_id: str) -> str:
    return f"distance:{rule_id}"


def _rule(
    check: Check, columns: tuple[str, ...], measure: str, words: Words, built_in: Expectation | None = None,
    *, limit: tuple[str, float] | None = None,
) -> Rule:  # fmt: skip
    bound = limit or check.limit
    if bound is None:
        raise KeyError("mustBeLessThan")
    if check.percent and check.kind in _PERCENT_OF:
        measure = f"(100 * {measure})"
    return Rule(
        id=check.id, kind=check.kind, columns=columns, ok="TRUE", words=words, severity=check.severity, dimension=check.dimension,
        stage="set", limit=bound, measure=measure,
        expectation=built_in or Expectation("expect_measure_to_be_between", {"measure": measure, **_bounds(*bound)}),
    )  # fmt: skip


def _words(zh: str, en: str, check: Check, fix_zh: str, fix_en: str) -> Words:
    operator, bound = check.limit or ("mustBeGreaterThan", 0.0)
    unit = "%" if check.percent else ""
    return Words(
        f"{zh}超出约定({_OPERATORS[operator][0]} {bound:g}{unit})",
        f"{en} is out of bounds ({_OPERATORS[operator][1]} {bound:g}{unit})",
        fix_zh,
        fix_en,
    )


def _row_bounds(operator: str, bound: float) -> dict[str, Any]:
    found = {n: int(v) if not isinstance(v, bool) else v for n, v in _bounds(operator, bound).items()}
    return found or {"min_value": 0}


def _bounds(operator: str, bound: float) -> dict[str, Any]:
    """The arguments of an expectation of something between; none for mustNotBe."""
    match operator:
        case "mustBe":
            return {"min_value": bound, "max_value": bound}
        case "mustBeGreaterThan" | "mustBeGreaterOrEqualTo":
            return {"min_value": bound, "strict_min": operator == "mustBeGreaterThan"}
        case "mustBeLessThan" | "mustBeLessOrEqualTo":
            return {"max_value": bound, "strict_max": operator == "mustBeLessThan"}
        case _:
            return {}
