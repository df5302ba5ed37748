"""Erasing a subject from what was landed and what was pushed: files of any format that a source may have.

A landed file that names the subject becomes Parquet of its other records; a pushed batch keeps its format and gets another receipt. What
cannot be read is removed as a whole: it cannot be said to be without the subject.
"""

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import connectors
from connectors.formats.objects import flatten
from connectors.inbox import Receipt, body, sealed
from lake import landing
from lake.durable import sync_file, sync_folder, write_atomically
from lake.landing import MANIFEST, Landed
from schemas.contract import Contract
from schemas.errors import HubError

Names = Collection[str]
"""Everything that the subject is called by in records, in each spelling; none is empty."""


def landings(lake: Path, contract: Contract, names: Names) -> int:
    """Take the subject out of every landing of the dataset; how many rows, and 1 for each landing that was removed."""
    root = lake / "landing" / contract.dataset
    return sum(_landing(lake, contract, folder, names) for folder in ([*root.iterdir()] if root.is_dir() else []))


def batches(place: Path, names: Names) -> int:
    """Take the subject out of every pushed batch in a dataset's inbox; how many records."""
    return sum(_batch(place, receipt, names) for receipt in sealed(place))


def remove(path: Path) -> int:
    """Remove a folder; 1 if there was one."""
    if not path.exists():
        return 0
    shutil.rmtree(path)
    sync_folder(path.parent)
    return 1


def _landing(lake: Path, contract: Contract, folder: Path, names: Names) -> int:
    """Take the subject out of a landing; how many rows, or 1 for one that was removed as it cannot be read."""
    manifest = landing.manifest(lake, contract.dataset, folder.name)
    if manifest is None:
        return remove(folder)
    files: list[Landed] = []
    rows = 0
    for landed in manifest.files:
        try:
            mine = sum(_count(batch, names) for batch in _records(folder, landed, contract))
            files += _without(folder, landed, contract, names) if mine else [landed]
        except (HubError, pa.ArrowException, OSError):
            return remove(folder)
        rows += mine
    if rows:
        text = json.dumps(asdict(replace(manifest, files=tuple(files))), ensure_ascii=False, indent=1)
        write_atomically(folder / MANIFEST, text.encode())
    named = {MANIFEST, *(f.file for f in files)}
    for leftover in folder.iterdir():
        if leftover.name not in named:
            leftover.unlink()
    return rows


def _without(folder: Path, landed: Landed, contract: Contract, names: Names) -> list[Landed]:
    """The landed file's other records as Parquet files, one for each member of an archive."""
    found = []
    for name, batches in connectors.deliveries(folder / landed.file, landed.media, contract.source, name=landed.source):
        temporary = folder / f".{landed.file}.tmp"
        writer, rows = None, 0
        for batch in batches:
            kept = _others(batch, names).drop_columns(["_row"])
            writer = writer or pq.ParquetWriter(temporary, kept.schema, compression="zstd")
            writer.write_batch(kept)
            rows += kept.num_rows
        if writer is not None:
            writer.close()
            sync_file(temporary)
            digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
            temporary.replace(folder / f"{digest[:32]}.parquet")
            size = (folder / f"{digest[:32]}.parquet").stat().st_size
            found.append(Landed(name, f"{digest[:32]}.parquet", "parquet", size, digest, rows))
    sync_folder(folder)
    return found


def _records(folder: Path, landed: Landed, contract: Contract) -> Iterator[pa.RecordBatch]:
    for _, batches in connectors.deliveries(folder / landed.file, landed.media, contract.source, name=landed.source):
        yield from batches


def _batch(place: Path, receipt: Receipt, names: Names) -> int:
    """Take the subject out of a pushed batch; one in which nobody else stands goes with its receipt."""
    path = body(place, receipt)
    kept, rows = _pushed(path, receipt, names)
    if not rows:
        return 0
    receipts = [*(place / "receipts").glob(f"{receipt.id}.*.json")]
    if rows == receipt.records:
        for file in (*receipts, path):
            file.unlink(missing_ok=True)
        return rows
    write_atomically(path, kept)
    changed = replace(receipt, bytes=len(kept), records=receipt.records - rows, sha256=hashlib.sha256(kept).hexdigest())
    for file in receipts:
        write_atomically(file, changed.to_json().encode())
    return rows


def _pushed(path: Path, receipt: Receipt, names: Names) -> tuple[bytes, int]:
    """The bytes of the batch's other records, and how many were the subject's. A batch is at most as large as one body."""
    if receipt.media == "jsonl":
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [x for x in lines if not x.strip() or {*names}.isdisjoint(v for _, v in flatten(json.loads(x)) if v)]
        return b"".join(kept), len(lines) - len(kept)
    with pa.ipc.open_stream(path.read_bytes()) as stream:
        table = stream.read_all()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(_others(table, names))
    return sink.getvalue().to_pybytes(), _count(table, names)


def _count(rows: Any, names: Names) -> int:
    return int(pc.sum(_mask(rows, names)).as_py() or 0)


def _others(rows: Any, names: Names) -> Any:
    return rows.filter(pc.invert(_mask(rows, names)))


def _mask(rows: Any, names: Names) -> Any:
    """Which rows of a batch or table name the subject in any column."""
    wanted, mask = pa.array([*names], pa.string()), pa.array([False] * rows.num_rows, pa.bool_())
    for name in rows.schema.names:
        column = rows.column(name)
        if name != "_row" and not pa.types.is_nested(column.type) and not pa.types.is_binary(column.type):
            text = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
            mask = pc.or_(mask, pc.fill_null(pc.is_in(text, value_set=wanted), False))
    return mask
