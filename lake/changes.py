"""What a delivery changes: the gate's passes against current, as the rows to append.

1. A pass whose key is new, or whose hash differs from current's, is an upsert. One that is older (by `_seq`) than what is there is superseded.
2. In a full delivery, a key of current that was not *delivered* (passed or not) is a deletion. A quarantined key keeps its last good version.
   A row without a key suspends deletions for this load, since nobody can say whose row it was.
   Without a consistent snapshot a key must be absent from two full reads: the first absence is only remembered.
3. More deletions than the contract's limit hold the load.
"""

import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from lake import current
from lake.current import literal, quote
from lake.durable import make_folder, sync_file, sync_folder
from lake.history import folder
from lake.session import PARQUET
from schemas.contract import Contract
from schemas.errors import DeliveryHeld

_WRITTEN = f"{PARQUET}, DICTIONARY_SIZE_LIMIT 2000, ROW_GROUP_SIZE 61440"
"""Row groups small enough that each core writes some of a small change; dictionaries only where they are small."""


@dataclass(frozen=True)
class Delivered:
    """A judged delivery: the gate's files, whether absent keys mean deletions, and the first `_seq` not used.

    `fit_for` is the load whose data file `passes` can be as it stands, if every row of it is new.
    """

    passes: Path
    keys: Path
    complete: bool
    consistent: bool
    unkeyable: int
    next_seq: int
    fit_for: int = 0


@dataclass(frozen=True)
class Changes:
    """The rows to append (`file` is None if there are none) and the counts. `content` is the SHA-256 over them, `rows` the live keys after."""

    file: Path | None
    rows: int
    content: str
    absent: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        """Rows appended."""
        return self.counts["new"] + self.counts["updated"] + self.counts["deleted"]


def find(
    con: duckdb.DuckDBPyConnection,
    lake: Path,
    contract: Contract,
    delivered: Delivered,
    *,
    load: int,
    run: str,
    absent_before: str = "",
    accept_deletions: bool = False,
    rows_before: int | None = None,
) -> Changes:
    """Compare a delivery with current as of load n-1 and write the rows that differ into the history's folder, uncommitted.

    `rows_before` is the number of live keys as of load n-1, if the caller knows it. The cost follows the delivery and the keys of current,
    and a first delivery that passed whole is not written again.

    Raises:
        DeliveryHeld: too many deletions (`contract.limits.deleted`), or every key gone.
    """
    passes = passed(delivered.passes)
    if rows_before == 0 and delivered.fit_for == load:
        return _first(con, lake, contract, delivered, load=load, run=run)
    key = ", ".join(quote(k) for k in contract.key)
    if _certain(delivered) or rows_before is None:
        current.create_view(con, lake, contract, "before", load - 1)
    else:
        current.create_lookup(con, lake, contract, "before", load - 1, passes)
    con.execute(f"CREATE OR REPLACE TEMP TABLE known AS SELECT {key}, _hash, _seq FROM before")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE fate AS SELECT {', '.join('p.' + quote(k) for k in contract.key)}, p._seq, "
        "CASE WHEN k._seq IS NULL THEN 'new' WHEN k._hash = p._hash THEN 'unchanged' "
        "WHEN k._seq > p._seq THEN 'outdated' ELSE 'updated' END AS fate "
        f"FROM {passes} p LEFT JOIN known k USING ({key})"
    )
    fates = dict(con.execute("SELECT fate, count(*) FROM fate GROUP BY 1").fetchall())
    absent = _absent(con, lake, contract, delivered, absent_before, run)
    before = _scalar(con, "SELECT count(*) FROM known") if rows_before is None else rows_before
    deleted = _scalar(con, "SELECT count(*) FROM gone")
    _hold_if_too_many(contract, before, deleted, accept_deletions)
    counts = {n: int(fates.get(n, 0)) for n in ("new", "updated", "unchanged", "outdated")} | {"deleted": deleted}
    rows = before + counts["new"] - deleted
    columns = ", ".join("p." + quote(c.name) for c in contract.columns)
    blank = ", ".join(quote(c.name) if c.name in contract.key else f"NULL::{c.sql_type}" for c in contract.columns)
    select = (
        f"SELECT {columns}, 'upsert' AS _op, {load}::BIGINT AS _load, p._seq AS _seq, p._hash AS _hash FROM {passes} p "
        f"SEMI JOIN (SELECT _seq FROM fate WHERE fate IN ('new', 'updated')) USING (_seq) UNION ALL "
        f"SELECT {blank}, 'delete', {load}::BIGINT, {delivered.next_seq}::BIGINT + row_number() OVER (ORDER BY {key}) - 1, "
        "NULL::BIGINT FROM gone"
    )
    return append(con, lake, contract, select, load=load, run=run, rows=rows, counts=counts, absent=absent)


def passed(passes: Path) -> str:
    """The relation of the rows that passed the gate: those of `passes`, but for those whose `_seq` stands in `left_out.parquet` beside it."""
    everything, left_out = f"read_parquet({literal(str(passes))})", passes.with_name("left_out.parquet")
    if not left_out.exists():
        return everything
    return f"(SELECT * FROM {everything} p ANTI JOIN read_parquet({literal(str(left_out))}) l USING (_seq))"


def restore(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, *, to: int, load: int, run: str, first_seq: int
) -> Changes:
    """The rows that make current what it was as of load `to`, as a new load: a rollback adds, it takes nothing away."""
    current.create_view(con, lake, contract, "wanted", to)
    return restate(con, lake, contract, load=load, run=run, first_seq=first_seq)


def restate(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, *, load: int, run: str, first_seq: int
) -> Changes:
    """The rows that make current what the view `wanted` shows, as a new load."""
    key = ", ".join(quote(k) for k in contract.key)
    current.create_view(con, lake, contract, "before", load - 1)
    columns = ", ".join(quote(c.name) for c in contract.columns)
    blank = ", ".join(quote(c.name) if c.name in contract.key else f"NULL::{c.sql_type}" for c in contract.columns)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE moves AS "
        f"SELECT {columns}, 'upsert' AS _op, _hash FROM wanted ANTI JOIN before USING ({key}, _hash) UNION ALL "
        f"SELECT {blank}, 'delete', NULL::BIGINT FROM (SELECT * FROM before ANTI JOIN wanted USING ({key}))"
    )
    updated = _scalar(con, f"SELECT count(*) FROM moves SEMI JOIN before USING ({key}) WHERE _op = 'upsert'")
    upserts = _scalar(con, "SELECT count(*) FROM moves WHERE _op = 'upsert'")
    counts = {
        "new": upserts - updated,
        "updated": updated,
        "deleted": _scalar(con, "SELECT count(*) FROM moves") - upserts,
    }
    rows = _scalar(con, "SELECT count(*) FROM wanted")
    select = f"SELECT {columns}, _op, {load}::BIGINT AS _load, {first_seq}::BIGINT + row_number() OVER (ORDER BY {key}) - 1 AS _seq, _hash FROM moves"
    return append(con, lake, contract, select, load=load, run=run, rows=rows, counts=counts)


def append(
    con: duckdb.DuckDBPyConnection,
    lake: Path,
    contract: Contract,
    select: str,
    *,
    load: int,
    run: str,
    rows: int,
    counts: dict[str, int],
    absent: str = "",
) -> Changes:
    """Write the selected rows as the load's data file and take its content hash (order-independent, over key, operation and row hash).

    Each try has a file of its own: a task tried again beside its zombie must not write over what the zombie publishes.
    """
    total = counts["new"] + counts["updated"] + counts["deleted"]
    if not total:
        return Changes(None, rows, "", absent, counts)
    file = _new_file(lake, contract, load, run)
    con.execute("SET preserve_insertion_order = false")
    con.execute(f"COPY ({select}) TO {literal(str(file))} ({_WRITTEN})")
    return Changes(file, rows, content_hash(con, contract, (file,)), absent, counts)


def content_hash(con: duckdb.DuckDBPyConnection, contract: Contract, files: tuple[Path, ...]) -> str:
    """The content hash of history rows: what a reader recomputes to see that it was given a whole load."""
    names = ", ".join(literal(str(f)) for f in files)
    key = ", ".join(f"{quote(k)}::VARCHAR" for k in contract.key)
    found = con.execute(
        f"SELECT sum(CASE _op WHEN 'upsert' THEN _hash ELSE md5_number(concat_ws(chr(31), {key})) % 1000000000000000003 END) "
        f"FROM read_parquet([{names}])"
    ).fetchone()
    return str(found[0]) if found else ""


def absences(lake: Path, dataset: str) -> Path:
    """Where keys are remembered that one full but inconsistent read did not see."""
    return folder(lake, dataset).parent / f"{dataset}.absent"


def _first(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, delivered: Delivered, *, load: int, run: str
) -> Changes:
    """A first delivery whose standardised file is the load's data file: one more name for the same bytes."""
    rows = _scalar(con, f"SELECT count(*) FROM read_parquet({literal(str(delivered.passes))})")
    counts = dict.fromkeys(("updated", "unchanged", "outdated", "deleted"), 0) | {"new": rows}
    if not rows:
        return Changes(None, 0, "", "", counts)
    file = _new_file(lake, contract, load, run)
    try:
        file.hardlink_to(delivered.passes)
    except OSError:  # the work folder is on another disk
        shutil.copyfile(delivered.passes, file)
    return Changes(file, rows, content_hash(con, contract, (file,)), "", counts)


def _certain(delivered: Delivered) -> bool:
    """Whether a key that was not delivered is no longer there."""
    return delivered.complete and not delivered.unkeyable


def _new_file(lake: Path, contract: Contract, load: int, run: str) -> Path:
    file = folder(lake, contract.dataset) / f"load-{load:09d}-{run}-{_token()}.parquet"
    make_folder(file.parent)
    return file


def _absent(
    con: duckdb.DuckDBPyConnection, lake: Path, contract: Contract, delivered: Delivered, before: str, run: str
) -> str:
    """Fill temp table `gone` with the keys to delete; return the file of keys to remember as absent once, if any."""
    key = ", ".join(quote(k) for k in contract.key)
    keys = f"read_parquet({literal(str(delivered.keys))})"
    certain = _certain(delivered)
    missing = (
        f"SELECT {key} FROM known ANTI JOIN {keys} USING ({key})" if certain else f"SELECT {key} FROM known WHERE false"
    )
    if not certain or delivered.consistent:
        con.execute(f"CREATE OR REPLACE TEMP TABLE gone AS {missing}")
        return ""
    store = absences(lake, contract.dataset)
    make_folder(store)
    file = store / f"{run}-{_token()}.parquet"
    con.execute(f"COPY ({missing}) TO {literal(str(file))} (FORMAT parquet)")
    sync_file(file)
    sync_folder(store)
    twice = f"SELECT m.* FROM ({missing}) m SEMI JOIN read_parquet({literal(str(store / before))}) b USING ({key})"
    con.execute(f"CREATE OR REPLACE TEMP TABLE gone AS {twice if before else missing + ' LIMIT 0'}")
    return file.name


def _hold_if_too_many(contract: Contract, before: int, deleted: int, accepted: bool) -> None:
    if deleted and not accepted and deleted > contract.limits.deleted * before:
        raise DeliveryHeld(
            f"{contract.dataset}: the delivery lacks {deleted} of {before} known rows, "
            f"more than the {contract.limits.deleted:.0%} that may vanish at once",
            todo=f"ask {contract.provider}; if it is right: hub pull {contract.dataset} --accept-deletions",
        )


def _token() -> str:
    return uuid.uuid4().hex[:8]


def _scalar(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0
