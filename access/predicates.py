"""What of a dataset's rows a decision lets a client see, compiled to SQL. The one place where grants and filters become predicates.

1. A cell is seen if some grant that the decision rests on has its column and admits its row. A row is there if any of the columns that
   are answered is seen in it. A cell that is not seen is null, and its column is named in the row's `_withheld`.
2. What a client filters by meets only what it sees: `salary = 9` holds for no row whose salary is withheld, so a filter is no oracle.
3. Rows come in the order of the key where every grant has the whole key; else in an order that tells nothing of it, that of a salted digest.
4. A change is told if what is seen of the row differs, as a delete if the row is not seen any more. So neither a change in a withheld
   column nor a row outside of the grants leaves a trace.

A grant whose filter cannot be read under the contract of today admits no row. The texts here are DuckDB's; values travel as parameters, never
as text, and nothing but column names of a contract is quoted into it. `hub` runs them over what `lake` keeps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from access.decision import Decision
from access.rows import Condition, RowFilter, Scalar, parse
from ledger.grants import Grant
from schemas.contract import Contract
from schemas.errors import Invalid

WITHHELD = "_withheld"
_Place = tuple[str, str]
"""An expression that rows are ordered by, and its SQL type."""
_COMPARED = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Parameters(dict[str, Scalar]):
    """Values of one statement, bound by name."""

    def bind(self, value: Scalar, kind: str) -> str:
        """How the statement calls the value, as one of a SQL type."""
        name = f"v{len(self)}"
        self[name] = value
        return f"CAST(${name} AS {kind})"


@dataclass(frozen=True)
class Statement:
    """SQL text and its parameters."""

    sql: str
    parameters: Parameters


@dataclass(frozen=True)
class Sight:
    """What of a contract's rows is seen: the columns answered, and for any column the filters through which it is; None admits no row.

    `only` is what every row must meet, seen or not: whom a consent is about. `salt` is the client's own, for the order of rows whose key it
    does not see.
    """

    contract: Contract
    fields: tuple[str, ...]
    filters: tuple[RowFilter | None, ...]
    through: Mapping[str, frozenset[int]]
    only: RowFilter = field(default_factory=RowFilter)
    salt: str = field(default="", repr=False)

    @cached_property
    def by_key(self) -> bool:
        """Whether the whole key is seen wherever anything is."""
        return all(self.always(name) for name in self.contract.key)

    @cached_property
    def even(self) -> bool:
        """Whether every column answered is seen in every row that is."""
        return all(self.always(name) for name in self.fields)

    @cached_property
    def _anywhere(self) -> frozenset[int]:
        return frozenset().union(*(self.through[name] for name in self.fields))

    def always(self, name: str) -> bool:
        """Whether the column is seen in every row that is."""
        return any(self._admits_all(n) for n in self.through[name]) or self.through[name] >= self._anywhere

    def _admits_all(self, place: int) -> bool:
        return self.filters[place] == RowFilter()

    def seen(self, *names: str) -> str:
        """The predicate that any of the columns is seen in a row that `_judged` selected."""
        places = sorted(frozenset().union(*(self.through[name] for name in names)))
        if any(self._admits_all(place) for place in places):
            return "true"
        return "(" + (" OR ".join(f"_through_{place}" for place in places) or "false") + ")"


def sight(
    contract: Contract, decision: Decision, fields: Sequence[str], *, only: RowFilter | None = None, salt: str
) -> Sight:
    """What the decision lets be seen of the contract's rows, in those of its allowed fields."""
    filters: dict[RowFilter | None, int] = {}
    through: dict[str, set[int]] = {column.name: set() for column in contract.columns}
    for grant in decision.grants:
        place = filters.setdefault(_admitted(grant, contract), len(filters))
        for name, places in through.items():
            if grant.fields is None or name in grant.fields:
                places.add(place)
    seen = {name: frozenset(places) for name, places in through.items()}
    answered = tuple(name for name in fields if name in decision.allowed)
    return Sight(contract, answered, tuple(filters), seen, only or RowFilter(), salt)


def page(
    sight: Sight,
    relation: str,
    where: RowFilter,
    *,
    after: Sequence[str] = (),
    limit: int,
    subjects: Sequence[str] = (),
) -> Statement:
    """The next `limit` rows seen of a relation of the contract's columns, after the row at a place.

    Columns: those answered, `_withheld`, then `_place_0`, … (the row's place, as texts) and `_subject_0`, … (what `subjects` hold, seen or
    not: for the budget, not for the answer).
    """
    parameters = Parameters()
    places = _places(sight, parameters)
    selected = [*_cells(sight), *_told_places(places), *_told_subjects(subjects)]
    kept = " AND ".join([_kept(sight, where, parameters), *_later(places, after, parameters)])
    judged = _judged(sight, relation, parameters)
    return Statement(
        f"SELECT {', '.join(selected)} FROM ({judged}) WHERE {kept} {_order(places)} LIMIT {limit:d}", parameters
    )


def everything(sight: Sight, relation: str, where: RowFilter) -> Statement:
    """Every row seen of a relation: the columns answered, and `_withheld` unless all see the same."""
    parameters = Parameters()
    kept = _kept(sight, where, parameters)
    cells = _cells(sight)[: len(sight.fields)] if sight.even else _cells(sight)
    judged = _judged(sight, relation, parameters)
    order = "" if sight.by_key else f" {_order(_places(sight, parameters))}"
    return Statement(f"SELECT {', '.join(cells)} FROM ({judged}) WHERE {kept}{order}", parameters)


def subjects(sight: Sight, relation: str, where: RowFilter, columns: Sequence[str]) -> Statement:
    """The distinct subjects, `kind` the column's place in `columns` and `subject`, that the rows seen of a relation are about."""
    parameters = Parameters()
    kept = _kept(sight, where, parameters)
    judged = _judged(sight, relation, parameters)
    each = [f"SELECT {n} AS kind, {quoted(c)}::VARCHAR AS subject FROM seen" for n, c in enumerate(columns)]
    listed = " UNION ".join(f"{one} WHERE {quoted(c)} IS NOT NULL" for one, c in zip(each, columns, strict=True))
    return Statement(f"WITH seen AS (SELECT * FROM ({judged}) WHERE {kept}) {listed}", parameters)


def changes(
    sight: Sight, before: str, after: str, *, place: Sequence[str] = (), limit: int, subjects: Sequence[str] = ()
) -> Statement:
    """The next `limit` changes between two states of the same keys, after a place: what is seen anew or otherwise, and what is no more.

    Columns: the key's, `_op` (upsert or delete), the other columns answered (null in a delete), `_withheld`, `_place_…` and `_subject_…`.
    """
    parameters = Parameters()
    key = sight.contract.key
    there = " AND ".join(sight.seen(name) for name in key)
    others = [name for name in sight.fields if name not in key]
    cells = [_cell(sight, name) for name in others] + [_withheld(sight)]
    raw = [f"{quoted(name)} AS _subject_{n}" for n, name in enumerate(subjects)]

    def state(relation: str) -> str:
        keys = ", ".join(map(quoted, key))
        return f"SELECT {', '.join([keys, *cells, *raw])} FROM ({_judged(sight, relation, parameters)}) WHERE {there}"

    names = [quoted(name) for name in others] + [WITHHELD]
    same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in names)
    on = " AND ".join(f"a.{quoted(name)} = b.{quoted(name)}" for name in key)
    either = [f"coalesce(a.{quoted(name)}, b.{quoted(name)}) AS {quoted(name)}" for name in key]
    about = [f"coalesce(a._subject_{n}, b._subject_{n})::VARCHAR AS _subject_{n}" for n, _ in enumerate(subjects)]
    first = quoted(key[0])
    told = [
        *either, f"CASE WHEN a.{first} IS NULL THEN 'delete' ELSE 'upsert' END AS _op", *(f"a.{name} AS {name}" for name in names), *about,
    ]  # fmt: skip
    moved = (
        f"SELECT {', '.join(told)} FROM ({state(after)}) a FULL JOIN ({state(before)}) b ON {on} "
        f"WHERE a.{first} IS NULL OR b.{first} IS NULL OR NOT ({same})"
    )
    places = _key_places(sight.contract)
    kept = _later(places, place, parameters) or ["true"]
    sql = (
        f"SELECT *, {', '.join(_told_places(places))} FROM ({moved}) WHERE {' AND '.join(kept)} "
        f"{_order(places)} LIMIT {limit:d}"
    )
    return Statement(sql, parameters)


def quoted(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _admitted(grant: Grant, contract: Contract) -> RowFilter | None:
    try:
        return parse(grant.row_filter, contract)
    except Invalid:
        return None


def _judged(sight: Sight, relation: str, parameters: Parameters) -> str:
    """The relation with a column for each filter that says whether it admits the row (true, or not)."""
    columns = {column.name: column.sql_type for column in sight.contract.columns}
    verdicts = []
    for place, rows in enumerate(sight.filters):
        if rows is None or rows.conditions:
            conditions = rows.conditions if rows else ()
            admitted = " AND ".join(_sql(one, columns, parameters) for one in conditions) or "false"
            verdicts.append(f"({admitted}) AS _through_{place}")
    only = " AND ".join(_sql(one, columns, parameters) for one in sight.only.conditions) or "true"
    return f"SELECT {', '.join(['*', *verdicts])} FROM {relation} WHERE {only}"


def _kept(sight: Sight, where: RowFilter, parameters: Parameters) -> str:
    """The predicate that a row is seen and meets the client's own conditions, each over what the client sees."""
    columns = {column.name: column.sql_type for column in sight.contract.columns}
    asked = (f"{sight.seen(one.column)} AND {_sql(one, columns, parameters)}" for one in where.conditions)
    return " AND ".join([sight.seen(*sight.fields), *asked])


def _sql(condition: Condition, columns: Mapping[str, str], parameters: Parameters) -> str:
    name, kind = quoted(condition.column), columns[condition.column]
    values = [parameters.bind(value, kind) for value in condition.values]
    match condition.op:
        case "null":
            return f"{name} IS NULL"
        case "not_null":
            return f"{name} IS NOT NULL"
        case "prefix":
            return f"starts_with({name}, {values[0]})"
        case "in":
            return f"{name} IN ({', '.join(values)})"
        case _:
            return f"{name} {_COMPARED[condition.op]} {values[0]}"


def _cells(sight: Sight) -> list[str]:
    return [*(_cell(sight, name) for name in sight.fields), _withheld(sight)]


def _cell(sight: Sight, name: str) -> str:
    return (
        quoted(name)
        if sight.always(name)
        else f"CASE WHEN {sight.seen(name)} THEN {quoted(name)} END AS {quoted(name)}"
    )


def _withheld(sight: Sight) -> str:
    """The names of the columns that are not seen in the row, with commas between."""
    hidden = [
        f"CASE WHEN {sight.seen(name)} THEN NULL ELSE '{name}' END" for name in sight.fields if not sight.always(name)
    ]
    return (f"concat_ws(',', {', '.join(hidden)})" if hidden else "''") + f" AS {WITHHELD}"


def _places(sight: Sight, parameters: Parameters) -> list[_Place]:
    """What rows are ordered by, together different for every row."""
    if sight.by_key:
        return _key_places(sight.contract)
    texts = ", ".join(f"{quoted(name)}::VARCHAR" for name in sight.contract.key)
    return [(f"sha256({parameters.bind(sight.salt, 'VARCHAR')} || to_json([{texts}])::VARCHAR)", "VARCHAR")]


def _key_places(contract: Contract) -> list[_Place]:
    return [(quoted(name), contract.column(name).sql_type) for name in contract.key]


def _order(places: Sequence[_Place]) -> str:
    return "ORDER BY " + ", ".join(expression for expression, _ in places)


def _told_places(places: Sequence[_Place]) -> list[str]:
    return [f"{expression}::VARCHAR AS _place_{n}" for n, (expression, _) in enumerate(places)]


def _told_subjects(names: Sequence[str]) -> list[str]:
    return [f"{quoted(name)}::VARCHAR AS _subject_{n}" for n, name in enumerate(names)]


def _later(places: Sequence[_Place], after: Sequence[str], parameters: Parameters) -> list[str]:
    """The predicates that a row comes after a place; the first bounds what is read at all."""
    if not after:
        return []
    bounds = [(p, parameters.bind(text, kind)) for text, (p, kind) in zip(after, places, strict=True)]
    cases = [
        " AND ".join([*(f"{p} = {b}" for p, b in bounds[:n]), f"{bounds[n][0]} > {bounds[n][1]}"])
        for n in range(len(bounds))
    ]
    return [f"{bounds[0][0]} >= {bounds[0][1]}", "(" + " OR ".join(f"({one})" for one in cases) + ")"]
