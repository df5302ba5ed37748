"""A corrected file on its way back: matched with the rows in quarantine, landed, judged and published as any read is.

1. The file is looked through whole before anything begins (`Sheet.read`); its arrival is in the audit.
2. A run is claimed. Each row of the file answers the open row of its number: a cell that was not touched counts as delivered. A row that is
   no longer open was settled since, by a later version, so that an old file cannot overwrite a newer record: it is *superseded*. A row of a
   delivery that is *held* waits with it; a number that is not there is *unknown*.
3. The rows taken land as text under the department's names, in the order of the file. The landing is partial: nothing is missing from it.
4. The gate judges them beside current. Quarantine learns which rows were answered; the load is of kind `upload`.
5. The answer, row by row and without a value, lies beside the landing, for the replay and for whoever asks again under the same owner.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from access.audit import Entry
from connectors import Part, Reading
from connectors.batches import text_batches, text_schema
from hub.core import Hub
from hub.pulling import pipeline
from hub.pulling.steps import delivered as delivered_as
from hub.pulling.steps import deliveries, work_folder, working
from hub.repair import amending
from hub.repair.quarantined import HELD, explained, in_words, known_rules
from hub.repair.sheet import Form, Sheet, number
from lake import changes, crash, landing, quarantine
from lake.current import literal
from lake.durable import write_atomically
from lake.history import History
from lake.session import Connection, session
from ledger import runs
from ledger.runs import Run
from quality.rule import Rule, Words
from quality.rules import version
from quality.verdict import Verdict
from schemas.contract import Contract
from schemas.errors import Invalid

OUTCOMES = ("accepted", "wrong", "superseded", "held", "unknown")
_NOT_TAKEN = {
    "superseded": Words(
        "该行已另行处理:来源已重新报送,或已由其他文件更正", "it is settled already, by a later delivery or another file",
        "无需处理", "nothing need be done",
    ),
    "held": HELD,
    "unknown": Words(
        "没有编号,或编号不存在", "it has no number, or one that was never given",
        "请在导出的文件中更正,勿改动编号列;新记录请由源系统报送",
        "correct the exported file and leave its numbers alone; new records come from your system",
    ),
}  # fmt: skip
_ANSWER = "answer.json"
Record = Callable[[Entry], None]


@dataclass
class Matched:
    """The file's rows beside those in quarantine: `fates` of rows that were not taken, and of each taken one its row and the `_seq` it answers."""

    fates: dict[int, str] = field(default_factory=dict)
    taken: list[tuple[int, int]] = field(default_factory=list)


def take_back(
    hub: Hub, contract: Contract, file: BinaryIO, form: Form, where: str, *, owner: str, who: str, record: Record, dry_run: bool = False
) -> dict[str, Any]:  # fmt: skip
    """Take a corrected file in and tell what became of each row; under an `owner` that did so before, what became of them then.

    `where` is the file's name, `who` returns it, `record` writes the audit. A dry run publishes nothing.

    Raises:
        Invalid: the file cannot be read, is not one of this dataset, or another came under this owner before.
        Busy: a pull is at work; DeliveryHeld: a rule over the whole table speaks against it.
    """
    sheet = Sheet.read(contract, file, form, where)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # any binary file will do
    columns = tuple(c.name for c in contract.columns)
    record(
        Entry(who, "quarantine upload", contract.dataset, columns, digest[:32], f"{len(sheet.numbers)} rows received")
    )
    run = pipeline.claim(hub, contract.dataset, owner, dry_run=dry_run)
    if run.facts.get("sha256", digest) != digest:
        raise Invalid("another file came under this key before", todo="send each file under a key of its own")
    if run.phase not in pipeline.DONE:
        runs.remark(hub.ledger, run.run, kind="upload", sha256=digest)
        with working(hub, run, contract, "upload", quietly=True):
            _amend(hub, run, contract, sheet, dry_run=dry_run)
    return _told(hub, contract, runs.find(hub.ledger, run.run))


def answered(lake: Path, dataset: str, run: str, work: Path, wrong: set[int]) -> Path:
    """The rows that an upload's landing answered, as `quarantine.record` takes them; `wrong` are the landed rows that are rejected."""
    answer = json.loads((landing.folder(lake, dataset, run) / _ANSWER).read_bytes())
    pairs = enumerate((seq for _, seq in answer["taken"]), 1)
    return amending.settled(work, {seq: "superseded" if place in wrong else "corrected" for place, seq in pairs})


def rejected(con: Connection, folder: Path) -> dict[int, list[str]]:
    """The landed rows that the gate rejected, with the rules."""
    return dict(
        con.execute(f"SELECT _row, reasons FROM read_parquet({literal(str(folder / 'rejects.parquet'))})").fetchall()
    )


def _amend(hub: Hub, run: Run, contract: Contract, sheet: Sheet, *, dry_run: bool) -> None:
    work, matched = work_folder(hub, run), Matched()
    shutil.rmtree(work, ignore_errors=True)
    manifest = _land(hub, run, contract, sheet, matched)
    with session(work, hub.settings.judge_memory_mb) as con:
        folder, wrong = work / "judged", dict[int, list[str]]()
        if matched.taken:
            verdict = amending.judge(hub, run, contract, deliveries(hub, contract, manifest), folder)
            wrong = rejected(con, folder)
        _write_answer(hub, run, sheet, matched, wrong)
        if dry_run or not matched.taken:
            runs.close(hub.ledger, run.run, "dry", now=hub.clock())
        else:
            _publish(hub, run, contract, con, delivered_as(folder, manifest, verdict), verdict, {*wrong})
    shutil.rmtree(work, ignore_errors=True)


def _publish(
    hub: Hub, run: Run, contract: Contract, con: Connection, rows: changes.Delivered, verdict: Verdict, wrong: set[int]
) -> None:  # fmt: skip
    History(hub.lake, run.dataset).prepare(contract)
    before = amending.head_of(hub, contract).rows
    found = changes.find(con, hub.lake, contract, rows, load=run.load, run=run.run, rows_before=before)
    crash.point("append.written")
    moved = quarantine.record(
        con, hub.lake, contract, rows.passes.with_name("rejects.parquet"), rows.keys, run=run.run, landing=run.landing,
        rules=version(contract), held=False, complete=False, at=hub.clock().isoformat(),
        answered=answered(hub.lake, run.dataset, run.run, work_folder(hub, run), wrong),
    )  # fmt: skip
    if not found.changed and not moved:  # nothing was corrected
        runs.close(hub.ledger, run.run, "dry", now=hub.clock())
        return
    amending.publish(hub, run, contract, found, kind="upload", verdict=verdict.to_json(), counts=asdict(verdict.counts))


def _land(hub: Hub, run: Run, contract: Contract, sheet: Sheet, matched: Matched) -> landing.Manifest:
    """Land the rows that answer open ones; an earlier try of the run is written over."""
    sources = [c.source for c in contract.columns]
    head = History(hub.lake, run.dataset).head()

    def parts(_reading: Reading) -> Iterator[Part]:
        with session(work_folder(hub, run), hub.settings.judge_memory_mb) as con:
            schema = text_schema(sources)
            yield Part(
                sheet.where, "arrows", batches=text_batches(_matching(hub, con, sheet, matched), schema), schema=schema
            )

    reading = Reading(parts, complete=False, consistent=True, mark=head.watermark if head else None)
    return landing.land(hub.lake, run.dataset, run.run, reading, landed_at=hub.clock().isoformat())


def _matching(hub: Hub, con: Connection, sheet: Sheet, matched: Matched) -> Iterator[list[str | None]]:
    """The values of each row that is taken; of the others the fate is noted."""
    quarantine.create_states(con, hub.lake, sheet.contract.dataset, "states")
    con.register("asked", pa.table({"_seq": pa.array({s for s in sheet.numbers if s is not None}, pa.int64())}))
    con.execute(
        "CREATE TEMP TABLE known AS SELECT DISTINCT ON (e._seq) e._seq AS asked, o._seq AS _seq, o.held AS held, o.delivered AS delivered "
        "FROM states e SEMI JOIN asked USING (_seq) LEFT JOIN states o "
        "ON o._key IS NOT DISTINCT FROM e._key AND o._hash = e._hash AND o.state = 'open' ORDER BY e._seq, o._seq"
    )
    names, row = sheet.names(), 0
    for batch in sheet.batches():
        cells, seqs = batch.to_pydict(), sheet.numbers[row : row + batch.num_rows]
        con.register("here", pa.table({"_seq": pa.array([s for s in seqs if s is not None], pa.int64())}))
        found: dict[int | None, Any] = {
            asked: rest
            for asked, *rest in con.execute("SELECT known.* FROM known SEMI JOIN here ON asked = here._seq").fetchall()
        }
        for place, asked in enumerate(seqs):
            row += 1
            seq, held, delivered = found.get(asked, (None, None, None))
            if asked not in found or seq is None or held:
                matched.fates[row] = "unknown" if asked not in found else "held" if held else "superseded"
                continue
            matched.taken.append((row, seq))
            before = json.loads(delivered)
            yield [sheet.value(cells[name][place], before.get(source)) for source, name in names.items()]


def _write_answer(hub: Hub, run: Run, sheet: Sheet, matched: Matched, wrong: dict[int, list[str]]) -> None:
    """Write down what becomes of each row: rules and numbers, no value."""
    outcomes = {row: "accepted" for row, _ in matched.taken} | matched.fates
    broken = {matched.taken[place - 1][0]: reasons for place, reasons in wrong.items()}
    records = [
        {
            "record": row, "no": number(seq) if seq is not None else "", "outcome": "wrong" if row in broken else outcomes[row],
            "rules": broken.get(row, []),
        }
        for row, seq in enumerate(sheet.numbers, 1)
    ]  # fmt: skip
    path = landing.folder(hub.lake, run.dataset, run.run) / _ANSWER
    write_atomically(path, json.dumps({"taken": matched.taken, "records": records}).encode())


def _told(hub: Hub, contract: Contract, run: Run) -> dict[str, Any]:
    """The answer with its words."""
    path = landing.folder(hub.lake, run.dataset, run.run) / _ANSWER
    records = json.loads(path.read_bytes())["records"] if path.exists() else []
    known = known_rules(hub, contract)
    return {
        "receipt": run.run, "dataset": run.dataset, "sha256": run.facts.get("sha256", ""), "load": run.facts.get("load"),
        "rows": len(records), **{o: sum(r["outcome"] == o for r in records) for o in OUTCOMES},
        "records": [
            {**{k: r[k] for k in ("record", "no", "outcome")}, "reasons": _why(known, r)} for r in records
        ],
    }  # fmt: skip


def _why(known: dict[str, Rule], record: dict[str, Any]) -> list[dict[str, str]]:
    """The rules that a row breaks, or why it was not taken."""
    outcome = record["outcome"]
    if outcome in _NOT_TAKEN:
        return [in_words(outcome, _NOT_TAKEN[outcome])]
    return explained(known, tuple(record["rules"]))
