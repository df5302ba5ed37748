"""Current: a view over the history, the newest row per key, deletions left out.

With a base (the newest rows up to load B, compacted by `lake.upkeep`) only the files of later loads are sorted out by key;
so reading current costs the base's scan plus the tail's change. Without a base, or as of a load before B, the first load is one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from lake import base, hashing
from lake.history import DataFile, History
from schemas.contract import Contract


def create_view(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, name: str, load: int | None = None
) -> None:
    """Create view `name` of the live rows as of `load` (default: the head): contract columns, `_load`, `_seq`, `_hash`."""
    history = History(lake, contract.dataset)
    columns = ", ".join(quote(c.name) for c in contract.columns) + f", _load, _seq, {_hash(history, contract)} AS _hash"
    con.execute(f"CREATE OR REPLACE VIEW {quote(name)} AS {_select(lake, history, contract, columns, load)}")


def create_some(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, name: str, load: int, where: str
) -> None:
    """Create view `name` of those live rows as of `load` that the predicate holds of: contract columns, `_load`, `_seq`.

    They are sought before what later loads superseded is left out, so the cost is a scan.
    """
    columns = ", ".join(quote(c.name) for c in contract.columns) + ", _load, _seq"
    selected = _select(lake, History(lake, contract.dataset), contract, columns, load, where=where)
    con.execute(f"CREATE OR REPLACE VIEW {quote(name)} AS {selected}")


def create_lookup(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, name: str, load: int, keys: str
) -> None:
    """Create view `name` of key, `_hash` and `_seq` of those live rows as of `load` whose key is in the relation `keys`.

    Rows of other keys are left out before the newest of each key is sought, so the cost is a scan of the keys and the change's own.
    """
    history = History(lake, contract.dataset)
    columns = ", ".join(quote(k) for k in contract.key) + f", {_hash(history, contract)} AS _hash, _seq"
    con.execute(f"CREATE OR REPLACE VIEW {quote(name)} AS {_select(lake, history, contract, columns, load, keys)}")


def create_states(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, since: int, upto: int, before: str, after: str
) -> None:
    """Create views `before` and `after`: the live rows as of load `since` and of load `upto`, of the keys that loads in between touched."""
    history = History(lake, contract.dataset)
    columns = ", ".join(quote(c.name) for c in contract.columns)
    key = ", ".join(quote(k) for k in contract.key)
    recent = tuple(f for f in history.files() if f.last_load > since and f.first_load <= upto)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT {key} FROM ({_rows(contract, recent)}) "
        f"WHERE _load > {since:d} AND _load <= {upto:d}"
    )
    for name, load in ((before, since), (after, upto)):
        con.execute(
            f"CREATE OR REPLACE VIEW {quote(name)} AS {_select(lake, history, contract, columns, load, 'touched')}"
        )


def create_newest(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, name: str, load: int, keys: str
) -> None:
    """Create view `name` of key and `_seq` of the newest record as of `load`, a deletion too, of each key in the relation `keys`."""
    files = tuple(f for f in History(lake, contract.dataset).files() if f.first_load <= load)
    key = ", ".join(quote(k) for k in contract.key)
    con.execute(
        f"CREATE OR REPLACE VIEW {quote(name)} AS SELECT {key}, max(_seq) AS _seq FROM ({_rows(contract, files)}) "
        f"SEMI JOIN {keys} USING ({key}) WHERE _load <= {load:d} GROUP BY ALL"
    )


def touched(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, column: str, since: int, upto: int, name: str
) -> None:
    """Create view `name` with one column `value`: what `column` holds in rows of loads in (since, upto] and in the rows they supersede.

    A part of the key is the same in both, so then what lies before is not read.
    """
    files = History(lake, contract.dataset).files()
    recent = [f for f in files if f.last_load > since and f.first_load <= upto]
    key = ", ".join(quote(k) for k in contract.key)
    older = tuple(f for f in files if f.first_load <= since) if column not in contract.key else ()
    con.execute(
        f"CREATE OR REPLACE VIEW {quote(name)} AS "
        f"WITH fresh AS (SELECT * FROM ({_rows(contract, tuple(recent))}) WHERE _load > {since:d} AND _load <= {upto:d}), "
        f"older AS (SELECT * FROM ({_rows(contract, older)}) WHERE _load <= {since:d}), "
        f"superseded AS (SELECT o.{quote(column)} AS value FROM older o SEMI JOIN fresh USING ({key})) "
        f"SELECT DISTINCT value FROM (SELECT {quote(column)} AS value FROM fresh UNION ALL SELECT value FROM superseded) "
        "WHERE value IS NOT NULL"
    )


def held(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, column: str, where: Mapping[str, str], load: int
) -> dict[str, str | None]:
    """What `column` holds, as text, in the live rows as of `load` whose columns read as in `where`: key (a JSON array) → value."""
    create_view(con, lake, contract, "held", load)
    named = " AND ".join(f"{quote(name)}::VARCHAR = ?" for name in where)
    query = f"SELECT {_key_text(contract)}, {quote(column)}::VARCHAR FROM held WHERE {named}"
    return dict(con.execute(query, list(where.values())).fetchall())


def moved(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, column: str, keys: Sequence[str], since: int, upto: int,
    where: Mapping[str, str] | None = None,
) -> dict[str, tuple[str, str | None]]:  # fmt: skip
    """What loads in (since, upto] last did to the rows with these keys, or that read as in `where`: key → (operation, value of `column`).

    Only the files of those loads are read. Keys are JSON arrays, as in `held`.
    """
    files = tuple(f for f in History(lake, contract.dataset).files() if f.last_load > since and f.first_load <= upto)
    named = " AND ".join(f"{quote(name)}::VARCHAR = ?" for name in where or ()) or "false"
    query = (
        f"SELECT {_key_text(contract)} AS k, _op, {quote(column)}::VARCHAR FROM ({_rows(contract, files)}) "
        f"WHERE _load > {since:d} AND _load <= {upto:d} AND (list_contains(?::VARCHAR[], k) OR ({named})) "
        "QUALIFY row_number() OVER (PARTITION BY k ORDER BY _seq DESC) = 1"
    )
    found = con.execute(query, [list(keys), *(where or {}).values()]).fetchall()
    return {key: (operation, value) for key, operation, value in found}


def quote(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _key_text(contract: Contract) -> str:
    """A row's key as a JSON array of texts."""
    return f"to_json([{', '.join(f'{quote(k)}::VARCHAR' for k in contract.key)}])::VARCHAR"


def _hash(history: History, contract: Contract) -> str:
    """The rows' hashes, made anew for those that were hashed by another function than today's."""
    head = history.head()
    first = hashing.since(head.hashing, head.hashed_since, head.load + 1) if head else 1
    return "_hash" if first <= 1 else f"CASE WHEN _load >= {first:d} THEN _hash ELSE {hashing.of_values(contract)} END"


def _select(
    lake: Path,
    history: History,
    contract: Contract,
    columns: str,
    load: int | None,
    keys: str | None = None,
    where: str = "",
) -> str:
    upto = history.number if load is None else load
    files = tuple(f for f in history.files() if f.first_load <= upto)
    key = ", ".join(quote(k) for k in contract.key)
    settled, floor = _settled(lake, contract, files, upto)
    tail = tuple(f for f in files if f.last_load > floor)
    among = f"SEMI JOIN {keys} USING ({key}) " if keys else ""
    newest = (
        f"SELECT * FROM ({_rows(contract, tail)}) {among}WHERE _load > {floor:d} AND _load <= {upto:d} "
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY _seq DESC) = 1"
    )
    live = f"SELECT {columns} FROM ({newest}) WHERE _op = 'upsert'" + (f" AND ({where})" if where else "")
    if not settled:
        return live
    if where:  # fenced off, or DuckDB would look first at what was superseded, and at this last
        settled = f"(WITH few AS MATERIALIZED (SELECT {columns} FROM {settled} WHERE {where}) FROM few)"
    if not tail:
        return f"SELECT {columns} FROM {settled} {among}"
    return (
        f"{live} UNION ALL SELECT {columns} FROM {settled} {among}ANTI JOIN "
        f"(SELECT {key} FROM ({_rows(contract, tail)}) WHERE _load > {floor:d} AND _load <= {upto:d}) USING ({key})"
    )


def _settled(lake: Path, contract: Contract, files: tuple[DataFile, ...], upto: int) -> tuple[str, int]:
    """A relation with one row per key, and its load: the base, or else the first load, which has no key twice; empty if there is none."""
    found = base.newest(lake, contract, upto)
    if found is not None:
        return f"{_parquet((found.path,))} AS base", found.load
    if files and files[0].first_load == files[0].last_load:
        return f"(SELECT * FROM ({_rows(contract, files[:1])}) WHERE _op = 'upsert')", files[0].last_load
    return "", 0


def _rows(contract: Contract, files: tuple[DataFile, ...]) -> str:
    """Every row of the files, each contract column present and of its type (a file may be older than a column)."""
    shape = {
        **{c.name: c.sql_type for c in contract.columns},
        "_op": "VARCHAR",
        "_load": "BIGINT",
        "_seq": "BIGINT",
        "_hash": "BIGINT",
    }
    empty = "SELECT " + ", ".join(f"NULL::{kind} AS {quote(n)}" for n, kind in shape.items()) + " WHERE false"
    if not files:
        return empty
    return f"{empty} UNION ALL BY NAME SELECT * FROM {_parquet(tuple(f.path for f in files))}"


def _parquet(paths: tuple[Path, ...]) -> str:
    names = ", ".join(literal(str(p)) for p in paths)
    return f"read_parquet([{names}], union_by_name=true)"
