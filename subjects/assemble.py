"""Survivorship over whole columns: the relations' rows of one hash range become rows of subject files.

1. The spine: every hash once, with the identifier that has it. Two identifiers of one hash raise `Collision`; the caller sorts by another.
2. Picks: the first row of each hash; those that ride on a list seek theirs among its rows. Lists: a hash's rows in their order.
3. Fields: of the candidates that hold a value one stands, by the field's conflict policy; those that say otherwise are kept beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from subjects.kinds import Field, Kind, ListOf, Pick
from subjects.layout import load_name, other_fields, plain
from subjects.statement import NEWEST, ridden, rides, until_name
from subjects.streams import Rows, Values, begins

Moments = Mapping[str, np.ndarray]
"""Of each dataset, when its loads were read, as seconds, by load number."""


class Collision(Exception):
    """Two identifiers have the same hash."""


@dataclass(frozen=True)
class _Found:
    """One candidate of a field, a value a subject: NULL where it holds none."""

    value: Values
    until: Values
    as_of: np.ndarray

    @property
    def held(self) -> np.ndarray:
        return _flags(self.value.is_valid())


def assemble(kind: Kind, schema: pa.Schema, tables: Mapping[str, Rows], moments: Moments) -> pa.Table:
    """Rows of the kind's files in the order of their hashes; `_former` and `_gone` are left empty.

    Raises:
        Collision: two identifiers have one hash.
    """
    spine = _spine([t.hashes for t in tables.values()])
    rows = {name: _first_rows(spine, t.hashes) for name, t in tables.items()}
    identifiers = _identifiers(spine, tables, rows)
    tables, rows = {**tables}, {**rows}
    for i, (at, side) in rides(kind).items():
        tables[f"p_{i}"] = tables[f"l_{at}"]
        rows[f"p_{i}"] = _best_rows(kind.picks[i], kind.lists[at], side, spine, tables[f"l_{at}"])
    columns: dict[str, Values] = {"_id": identifiers}
    for i, pick in enumerate(kind.picks):
        columns[load_name(pick.name)] = tables[f"p_{i}"].taken("_load", rows[f"p_{i}"])
    for field in kind.fields:
        columns |= _field(kind, field, tables, rows, moments, schema)
    for i, item in enumerate(kind.lists):
        columns[item.name] = _list(kind, i, item, spine, tables, rows)
    return pa.table([_column(columns.get(f.name), f, len(spine)) for f in schema], schema=schema)


def _column(found: Values | None, field: Values, rows: int) -> Values:
    if found is None:
        return pa.nulls(rows, field.type)
    return found if found.type == field.type else found.cast(field.type)


def _spine(sorted_hashes: list[np.ndarray]) -> np.ndarray:
    """Every hash once, sorted. Most relations tell of subjects that the longest one has: only the others are merged in."""
    spine = np.empty(0, np.uint64)
    for one in sorted(sorted_hashes, key=len, reverse=True):
        heads = one[begins(one)]
        if not len(spine):
            spine = heads
        elif len(heads):
            place = np.minimum(np.searchsorted(spine, heads), len(spine) - 1)
            new = heads[spine[place] != heads]
            if len(new):
                spine = np.sort(np.concatenate([spine, new]))
    return spine


def _first_rows(spine: np.ndarray, sorted_hashes: np.ndarray) -> Values:
    """For each of the spine the number of its first row, NULL where it has none."""
    first = np.flatnonzero(begins(sorted_hashes))
    if len(first) == len(spine):
        return pa.array(first)
    found = np.full(len(spine), -1, np.int64)
    found[np.searchsorted(spine, sorted_hashes[first])] = first
    return pa.array(found, mask=found < 0)


def _best_rows(pick: Pick, item: ListOf, side: int, spine: np.ndarray, rows: Rows) -> Values:
    """As `_first_rows`, of the rows that a pick may take: the greatest `latest`, then its own identifier's, then the newest."""
    mine = np.ones(len(rows), bool) if len(item.branches) == 1 else _flags(rows.column("_side")) == side
    if pick.filter:
        mine &= _flags(rows.column(f"_f_{pick.name}"))
    order = [(name, "descending") for name in (*([ridden(item, pick.latest)] if pick.latest else ()), *NEWEST)]
    best = rows.best(np.flatnonzero(mine), order)
    found = np.full(len(spine), -1, np.int64)
    found[np.searchsorted(spine, rows.hashes[best])] = best
    return pa.array(found, mask=found < 0)


def _identifiers(spine: np.ndarray, tables: Mapping[str, Rows], rows: Mapping[str, Values]) -> Values:
    found: Values | None = None
    for name in sorted(tables, key=lambda n: len(tables[n]), reverse=True):
        if found is None or found.null_count:
            keys = tables[name].taken("_k", rows[name])
            found = keys if found is None else pc.coalesce(found, keys)
    assert found is not None  # noqa: S101 - a kind has a pick or a list
    for table in tables.values():
        places: Values = pa.array(np.searchsorted(spine, table.hashes))
        if len(table) and not pc.all(pc.equal(table.column("_k"), found.take(places))).as_py():
            raise Collision
    return found


def _field(
    kind: Kind,
    field: Field,
    tables: Mapping[str, Rows],
    rows: Mapping[str, Values],
    moments: Moments,
    schema: pa.Schema,
) -> dict[str, Values]:
    found = [_candidate(kind, field, i, tables, rows, moments) for i in range(len(field.candidates))]
    if plain(field):
        return {field.name: found[0].value}
    kind_of = schema.field(field.name).type
    values = [_cast(f.value, kind_of) for f in found]
    chosen, differing = _chosen(field, found, values)
    place = pa.array(chosen, mask=chosen < 0)
    return {
        field.name: pc.choose(place, *values),
        f"_from_{field.name}": pa.array(chosen),
        f"_until_{field.name}": pc.choose(place, *(f.until for f in found)),
        f"_others_{field.name}": _others(differing, values, found, kind_of),
    }


def _candidate(
    kind: Kind, field: Field, i: int, tables: Mapping[str, Rows], rows: Mapping[str, Values], moments: Moments
) -> _Found:
    candidate = field.candidates[i]
    name = f"p_{kind.picks.index(candidate.pick)}"
    table, taken = tables[name], rows[name]
    riding = rides(kind).get(kind.picks.index(candidate.pick))
    column = candidate.column if riding is None else ridden(kind.lists[riding[0]], candidate.column)
    value = table.taken(column, taken)
    if pa.types.is_floating(value.type):
        value = pc.if_else(pc.is_finite(value), value, None)
    until = (
        table.taken(until_name(candidate.valid_until), taken)
        if candidate.valid_until
        else pa.nulls(len(taken), pa.string())
    )
    loads = pc.fill_null(table.taken("_load", taken), 0)
    return _Found(value, until, moments[candidate.pick.dataset][loads.to_numpy(zero_copy_only=False)])


def _chosen(field: Field, found: list[_Found], values: list[Values]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The place of the candidate that stands for each subject (-1: none), and for each candidate where it says otherwise."""
    held = np.array([f.held for f in found])
    if field.conflict == "newest":
        as_of = np.where(held, np.array([f.as_of for f in found]), np.iinfo(np.int64).min)
        chosen = as_of.argmax(axis=0)
    else:
        chosen = held.argmax(axis=0)
    chosen = np.where(held.any(axis=0), chosen, -1).astype(np.int8)
    standing = pc.choose(pa.array(chosen, mask=chosen < 0), *values)
    differing = [_flags(pc.fill_null(pc.not_equal(value, standing), False)) for value in values]
    if field.conflict == "none":
        disputed = np.array(differing).any(axis=0)
        chosen = np.where(disputed, -1, chosen).astype(np.int8)
        differing = [disputed & one for one in held]
    return chosen, differing


def _others(differing: list[np.ndarray], values: list[Values], found: list[_Found], kind: pa.DataType) -> Values:
    """The losing candidates of each subject in order of declaration; NULL where nobody says otherwise."""
    where = [np.flatnonzero(one) for one in differing]
    places = np.concatenate(where)
    order: Values = pa.array(np.argsort(places, kind="stable"))
    sources = pa.array(np.concatenate([np.full(len(w), i, np.int8) for i, w in enumerate(where)]))
    texts = pa.concat_arrays([v.take(pa.array(w)) for v, w in zip(values, where, strict=True)])
    untils = pa.concat_arrays([f.until.take(pa.array(w)) for f, w in zip(found, where, strict=True)])
    counts = np.bincount(places, minlength=len(differing[0]))
    items = pa.StructArray.from_arrays([one.take(order) for one in (sources, texts, untils)], fields=other_fields(kind))
    return pa.ListArray.from_arrays(_offsets(counts), items, mask=pa.array(counts == 0))


def _list(
    kind: Kind, i: int, item: ListOf, spine: np.ndarray, tables: Mapping[str, Rows], rows: Mapping[str, Values]
) -> Values:
    table = tables[f"l_{i}"]
    if item.since_latest:
        at, other = next((at, x) for at, x in enumerate(kind.lists) if x.name == item.since_latest)
        newest = tables[f"l_{at}"].taken(ridden(other, other.order), rows[f"l_{at}"])
        table = _since(table, ridden(item, item.order), newest, spine)
    bounds = np.append(np.searchsorted(table.hashes, spine), len(table))
    until = table.column("_until") if item.valid_until else pa.nulls(len(table), pa.string())
    values = [*(_finite(table.column(name)) for name in item.names), table.column("_load"), until]
    items = pa.StructArray.from_arrays(values, [*item.names, "_load", "_until"])
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), items)


def _since(rows: Rows, order: str, newest: Values, spine: np.ndarray) -> Rows:
    """The rows that are not older than the newest of another list; all where that has none or no date."""
    floor = newest.take(pa.array(np.searchsorted(spine, rows.hashes)))
    late = pc.fill_null(pc.greater_equal(rows.column(order), floor), False)
    return rows.where(_flags(pc.or_(late, floor.is_null())))


def _finite(values: Values) -> Values:
    return pc.if_else(pc.is_finite(values), values, None) if pa.types.is_floating(values.type) else values


def _cast(values: Values, kind: pa.DataType) -> Values:
    return values if values.type == kind else values.cast(kind)


def _offsets(counts: np.ndarray) -> Values:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())


def _flags(values: Values) -> np.ndarray:
    found: np.ndarray = values.to_numpy(zero_copy_only=False)
    return found
