"""Quarantine: rows that failed a rule, kept with their reasons until they come back right.

One append-only Delta table per dataset. A row is known by (key, hash as delivered, rules version), and its newest record tells its state:

- *open*: it is set aside. *waived*: it is, and somebody decided that it may stay so. Both stand in quarantine.
- *corrected*: its key came right, or a full delivery no longer has it. *superseded*: a later version took its place (published, or set aside
  itself). *released*: judged again, it passes. *renewed*: the same row stands here under other rules.

A repeated bad row adds nothing. A row that takes another's place (same key, or the same record) takes over its `first_seen`. The commit comes
before the history's; a row counts only if its run ended published (a history commit names the run) or held (this table's commit says so). What
a held delivery set aside is `held` until a published one has it too: such a row is not published by itself.
"""

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb
import pyarrow as pa

from lake import crash, delta_log
from lake.current import literal, quote
from lake.delta_log import METADATA
from lake.durable import make_folder, sync_file, sync_log
from lake.history import CONFIGURATION, History
from lake.session import PARQUET
from schemas.contract import Contract
from schemas.errors import Superseded

_TYPES: dict[str, pa.DataType] = {
    "_op": pa.string(), "_key": pa.string(), "_hash": pa.binary(), "_rules": pa.string(),
    "_seq": pa.int64(), "_file": pa.string(), "_row": pa.int64(),
    "reasons": pa.list_(pa.string()), "delivered": pa.string(), "_since": pa.timestamp("us", "UTC"),
    "_run": pa.string(), "_landing": pa.int64(), "_at": pa.timestamp("us", "UTC"),
}  # fmt: skip
SCHEMA = pa.schema([pa.field(name, kind) for name, kind in _TYPES.items()])
STATES = ("open", "waived", "released", "corrected", "superseded")
"""What may have become of a row; `renewed` is no end of one."""
_SAME = "s._key IS NOT DISTINCT FROM r._key AND s._hash = r._hash"
if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import RemoveAction


def folder(lake: Path, dataset: str) -> Path:
    """The dataset's quarantine table."""
    return lake / "quarantine" / dataset


def commits(lake: Path, dataset: str) -> dict[str, dict[str, str | int]]:
    """What each run's last commit said: run → {run, landing, outcome}."""
    table = _open(lake, dataset)
    entries = [*map(json.loads, delta_log.facts(table, folder(lake, dataset)))] if table is not None else []
    return {e["run"]: e for e in reversed(entries)}


def create_view(con: duckdb.DuckDBPyConnection, lake: Path, dataset: str, name: str, *, run: str = "") -> None:
    """Create view `name` of the rows now open, one per (key, hash, rules version), with `first_seen`, `held` and its run.

    Those of `run` count too, ended or not.
    """
    create_states(con, lake, dataset, f"{name}:states", run=run)
    con.execute(f"CREATE OR REPLACE VIEW {quote(name)} AS SELECT * FROM {quote(name + ':states')} WHERE state = 'open'")


def create_states(con: duckdb.DuckDBPyConnection, lake: Path, dataset: str, name: str, *, run: str = "") -> None:
    """Create view `name` of every row that ever was set aside, with its `state` and since when it has been that (`state_at`).

    `delivered` is there while a row stands.
    """
    published = {load.run for load in History(lake, dataset).loads()} | {run}
    ended = {run for run, e in commits(lake, dataset).items() if e["outcome"] == "held"} | published
    con.execute(
        f"CREATE OR REPLACE VIEW {quote(name)} AS SELECT * EXCLUDE (_op, _at, _since), _op AS state, _at AS state_at, "
        f"_since AS first_seen, _run NOT IN ({_list(published)}) AS held FROM ({_all(lake, dataset)}) WHERE _run IN ({_list(ended)}) "
        "QUALIFY row_number() OVER (PARTITION BY _key, _hash, _rules ORDER BY _landing DESC, _at DESC, _op IN ('open', 'waived')) = 1"
    )


def record(
    con: duckdb.DuckDBPyConnection,
    lake: Path,
    contract: Contract,
    rejects: Path,
    keys: Path | None,
    *,
    run: str,
    landing: int,
    rules: str,
    held: bool,
    complete: bool,
    at: str,
    again_from: int | None = None,
    answered: Path | None = None,
) -> bool:
    """Commit what this run opens and closes; of a run that has done so already, what it judges otherwise now. Tell whether there is anything.

    A held run closes nothing.

    `keys` are the keys delivered (None: none are told by key). `again_from` is the first landing that was judged again: what it and later ones
    opened closes too, unless it stands in `rejects`. `answered` (`_seq`, `state`) names rows that this run settles itself.

    Raises:
        Superseded: a run with a later landing has written here.
    """
    _check_turn(lake, contract.dataset, landing)
    leaving = ["s._seq IN (SELECT _seq FROM answered)"]
    if keys is not None:
        key_text = "to_json([" + ", ".join(f"{quote(k)}::VARCHAR" for k in contract.key) + "])::VARCHAR"
        leaving.append(f"s._key IN (SELECT {key_text} FROM read_parquet({literal(str(keys))}))")
    if again_from is not None:
        leaving.append(f"s._landing >= {again_from:d}")
    closing = "false" if held else "true" if complete else " OR ".join(leaving)
    settled = (
        f"read_parquet({literal(str(answered))})" if answered else "(SELECT NULL::BIGINT, NULL::VARCHAR WHERE false)"
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE answered AS SELECT * FROM {settled} AS t(_seq, state)")
    gone = "corrected" if again_from is None else "released"
    _fill_moves(
        con, lake, contract.dataset, rejects, run=run, landing=landing, rules=rules, closing=closing, gone=gone, held=held, at=at
    )  # fmt: skip
    return bool(_commit_moves(con, lake, contract.dataset, run, landing, "held" if held else "published"))


def decide(
    con: duckdb.DuckDBPyConnection, lake: Path, dataset: str, seqs: Path, state: Literal["open", "waived"],
    *, run: str, landing: int, at: str,
) -> int:  # fmt: skip
    """Commit that the standing rows whose `_seq` is in `seqs` are waived, or open again; returns how many. The run must publish.

    Raises:
        Superseded: a run with a later landing has written here.
    """
    _check_turn(lake, dataset, landing)
    create_states(
        con, lake, dataset, "set_aside"
    )  # a killed try of this run does not count: what it decided is decided again
    other = "open" if state == "waived" else "waived"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE moves AS SELECT {literal(state)} AS _op, s.* EXCLUDE (state, state_at, first_seen, held, _run, _landing), "
        f"first_seen AS _since, {_stamp(run, landing, at)} FROM set_aside s "
        f"WHERE state = {literal(other)} AND NOT held AND _seq IN (SELECT _seq FROM read_parquet({literal(str(seqs))}))"
    )
    return _commit_moves(con, lake, dataset, run, landing, "published")


def _check_turn(lake: Path, dataset: str, landing: int) -> None:
    if any(int(e["landing"]) > landing for e in commits(lake, dataset).values()):
        raise Superseded(f"{dataset}: a later run has judged this dataset", todo=f"hub pull {dataset}")


def _fill_moves(
    con: duckdb.DuckDBPyConnection, lake: Path, dataset: str, rejects: Path,
    *, run: str, landing: int, rules: str, closing: str, gone: str, held: bool, at: str,
) -> None:  # fmt: skip
    """Fill temp table `moves`: what opens, and what leaves, each with the state it leaves in."""
    create_states(con, lake, dataset, "set_aside", run=run)
    stamp = _stamp(run, landing, at)
    con.execute("CREATE OR REPLACE TEMP TABLE standing AS SELECT * FROM set_aside WHERE state IN ('open', 'waived')")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE rejected AS SELECT _key, _hash, {literal(rules)} AS _rules, _seq, _file, _row, reasons, delivered "
        f"FROM read_parquet({literal(str(rejects))}) QUALIFY row_number() OVER (PARTITION BY _key, _hash ORDER BY _seq) = 1"
    )
    excused = (
        f"EXISTS (SELECT 1 FROM standing s WHERE {_SAME} AND s.state = 'waived' AND list_has_all(s.reasons, r.reasons))"
    )
    known = f"EXISTS (SELECT 1 FROM standing s WHERE {_SAME} AND s._rules = r._rules AND (NOT s.held OR {str(held).lower()}))"
    oldest = "least(" + ", ".join(f"{t}.first_seen" for t in "khs") + f", {literal(at)}::TIMESTAMPTZ)"
    aged = "(SELECT {0}, min(first_seen) AS first_seen FROM standing WHERE {0} IS NOT NULL AND {1} GROUP BY 1)"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE moves AS "
        f"SELECT CASE WHEN {excused} THEN 'waived' ELSE 'open' END AS _op, r.*, {oldest} AS _since, {stamp} FROM rejected r "
        f"LEFT JOIN {aged.format('_key', 'true')} k ON k._key = r._key LEFT JOIN {aged.format('_seq', 'true')} s ON s._seq = r._seq "
        f"LEFT JOIN {aged.format('_hash', '_key IS NULL')} h ON h._hash = r._hash AND r._key IS NULL WHERE NOT {known} UNION ALL "
        "SELECT coalesce(a.state, CASE "
        f"WHEN EXISTS (SELECT 1 FROM rejected r WHERE {_SAME}) OR s._seq IN (SELECT _seq FROM rejected) THEN 'renewed' "
        f"WHEN s._key IN (SELECT _key FROM rejected) THEN 'superseded' ELSE {literal(gone)} END), "
        f"s._key, s._hash, s._rules, s._seq, s._file, s._row, s.reasons, NULL, s.first_seen, {stamp} "
        f"FROM standing s LEFT JOIN answered a USING (_seq) "
        f"WHERE ({closing}) AND NOT EXISTS (SELECT 1 FROM rejected r WHERE {_SAME} AND s._rules = r._rules)"
    )


def _stamp(run: str, landing: int, at: str) -> str:
    return f"{literal(run)} AS _run, {landing:d}::BIGINT AS _landing, {literal(at)}::TIMESTAMPTZ AS _at"


def _commit_moves(
    con: duckdb.DuckDBPyConnection, lake: Path, dataset: str, run: str, landing: int, outcome: str
) -> int:
    """Commit temp table `moves`, unless it is empty and nothing needs saying; returns its rows, or those of a killed try of this run."""
    found = con.execute("SELECT count(*) FROM moves").fetchone()
    moves, done = int(found[0]) if found else 0, commits(lake, dataset)
    path = folder(lake, dataset)
    if not moves and outcome == done.get(run, {"outcome": "published"})["outcome"]:
        if run in done:  # by a try that was killed, perhaps before the disk had it
            sync_log(path / "_delta_log")
        return int(run in done)
    _commit(path, moves, {"run": run, "landing": landing, "outcome": outcome}, con)
    crash.point("publish.quarantine-committed")
    return moves


def _commit(path: Path, rows: int, facts: dict[str, str | int], con: duckdb.DuckDBPyConnection) -> None:
    from deltalake import CommitProperties, DeltaTable, Transaction
    from deltalake.exceptions import CommitFailedError
    from deltalake.transaction import AddAction

    make_folder(path)
    delta_log.mend(path)
    table = delta_log.opened(path) or DeltaTable.create(
        str(path), schema=SCHEMA, mode="ignore", configuration=CONFIGURATION
    )
    actions: list[AddAction | RemoveAction] = []
    if rows:
        file = path / f"run-{facts['run']}-{uuid.uuid4().hex[:8]}.parquet"
        con.execute(f"COPY (SELECT {', '.join(SCHEMA.names)} FROM moves) TO {literal(str(file))} ({PARQUET})")
        sync_file(file)
        stat = file.stat()
        actions = [
            AddAction(file.name, stat.st_size, {}, int(stat.st_mtime * 1000), True, json.dumps({"numRecords": rows}))
        ]
    properties = CommitProperties(
        custom_metadata={METADATA: json.dumps(facts)},
        app_transactions=[Transaction("quarantine", int(facts["landing"]))],
    )
    try:
        table.create_write_transaction(actions=actions, mode="append", schema=SCHEMA, commit_properties=properties)
    except CommitFailedError as error:
        raise Superseded(f"{path.name}: another run judged this dataset at the same time") from error
    sync_log(path / "_delta_log")


def _all(lake: Path, dataset: str) -> str:
    table = _open(lake, dataset)
    added = pa.table(table.get_add_actions()).column("path").to_pylist() if table is not None else []
    if added:
        files = ", ".join(literal(str(folder(lake, dataset) / str(name))) for name in added)
        return f"SELECT * FROM read_parquet([{files}])"
    nulls = {
        "VARCHAR[]": ("reasons",),
        "BIGINT": ("_seq", "_row", "_landing"),
        "BLOB": ("_hash",),
        "TIMESTAMPTZ": ("_at", "_since"),
    }
    types = {n: kind for kind, names in nulls.items() for n in names}
    return "SELECT " + ", ".join(f"NULL::{types.get(n, 'VARCHAR')} AS {n}" for n in SCHEMA.names) + " WHERE false"


def _list(runs: set[str]) -> str:
    return ", ".join(literal(r) for r in sorted(runs))


def _open(lake: Path, dataset: str) -> "DeltaTable | None":
    return delta_log.opened(folder(lake, dataset))
