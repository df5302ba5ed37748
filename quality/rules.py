"""A contract's rules, each defined once.

1. A column yields `required`, `type`, `length`, `pattern`, `enum`, `range` and `unique`, and what its data element demands
   (`schemas.expressions.checks`: checksum, code, future, ...). Ids are `<column>.<code>`.
2. The contract's quality sections yield the rest, under the ids given there (`quality.stated`).
3. Every dataset has `key.missing` and `key.duplicate`.

A rule is an SQL predicate `ok` (true or NULL: the row is right) and the expectation that means the same: a Great Expectations
built-in where there is one, else `expect_rows_to_satisfy` (ours, `quality.gx_parts`) with the predicate itself.
Rules of severity `error` without a `limit` set rows aside; with a `limit` they hold the delivery; warnings are only counted.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from lake.current import literal, quote
from schemas import expressions
from schemas.contract import Column, Contract, Severity
from schemas.errors import ContractInvalid, Problem

Stage = Literal["row", "key", "set"]
BLANKS = " \t\r\n\v\f\u00a0\u2002\u2003\u2009\u200b\u3000\ufeff"
_DIMENSIONS = {
    "required": "completeness", "unique": "uniqueness", "checksum": "accuracy", "range": "accuracy", "date": "accuracy",
    "future": "accuracy",
}  # fmt: skip


@dataclass(frozen=True)
class Expectation:
    """A Great Expectations expectation by its registered type and arguments."""

    type: str
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Words:
    """What is wrong with a row that breaks the rule, and how to put it right, in Chinese and English."""

    zh: str
    en: str
    fix_zh: str
    fix_en: str


@dataclass(frozen=True)
class Rule:
    """One rule over rows.

    `stage` names the rows judged: `row` every delivered row, `key` the delivered rows that compete for their key, `set` the table
    as it would be. `checked` is the predicate of rows that the rule has something to say of. `limit` is compared with the number of
    unexpected rows (of rows at all for `rowCount`). `reference` is the (dataset, column) that values must be found in.
    """

    id: str
    kind: str
    columns: tuple[str, ...]
    ok: str
    words: Words
    expectation: Expectation
    severity: Severity = "error"
    dimension: str = "conformity"
    stage: Stage = "row"
    checked: str = "TRUE"
    limit: tuple[str, float] | None = None
    reference: tuple[str, str] | None = None

    @property
    def rejects(self) -> bool:
        """Whether a row that breaks the rule is set aside."""
        return self.severity == "error" and self.limit is None


def rules(contract: Contract, *, today: date) -> tuple[Rule, ...]:
    """Every rule of the contract, in the order of its columns.

    Raises:
        ContractInvalid: a rule cannot be understood, or two rules have one id.
    """
    from quality.stated import stated

    found = [_key_missing(contract), _key_duplicate(contract)]
    for place, column in enumerate(contract.columns):
        found += _of_column(contract, column, place, today)
    found += stated(contract)
    twice = [name for name, n in Counter(r.id for r in found).items() if n > 1]
    if twice:
        raise ContractInvalid(
            [Problem(f"quality.{name}", "two rules have this id", "id: licence_dates") for name in twice]
        )
    return tuple(found)


def version(contract: Contract) -> str:
    """A short name of the rules' content, the same every day: rows set aside under it need no second look under it."""
    parts = [(r.id, r.ok, r.severity, r.limit, r.reference) for r in rules(contract, today=date(2000, 1, 1))]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def raw(place: int) -> str:
    """The column of the standardised table that holds the delivered text of the contract's column number `place`."""
    return f"_raw_{place}"


def satisfy(ok: str, columns: tuple[str, ...] = ()) -> Expectation:
    """The expectation that is the predicate itself, shown under its column if it has just one."""
    return Expectation(
        "expect_rows_to_satisfy", {"predicate": ok} | ({"column": columns[0]} if len(columns) == 1 else {})
    )


def present(columns: tuple[str, ...]) -> str:
    """The predicate of rows where all of the columns have a value."""
    return " AND ".join(f"{quote(c)} IS NOT NULL" for c in columns) or "TRUE"


def _key_missing(contract: Contract) -> Rule:
    names = "、".join(contract.column(k).title for k in contract.key)
    words = Words(
        f"主键({names})缺失", f"the key ({', '.join(contract.key)}) is missing",
        "请在源系统补全主键后重新报送", "fill in the key in the source system and deliver the record again",
    )  # fmt: skip
    ok = present(contract.key)
    return Rule("key.missing", "key", contract.key, ok, words, satisfy(ok), dimension="completeness")


def _key_duplicate(contract: Contract) -> Rule:
    names = "、".join(contract.column(k).title for k in contract.key)
    words = Words(
        f"同一文件中主键({names})相同而内容不同",
        f"records of one file have the same key ({', '.join(contract.key)}) and differ",
        "请确认哪一条正确,删除其余记录后重新报送", "decide which record is right, delete the others and deliver again",
    )  # fmt: skip
    ok, expectation = unique(contract.key, "contenders")
    return Rule("key.duplicate", "key", contract.key, ok, words, expectation, dimension="uniqueness", stage="key")


def unique(columns: tuple[str, ...], table: str) -> tuple[str, Expectation]:
    """That no two rows of `table` agree in the columns (rows with a NULL among them agree with none)."""
    names = ", ".join(quote(c) for c in columns)
    twice = f"SELECT {names} FROM {table} WHERE {present(columns)} GROUP BY ALL HAVING count(*) > 1"
    ok = f"({names}) NOT IN ({twice})" if len(columns) == 1 else f"({names}) NOT IN (SELECT ({names}) FROM ({twice}))"
    if len(columns) == 1:
        return ok, Expectation("expect_column_values_to_be_unique", {"column": columns[0]})
    return ok, Expectation("expect_compound_columns_to_be_unique", {"column_list": list(columns)})


def _of_column(contract: Contract, column: Column, place: int, today: date) -> Iterator[Rule]:
    yield from _shape(column, place)
    own = {rule.kind: rule for rule in _content(column)}
    for check in expressions.checks(column, quote(column.name), today=today):
        words = _words(column, check.zh, check.en, "请对照标准核对", "check it against its standard")
        rule = _column_rule(column, check.code, check.ok, words, None, severity=check.severity)
        own[check.code] = _both(column, own[check.code], rule) if check.code in own else rule
    yield from own.values()
    if column.unique and contract.key != (column.name,):
        ok, expectation = unique((column.name,), "candidates")
        words = _words(column, "重复", "is not unique", "请核对并更正重复的值", "correct the repeated value")
        yield _column_rule(column, "unique", ok, words, expectation, stage="set")


def _shape(column: Column, place: int) -> Iterator[Rule]:
    """That there is a value, and that it can be read as the column's type."""
    name, text = quote(column.name), quote(raw(place))
    if column.required:
        words = _words(column, "未填", "is missing", "请补填", "fill it in")
        expectation = Expectation("expect_column_values_to_not_be_null", {"column": column.name})
        yield _column_rule(column, "required", f"{name} IS NOT NULL", words, expectation, checked="TRUE")
    given = f"trim({text}, {literal(BLANKS)}) <> ''"
    kind = f"无法读作{_TYPE_NAMES[column.type]}", f"cannot be read as {column.type}"
    words = _words(column, *kind, "请按约定格式更正", "correct it to the agreed format")
    ok = f"{name} IS NOT NULL OR {text} IS NULL OR NOT ({given})"
    yield _column_rule(column, "type", ok, words, None, checked=f"{text} <> ''")


_TYPE_NAMES = {
    "string": "文本", "integer": "整数", "number": "数值", "decimal": "数值", "date": "日期", "timestamp": "时间",
    "boolean": "是否",
}  # fmt: skip


def _content(column: Column) -> Iterator[Rule]:
    """What the contract says of the value: length, pattern, list, range."""
    name, text = quote(column.name), f"CAST({quote(column.name)} AS VARCHAR)"
    string = column.type == "string"
    low, high = column.min_length, column.max_length
    if low is not None or high is not None:
        ok = _between(f"length({text})", None if low is None else str(low), None if high is None else str(high))
        bounds = f"{'' if low is None else low}..{'' if high is None else high}"
        words = _words(
            column, f"长度不在 {bounds} 之间", f"is not {bounds} characters long", "请更正长度", "correct it"
        )
        kwargs = {"column": column.name, "min_value": low, "max_value": high}
        expectation = Expectation("expect_column_value_lengths_to_be_between", kwargs) if string else None
        yield _column_rule(column, "length", ok, words, expectation)
    if column.pattern is not None:
        words = _words(
            column, f"不符合格式 {column.pattern}", f"does not match {column.pattern}", "请更正格式", "correct it"
        )
        expectation = Expectation(
            "expect_column_values_to_match_regex", {"column": column.name, "regex": column.pattern}
        )
        ok = f"regexp_matches({text}, {literal(column.pattern)})"
        yield _column_rule(column, "pattern", ok, words, expectation if string else None)
    if column.enum is not None:
        shown = ", ".join(column.enum[:12])
        words = _words(column, f"不是 {shown} 之一", f"is none of {shown}", "请改用列出的代码", "use a listed value")
        expectation = Expectation(
            "expect_column_values_to_be_in_set", {"column": column.name, "value_set": list(column.enum)}
        )
        ok = f"{text} IN ({', '.join(literal(v) for v in column.enum)})"
        yield _column_rule(column, "enum", ok, words, expectation if string else None)
    if column.minimum is not None or column.maximum is not None:
        bounds = f"{column.minimum or ''}..{column.maximum or ''}"
        words = _words(column, f"不在 {bounds} 之间", f"is not within {bounds}", "请更正数值", "correct it")
        low_high = [
            None if b is None else f"CAST({literal(b)} AS {column.sql_type})" for b in (column.minimum, column.maximum)
        ]
        yield _column_rule(column, "range", _between(name, *low_high), words, _range_expectation(column))


def _both(column: Column, stated: Rule, standard: Rule) -> Rule:
    """One rule of what contract and data element both say under one code."""
    ok = f"({stated.ok}) AND ({standard.ok})"
    return replace(stated, ok=ok, expectation=satisfy(ok, (column.name,)))


def _range_expectation(column: Column) -> Expectation | None:
    """The built-in, where its literals compare just as the predicate's do."""
    if column.type not in ("integer", "date"):
        return None
    bounds = [
        None if b is None else int(b) if column.type == "integer" else b for b in (column.minimum, column.maximum)
    ]
    kwargs = {"column": column.name, "min_value": bounds[0], "max_value": bounds[1]}
    return Expectation("expect_column_values_to_be_between", kwargs)


def _between(value: str, low: str | None, high: str | None) -> str:
    parts = ([f"{value} >= {low}"] if low is not None else []) + ([f"{value} <= {high}"] if high is not None else [])
    return " AND ".join(parts)


def _words(column: Column, zh: str, en: str, fix_zh: str, fix_en: str) -> Words:
    return Words(
        f"{column.title} {zh}", f"{column.name} {en}",
        f"{fix_zh}:“{column.title}”({column.source})", f"{column.source}: {fix_en}",
    )  # fmt: skip


def _column_rule(
    column: Column, code: str, ok: str, words: Words, expectation: Expectation | None,
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
