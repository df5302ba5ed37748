"""What a build reads, as DuckDB's views, and the files that come of it: everybody's, those touched, or one subject's as of any day."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from subjects import layout, merges, statement
from subjects.assemble import Moments, assemble
from subjects.file import as_of
from subjects.kinds import Kind
from subjects.merges import Merged
from subjects.statement import Share
from subjects.streams import side_by_side
from subjects.work import Room, Sources, Work

_PIECE = 100_000


@contextmanager
def connected(room: Room) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB session within the room."""
    with duckdb.connect() as con:
        con.execute(f"SET memory_limit = '{max(room.memory_mb, 64):d}MB'")
        con.execute(f"SET threads = {room.threads:d}")
        con.execute("SET preserve_insertion_order = false")
        con.execute("SET TimeZone = 'UTC'")
        if room.folder is not None:
            con.execute(f"SET temp_directory = {statement.literal(str(room.folder))}")
        yield con


def views(con: duckdb.DuckDBPyConnection, kind: Kind, sources: Sources, work: Work) -> Merged:
    """Make the views of a build: of everybody's rows, or of those that new loads and decisions touched; the merges that stand."""
    now, upto = aliases(con, kind, sources, work.merges[1]), work.pending.upto
    if work.pending.since is None:
        everybodys(con, kind, sources, upto)
    else:
        _touched(con, kind, sources, work)
        only_touched(con, kind, sources, upto)
    return now


def aliases(con: duckdb.DuckDBPyConnection, kind: Kind, sources: Sources, decided: int) -> Merged:
    """Make table `aliases` (former, surviving) as of the decision number `decided`; the merges that stand."""
    now = merges.merged(sources.decisions.get(kind.name, ()), decided)
    con.execute("CREATE TABLE aliases (former VARCHAR, surviving VARCHAR)")
    if now.aliases:
        con.executemany("INSERT INTO aliases VALUES ($1, $2)", list(now.aliases.items()))
    return now


def everybodys(con: duckdb.DuckDBPyConnection, kind: Kind, sources: Sources, upto: Mapping[str, int]) -> None:
    """Everybody's rows as of the loads `upto`, as the views that the queries read."""
    for dataset in kind.datasets:
        sources.histories.view(con, sources.contracts[dataset], statement.view_name(dataset), upto[dataset], "")


def only_touched(con: duckdb.DuckDBPyConnection, kind: Kind, sources: Sources, upto: Mapping[str, int]) -> None:
    """The rows of the subjects in `touched`, by whatever identifier, as the tables that the queries read."""
    con.execute(
        "CREATE TABLE wanted AS SELECT _k FROM touched UNION SELECT former FROM aliases WHERE surviving IN (SELECT _k FROM touched)"
    )
    for dataset in kind.datasets:
        columns = [sources.contracts[dataset].column(by) for name, by in kind.links if name == dataset]
        texts = [
            q if c.type == "string" else f"CAST({q} AS VARCHAR)" for c in columns if (q := statement.quote(c.name))
        ]
        theirs = " OR ".join(f"{text} IN (SELECT _k FROM wanted)" for text in texts)
        sources.histories.view(con, sources.contracts[dataset], f"theirs_{dataset}", upto[dataset], theirs)
        shown = ", ".join(statement.quote(c.name) for c in sources.contracts[dataset].columns) + ", _load, _seq"
        table, rows = statement.quote(statement.view_name(dataset)), statement.quote(f"theirs_{dataset}")
        con.execute(f"CREATE TABLE {table} AS SELECT {shown} FROM {rows}")


def files(
    con: duckdb.DuckDBPyConnection,
    kind: Kind,
    sources: Sources,
    upto: Mapping[str, int],
    share: Share,
    now: Merged,
    subjects: int,
    room: Room,
) -> Iterator[pa.Table]:
    """The files of a share of about so many subjects, piece by piece. Raises Collision where two identifiers have one hash."""
    shape, moments = layout.schema(kind, sources.contracts), _moments(kind, sources, upto)
    queries = statement.queries(kind, sources.kinds, sources.contracts, share)
    for tables in side_by_side(con, queries, 1 + subjects // _PIECE, room.folder):
        yield _with_names(assemble(kind, shape, tables, moments), now)


def _touched(con: duckdb.DuckDBPyConnection, kind: Kind, sources: Sources, work: Work) -> None:
    """Table `touched` (_k) of surviving identifiers whose file may have changed, and views of their rows alone."""
    con.execute("CREATE TABLE named (_k VARCHAR)")
    decided = merges.touched(sources.decisions.get(kind.name, ()), *work.merges)
    if decided:
        con.executemany("INSERT INTO named VALUES ($1)", [[identifier] for identifier in sorted(decided)])
    since, upto = work.pending.since or {}, work.pending.upto
    for i, (dataset, by) in enumerate(kind.links):
        if since[dataset] < upto[dataset]:
            sources.histories.touched(con, sources.contracts[dataset], by, since[dataset], upto[dataset], f"fresh_{i}")
            con.execute(f"INSERT INTO named SELECT CAST(t.value AS VARCHAR) FROM fresh_{i} AS t(value)")
    con.execute(
        "CREATE TABLE touched AS SELECT DISTINCT coalesce(a.surviving, n._k) AS _k FROM named n LEFT JOIN aliases a ON a.former = n._k "
        "UNION SELECT _k FROM named"
    )


def _moments(kind: Kind, sources: Sources, upto: Mapping[str, int]) -> Moments:
    found = {dataset: np.zeros(upto[dataset] + 1, np.int64) for dataset in kind.datasets}
    for load in sources.loads:
        if load.load <= upto.get(load.dataset, -1):
            found[load.dataset][load.load] = int(as_of(load).timestamp())
    return found


def _with_names(table: pa.Table, now: Merged) -> pa.Table:
    """The table with the identifiers that were merged into each subject, and what it is called after."""
    if not now.formers:
        return table
    places: Any = pc.index_in(table["_id"], pa.array(list(now.formers)))
    formers = pa.array(list(now.formers.values()), pa.list_(pa.string()))
    called = pa.array([name if (name := now.called(one)) != one else None for one in now.formers], pa.string())
    for name, values in (("_former", formers), ("_called", called)):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), values.take(places.combine_chunks()))
    return table
