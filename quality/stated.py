"""The rules that a contract states in its quality sections (`schemas.contract.Check`), given their meaning.

Row rules: `dateOrder`, `idAgrees`, `sql` (a predicate), and the standard's nullValues, missingValues, invalidValues where none is
allowed. Set rules: `reference`, `duplicateValues`. With another limit than none these count only, and hold the delivery when the
count is out of bounds. Limits are numbers of rows, or with `unit: percent` of a hundred rows that the rule has something to say of.
Rules over the table as a whole are in `quality.table_rules`.
"""

from collections.abc import Callable
from typing import Any

from lake.current import literal, quote
from quality import table_rules
from quality.predicates import NotAPredicate, predicate
from quality.rule import Expectation, Rule, Words, not_refused, present, satisfy, unique
from schemas.contract import Check, Contract
from schemas.errors import ContractInvalid, Problem

_NONE_ALLOWED = (None, ("mustBe", 0), ("mustBeLessThan", 1), ("mustBeLessOrEqualTo", 0))
_FIX = "请核对并更正相关字段后重新报送", "correct the fields named and deliver the record again"


def stated(contract: Contract) -> list[Rule]:
    """The rules of all quality sections.

    Raises:
        ContractInvalid: naming every check that is not understood.
    """
    found: list[Rule] = []
    problems: list[Problem] = []
    for check in contract.checks:
        try:
            found.append(_KINDS[check.kind](contract, check))
        except (KeyError, NotAPredicate) as error:
            problems.append(_problem(contract, check, error))
    if problems:
        raise ContractInvalid(problems)
    return found


def _problem(contract: Contract, check: Check, error: Exception) -> Problem:
    path = f"{contract.dataset}.quality.{check.id}"
    if isinstance(error, NotAPredicate):
        return Problem(path, str(error), '{check: sql, predicate: "reg_capital > 0"}')
    if check.kind not in _KINDS:
        return Problem(path, f"{check.kind!r} is no rule that the hub knows", f"one of {', '.join(sorted(_KINDS))}")
    return Problem(
        path,
        f"{error} is missing, or no column of this dataset",
        _EXAMPLES.get(check.kind, "{metric: nullValues, mustBe: 0}"),
    )


_EXAMPLES = {
    "dateOrder": "{check: dateOrder, columns: [valid_from, valid_to]}",
    "idAgrees": "{check: idAgrees, id: citizen_id, sex: sex_code, birth: birth_date}",
    "reference": "{check: reference, columns: [uscc], dataset: companies, to: uscc}",
    "invalidValues": "{metric: invalidValues, arguments: {validValues: ['1', '2']}, mustBe: 0}",
    "rowCountChange": "{check: rowCountChange, loads: 5, mustBeLessThan: 0.2}",
    "freshness": "{check: freshness, column: updated_at, mustBeLessThan: 48}",
    "distribution": "{check: distribution, column: sex_code, mustBeLessThan: 0.1}",
    "expectation": "{check: expectation, type: expect_column_mean_to_be_between, arguments: {column: age, min_value: 20, max_value: 60}}",
}


def _rule(
    check: Check,
    columns: tuple[str, ...],
    ok: str,
    zh: str,
    en: str,
    expectation: Expectation | None = None,
    **more: Any,
) -> Rule:
    return Rule(
        id=check.id,
        kind=check.kind,
        columns=columns,
        ok=ok,
        words=Words(zh, en, *_FIX),
        expectation=expectation or satisfy(ok, columns),
        severity=check.severity,
        dimension=check.dimension,
        checked=more.pop("checked", present(columns)),
        limit=None if check.limit in _NONE_ALLOWED else check.limit,
        percent=check.percent,
        **more,
    )


def _column(contract: Contract, check: Check) -> str:
    name = check.column or check.arguments.get("column") or next(iter(_columns(contract, check)))
    return contract.column(name).name


def _columns(contract: Contract, check: Check) -> tuple[str, ...]:
    names = check.arguments.get("columns") or check.arguments.get("properties") or (check.column,)
    return tuple(contract.column(n).name for n in names)


def _titles(contract: Contract, columns: tuple[str, ...]) -> str:
    return "、".join(contract.column(c).title for c in columns)


def _date_order(contract: Contract, check: Check) -> Rule:
    first, last = (contract.column(n) for n in (check.arguments["columns"] + [None, None])[:2])
    ok = f"{quote(first.name)} <= {quote(last.name)}"
    zh = f"{first.title}晚于{last.title}"
    return _rule(check, (first.name, last.name), ok, zh, f"{first.name} is later than {last.name}")


def _id_agrees(contract: Contract, check: Check) -> Rule:
    """Digits 7-14 of a citizen ID are the birth date, the 17th is odd for men (GB 11643). Other numbers say nothing."""
    columns = [contract.column(check.arguments["id"]).name]
    number, parts = quote(columns[0]), []
    if sex := check.arguments.get("sex"):
        columns.append(contract.column(sex).name)
        odd = f"CAST(substr({number}, 17, 1) AS INTEGER) % 2 = 1"
        parts.append(f"coalesce({quote(sex)} NOT IN ('1', '2') OR ({quote(sex)} = '1') = ({odd}), true)")
    if birth := check.arguments.get("birth"):
        columns.append(contract.column(birth).name)
        parts.append(f"coalesce(strftime(TRY_CAST({quote(birth)} AS DATE), '%Y%m%d') = substr({number}, 7, 8), true)")
    # CASE, not OR: only it keeps the cast from seeing other numbers.
    ok = f"CASE WHEN regexp_full_match({number}, '[0-9]{{17}}[0-9X]') THEN {' AND '.join(parts) or 'true'} END"
    others = _titles(contract, tuple(columns[1:]))
    zh = f"{contract.column(columns[0]).title}与{others}不一致"
    return _rule(check, tuple(columns), ok, zh, f"{columns[0]} disagrees with {', '.join(columns[1:])}")


def _sql(contract: Contract, check: Check) -> Rule:
    ok, columns = predicate(contract, str(check.arguments.get("predicate") or ""))
    shown = check.arguments.get("description") or check.arguments["predicate"]
    return _rule(check, columns, ok, f"不满足:{shown}", f"does not hold: {shown}")


def _null_values(contract: Contract, check: Check) -> Rule:
    name = _column(contract, check)
    built_in = Expectation("expect_column_values_to_not_be_null", {"column": name})
    zh, en = f"{contract.column(name).title} 未填", f"{name} is missing"
    return _rule(check, (name,), f"{quote(name)} IS NOT NULL", zh, en, built_in, checked="TRUE")


def _missing_values(contract: Contract, check: Check) -> Rule:
    name = _column(contract, check)
    words = [literal(str(v)) for v in check.arguments.get("missingValues", ()) if v]
    ok = f"{quote(name)} IS NOT NULL" + (
        f" AND CAST({quote(name)} AS VARCHAR) NOT IN ({', '.join(words)})" if words else ""
    )
    zh, en = f"{contract.column(name).title} 缺失", f"{name} is missing"
    return _rule(check, (name,), ok, zh, en, checked="TRUE")


def _invalid_values(contract: Contract, check: Check) -> Rule:
    column = contract.column(_column(contract, check))
    text, kwargs = f"CAST({quote(column.name)} AS VARCHAR)", {"column": column.name}
    if values := [str(v) for v in check.arguments.get("validValues", ())]:
        ok = f"{text} IN ({', '.join(map(literal, values))})"
        built_in = Expectation("expect_column_values_to_be_in_set", kwargs | {"value_set": values})
    else:
        pattern = check.arguments["pattern"]
        ok = f"regexp_matches({text}, {literal(pattern)})"
        built_in = Expectation("expect_column_values_to_match_regex", kwargs | {"regex": pattern})
    zh, en = f"{column.title} 不是约定的值", f"{column.name} is none of the agreed values"
    return _rule(check, (column.name,), ok, zh, en, built_in if column.type == "string" else None)


def _duplicate_values(contract: Contract, check: Check) -> Rule:
    columns = _columns(contract, check)
    zh, en = f"{_titles(contract, columns)} 重复", f"{', '.join(columns)} repeats"
    return _rule(check, columns, not_refused(check.id, columns), zh, en, unique(columns), stage="set", once=True)


def _reference(contract: Contract, check: Check) -> Rule:
    (name,) = _columns(contract, check)
    dataset, to = check.arguments["dataset"], check.arguments["to"]
    ok = not_refused(check.id, (name,))
    zh, en = f"{contract.column(name).title} 在 {dataset} 中不存在", f"{name} is not found in {dataset}.{to}"
    return _rule(check, (name,), ok, zh, en, stage="set", reference=(dataset, to))


_KINDS: dict[str, Callable[[Contract, Check], Rule]] = {
    "dateOrder": _date_order,
    "idAgrees": _id_agrees,
    "sql": _sql,
    "nullValues": _null_values,
    "missingValues": _missing_values,
    "invalidValues": _invalid_values,
    "duplicateValues": _duplicate_values,
    "reference": _reference,
    "rowCount": table_rules.row_count,
    "rowCountChange": table_rules.row_count_change,
    "freshness": table_rules.freshness,
    "distribution": table_rules.distribution,
    "expectation": table_rules.expectation,
}
