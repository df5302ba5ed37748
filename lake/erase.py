"""Erasing a subject from a dataset's part of the lake: the one rewrite there is, besides retention.

1. Whoever calls has written the erasure down and sees to it that no run of the dataset is under way.
2. History: every data file that names the subject is written anew without it, in one Delta commit, and the old one is deleted. A key that only
   ever named the subject goes, its deletions too. Where a key lives on with somebody else, the row becomes a deletion without content: the
   record must not fall back to what it said before.
3. Quarantine, keys absent once, landings and pushed batches lose their rows; a landed file becomes Parquet of its other records. What cannot be
   read is removed as a whole, and so is the base, which upkeep makes anew.
4. A kill leaves old files that no table names any more; the same call again removes them. It is done when a call finds nothing.

A row names the subject if any of its values is one of the subject's names. Commits keep the counts they were made with.
"""

import json
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from lake import changes, delta_log, erase_files, history, inbox, quarantine
from lake.current import literal, quote
from lake.durable import sync_file, sync_folder, sync_log
from lake.erase_files import Names
from lake.session import PARQUET
from schemas.contract import Contract

if TYPE_CHECKING:
    from deltalake.transaction import AddAction


def erase(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, names: Names, *, at: datetime
) -> dict[str, int]:
    """Remove every row that names the subject; how many rows or files of each kind there were. `con` is a session of its own."""
    dataset = contract.dataset
    return {
        "history": _history(con, history.folder(lake, dataset), contract, names, at),
        "quarantine": _quarantine(con, quarantine.folder(lake, dataset), names, at),
        "absent": sum(_keys(con, file, names) for file in changes.absences(lake, dataset).glob("*.parquet")),
        "base": erase_files.remove(lake / "base" / dataset),
        "landing": erase_files.landings(lake, contract, names),
        "inbox": erase_files.batches(inbox.folder(lake, dataset), names),
    }


def _history(con: duckdb.DuckDBPyConnection, path: Path, contract: Contract, names: Names, at: datetime) -> int:
    files, key = _files(path), ", ".join(map(quote, contract.key))
    if not files:
        return 0
    con.execute(f"CREATE OR REPLACE TEMP VIEW rows AS SELECT * FROM {_parquet(files)}")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT {key} FROM rows WHERE {_naming(con, 'rows', names)}"
    )
    kept = f"SELECT {key} FROM rows SEMI JOIN touched USING ({key}) WHERE _op = 'upsert' AND NOT ({_naming(con, 'rows', names)})"
    con.execute(f"CREATE OR REPLACE TEMP TABLE gone AS SELECT * FROM touched ANTI JOIN ({kept}) USING ({key})")

    def left(name: str) -> str:
        mine = _naming(con, name, names)
        blanks = [c for c in _columns(con, name) if c not in (*contract.key, "_op", "_load", "_seq")]
        values = ", ".join(f"CASE WHEN {mine} THEN NULL ELSE {quote(c)} END AS {quote(c)}" for c in blanks)
        emptied = f"{values}, CASE WHEN {mine} THEN 'delete' ELSE _op END AS _op"
        return f"SELECT * REPLACE ({emptied}) FROM {name} ANTI JOIN gone USING ({key})"

    def found(name: str) -> int:
        return _count(con, f"{name} SEMI JOIN gone USING ({key})") + _count(
            con, f"(SELECT * FROM {name} ANTI JOIN gone USING ({key})) WHERE {_naming(con, name, names)}"
        )

    return _rewrite(con, path, found, left, at)


def _quarantine(con: duckdb.DuckDBPyConnection, path: Path, names: Names, at: datetime) -> int:
    files = _files(path)
    if not files:
        return 0
    mine = " OR ".join(f"contains(coalesce(_key, '') || coalesce(delivered, ''), {literal(n)})" for n in names)
    con.execute(f"CREATE OR REPLACE TEMP TABLE gone AS SELECT DISTINCT _key, _hash FROM {_parquet(files)} WHERE {mine}")
    same = "g._key IS NOT DISTINCT FROM r._key AND g._hash IS NOT DISTINCT FROM r._hash"
    return _rewrite(
        con,
        path,
        lambda name: _count(con, f"{name} r WHERE EXISTS (SELECT 1 FROM gone g WHERE {same})"),
        lambda name: f"SELECT * FROM {name} r WHERE NOT EXISTS (SELECT 1 FROM gone g WHERE {same})",
        at,
    )


def _rewrite(
    con: duckdb.DuckDBPyConnection, path: Path, found: Callable[[str], int], left: Callable[[str], str], at: datetime
) -> int:
    """Replace the table's files in which rows are found by files of what is left, in one commit; how many rows were found."""
    from deltalake.transaction import AddAction, RemoveAction

    actions: list[AddAction | RemoveAction] = []
    rows = 0
    for file in _files(path):
        con.execute(f"CREATE OR REPLACE TEMP VIEW file AS SELECT * FROM {_parquet([file])}")
        if here := found("file"):
            rows += here
            actions.append(RemoveAction(file.name, True, int(at.timestamp() * 1000), file.stat().st_size, {}))
            actions += _written(con, left("file"), file, at)
    if actions:
        table = delta_log.opened(path)
        assert table is not None  # noqa: S101 - it has files
        sync_folder(path)
        table.create_write_transaction(actions=actions, mode="append", schema=table.schema())
        sync_log(path / "_delta_log")
    _sweep(path)
    return rows


def _written(con: duckdb.DuckDBPyConnection, select: str, old: Path, at: datetime) -> list["AddAction"]:
    from deltalake.transaction import AddAction

    new = old.with_name(f"{old.stem.partition('.')[0]}.erased-{at:%Y%m%dT%H%M%S%f}.parquet")
    con.execute(f"COPY ({select}) TO {literal(str(new))} ({PARQUET})")
    sync_file(new)
    stats: dict[str, object] = {"numRecords": _count(con, _parquet([new]))}
    if "_load" in _columns(con, _parquet([new])):
        low, high = con.execute(f"SELECT min(_load), max(_load) FROM {_parquet([new])}").fetchone() or (None, None)
        stats |= {"minValues": {"_load": low}, "maxValues": {"_load": high}, "nullCount": {"_load": 0}}
    if not stats["numRecords"]:
        new.unlink()
        return []
    return [AddAction(new.name, new.stat().st_size, {}, int(at.timestamp() * 1000), True, json.dumps(stats))]


def _sweep(path: Path) -> None:
    """Delete the files that the log once named and the table has no more."""
    current = {file.name for file in _files(path)}
    entries = (line for log in (path / "_delta_log").glob("*.json") for line in log.read_bytes().splitlines())
    for entry in entries:
        removed = json.loads(entry).get("remove", {}).get("path", "")
        if removed and removed not in current:
            (path / removed).unlink(missing_ok=True)
    sync_folder(path)


def _keys(con: duckdb.DuckDBPyConnection, file: Path, names: Names) -> int:
    """Take the subject out of a file of keys, in place."""
    source = _parquet([file])
    mine = _naming(con, source, names)
    rows = _count(con, f"{source} WHERE {mine}")
    if rows:
        temporary = file.with_suffix(".tmp")
        con.execute(f"COPY (SELECT * FROM {source} WHERE NOT ({mine})) TO {literal(str(temporary))} (FORMAT parquet)")
        sync_file(temporary)
        temporary.replace(file)
        sync_folder(file.parent)
    return rows


def _naming(con: duckdb.DuckDBPyConnection, relation: str, names: Names) -> str:
    """The condition that any of a row's values is one of the names."""
    listed = ", ".join(map(literal, names))
    columns = [c for c in _columns(con, relation) if not c.startswith("_")]
    return " OR ".join(f"coalesce(trim(CAST({quote(c)} AS VARCHAR)) IN ({listed}), false)" for c in columns) or "false"


def _columns(con: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    return [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = con.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0]) if row else 0


def _files(path: Path) -> list[Path]:
    table = delta_log.opened(path)
    return [path / str(name) for name in pa.table(table.get_add_actions()).column("path").to_pylist()] if table else []


def _parquet(files: Collection[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(f)) for f in files)}], union_by_name=true)"
