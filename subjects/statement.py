"""One subject kind as one SQL statement for DuckDB: identifier in, canonical JSON of the file out.

1. Per pick: one row a subject (`p_0`, `p_1`, …), with the load it came with, that load's run and as-of. Contracts have no
   column that starts with `_`, so ours do.
2. Per list: the subject's rows, newest first (`l_0`, …).
3. Left joins over all subjects, and one JSON object each: `kind`, `id`, `fields`, `lists`, `datasets`, `sources`.

The text of a statement depends on nothing but the declaration and the contracts, so its digest says when every file must be
made anew. It reads the views `v_<dataset>` and the tables `loads` (dataset, load, run, as_of) and `touched` (_k).
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import assert_never

import duckdb

from schemas.contract import Column, Contract
from schemas.expressions import checks
from subjects.kinds import Candidate, Field, Kind, Kinds, ListOf, Pick, sharing

_NOTHING = "CAST(NULL AS VARCHAR)"
_ANY_DAY = date(9998, 12, 31)  # an identifier's own checks do not depend on the day


def view_name(dataset: str) -> str:
    """The name under which a build sees a dataset's current view."""
    return f"v_{dataset}"


def quote(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted SQL string."""
    return "'" + text.replace("'", "''") + "'"


def usable(kind: Kind, kinds: Kinds, contract: Contract, by: str) -> str:
    """SQL predicate: column `by` holds an identifier of this kind, and of no other that the column may name."""
    others = [k for k in sharing(kind, kinds, (contract.dataset, by)) if kind.name not in k.yields_to]
    return " AND ".join([_valid(kind, contract, by), *(f"NOT ({_valid(other, contract, by)})" for other in others)])


def linked(kind: Kind, kinds: Kinds, contract: Contract, by: str) -> str:
    """SQL predicate: column `by` names a subject, of this kind or another that it may name."""
    everyone = (kind, *sharing(kind, kinds, (contract.dataset, by)))
    return " OR ".join(f"coalesce({usable(k, kinds, contract, by)}, false)" for k in everyone)


def query(kind: Kind, kinds: Kinds, contracts: Mapping[str, Contract], *, touched: bool) -> str:
    """The query of (identifier, JSON) for bucket `$bucket` of `$buckets`; with `touched` of those alone, NULL if nothing is left."""
    parts = {f"p_{i}": _pick(kind, kinds, pick, contracts, touched=touched) for i, pick in enumerate(kind.picks)}
    parts |= {f"l_{i}": _list(kind, kinds, item, contracts, touched=touched) for i, item in enumerate(kind.lists)}
    everybody = " UNION ".join(f"SELECT _k FROM {name}" for name in parts)
    spine = f"SELECT _k FROM touched WHERE {_bucket('_k')}" if touched else everybody
    joins = " ".join(f"LEFT JOIN {name} ON {name}._k = spine._k" for name in parts)
    held = " OR ".join(f"{name}._k IS NOT NULL" for name in parts)
    tables = ", ".join(f"{name} AS ({rows})" for name, rows in parts.items())
    return (
        f"WITH {tables}, spine AS ({spine}) "
        f"SELECT spine._k, CASE WHEN {held} THEN to_json({_body(kind, contracts)}) END FROM spine {joins}"
    )


def digest(kind: Kind, kinds: Kinds, contracts: Mapping[str, Contract]) -> str:
    """A digest that changes when the kind's files are to be made differently."""
    return hashlib.sha256(query(kind, kinds, contracts, touched=False).encode()).hexdigest()[:32]


def filter_fault(contract: Contract, predicate: str) -> str:
    """Why the predicate cannot filter the contract's rows; empty if it can."""
    columns = ", ".join(f"NULL::{c.sql_type} AS {quote(c.name)}" for c in contract.columns)
    return _fault(f"SELECT 1 FROM (SELECT {columns}) WHERE CAST(({predicate}) AS BOOLEAN)", [])


def pattern_fault(pattern: str) -> str:
    """Why the text is no regular expression; empty if it is one."""
    return _fault("SELECT regexp_full_match('', $1)", [pattern])


def _fault(trial: str, values: list[str]) -> str:
    with duckdb.connect(config={"enable_external_access": "false"}) as con:
        try:
            con.execute(trial, values).fetchall()
        except duckdb.Error as error:
            return str(error).splitlines()[0]
    return ""


def _valid(kind: Kind, contract: Contract, by: str) -> str:
    """The identifier has the kind's form; its check characters hold too, where the gate has not seen to it already."""
    formed = f"regexp_full_match({_text(by)}, {literal(kind.pattern)})"
    if kind.key_element is None or contract.column(by).element == kind.key_element:
        return formed
    key = Column(by, by, by, element=kind.key_element)
    held = [c.ok for c in checks(key, _text(by), today=_ANY_DAY) if c.code in {"format", "checksum", "date"}]
    return " AND ".join([formed, *held])


def _mine(kind: Kind, kinds: Kinds, contract: Contract, by: str, predicate: str | None, *, touched: bool) -> str:
    parts = [usable(kind, kinds, contract, by), _bucket(_text(by))]
    if predicate:
        parts.append(f"({predicate})")
    if touched:
        parts.append(f"{_text(by)} IN (SELECT _k FROM touched)")
    return " AND ".join(parts)


def _bucket(key: str) -> str:
    return f"hash({key}) % CAST($buckets AS UBIGINT) = CAST($bucket AS UBIGINT)"


def _text(column: str) -> str:
    return f"CAST({quote(column)} AS VARCHAR)"


def _value(column: Column) -> str:
    """The column as JSON can hold it without loss: decimals, dates and UTC timestamps as text."""
    name = quote(column.name)
    match column.type:
        case "string" | "integer" | "boolean":
            return name
        case "number":
            return f"CASE WHEN isfinite({name}) THEN {name} END"
        case "decimal" | "date":
            return _text(column.name)
        case "timestamp":
            return f"replace(strftime({name} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'), '.000000Z', 'Z')"
        case _:
            assert_never(column.type)


def _struct(members: Mapping[str, str]) -> str:
    if not members:
        return "CAST('{}' AS JSON)"
    return "{" + ", ".join(f"{literal(name)}: {value}" for name, value in members.items()) + "}"


def _with_load(rows: str, dataset: str) -> str:
    """The rows, each with the run and the as-of of the load it came with."""
    facts = f"(SELECT * FROM loads WHERE dataset = {literal(dataset)})"
    return f"SELECT r.*, d.run AS _run, d.as_of AS _as_of FROM ({rows}) r LEFT JOIN {facts} d ON d.load = r._load"


def _pick(kind: Kind, kinds: Kinds, pick: Pick, contracts: Mapping[str, Contract], *, touched: bool) -> str:
    contract = contracts[pick.dataset]
    wanted = [c for f in kind.fields for c in f.candidates if c.pick == pick]
    names = dict.fromkeys([c.column for c in wanted] + [c.valid_until for c in wanted if c.valid_until])
    columns = "".join(f", {_value(contract.column(n))} AS {quote('__' + n)}" for n in names)
    mine = _mine(kind, kinds, contract, pick.by, pick.filter, touched=touched)
    rows = f"SELECT {_text(pick.by)} AS _k, _load{columns} FROM {quote(view_name(pick.dataset))} WHERE {mine}"
    if contract.key != (pick.by,):
        newest = f"{quote(pick.latest)} DESC NULLS LAST, " if pick.latest else ""
        rows += f" QUALIFY row_number() OVER (PARTITION BY _k ORDER BY {newest}_load DESC, _seq DESC) = 1"
    return _with_load(rows, pick.dataset)


def _list(kind: Kind, kinds: Kinds, item: ListOf, contracts: Mapping[str, Contract], *, touched: bool) -> str:
    contract = contracts[item.dataset]
    until = _value(contract.column(item.valid_until)) if item.valid_until else _NOTHING
    sides = []
    for i, branch in enumerate(item.branches):
        named = {**{c: c for c in item.columns}, **branch.extra}
        values = _struct({name: _value(contract.column(column)) for name, column in named.items()})
        key = _struct({c: quote(c) for c in contract.key})
        mine = _mine(kind, kinds, contract, branch.by, item.filter, touched=touched)
        sides.append(
            f"SELECT {_text(branch.by)} AS _k, _load, {quote(item.order)} AS _at, {{'key': {key}, 'side': {i}}} AS _tie, "
            f"{values} AS _values, {until} AS _until FROM {quote(view_name(item.dataset))} WHERE {mine}"
        )
    entry = _struct({"values": "_values", "valid_until": "_until", "load": "_load", "run": "_run", "as_of": "_as_of"})
    ordered = f"list({{'at': _at, 'item': {entry}}} ORDER BY _at DESC NULLS LAST, _tie)"
    return f"SELECT _k, {ordered} AS _items FROM ({_with_load(' UNION ALL '.join(sides), item.dataset)}) GROUP BY _k"


def _body(kind: Kind, contracts: Mapping[str, Contract]) -> str:
    picks = kind.picks
    datasets = {name: _described(contracts[name]) for name in kind.datasets}
    return _struct(
        {
            "kind": literal(kind.name),
            "id": "spine._k",
            "fields": _struct({f.name: _survivor(f, picks) for f in kind.fields}),
            "lists": _struct({x.name: _items(kind, i) for i, x in enumerate(kind.lists)}),
            "datasets": _struct(datasets),
            "sources": _struct({p.name: _origin(p, i) for i, p in enumerate(picks)}),
        }
    )


def _survivor(field: Field, picks: Sequence[Pick]) -> str:
    """The first candidate that holds a value, with those that hold another; NULL where none holds any."""
    found = [_candidate(c, picks.index(c.pick)) for c in field.candidates]
    members = ("value", "source", "column", "valid_until")
    first = _struct({**{m: f"c[1].{m}" for m in members}, "conflict": "len(o) > 0", "others": "o"})
    others = "list_filter(c, lambda x: x.value <> c[1].value)"
    chosen = f"list_transform([{others}], lambda o: {first})[1]"
    held = f"list_filter([{', '.join(found)}], lambda x: x.value IS NOT NULL)"
    return f"list_transform([{held}], lambda c: CASE WHEN len(c) > 0 THEN {chosen} END)[1]"


def _candidate(candidate: Candidate, i: int) -> str:
    return _struct(
        {
            "value": f"p_{i}.{quote('__' + candidate.column)}",
            "source": literal(candidate.pick.name),
            "column": literal(candidate.column),
            "valid_until": f"p_{i}.{quote('__' + candidate.valid_until)}" if candidate.valid_until else _NOTHING,
        }
    )


def _items(kind: Kind, i: int) -> str:
    items, since = f"l_{i}._items", kind.lists[i].since_latest
    if since is not None:
        newest = f"l_{[x.name for x in kind.lists].index(since)}._items[1].at"
        items = f"list_filter({items}, lambda x: coalesce(x.at >= {newest}, {newest} IS NULL))"
    return f"coalesce(list_transform({items}, lambda x: x.item), [])"


def _origin(pick: Pick, i: int) -> str:
    facts = {"dataset": literal(pick.dataset), "load": f"p_{i}._load", "run": f"p_{i}._run", "as_of": f"p_{i}._as_of"}
    return f"CASE WHEN p_{i}._k IS NOT NULL THEN {_struct(facts)} END"


def _described(contract: Contract) -> str:
    return _struct(
        {
            "title": literal(contract.title),
            "title_en": literal(contract.title_en),
            "department": literal(contract.provider),
            "department_en": literal(contract.provider_en),
        }
    )
