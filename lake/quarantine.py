"""Quarantine: rows that failed a rule, kept with their reasons until they come back right.

One append-only Delta table per dataset. A row is known by (key, hash as delivered, rules version); `open` sets it aside, `close` tells
that it left: its key was delivered right or otherwise, or a full delivery no longer has it. A repeated bad row adds nothing, so
`last seen` is the last ended run while the row is open. The commit comes before the history's; a row counts only if its run
ended published (a history commit names the run) or held (this table's commit says so).
"""

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from lake import crash, delta_log
from lake.current import literal, quote
from lake.delta_log import METADATA
from lake.durable import make_folder, sync_file, sync_log
from lake.history import CONFIGURATION, History
from schemas.contract import Contract
from schemas.errors import Superseded

_TYPES: dict[str, pa.DataType] = {
    "_op": pa.string(), "_key": pa.string(), "_hash": pa.binary(), "_rules": pa.string(),
    "_seq": pa.int64(), "_file": pa.string(), "_row": pa.int64(),
    "reasons": pa.list_(pa.string()), "delivered": pa.string(),
    "_run": pa.string(), "_landing": pa.int64(), "_at": pa.timestamp("us", "UTC"),
}  # fmt: skip
SCHEMA = pa.schema([pa.field(name, kind) for name, kind in _TYPES.items()])
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
    """Create view `name` of the rows now in quarantine, one per (key, hash, rules version), with `first_seen` and its run.

    Those of `run` count too, ended or not.
    """
    ended = {run for run, e in commits(lake, dataset).items() if e["outcome"] == "held"}
    ended |= {load.run for load in History(lake, dataset).loads()} | {run}
    runs = ", ".join(literal(r) for r in sorted(ended))
    con.execute(
        f'CREATE OR REPLACE VIEW "{name}" AS SELECT * EXCLUDE (_op, _at), _at AS first_seen FROM ({_all(lake, dataset)}) WHERE _run IN ({runs}) '
        "QUALIFY row_number() OVER (PARTITION BY _key, _hash, _rules ORDER BY _landing DESC, _at DESC, _op) = 1 AND _op = 'open'"
    )


def record(
    con: duckdb.DuckDBPyConnection,
    lake: Path,
    contract: Contract,
    rejects: Path,
    keys: Path,
    *,
    run: str,
    landing: int,
    rules: str,
    held: bool,
    complete: bool,
    at: str,
    again_from: int | None = None,
) -> None:
    """Commit what this run opens and closes; of a run that has done so already, what it judges otherwise now. A held run closes nothing.

    `again_from` is the first landing that was judged again: what it and later ones opened closes too, unless it stands in `rejects`.

    Raises:
        Superseded: a run with a later landing has written here.
    """
    done = commits(lake, contract.dataset)
    if any(int(e["landing"]) > landing for e in done.values()):
        raise Superseded(
            f"{contract.dataset}: a later run has judged this dataset", todo=f"hub pull {contract.dataset}"
        )
    key_text = "to_json([" + ", ".join(f"{quote(k)}::VARCHAR" for k in contract.key) + "])::VARCHAR"
    delivered = f"o._key IN (SELECT {key_text} FROM read_parquet({literal(str(keys))}))"
    if again_from is not None:
        delivered = f"{delivered} OR o._landing >= {again_from:d}"
    closing = "false" if held else "true" if complete else delivered
    moves = _moves(con, lake, contract, rejects, run=run, landing=landing, rules=rules, closing=closing, at=at)
    outcome = "held" if held else "published"
    path = folder(lake, contract.dataset)
    if not moves and outcome == done.get(run, {"outcome": "published"})["outcome"]:
        if run in done:  # by a try that was killed, perhaps before the disk had it
            sync_log(path / "_delta_log")
        return
    _commit(path, moves, {"run": run, "landing": landing, "outcome": outcome}, con)
    crash.point("publish.quarantine-committed")


def _moves(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, rejects: Path,
    *, run: str, landing: int, rules: str, closing: str, at: str,
) -> int:  # fmt: skip
    """Fill temp table `moves`; return its rows."""
    create_view(con, lake, contract.dataset, "open_before", run=run)
    made = f"{literal(rules)} AS _rules"
    stamp = f"{literal(run)} AS _run, {landing}::BIGINT AS _landing, {literal(at)}::TIMESTAMPTZ AS _at"
    source = (
        f"SELECT _key, _hash, {made}, _seq, _file, _row, reasons, delivered FROM read_parquet({literal(str(rejects))})"
    )
    same = "o._key IS NOT DISTINCT FROM r._key AND o._hash = r._hash AND o._rules = r._rules"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE moves AS "
        f"WITH r AS ({source} QUALIFY row_number() OVER (PARTITION BY _key, _hash ORDER BY _seq) = 1) "
        f"SELECT 'open' AS _op, r.*, {stamp} FROM r WHERE NOT EXISTS (SELECT 1 FROM open_before o WHERE {same}) UNION ALL "
        f"SELECT 'close', o._key, o._hash, o._rules, o._seq, o._file, o._row, o.reasons, NULL, {stamp} "
        f"FROM open_before o WHERE ({closing}) AND NOT EXISTS (SELECT 1 FROM r WHERE {same})"
    )
    row = con.execute("SELECT count(*) FROM moves").fetchone()
    return int(row[0]) if row else 0


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
        con.execute(
            f"COPY (SELECT {', '.join(SCHEMA.names)} FROM moves) TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd)"
        )
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
        "TIMESTAMPTZ": ("_at",),
    }
    types = {n: kind for kind, names in nulls.items() for n in names}
    return "SELECT " + ", ".join(f"NULL::{types.get(n, 'VARCHAR')} AS {n}" for n in SCHEMA.names) + " WHERE false"


def _open(lake: Path, dataset: str) -> "DeltaTable | None":
    return delta_log.opened(folder(lake, dataset))
