"""One subject kind as SQL for DuckDB: for each pick and each list one relation, with the hash of the subject's identifier.

1. Rows are found in the views `v_<dataset>`; `aliases` (former, surviving) turns a merged identifier into the surviving one.
2. Of those whose identifier is usable and falls into the bucket, a pick's best row is to come first, a list's rows in the list's order.
   A pick whose rows are a list's anyway rides on it: the list's relation then has the columns that the pick wants as well.
3. `subjects.assemble` walks all the relations side by side: what has one hash is one subject.

Nothing is joined or aggregated here, so memory does not grow with the city. Contracts have no column that starts with `_`, so ours do.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import assert_never

import duckdb

from schemas.contract import Column, Contract
from schemas.expressions import checks
from subjects.kinds import Kind, Kinds, ListOf, Pick, sharing
from subjects.streams import Relation

NEWEST = ("_own", "_load", "_seq")
"""What settles which of a subject's rows is newest: of its own identifier, and not of one merged into it; then the load; then landing order."""
_ANY_DAY = date(9998, 12, 31)  # an identifier's own checks do not depend on the day


@dataclass(frozen=True)
class Share:
    """Which subjects a query is of: those of one hash bucket, or with `some` those in the table `wanted` (_k).

    `merged` says whether any identifier was merged into another. Identifiers with one hash are told apart by another `salt`.
    """

    bucket: int = 0
    buckets: int = 1
    merged: bool = False
    salt: int = 0
    some: bool = False


def view_name(dataset: str) -> str:
    """The name under which a build sees a dataset's current view."""
    return f"v_{dataset}"


def quote(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted SQL string."""
    return "'" + text.replace("'", "''") + "'"


def usable(kind: Kind, kinds: Kinds, contract: Contract, by: str, text: str = "") -> str:
    """SQL predicate: column `by` (or `text`, in its place) holds an identifier of this kind, and of no other that the column may name."""
    others = [k for k in sharing(kind, kinds, (contract.dataset, by)) if kind.name not in k.yields_to]
    mine = _valid(kind, contract, by, text or _text(by))
    return " AND ".join([mine, *(f"NOT ({_valid(other, contract, by, text or _text(by))})" for other in others)])


def linked(kind: Kind, kinds: Kinds, contract: Contract, by: str, text: str = "") -> str:
    """SQL predicate: column `by` names a subject, of this kind or another that it may name."""
    everyone = (kind, *sharing(kind, kinds, (contract.dataset, by)))
    return " OR ".join(f"coalesce({usable(k, kinds, contract, by, text)}, false)" for k in everyone)


def why_not(kind: Kind, contract: Contract, by: str, text: str) -> str:
    """SQL text: why an identifier that `linked` does not affirm names no subject of this kind (see `subjects.review`)."""
    return (
        f"CASE WHEN {text} IS NULL THEN 'missing' WHEN NOT {_formed(kind, text)} THEN 'form' "
        f"WHEN NOT coalesce({_valid(kind, contract, by, text)}, false) THEN 'check' ELSE 'ambiguous' END"
    )


def queries(kind: Kind, kinds: Kinds, contracts: Mapping[str, Contract], share: Share) -> dict[str, Relation]:
    """A relation for each list (`l_0`, …) and each pick that rides on none (`p_0`, …): `_h` (the hash), `_k` (the identifier), `_load`, and more.

    Rows whose `_ok` is not true are nobody's.
    """
    riding = rides(kind)
    picks = [(i, pick) for i, pick in enumerate(kind.picks) if i not in riding]
    return {f"p_{i}": _pick(kind, kinds, pick, contracts[pick.dataset], share) for i, pick in picks} | {
        f"l_{i}": _list(kind, kinds, i, contracts[item.dataset], share) for i, item in enumerate(kind.lists)
    }


def rides(kind: Kind) -> dict[int, tuple[int, int]]:
    """The picks, by place, whose rows are those of one side of a list: the places of list and side."""
    sides = {
        (item.dataset, branch.by, item.filter): (i, j)
        for i, item in enumerate(kind.lists)
        for j, branch in enumerate(item.branches)
    }
    found = {
        i: sides.get((p.dataset, p.by, None), sides.get((p.dataset, p.by, p.filter))) for i, p in enumerate(kind.picks)
    }
    return {i: side for i, side in found.items() if side is not None}


def ridden(item: ListOf, column: str) -> str:
    """What a list's relation calls a column that a pick wants."""
    return column if column in item.columns else f"_c_{column}"


def digest(kind: Kind, kinds: Kinds, contracts: Mapping[str, Contract]) -> str:
    """A digest that changes when the kind's files are to be made differently."""
    shown = {
        d: [contracts[d].title, contracts[d].title_en, contracts[d].provider, contracts[d].provider_en]
        for d in kind.datasets
    }
    classes = {d: {c.name: (c.sql_type, c.classification) for c in contracts[d].columns} for d in kind.datasets}
    fields = [(f.name, f.conflict, [(c.pick.name, c.column, c.valid_until) for c in f.candidates]) for f in kind.fields]
    lists = [(x.name, x.names, x.valid_until, x.since_latest) for x in kind.lists]
    made = {name: (r.sql, r.order) for name, r in queries(kind, kinds, contracts, Share(merged=True)).items()}
    text = json.dumps([made, fields, lists, shown, classes])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def until_name(column: str) -> str:
    """What a pick's query calls the text of a column that says until when its row is valid."""
    return f"_until_{column}"


def json_value(column: Column, name: str) -> str:
    """The SQL value `name` of the column's type as JSON can hold it without loss: decimals, dates and UTC timestamps as text."""
    match column.type:
        case "string" | "integer" | "boolean":
            return name
        case "number":
            return f"CASE WHEN isfinite({name}) THEN {name} END"
        case "decimal" | "date":
            return f"CAST({name} AS VARCHAR)"
        case "timestamp":
            return f"replace(strftime({name} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'), '.000000Z', 'Z')"
        case _:
            assert_never(column.type)


def filter_fault(contract: Contract, predicate: str) -> str:
    """Why the predicate cannot filter the contract's rows; empty if it can."""
    columns = ", ".join(f"NULL::{c.sql_type} AS {quote(c.name)}" for c in contract.columns)
    return _fault(f"SELECT 1 FROM (SELECT {columns}) WHERE CAST(({predicate}) AS BOOLEAN)", [])


def pattern_fault(pattern: str) -> str:
    """Why the text is no regular expression; empty if it is one."""
    return _fault("SELECT regexp_full_match('', $1)", [pattern])


def keyed(contract: Contract, by: str, *, merged: bool) -> str:
    """The view's rows, each with its subject's identifier `_k`, and whether it came under that very identifier (`_own`)."""
    view = quote(view_name(contract.dataset))
    if not merged:
        return f"SELECT *, {_text(by)} AS _k, true AS _own FROM {view}"
    key = f"coalesce(a.surviving, CAST(v.{quote(by)} AS VARCHAR))"
    return (
        f"SELECT v.*, {key} AS _k, a.surviving IS NULL AS _own FROM {view} v "
        f"LEFT JOIN aliases a ON a.former = CAST(v.{quote(by)} AS VARCHAR)"
    )


def _fault(trial: str, values: list[str]) -> str:
    with duckdb.connect(config={"enable_external_access": "false"}) as con:
        try:
            con.execute(trial, values).fetchall()
        except duckdb.Error as error:
            return str(error).splitlines()[0]
    return ""


def _valid(kind: Kind, contract: Contract, by: str, text: str) -> str:
    """The identifier has the kind's form; its check characters hold too, where the gate has not seen to it already."""
    return " AND ".join([_formed(kind, text), *_checked(kind, contract, by, text)])


def _formed(kind: Kind, text: str) -> str:
    return f"regexp_full_match({text}, {literal(kind.pattern)})"


def _checked(kind: Kind, contract: Contract, by: str, text: str) -> list[str]:
    if kind.key_element is None or contract.column(by).element == kind.key_element:
        return []
    key = Column(by, by, by, element=kind.key_element)
    return [c.ok for c in checks(key, text, today=_ANY_DAY) if c.code in {"format", "checksum", "date"}]


def _ok(kind: Kind, kinds: Kinds, contract: Contract, by: str) -> str:
    """What must hold of an identifier of the kind's form besides; `true` if nothing.

    It is a column of the relation and no condition, which DuckDB would evaluate part by part, and `least` is no AND, for the same reason.
    """
    others = [k for k in sharing(kind, kinds, (contract.dataset, by)) if kind.name not in k.yields_to]
    taken = [f"NOT least({', '.join([_formed(k, '_k'), *_checked(k, contract, by, '_k'), 'true'])})" for k in others]
    held = [*_checked(kind, contract, by, "_k"), *taken]
    return f"least({', '.join([*held, 'true'])})" if held else "true"


def _mine(kind: Kind, predicate: str | None, share: Share) -> str:
    """Rows of the share whose identifier has the kind's form; the bucket first, as it is far cheaper to look at."""
    mine = _formed(kind, "_k")
    if share.buckets > 1:
        mine = f"CASE WHEN hash(_k) % {share.buckets:d} = {share.bucket:d} THEN {mine} ELSE false END"
    if share.some:  # a row that one subject wants may be another's as well
        mine = f"{mine} AND _k IN (SELECT _k FROM wanted)"
    return f"{mine} AND ({predicate})" if predicate else mine


def _hash(share: Share) -> str:
    return "hash(_k)" if not share.salt else f"hash(_k || '#{share.salt:d}')"


def _text(column: str) -> str:
    return f"CAST({quote(column)} AS VARCHAR)"


def _wanted(kind: Kind, pick: Pick) -> tuple[list[str], list[str]]:
    """The columns that a pick's fields want, and those that say until when they are valid."""
    wanted = [c for f in kind.fields for c in f.candidates if c.pick == pick]
    return list(dict.fromkeys(c.column for c in wanted)), list(
        dict.fromkeys(c.valid_until for c in wanted if c.valid_until)
    )


def _untils(contract: Contract, names: Sequence[str]) -> str:
    return "".join(f", {json_value(contract.column(n), quote(n))} AS {quote(until_name(n))}" for n in names)


def _pick(kind: Kind, kinds: Kinds, pick: Pick, contract: Contract, share: Share) -> Relation:
    names, untils = _wanted(kind, pick)
    alone = contract.key == (pick.by,) and not share.merged
    order = () if alone else tuple((name, "descending") for name in (*filter(None, [pick.latest]), *NEWEST))
    shown = dict.fromkeys([*names, *(name for name, _ in order)])
    columns = "".join(f", {quote(name)}" for name in shown if name != "_load") + _untils(contract, untils)
    mine, ok = _mine(kind, pick.filter, share), _ok(kind, kinds, contract, pick.by)
    rows = keyed(contract, pick.by, merged=share.merged)
    checked = "" if ok == "true" else f", {ok} AS _ok"
    return Relation(f"SELECT {_hash(share)} AS _h, _k, _load{columns}{checked} FROM ({rows}) WHERE {mine}", order)


def _list(kind: Kind, kinds: Kinds, at: int, contract: Contract, share: Share) -> Relation:
    item, riders = kind.lists[at], [kind.picks[i] for i, (j, _) in rides(kind).items() if j == at]
    until = (
        f", {json_value(contract.column(item.valid_until), quote(item.valid_until))} AS _until"
        if item.valid_until
        else ""
    )
    oks = [_ok(kind, kinds, contract, branch.by) for branch in item.branches]
    checked = ["" if set(oks) == {"true"} else f", {ok} AS _ok" for ok in oks]
    more, sides = _besides(kind, item, contract, riders), []
    for i, branch in enumerate(item.branches):
        named = {**{c: c for c in item.columns}, **branch.extra}
        values = "".join(f", {quote(column)} AS {quote(name)}" for name, column in named.items())
        rows, mine = keyed(contract, branch.by, merged=share.merged), _mine(kind, item.filter, share)
        ours = f"{_hash(share)} AS _h, _k, _load{until}{values}{more}{checked[i]}, {i}::TINYINT AS _side"
        sides.append(f"SELECT {ours} FROM ({rows}) WHERE {mine}")
    ties = [(ridden(item, name), "ascending") for name in contract.key]
    return Relation(
        " UNION ALL ".join(sides), ((ridden(item, item.order), "descending"), *ties, ("_side", "ascending"))
    )


def _besides(kind: Kind, item: ListOf, contract: Contract, riders: Sequence[Pick]) -> str:
    """What a list's rows have besides its values: what they are sorted by, and what the picks want that ride on it."""
    wanted = [_wanted(kind, pick) for pick in riders]
    names = dict.fromkeys(
        [
            item.order,
            *contract.key,
            *(n for columns, _ in wanted for n in columns),
            *(p.latest for p in riders if p.latest),
        ]
    )
    columns = {ridden(item, n): quote(n) for n in names if n not in item.columns}
    columns |= {f"_f_{p.name}": f"coalesce(CAST(({p.filter}) AS BOOLEAN), false)" for p in riders if p.filter}
    own = ", _own, _seq" if riders else ""
    untils = list(dict.fromkeys(n for _, names in wanted for n in names))
    return "".join(f", {value} AS {quote(name)}" for name, value in columns.items()) + own + _untils(contract, untils)
