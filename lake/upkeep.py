"""Upkeep: keeping current cheap and the disk bounded, without ever touching what a reader may still name.

`refresh_base` compacts the newest rows up to the head into one file once the tail has grown to a fifth of the table.
`clean_landing` removes landings past the contract's retention, and interrupted ones that no run will finish.
`clean_history` removes data files of tries that never were committed and never can be.
"""

import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from lake import base, current, history, landing
from lake.current import literal
from lake.durable import make_folder, sync_file, sync_folder
from lake.history import History
from lake.session import PARQUET
from schemas.contract import Contract

_TRY = re.compile(r"load-(\d{9})-.+\.parquet")
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
        con.execute(f"COPY (SELECT * FROM now ORDER BY {key}) TO {literal(str(temporary))} ({PARQUET})")
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


def clean_history(lake: Path, dataset: str, *, now: datetime, grace: timedelta = timedelta(days=1)) -> int:
    """Remove data files that no commit names and that none can name any more; returns how many.

    A try's file bears the number of the load it was written for, and a load n is committed only while the table is at n-1. So a file of a
    load that is published already, and that no commit ever named, is nobody's; one of the next load is left alone.
    """
    folder = history.folder(lake, dataset)
    tries = {f: int(found[1]) for f in folder.glob("load-*.parquet") if (found := _TRY.fullmatch(f.name))}
    table = History(lake, dataset)
    known = {f.path.name for f in table.files()}
    old = (now - grace).timestamp()
    idle = [f for f, load in tries.items() if f.name not in known and load <= table.number and f.stat().st_mtime < old]
    if idle:
        log = "".join(entry.read_text(encoding="utf-8") for entry in (folder / "_delta_log").glob("*.json"))
        idle = [f for f in idle if f.name not in log]
    for file in idle:
        file.unlink()
    return len(idle)
