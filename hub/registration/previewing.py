"""A contract's checks on a sample of its source, before anything is published: the real standardising, the real gate, nothing kept.

Rules that look into another department's data are not judged here: what they answered would tell who is in it.
"""

import shutil
from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from connectors.batches import number, numbered_schema
from hub.core import Hub
from hub.pulling.steps import judged, told_plainly, view_of
from ledger import contracts
from quality.preview import Preview
from quality.preview import preview as previewed
from quality.rules import rules
from quality.standardise import Delivery
from schemas.contract import Contract

SAMPLE = 1000
OLD = timedelta(hours=1)


def preview(hub: Hub, contract: Contract, *, root: Path | None = None, n: int = SAMPLE) -> Preview:
    """The first `n` records judged; `root` holds file paths (the drop root unless said otherwise).

    Raises:
        ContractInvalid, SourceDamaged, SourceMissing, SourceDenied, SourceUnreachable: as a pull would.
    """
    applied = contracts.applied(hub.ledger, contract.references)
    own = {name for name, other in applied.items() if other.provider_code == contract.provider_code}
    foreign = {str(c.arguments.get("dataset")) for c in contract.checks if c.kind == "reference"} - own
    untold = [c.id for c in contract.checks if c.kind == "reference" and str(c.arguments.get("dataset")) in foreign]
    kept = tuple(c for c in contract.checks if c.id not in untold)
    judging = {name: judged for name, judged in contract.judging.items() if name not in untold}
    contract = replace(contract, checks=kept, judging=judging)
    work = _folder(hub) / uuid4().hex
    with hub.open_source(contract.source, root) as source:
        sample = source.sample(contract.source.table, n)
    try:
        with told_plainly(contract.dataset):
            compiled = rules(contract, today=hub.today())
            verdict = judged(hub, contract, _delivery(sample), work, first_seq=0, against=view_of(hub.lake, contract))
            return previewed(contract, verdict, compiled, work, untold)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def clear_work(hub: Hub) -> None:
    """Remove the folders of previews that were killed: they hold personal data."""
    limit = (hub.clock() - OLD).timestamp()
    for folder in _folder(hub).glob("*"):
        if folder.stat().st_mtime < limit:
            shutil.rmtree(folder, ignore_errors=True)


def _folder(hub: Hub) -> Path:
    return hub.settings.work / "previews"


def _delivery(sample: pa.Table) -> Generator[Delivery, None, None]:
    """The sample as a landed file would come."""
    schema = numbered_schema(sample.schema)
    first, batches = 1, []
    for batch in sample.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], sample.schema)]:
        batches.append(number(batch, schema, first))
        first += batch.num_rows
    yield "sample", iter(batches)
