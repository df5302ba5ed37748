"""The gate between what a department delivered and what the hub publishes.

`judge` tells the story:

1. The contract's rules are compiled.
2. The delivery is fitted to the contract's columns as its drift modes say, and standardised into Parquet in the work folder, unless that was
   done while it was read (`quality.prepared`).
3. The sieve gives each row its fate: passed, rejected with reasons, duplicate or superseded.
4. What passed, what was rejected, and every key delivered are there as Parquet; if every row passed, the standardised file is what passed.
5. The judge counts the same rules with Great Expectations, in a thread beside the sieve, each when its table is there; a difference ends the run.
6. The verdict says publish or hold, and why. It is written beside Great Expectations' results, and Data Docs are built.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from queue import SimpleQueue

import duckdb
import pyarrow as pa

from lake.current import literal, quote
from lake.hashing import of_values
from lake.session import PARQUET
from quality import docs as data_docs
from quality import drift
from quality import judge as gx_judge
from quality.prepared import Prepared
from quality.reasons import reasons, result
from quality.rule import present
from quality.rules import rules, version
from quality.sieve import Ready, View, sift
from quality.standardise import Delivery, create_view, delivered_hash, delivered_json, merged, standardise
from quality.table_rules import Past
from quality.verdict import Counts, Verdict
from schemas.contract import Contract
from schemas.errors import JudgeFailed


def judge(
    contract: Contract,
    deliveries: Iterable[Delivery],
    *,
    workdir: Path,
    first_seq: int,
    today: date,
    current: View,
    references: Mapping[str, View],
    docs: Path | None,
    pins: Mapping[str, int] | None = None,
    past: Past | None = None,
    memory_mb: int = 1024,
    load: int = 0,
    prepared: Prepared | None = None,
) -> Verdict:
    """Judge a delivery; leave `passes.parquet`, `rejects.parquet`, `keys.parquet`, `verdict.json` and `gx.json` in `workdir`.

    Where `left_out.parquet` stands beside the passes, it names the `_seq` of those rows in them that did not pass. `past` is what rules about
    size, age and shape compare with.

    Each delivery is a landed file's name and its batches: the contract's source columns and `_row`. `current` makes a view of the dataset's
    live rows, `references[dataset]` one of another dataset's as of load `pins[dataset]`, under the name it is given. `load` is the number that passed
    rows are to bear. Where the delivery was `prepared`, `deliveries` are not asked for.

    Raises:
        ContractInvalid: a rule cannot be understood, or cannot be evaluated over the values.
        SourceDamaged: a delivered column is unknown, or one is missing.
        SourceMissing: a rule refers to a dataset that the hub does not have.
        JudgeFailed: judge and sieve disagree, or an expectation raised.
    """
    compiled, timer = rules(contract, today=today), Timer()
    with _session(workdir, memory_mb) as con:
        standard = prepared or _standardised(con, contract, deliveries, first_seq, workdir, load)
        delivered, fitting, files = standard.rows, standard.fitting, list(standard.files)
        create_view(con, contract, files)
        fitting.create_table(con)
        known = workdir / "standard-known.parquet"
        if drift.keep_known(con, contract, fitting, current, of_values(contract), known):
            files.append(known)
            create_view(con, contract, [known])
        pa.default_memory_pool().release_unused()  # what the batches were made in
        con.execute("SET preserve_insertion_order = false")  # from here on it would only cost memory
        timer.lap("standardise")
        with ThreadPoolExecutor(1, "judge") as beside:
            stages = SimpleQueue[Ready | None]()
            judging = beside.submit(gx_judge.count, con.cursor(), contract.dataset, compiled, iter(stages.get, None))
            try:
                sifted = sift(
                    con, contract, compiled, current=current, references=references, past=past, ready=stages.put
                )
            finally:
                stages.put(None)  # whoever waits for more need not
            timer.lap("sieve")
            if not sifted.counts.balanced or sifted.counts.delivered != delivered:
                raise JudgeFailed(f"{contract.dataset}: rows do not add up: {sifted.counts}", todo="report this")
            whole = _write_rows(con, contract, workdir, files, sifted.counts)
            timer.lap("write")
            judgement = judging.result()
        gx_judge.agree(contract.dataset, judgement.counts | judgement.measures, sifted.judged | sifted.measures)
        timer.lap("judge")
        results = tuple(result(r, sifted, judgement.alone) for r in compiled)
        held = tuple(reasons(contract, compiled, sifted, results, had_rows=delivered > 0 or _has_rows(con, current)))
    verdict = Verdict(
        dataset=contract.dataset,
        contract_version=contract.version,
        rules_version=version(contract),
        outcome="hold" if held else "publish",
        reasons=held,
        counts=sifted.counts,
        rules=results,
        next_seq=first_seq + delivered,
        drift=(*fitting.findings(), *drift.of_types(contract, sifted.unexpected)),
        fit_for=load if whole else 0,
        references=dict(pins or {}),
        seconds=timer.laps,
    )
    (workdir / "gx.json").write_text(judgement.to_text(), encoding="utf-8")
    _write_json(workdir / "verdict.json", verdict.to_json())
    if docs is not None:
        data_docs.build(docs, contract, verdict, judgement, past.now if past else datetime.now(UTC))
    return verdict


class Timer:
    """Seconds from one call of `lap` to the next, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """Note the seconds since the last call."""
        now = time.monotonic()
        self.laps[name], self._last = round(now - self._last, 3), now


@contextmanager
def _session(workdir: Path, memory_mb: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A session over a fresh file in the work folder; that and the standardised files are gone when it closes: they hold personal data."""
    workdir.mkdir(parents=True, exist_ok=True)
    file = workdir / "standard.duckdb"
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": str(workdir / "spill"),
        "TimeZone": "UTC",
        "autoinstall_known_extensions": False,
    }
    _clear(workdir)
    try:
        with duckdb.connect(str(file), config=config) as con:
            yield con
    finally:
        _clear(workdir)


def _clear(workdir: Path) -> None:
    for path in workdir.glob("standard*"):
        path.unlink()


def _standardised(
    con: duckdb.DuckDBPyConnection, contract: Contract, deliveries: Iterable[Delivery], first_seq: int, workdir: Path, load: int
) -> Prepared:  # fmt: skip
    fitting = drift.Fitting(contract, workdir / "drifted.parquet")
    rows, files = standardise(con, contract, fitting.fitted(merged(deliveries)), first_seq, workdir, load)
    return Prepared(workdir, rows, tuple(files), fitting)


def _write_rows(
    con: duckdb.DuckDBPyConnection, contract: Contract, workdir: Path, files: Sequence[Path], counts: Counts
) -> bool:
    """Leave the passes, rejects and keys; tell whether the passes are one standardised file whose every value shows what was delivered.

    One standardised file is never written again: beside it stands which of its rows did not pass.
    """
    columns = ", ".join(quote(c.name) for c in contract.columns)
    key, keyed = ", ".join(quote(k) for k in contract.key), present(contract.key)
    texts = ", ".join(f"{quote(k)}::VARCHAR" for k in contract.key)
    distinct = "DISTINCT" if con.execute("SELECT 1 FROM repeated LIMIT 1").fetchone() else ""
    tables = {
        "passes": f"SELECT {columns}, _seq, _hash, _file, _row FROM standard "
        "ANTI JOIN fates USING (_seq) ANTI JOIN rejected USING (_seq)",
        "rejects": f"SELECT CASE WHEN {keyed} THEN to_json([{texts}])::VARCHAR END AS _key, {delivered_hash(contract)} AS _hash, "
        f"_seq, _file, _row, reasons, {delivered_json(contract)} AS delivered FROM standard JOIN rejected USING (_seq)",
        "keys": f"SELECT {distinct} {key} FROM standard WHERE {keyed}",
    }
    whole = counts.passed == counts.delivered
    if len(files) == 1:
        (workdir / "passes.parquet").unlink(missing_ok=True)
        (workdir / "passes.parquet").hardlink_to(files[0])
        del tables["passes"]
        if not whole:
            tables["left_out"] = "SELECT _seq FROM fates UNION SELECT _seq FROM rejected"
    for name, select in tables.items():
        file = workdir / f"{name}.parquet"
        con.execute(f"COPY ({select}) TO {literal(str(file))} ({PARQUET})")
    shown = con.execute("SELECT 1 FROM respelt LIMIT 1").fetchone() is None
    return whole and len(files) == 1 and shown


def _has_rows(con: duckdb.DuckDBPyConnection, current: View) -> bool:
    current(con, "_current")
    return con.execute("SELECT 1 FROM _current LIMIT 1").fetchone() is not None


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, default=str), encoding="utf-8")
