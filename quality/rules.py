"""A contract's rules, each defined once (`quality.rule`).

1. Every dataset has `key.missing` and `key.duplicate`.
2. Columns yield theirs (`quality.columns`), under `<column>.<code>`.
3. The contract's quality sections yield the rest (`quality.stated`), under the ids given there.
4. With `drift: {columns: quarantine}` two more set drifted rows aside (`quality.drift`).
5. The contract's `rules` property gives a rule of any of these another severity, or a threshold.
6. What cannot be evaluated, or stands twice, is refused before any row is seen.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from lake.current import quote
from quality import drift
from quality.columns import of_column
from quality.judge import unknown_expectations
from quality.predicates import unevaluable
from quality.rule import Rule, Words, not_refused, present, satisfy, unique
from quality.stated import stated
from schemas.contract import Contract, Judging
from schemas.errors import ContractInvalid, Problem

_RIGHT = {"pattern": "pattern: '^[0-9]{6}$'", "sql": 'predicate: "paid >= 0"'}


def rules(contract: Contract, *, today: date) -> tuple[Rule, ...]:
    """Every rule of the contract, in the order of its columns.

    Raises:
        ContractInvalid: a rule cannot be understood or evaluated, or two rules have one id.
    """
    found = _compiled(contract, today)
    twice = [name for name, n in Counter(r.id for r in found).items() if n > 1]
    problems = [Problem(f"quality.{name}", "two rules have this id", "id: licence_dates") for name in twice]
    problems += _unevaluable(contract, found)
    if problems:
        raise ContractInvalid(problems)
    return tuple(found)


def version(contract: Contract) -> str:
    """A short name of the rules' content, the same every day: rows set aside under it need no second look under it."""
    found = _compiled(contract, date(2000, 1, 1))
    parts = [(r.id, r.ok, r.severity, r.limit, r.reference, r.measure) for r in found]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _compiled(contract: Contract, today: date) -> list[Rule]:
    found = [_key_missing(contract), _key_duplicate(contract)]
    for place, column in enumerate(contract.columns):
        found += drift.adapted(contract, of_column(contract, column, place, today))
    found += [*stated(contract), *drift.rules(contract)]
    return [_judged(rule, contract.judging.get(rule.id, Judging())) for rule in found]


def _judged(rule: Rule, judging: Judging) -> Rule:
    return replace(rule, severity=judging.severity or rule.severity, threshold=judging.threshold)


def _unevaluable(contract: Contract, found: list[Rule]) -> Iterator[Problem]:
    """What is wrong with predicates made of the contract's own texts: patterns, bounds, names."""
    twice = [n for n, times in Counter(c.name.lower() for c in contract.columns).items() if times > 1]
    if twice:
        yield Problem(
            "schema.properties", f"{', '.join(twice)}: SQL does not tell case apart", "birth_date, birthplace"
        )
        return
    ids = {r.id for r in found}
    for name in contract.judging.keys() - ids:
        yield Problem(f"customProperties.rules.{name}", "there is no such rule", f"one of {', '.join(sorted(ids))}")
    columns = ["_raws VARCHAR[]", *(f"{quote(c.name)} {c.sql_type}" for c in contract.columns)]
    predicates = {r.id: r.ok for r in found if r.stage in ("row", "text") and r.kind != "drift"}
    wrong = unevaluable(", ".join(columns), predicates) | unknown_expectations([r for r in found if r.alone])
    kinds = {r.id: r.kind for r in found}
    for name, why in wrong.items():
        if kinds[name] == "range":  # DuckDB's own words tell of casts that the contract does not have
            yield Problem(
                f"quality.{name}", "a bound does not fit the column's type", "minimum: 0, or 1900-01-01 of dates"
            )
        else:
            yield Problem(
                f"quality.{name}", f"cannot be evaluated: {why}", _RIGHT.get(kinds[name], "a rule of its columns")
            )


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
    ok = not_refused("key.duplicate", contract.key)
    return Rule(
        "key.duplicate", "key", contract.key, ok, words, unique(contract.key), dimension="uniqueness", stage="key", once=True
    )  # fmt: skip
