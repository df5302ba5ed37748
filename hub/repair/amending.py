"""What settles rows in quarantine, in one shape: a corrected file, a release, a waiver. Each is a run and one load, and asks no source.

The load carries on what its predecessor knew of the source (watermark, origin, keys absent once), so the next pull goes on as if it had not
been there. It judges a handful of rows that were all bad: the limits that hold a delivery are not for it.
"""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hub.core import Hub
from hub.pulling import pipeline
from hub.pulling.steps import SEQ_BITS, facts_of, judged, view_of
from lake import crash
from lake.changes import Changes
from lake.history import History
from lake.history import Load as Commit
from ledger.runs import Run
from quality.standardise import Delivery
from quality.table_rules import OF_DELIVERIES
from quality.verdict import Verdict
from schemas.contract import Contract
from schemas.errors import DeliveryHeld, Stop


def lenient(contract: Contract) -> Contract:
    """The contract under which a few rows are judged beside a table that stays: no share of them is too many, none is missing."""
    drift = contract.drift
    modes = replace(
        drift,
        columns="evolve" if drift.columns == "stop" else drift.columns,
        types="quarantine" if drift.types == "stop" else drift.types,
    )
    limits = replace(contract.limits, rejected=1.0, rejected_rows=None)
    checks = tuple(replace(c, severity="warning") if c.kind in OF_DELIVERIES else c for c in contract.checks)
    judging = {rule: replace(said, threshold=None) for rule, said in contract.judging.items()}
    source = replace(contract.source, sync="incremental")
    return replace(contract, drift=modes, limits=limits, checks=checks, judging=judging, source=source)


def judge(hub: Hub, run: Run, contract: Contract, rows: Generator[Delivery, None, None], folder: Path) -> Verdict:
    """The gate over the rows, held against current. Raises DeliveryHeld if a rule over the whole table speaks against them."""
    verdict = judged(
        hub, lenient(contract), rows, folder, first_seq=run.landing << SEQ_BITS,
        against=view_of(hub.lake, contract, run.load - 1), load=run.load,
    )  # fmt: skip
    if verdict.outcome == "hold":
        reasons = "; ".join(f"{r.zh} / {r.en}" for r in verdict.reasons)
        raise DeliveryHeld(f"{contract.dataset}: {reasons}", todo=f"hub quarantine list {contract.dataset}")
    return verdict


def head_of(hub: Hub, contract: Contract) -> Commit:
    """The newest load. Raises Stop if nothing is published yet: then there is nothing to amend."""
    head = History(hub.lake, contract.dataset).head()
    if head is None:
        raise Stop(f"nothing of {contract.dataset} is published yet", todo=f"hub pull {contract.dataset}")
    return head


def nothing(hub: Hub, contract: Contract) -> Changes:
    """No row to append."""
    head = head_of(hub, contract)
    return Changes(None, head.rows, "", head.absent, {"new": 0, "updated": 0, "deleted": 0})


def settled(folder: Path, states: dict[int, str]) -> Path:
    """The file that tells quarantine what became of rows, by `_seq`."""
    file = folder / "settled.parquet"
    columns: dict[str, pa.Array[Any]] = {
        "_seq": pa.array([*states], pa.int64()),
        "state": pa.array([*states.values()], pa.string()),
    }
    pq.write_table(pa.table(columns), file)
    return file


def publish(
    hub: Hub, run: Run, contract: Contract, found: Changes, *, kind: str, verdict: dict[str, Any], counts: dict[str, int] | None = None
) -> Commit:  # fmt: skip
    """Commit the load and tell the ledger."""
    head, table = head_of(hub, contract), History(hub.lake, contract.dataset)
    commit = facts_of(
        hub, run, contract, replace(found, absent=head.absent), kind=kind, verdict=verdict, watermark=head.watermark,
        origin=head.origin, counts=counts,
    )  # fmt: skip
    table.commit(commit, found.file, contract)
    crash.point("tell.before")
    pipeline.tell(hub, contract, commit)
    crash.point("tell.after")
    return commit
