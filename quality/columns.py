"""The rules a column yields: required, type, length, pattern, enum, range, unique, and what its data element demands.

Ids are `<column>.<code>`. The element's codes are those of `schemas.expressions.checks`: checksum, code, future, ... Of a text that an enum or a
plain pattern allows, `control` is not asked as well. A decimal delivered finer than its column is `scale`, a warning: it was rounded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from lake.current import literal, quote
from quality.rule import Expectation, Rule, Stage, Words, delivered, not_refused, present, satisfy, unique
from schemas import expressions
from schemas.contract import Column, Contract, Severity

BLANKS = " \t\r\n\v\f\u00a0\u2002\u2003\u2009\u200b\u3000\ufeff"
_PLAIN = re.compile(r"\^(?:(?:\[[\w-]+\]|[\w-]|\\d)(?:\{[\d,]+\}|[*+?])?)+\$")
"""Patterns of whole texts out of listed letters and digits: what they allow has no control characters."""
_TYPES = {
    "string": "文本", "integer": "整数", "number": "数值", "decimal": "数值", "date": "日期", "timestamp": "时间",
    "boolean": "是否",
}  # fmt: skip
_DIMENSIONS = {
    "required": "completeness", "unique": "uniqueness", "checksum": "accuracy", "range": "accuracy", "date": "accuracy",
    "future": "accuracy",
}  # fmt: skip


def of_column(contract: Contract, column: Column, place: int, today: date) -> Iterator[Rule]:
    """The rules of the contract's column number `place`."""
    yield from _presence(column)
    yield _readable(column, place)
    if column.type == "decimal":
        yield _scale(contract, column, place)
    own = {rule.kind: rule for rule in (*_length(column), *_pattern(column), *_enum(column), *_range(column))}
    for check in expressions.checks(column, quote(column.name), today=today):
        if check.code == "control" and (column.enum or _PLAIN.fullmatch(column.pattern or "")):
            continue
        words = _words(column, check.zh, check.en, "请对照标准核对", "check it against its standard")
        rule = _rule(column, check.code, check.ok, words, _of_element(column, check), severity=check.severity)
        own[check.code] = _both(column, own[check.code], rule) if check.code in own else rule
    yield from own.values()
    if column.unique and contract.key != (column.name,):
        ok = not_refused(f"{column.name}.unique", (column.name,))
        words = _words(column, "重复", "is not unique", "请核对并更正重复的值", "correct the repeated value")
        yield replace(_rule(column, "unique", ok, words, unique((column.name,)), stage="set"), once=True)


def _presence(column: Column) -> Iterator[Rule]:
    if column.required:
        words = _words(column, "未填", "is missing", "请补填", "fill it in")
        expectation = Expectation("expect_column_values_to_not_be_null", {"column": column.name})
        yield _rule(column, "required", f"{quote(column.name)} IS NOT NULL", words, expectation, checked="TRUE")


def _readable(column: Column, place: int) -> Rule:
    """That delivered text which is not blank became a value."""
    text = delivered(place)
    fault = f"无法读作{_TYPES[column.type]}", f"cannot be read as {column.type}"
    words = _words(column, *fault, "请按约定格式更正", "correct it to the agreed format")
    ok = f"{quote(column.name)} IS NOT NULL OR {text} IS NULL OR trim({text}, {literal(BLANKS)}) = ''"
    return _rule(column, "type", ok, words, stage="text")


def _scale(contract: Contract, column: Column, place: int) -> Rule:
    """That no digit of the delivered number was rounded away."""
    fault = f"小数多于 {column.scale} 位,已四舍五入", f"has more than {column.scale} decimals and was rounded"
    words = _words(column, *fault, "请按约定精度报送,或商定提高精度", "deliver as agreed, or agree on a finer type")
    whole = expressions.normalise(replace(column, type="number"), delivered(place), timezone=contract.source.timezone)
    ok = f"{whole} = CAST({quote(column.name)} AS DOUBLE)"
    return _rule(column, "scale", ok, words, severity="warning", stage="text")


def _length(column: Column) -> Iterator[Rule]:
    low, high = column.min_length, column.max_length
    if low is None and high is None:
        return
    shown = f"{'' if low is None else low}..{'' if high is None else high}"
    words = _words(column, f"长度不在 {shown} 之间", f"is not {shown} characters long", "请更正长度", "correct it")
    kwargs = {"column": column.name, "min_value": low, "max_value": high}
    ok = _between(f"length({_text(column)})", None if low is None else str(low), None if high is None else str(high))
    yield _rule(column, "length", ok, words, _of_text(column, "expect_column_value_lengths_to_be_between", kwargs))


def _pattern(column: Column) -> Iterator[Rule]:
    if column.pattern is None:
        return
    fault = f"不符合格式 {column.pattern}", f"does not match {column.pattern}"
    words = _words(column, *fault, "请更正格式", "correct it")
    kwargs = {"column": column.name, "regex": column.pattern}
    ok = f"regexp_matches({_text(column)}, {literal(column.pattern)})"
    yield _rule(column, "pattern", ok, words, _of_text(column, "expect_column_values_to_match_regex", kwargs))


def _enum(column: Column) -> Iterator[Rule]:
    if column.enum is None:
        return
    shown = ", ".join(column.enum[:12])
    words = _words(column, f"不是 {shown} 之一", f"is none of {shown}", "请改用列出的代码", "use a listed value")
    kwargs = {"column": column.name, "value_set": list(column.enum)}
    ok = f"{_text(column)} IN ({', '.join(map(literal, column.enum))})"
    yield _rule(column, "enum", ok, words, _of_text(column, "expect_column_values_to_be_in_set", kwargs))


def _range(column: Column) -> Iterator[Rule]:
    stated = (column.minimum, column.maximum)
    if stated == (None, None):
        return
    shown = f"{column.minimum or ''}..{column.maximum or ''}"
    words = _words(column, f"不在 {shown} 之间", f"is not within {shown}", "请更正数值", "correct it")
    low, high = (None if b is None else f"CAST({literal(b)} AS {column.sql_type})" for b in stated)
    yield _rule(column, "range", _between(quote(column.name), low, high), words, _range_expectation(column))


def _range_expectation(column: Column) -> Expectation | None:
    """The built-in, where its literals compare just as the predicate's do."""
    stated = (column.minimum, column.maximum)
    whole = all(b is None or re.fullmatch(r"-?\d+", b) for b in stated)
    if column.type != "date" and not (column.type == "integer" and whole):
        return None
    low, high = (int(b) if b is not None and column.type == "integer" else b for b in stated)
    kwargs = {"column": column.name, "min_value": low, "max_value": high}
    return Expectation("expect_column_values_to_be_between", kwargs)


def _both(column: Column, stated: Rule, standard: Rule) -> Rule:
    """One rule of what contract and data element both say under one code."""
    ok = f"({stated.ok}) AND ({standard.ok})"
    return replace(stated, ok=ok, expectation=satisfy(ok, (column.name,)))


def _of_element(column: Column, check: expressions.ElementCheck) -> Expectation | None:
    """The expectation that tells the data element and what it demands."""
    if column.element is None:
        return None
    kwargs = {"column": column.name, "element": column.element, "finding": check.code, "predicate": check.ok}
    return Expectation("expect_values_of_data_element", kwargs)


def _of_text(column: Column, kind: str, kwargs: Mapping[str, Any]) -> Expectation | None:
    """The built-in for text columns; of others the predicate looks at their text."""
    return Expectation(kind, dict(kwargs)) if column.type == "string" else None


def _text(column: Column) -> str:
    return quote(column.name) if column.type == "string" else f"CAST({quote(column.name)} AS VARCHAR)"


def _between(value: str, low: str | None, high: str | None) -> str:
    parts = ([f"{value} >= {low}"] if low is not None else []) + ([f"{value} <= {high}"] if high is not None else [])
    return " AND ".join(parts)


def _words(column: Column, zh: str, en: str, fix_zh: str, fix_en: str) -> Words:
    source = "" if column.source == column.title else f"({column.source})"
    return Words(
        f"{column.title} {zh}", f"{column.name} {en}", f"{fix_zh}:“{column.title}”{source}", f"{column.source}: {fix_en}",
    )  # fmt: skip


def _rule(
    column: Column, code: str, ok: str, words: Words, expectation: Expectation | None = None,
    *, severity: Severity = "error", stage: Stage = "row", checked: str | None = None,
) -> Rule:  # fmt: skip
    return Rule(
        id=f"{column.name}.{code}",
        kind=code,
        columns=(column.name,),
        ok=ok,
        words=words,
        expectation=expectation or satisfy(ok, (column.name,)),
        severity=severity,
        dimension=_DIMENSIONS.get(code, "conformity"),
        stage=stage,
        checked=present((column.name,)) if checked is None else checked,
    )
