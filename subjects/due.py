"""What is about to expire: permits and licences from the current views, each with the form that renews it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import duckdb

from schemas.contract import Contract
from subjects.histories import Histories
from subjects.kinds import Branch, DueRule, Kind, Kinds, ListOf
from subjects.statement import literal, quote, usable, view_name


@dataclass(frozen=True, order=True)
class Due:
    """One record that expires on `valid_to`, and the form that renews it.

    `record` is its key as (column, value) pairs: `{list: dict(record)}` selects it when the form is prefilled. Identifier and
    record are personal data: mask them before printing.
    """

    valid_to: date
    kind: str
    dataset: str
    list: str
    form: str
    identifier: str = field(repr=False)
    record: tuple[tuple[str, str], ...] = field(repr=False)


def due(
    kinds: Kinds,
    contracts: Mapping[str, Contract],
    histories: Histories,
    latest: Mapping[str, int],
    *,
    today: date,
    within_days: int,
) -> list[Due]:
    """Everything that expires from today to `within_days` from now, soonest first; `latest` pins each dataset's load.

    Of several records of one subject only the newest counts: the others have been renewed already.
    """
    found: list[Due] = []
    span = {"first": today, "last": today + timedelta(within_days)}
    ruled = [(kind, rule, item) for kind in kinds.values() for rule in kind.due if (item := kind.list_of(rule.list))]
    with duckdb.connect() as con:
        for dataset in {item.dataset for _, _, item in ruled}:
            histories.view(con, contracts[dataset], view_name(dataset), latest.get(dataset, 0), "")
        for kind, rule, item in ruled:
            rows = con.execute(_query(kind, kinds, item, rule, contracts[item.dataset]), span).fetchall()
            found += [_due(kind, rule, contracts[item.dataset], row) for row in rows]
    return sorted(found)


def _due(kind: Kind, rule: DueRule, contract: Contract, row: tuple[str, list[str], date]) -> Due:
    identifier, record, until = row
    pairs = tuple(zip(contract.key, record, strict=True))
    return Due(until, kind.name, contract.dataset, rule.list, rule.form, identifier, pairs)


def _query(kind: Kind, kinds: Kinds, item: ListOf, rule: DueRule, contract: Contract) -> str:
    sides = " UNION ALL ".join(_side(kind, kinds, item, rule, contract, branch) for branch in item.branches)
    per = "".join(f", _per{i}" for i in range(len(rule.per)))
    newest = f"row_number() OVER (PARTITION BY _k{per} ORDER BY _until DESC NULLS LAST, _record) = 1"
    return (
        f"SELECT _k, _record, _until FROM (SELECT * FROM ({sides}) QUALIFY {newest}) "
        "WHERE _until BETWEEN CAST($first AS DATE) AND CAST($last AS DATE)"
    )


def _side(kind: Kind, kinds: Kinds, item: ListOf, rule: DueRule, contract: Contract, branch: Branch) -> str:
    record = ", ".join(f"CAST({quote(k)} AS VARCHAR)" for k in contract.key)
    per = "".join(f", {quote(name)} AS _per{i}" for i, name in enumerate(rule.per))
    conditions = [usable(kind, kinds, contract, branch.by)]
    conditions += [f"CAST({quote(name)} AS VARCHAR) = {literal(value)}" for name, value in rule.where.items()]
    if item.filter:
        conditions.append(f"({item.filter})")
    return (
        f"SELECT CAST({quote(branch.by)} AS VARCHAR) AS _k, [{record}] AS _record, "
        f"CAST({quote(rule.until)} AS DATE) AS _until{per} "
        f"FROM {quote(view_name(item.dataset))} WHERE {' AND '.join(conditions)}"
    )
