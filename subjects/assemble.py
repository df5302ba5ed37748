"""Survivorship over whole columns: sorted relations of one hash range become rows of subject files.

1. The spine: every hash once, with the identifier that has it. Two identifiers of one hash raise `Collision`; the caller sorts by another.
2. Picks: the first row of each hash; those that ride on a list seek theirs among its rows. Lists: a hash's rows as they come, so
   their values are not even copied.
3. Fields: of the candidates that hold a value one stands, by the field's conflict policy; those that say otherwise are kept beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from subjects.kinds import Field, Kind, ListOf, Pick
from subjects.layout import load_name, other_fields, plain
from subjects.statement import ridden, rides, until_name
from subjects.streams import hashes

Values = Any
"""An Arrow array; the stubs want its element's type said, which is not known here."""
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


def assemble(kind: Kind, schema: pa.Schema, tables: Mapping[str, pa.Table], moments: Moments) -> pa.Table:
    """Rows of the kind's files in the order of their hashes; `_former` and `_gone` are left empty.

    Raises:
        Collision: two identifiers have one hash.
    """
    spine = _spine([hashes(t) for t in tables.values()])
    rows = {name: _first_rows(spine, hashes(t)) for name, t in tables.items()}
    identifiers = _identifiers(spine, tables, rows)
    tables, rows = {**tables}, {**rows}
    for i, (at, side) in rides(kind).items():
        tables[f"p_{i}"] = tables[f"l_{at}"]
        rows[f"p_{i}"] = _best_rows(kind.picks[i], kind.lists[at], side, spine, tables[f"l_{at}"])
    columns: dict[str, Values] = {"_id": identifiers}
    for i, pick in enumerate(kind.picks):
        columns[load_name(pick.name)] = _taken(tables[f"p_{i}"], "_load", rows[f"p_{i}"])
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
        heads = one[_begins(one)]
        if not len(spine):
            spine = heads
        elif len(heads):
            place = np.minimum(np.searchsorted(spine, heads), len(spine) - 1)
            new = heads[spine[place] != heads]
            if len(new):
                spine = np.sort(np.concatenate([spine, new]))
    return spine


def _begins(sorted_hashes: np.ndarray) -> np.ndarray:
    """Whether a row is the first of its hash."""
    begins = np.ones(len(sorted_hashes), bool)
    begins[1:] = sorted_hashes[1:] != sorted_hashes[:-1]
    return begins


def _first_rows(spine: np.ndarray, sorted_hashes: np.ndarray) -> Values:
    """For each of the spine the number of its first row, NULL where it has none."""
    first = np.flatnonzero(_begins(sorted_hashes))
    if len(first) == len(spine):
        return pa.array(first)
    found = np.full(len(spine), -1, np.int64)
    found[np.searchsorted(spine, sorted_hashes[first])] = first
    return pa.array(found, mask=found < 0)


def _best_rows(pick: Pick, item: ListOf, side: int, spine: np.ndarray, table: pa.Table) -> Values:
    """As `_first_rows`, of the rows that a pick may take: the greatest `latest`, then its own identifier's, then the newest."""
    mine = np.ones(table.num_rows, bool) if len(item.branches) == 1 else _flags(_one(table, "_side")) == side
    if pick.filter:
        mine &= _flags(_one(table, f"_f_{pick.name}"))
    rows = np.flatnonzero(mine)
    begins = np.flatnonzero(_begins(hashes(table)[rows]))
    best, several = rows[begins], np.diff(begins, append=len(rows)) > 1
    if several.any():
        best[several] = _sorted_first(pick, item, table, rows[np.repeat(several, np.diff(begins, append=len(rows)))])
    found = np.full(len(spine), -1, np.int64)
    found[np.searchsorted(spine, hashes(table)[best])] = best
    return pa.array(found, mask=found < 0)


def _sorted_first(pick: Pick, item: ListOf, table: pa.Table, rows: np.ndarray) -> np.ndarray:
    """Of these rows of subjects that have several, the best of each."""
    latest = [ridden(item, pick.latest)] if pick.latest else []
    columns = ["_h", *latest, "_own", "_load", "_seq"]
    few = table.select(list(dict.fromkeys(columns))).take(pa.array(rows))
    keys: Any = [(name, "ascending" if name == "_h" else "descending", "at_end") for name in columns]
    order = pc.sort_indices(few, sort_keys=keys).to_numpy()
    sorted_hashes = hashes(few.select(["_h"]).combine_chunks())[order]
    found: np.ndarray = rows[order[_begins(sorted_hashes)]]
    return found


def _identifiers(spine: np.ndarray, tables: Mapping[str, pa.Table], rows: Mapping[str, Values]) -> Values:
    found: Values | None = None
    for name in sorted(tables, key=lambda n: tables[n].num_rows, reverse=True):
        if found is None or found.null_count:
            keys = _taken(tables[name], "_k", rows[name])
            found = keys if found is None else pc.coalesce(found, keys)
    assert found is not None  # noqa: S101 - a kind has a pick or a list
    for table in tables.values():
        places: Values = pa.array(np.searchsorted(spine, hashes(table)))
        if not pc.all(pc.equal(_one(table, "_k"), found.take(places))).as_py() and table.num_rows:
            raise Collision
    return found


def _field(
    kind: Kind,
    field: Field,
    tables: Mapping[str, pa.Table],
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
    kind: Kind, field: Field, i: int, tables: Mapping[str, pa.Table], rows: Mapping[str, Values], moments: Moments
) -> _Found:
    candidate = field.candidates[i]
    name = f"p_{kind.picks.index(candidate.pick)}"
    table, taken = tables[name], rows[name]
    riding = rides(kind).get(kind.picks.index(candidate.pick))
    column = candidate.column if riding is None else ridden(kind.lists[riding[0]], candidate.column)
    value = _taken(table, column, taken)
    if pa.types.is_floating(value.type):
        value = pc.if_else(pc.is_finite(value), value, None)
    until = (
        _taken(table, until_name(candidate.valid_until), taken)
        if candidate.valid_until
        else pa.nulls(len(taken), pa.string())
    )
    loads = pc.fill_null(_taken(table, "_load", taken), 0)
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
    kind: Kind, i: int, item: ListOf, spine: np.ndarray, tables: Mapping[str, pa.Table], rows: Mapping[str, Values]
) -> Values:
    table = tables[f"l_{i}"]
    if item.since_latest:
        other = f"l_{[x.name for x in kind.lists].index(item.since_latest)}"
        table = _since(table, _taken(tables[other], "_at", rows[other]), spine)
    bounds = np.append(np.searchsorted(hashes(table), spine), table.num_rows)
    names = [*item.names, "_load", "_until"]
    items = pa.StructArray.from_arrays([_finite(_one(table, n)) for n in names], names)
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), items)


def _since(table: pa.Table, newest: Values, spine: np.ndarray) -> pa.Table:
    """The rows that are not older than the newest of another list; all where that has none or no date."""
    floor = newest.take(pa.array(np.searchsorted(spine, hashes(table))))
    late = pc.fill_null(pc.greater_equal(_one(table, "_at"), floor), False)
    return table.filter(pc.or_(late, floor.is_null())).combine_chunks()


def _finite(values: Values) -> Values:
    return pc.if_else(pc.is_finite(values), values, None) if pa.types.is_floating(values.type) else values


def _cast(values: Values, kind: pa.DataType) -> Values:
    return values if values.type == kind else values.cast(kind)


def _offsets(counts: np.ndarray) -> Values:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())


def _flags(values: Values) -> np.ndarray:
    found: np.ndarray = values.to_numpy(zero_copy_only=False)
    return found


def _one(table: pa.Table, name: str) -> Values:
    """A column of a table in one chunk."""
    column = table.column(name)
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _taken(table: pa.Table, name: str, rows: Values) -> Values:
    return _one(table, name).take(rows)
