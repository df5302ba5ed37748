"""Release: rows in quarantine judged again after a rule was put right, from kept landing; and waivers: rows that may stay where they are.

1. The open rows of published deliveries are read again from their landings, in order, and only they. A row whose landing is past retention
   is judged from its values as they were kept with it.
2. The gate judges them under the contract in force, beside current. A row that passes keeps its `_seq`: if a later version of its key is there,
   a deletion too, the row is superseded; else it is published, as a load of kind `release`.
3. What still fails stays. Rows of a delivery that is held wait for the next pull, which judges it as a whole.
"""

import json
import shutil
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from connectors.batches import numbered
from hub.core import Hub
from hub.pulling import pipeline
from hub.pulling.steps import SEQ_BITS, deliveries, work_folder, working
from hub.repair import amending
from hub.repair.sheet import seq_of
from lake import changes, crash, current, landing, quarantine
from lake.changes import Delivered
from lake.current import literal, quote
from lake.history import History
from lake.session import Connection, session
from ledger import runs
from ledger.runs import Run
from quality.rules import version
from quality.standardise import Delivery
from schemas.contract import Contract
from schemas.errors import Invalid


@dataclass
class Again:
    """The rows to judge again: by landing their `_seq` with place and values. `order` is the `_seq` of each row handed to the gate."""

    wanted: dict[int, dict[int, tuple[int, str]]]
    order: list[int] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(map(len, self.wanted.values()))


def release(hub: Hub, dataset: str, *, owner: str, dry_run: bool = False) -> Run:
    """Judge the open rows again and publish what passes now; the run's facts hold `released`, `superseded`, `still` (wrong) and `lost`.

    `lost` rows are neither in a kept landing nor complete in quarantine. If nothing passes, nothing is published and the run ends as dry.

    Raises:
        Stop: nothing is published yet.
        Busy: a pull is at work; DeliveryHeld: a rule over the whole table speaks against it.
    """
    contract = hub.contract(dataset)
    amending.head_of(hub, contract)
    run = pipeline.claim(hub, dataset, owner, dry_run=dry_run)
    if run.phase not in pipeline.DONE:
        runs.remark(hub.ledger, run.run, kind="release")
        with working(hub, run, contract, "release", quietly=True):
            _release(hub, run, contract, dry_run=dry_run)
    return runs.find(hub.ledger, run.run)


def waive(
    hub: Hub, contract: Contract, *, numbers: tuple[str, ...], rule: str | None, reason: str, owner: str, undo: bool = False
) -> Run:  # fmt: skip
    """Let open rows stay in quarantine for good, by number or all that broke a rule; `undo` opens them again. The run's facts hold `waived`.

    Raises:
        Invalid: a number is none, or neither numbers nor a rule are given.
    """
    seqs = [seq_of(text) for text in numbers]
    if None in seqs or not (seqs or rule):
        raise Invalid("which rows?", todo="give numbers as in hub quarantine show (--row Q5.17), or --rule RULE")
    amending.head_of(hub, contract)
    run = pipeline.claim(hub, contract.dataset, owner)
    if run.phase in pipeline.DONE:
        return run
    with working(hub, run, contract, "waive", quietly=True):
        work = work_folder(hub, run)
        shutil.rmtree(work, ignore_errors=True)
        with session(work, hub.settings.judge_memory_mb) as con:
            chosen = _chosen(con, hub, contract, work, [s for s in seqs if s is not None], rule)
            state: Literal["open", "waived"] = "open" if undo else "waived"
            count = quarantine.decide(
                con, hub.lake, run.dataset, chosen, state, run=run.run, landing=run.landing, at=hub.clock().isoformat()
            )  # fmt: skip
        runs.remark(hub.ledger, run.run, kind="waive", waived=count)
        if count:
            History(hub.lake, run.dataset).prepare(contract)
            told = {"outcome": "waive", "state": state, "rows": count, "reason": reason}
            amending.publish(hub, run, contract, amending.nothing(hub, contract), kind="waive", verdict=told)
        else:
            runs.close(hub.ledger, run.run, "dry", now=hub.clock())
        shutil.rmtree(work, ignore_errors=True)
    return runs.find(hub.ledger, run.run)


def _chosen(con: Connection, hub: Hub, contract: Contract, work: Path, seqs: list[int], rule: str | None) -> Path:
    quarantine.create_states(con, hub.lake, contract.dataset, "states")
    file = work / "chosen.parquet"
    of_rule = f"list_contains(reasons, {literal(rule)})" if rule else "false"
    given = ", ".join(map(str, seqs)) or "NULL"
    con.execute(
        f"COPY (SELECT _seq FROM states WHERE {of_rule} OR _seq IN ({given})) TO {literal(str(file))} (FORMAT parquet)"
    )
    return file


def _release(hub: Hub, run: Run, contract: Contract, *, dry_run: bool) -> None:
    work = work_folder(hub, run)
    shutil.rmtree(work, ignore_errors=True)
    with session(work, hub.settings.judge_memory_mb) as con:
        again, folder = _open_rows(hub, con, contract), work / "judged"
        verdict = amending.judge(hub, run, contract, _read_again(hub, contract, again), folder)
        fates = _settle(hub, run, con, contract, again, folder)
        counts = {state: list(fates.values()).count(state) for state in ("released", "superseded", "renewed")}
        told = {"released": counts["released"], "superseded": counts["superseded"], "still": counts["renewed"]}
        told["lost"] = again.rows - len(again.order)
        runs.remark(hub.ledger, run.run, **told)
        if dry_run or not told["released"] + told["superseded"]:
            runs.close(hub.ledger, run.run, "dry", now=hub.clock())
        else:
            _publish(hub, run, contract, con, folder, fates, verdict.to_json() | {"outcome": "release", **told})
    shutil.rmtree(work, ignore_errors=True)


def _open_rows(hub: Hub, con: Connection, contract: Contract) -> Again:
    quarantine.create_view(con, hub.lake, contract.dataset, "q")
    con.execute(
        "CREATE TEMP TABLE set_out AS SELECT DISTINCT ON (_seq) _seq, _file, _row, delivered FROM q WHERE NOT held ORDER BY _seq"
    )
    wanted: dict[int, dict[int, tuple[int, str]]] = {}
    for seq, row, delivered in con.execute("SELECT _seq, _row, delivered FROM set_out ORDER BY _seq").fetchall():
        wanted.setdefault(seq >> SEQ_BITS, {})[seq] = (row, delivered)
    return Again(wanted)


def _read_again(hub: Hub, contract: Contract, again: Again) -> Generator[Delivery, None, None]:
    """The wanted rows of each landing, whose number leads the files' names, so that none is taken for another's."""
    runs_of = {x.landing: x.run for x in History(hub.lake, contract.dataset).loads()}
    for number, rows in sorted(again.wanted.items()):
        manifest = landing.manifest(hub.lake, contract.dataset, runs_of.get(number, ""))
        if manifest is None:
            yield f"{number}:kept", _kept(contract, again, rows)
            continue
        picked = _Picked(again, rows, number << SEQ_BITS)
        with closing(deliveries(hub, contract, manifest)) as parts:
            for file, batches in parts:
                yield f"{number}:{file}", picked.of(batches)


class _Picked:
    """The wanted rows of a landing, counted as the gate counted them; one that is not at its place any more is left out."""

    def __init__(self, again: Again, rows: dict[int, tuple[int, str]], first: int) -> None:
        self._again, self._rows, self._next = again, rows, first
        self._seqs = np.array(sorted(rows))

    def of(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            begin, self._next = self._next, self._next + batch.num_rows
            low, high = np.searchsorted(self._seqs, (begin, self._next))
            here = [
                int(s)
                for s in self._seqs[low:high]
                if batch.column("_row")[int(s) - begin].as_py() == self._rows[int(s)][0]
            ]
            if here:
                self._again.order += here
                yield batch.take(pa.array([s - begin for s in here]))


def _kept(contract: Contract, again: Again, rows: dict[int, tuple[int, str]]) -> Iterator[pa.RecordBatch]:
    """Rows whose landing is gone, from the values kept in quarantine; those that lack a column of the contract are left out."""
    sources = [c.source for c in contract.columns]
    found = [(seq, json.loads(delivered)) for seq, (_, delivered) in sorted(rows.items())]
    whole = [(seq, values) for seq, values in found if values.keys() >= {*sources}]
    again.order += [seq for seq, _ in whole]
    yield from numbered(sources, ([values[s] for s in sources] for _, values in whole), contract.dataset)


def _settle(hub: Hub, run: Run, con: Connection, contract: Contract, again: Again, folder: Path) -> dict[int, str]:
    """What becomes of each row judged, by `_seq`; leaves `fresh.parquet` (to publish) and `left.parquet` (still wrong) in `folder`."""
    first, key = run.landing << SEQ_BITS, ", ".join(quote(k) for k in contract.key)
    rejects, fresh, left = (literal(str(folder / f"{name}.parquet")) for name in ("rejects", "fresh", "left"))
    con.register(
        "handed",
        pa.table({"place": pa.array(range(len(again.order)), pa.int64()), "seq": pa.array(again.order, pa.int64())}),
    )
    con.execute(
        "CREATE TEMP TABLE passing AS SELECT p.* REPLACE (h.seq AS _seq) "
        f"FROM {changes.passed(folder / 'passes.parquet')} p JOIN handed h ON p._seq = {first} + h.place"
    )
    current.create_newest(con, hub.lake, contract, "newest", run.load - 1, "passing")
    con.execute(
        f"COPY (SELECT p.* FROM passing p LEFT JOIN newest n USING ({key}) WHERE coalesce(n._seq < p._seq, true)) "
        f"TO {fresh} (FORMAT parquet)"
    )
    con.execute(
        "COPY (SELECT r.* REPLACE (o._seq AS _seq, o._file AS _file, o._row AS _row) "
        f"FROM read_parquet({rejects}) r JOIN handed h ON r._seq = {first} + h.place JOIN set_out o ON o._seq = h.seq) TO {left} (FORMAT parquet)"
    )
    return dict(
        con.execute(
            f"SELECT seq, CASE WHEN seq IN (SELECT _seq FROM read_parquet({left})) THEN 'renewed' "
            f"WHEN seq IN (SELECT _seq FROM read_parquet({fresh})) THEN 'released' ELSE 'superseded' END FROM handed"
        ).fetchall()
    )


def _publish(
    hub: Hub, run: Run, contract: Contract, con: Connection, folder: Path, fates: dict[int, str], verdict: dict[str, Any]
) -> None:  # fmt: skip
    History(hub.lake, run.dataset).prepare(contract)
    rows = Delivered(folder / "fresh.parquet", folder / "keys.parquet", False, True, 0, 0)
    before = amending.head_of(hub, contract).rows
    found = changes.find(con, hub.lake, contract, rows, load=run.load, run=run.run, rows_before=before)
    crash.point("append.written")
    quarantine.record(
        con, hub.lake, contract, folder / "left.parquet", None, run=run.run, landing=run.landing, rules=version(contract),
        held=False, complete=False, at=hub.clock().isoformat(), answered=amending.settled(folder, fates),
    )  # fmt: skip
    loads = {x.landing: x.load for x in History(hub.lake, run.dataset).loads()}
    begin = min(loads[seq >> SEQ_BITS] for seq, fate in fates.items() if fate != "renewed")
    amending.publish(hub, run, contract, found, kind="release", verdict={**verdict, "from": begin})
