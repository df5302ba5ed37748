"""The contract change that would hold what a source has begun to deliver, drafted from the newest landing.

Nothing is applied: the draft is read, compared (`hub contract diff`), applied, and then `hub replay` fills the new columns from kept landings.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from hub.core import Hub
from hub.pulling.steps import deliveries, landed
from lake import landing
from ledger import contracts, runs
from ledger.runs import Run
from schemas import diff, odcs, versions
from schemas.contract import Contract
from schemas.draft import Described, property_nodes
from schemas.errors import Invalid

SAMPLE = 2000


def evolved(hub: Hub, dataset: str) -> str:
    """The contract in force with the drafted change and the version it asks for; what only a person can decide stands in comments above.

    Raises:
        Invalid: the newest landing is as the contract says.
    """
    contract = hub.contract(dataset)
    run = next((r for r in runs.recent(hub.ledger, dataset, 200) if landing.manifest(hub.lake, dataset, r.run)), None)
    findings: list[dict[str, Any]] = run.facts.get("drift", []) if run else []
    long = {f["name"] for f in findings if f["what"] == "length"}
    described, lengths = _looked_at(hub, contract, run, long) if run else ([], {})
    if run is None or not (described or findings):
        raise Invalid(f"the newest landing of {dataset} is as its contract says", todo=f"hub runs list {dataset}")
    document = yaml.safe_load(contracts.versions(hub.ledger, dataset)[-1].text)
    properties = document["schema"][0]["properties"]
    properties += property_nodes(described, [c.name for c in contract.columns]) if described else []
    for node in properties:
        longest = lengths.get(str(node.get("physicalName") or node["name"]))
        if longest:
            node["logicalTypeOptions"] = {**(node.get("logicalTypeOptions") or {}), "maxLength": longest}
    document["version"] = _version(contract, document)
    notes = "".join(f"# {line}\n" for line in _notes(run, findings))
    return notes + yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=10_000)


def _looked_at(hub: Hub, contract: Contract, run: Run, long: set[str]) -> tuple[list[Described], dict[str, int]]:
    """The columns that the contract does not name with sample values, and the greatest length in each column that was too long."""
    wanted = {"_row", *(c.source for c in contract.columns)}
    values: dict[str, list[object]] = {}
    lengths: dict[str, int] = {}
    for batch in _batches(hub, contract, run):
        for name in batch.schema.names:
            if name not in wanted:
                kept = values.setdefault(name, [])
                kept += islice((v for v in batch.column(name).to_pylist() if v is not None), SAMPLE - len(kept))
            if name in long:
                longest = max((len(str(v)) for v in batch.column(name).to_pylist() if v is not None), default=0)
                lengths[name] = max(lengths.get(name, 0), longest)
    return [Described(name, values=found) for name, found in values.items()], lengths


def _batches(hub: Hub, contract: Contract, run: Run) -> Iterator[pa.RecordBatch]:
    for _, batches in deliveries(hub, contract, landed(hub, run.dataset, run.run)):
        yield from batches


def _version(contract: Contract, document: dict[str, Any]) -> str:
    text = yaml.safe_dump(document, allow_unicode=True)
    return versions.wanted(
        contract.version, diff.diff(contract, odcs.load(Path(f"{contract.dataset}.odcs.yaml"), text))
    )


def _notes(run: Run, findings: list[dict[str, Any]]) -> Iterator[str]:
    yield f"drafted from run {run.run}; compare: hub contract diff FILE; apply; then: hub replay {run.dataset} --from LOAD"
    for finding in findings:
        if finding["what"] == "missing":
            yield f"TODO {finding['name']} is no longer delivered: ask the department; deprecate it or keep it"
        elif finding["what"] == "type":
            yield f"TODO {finding['name']} holds values that its type cannot: give it a new name with a wider logicalType"
