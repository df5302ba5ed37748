"""Upkeep: keeping current cheap and the disk bounded, without ever touching what a reader may still name.

`refresh_base` compacts the newest rows up to the head into one file once the tail has grown to a fifth of the table.
`clean_landing` removes landings past the contract's retention, and interrupted ones that no run will finish.
"""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from lake import base, current, landing
from lake.current import literal
from lake.durable import make_folder, sync_file, sync_folder
from lake.history import History
from schemas.contract import Contract

TAIL_SHARE = 0.2
KEPT_BASES = 2


def refresh_base(lake: Path, contract: Contract, *, always: bool = False) -> int | None:
    """Make a new base at the head if the tail is worth it; returns its load, or None if nothing was due."""
    history = History(lake, contract.dataset)
    if history.number:
        history.sync()  # a base must not outlive the commits that it is made of
    head, newest = history.number, base.newest(lake, contract, history.number)
    files = history.files()
    tail = sum(f.rows for f in files if newest is None or f.last_load > newest.load)
    total = sum(f.rows for f in files)
    if not tail or not (always or (len(files) > 1 and tail >= TAIL_SHARE * total)):
        return None
    target = base.path_of(lake, contract, head)
    make_folder(target.parent)
    temporary = target.with_suffix(".tmp")
    with duckdb.connect() as con:
        current.create_view(con, lake, contract, "now", head)
        key = ", ".join(current.quote(k) for k in contract.key)
        con.execute(
            f"COPY (SELECT * FROM now ORDER BY {key}) TO {literal(str(temporary))} (FORMAT parquet, COMPRESSION zstd)"
        )
    sync_file(temporary)
    temporary.replace(target)
    sync_folder(target.parent)
    for old in sorted(target.parent.glob("*.parquet"))[:-KEPT_BASES]:
        old.unlink()
    return head


def clean_landing(lake: Path, contract: Contract, *, now: datetime, running: Callable[[], frozenset[str]]) -> int:
    """Remove expired and interrupted landings of runs that are not `running`; returns how many.

    Who is running is asked after the folders are listed, so that a run that begins meanwhile is not taken for a dead one.
    """
    root = lake / "landing" / contract.dataset
    folders = list(root.iterdir()) if root.is_dir() else []
    at_work = running()
    removed = 0
    for folder in folders:
        if folder.name in at_work:
            continue
        manifest = landing.manifest(lake, contract.dataset, folder.name)
        limit = now - timedelta(days=contract.retention_days)
        if manifest is None or datetime.fromisoformat(manifest.landed_at) < limit:
            shutil.rmtree(folder)
            removed += 1
    return removed
