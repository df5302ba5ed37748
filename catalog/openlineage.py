"""A run as OpenLineage tells it (spec 2-0-2): one START, and one COMPLETE, ABORT or FAIL, with lineage by column and the gate's verdict.

The source table is the input, the dataset the output; the job is the dataset's DAG. Errors tell what the run's reason tells, which names
tables, rules and counts, never a record.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from catalog.lineage import source_of
from ledger.loads import Load
from ledger.runs import Run
from schemas.contract import Contract

EventType = Literal["START", "COMPLETE", "ABORT", "FAIL"]
PRODUCER = "urn:cityhub:hub"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = {
    "schema": "1-2-0/SchemaDatasetFacet",
    "columnLineage": "1-2-0/ColumnLineageDatasetFacet",
    "dataQualityAssertions": "1-1-0/DataQualityAssertionsDatasetFacet",
    "dataQualityMetrics": "1-0-3/DataQualityMetricsInputDatasetFacet",
    "outputStatistics": "1-0-2/OutputStatisticsOutputDatasetFacet",
    "errorMessage": "1-0-1/ErrorMessageRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet",
}
_ENDS: dict[str, EventType] = {
    "published": "COMPLETE", "dry": "COMPLETE", "reconciled": "COMPLETE", "held": "ABORT", "superseded": "ABORT", "failed": "FAIL",
}  # fmt: skip


def event_type(run: Run) -> EventType | None:
    """How the run ended; None while it has not."""
    return _ENDS.get(run.phase)


def event(
    namespace: str, run: Run, contract: Contract, kind: EventType, at: datetime, load: Load | None = None
) -> dict[str, Any]:
    """The run's event; `load` is what it published, if it did."""
    failed = (
        {"errorMessage": _facet("errorMessage", message=run.reason, programmingLanguage="python")} if run.reason else {}
    )
    return {
        "eventType": kind,
        "eventTime": at.isoformat(),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run.run, "facets": failed if kind in ("ABORT", "FAIL") else {}},
        "job": {
            "namespace": namespace,
            "name": f"dataset.{contract.dataset}",
            "facets": {"jobType": _facet("jobType", processingType="BATCH", integration="CITYHUB", jobType="DAG")},
        },
        "inputs": [_input(contract, load)],
        "outputs": [_output(namespace, contract, load)],
    }


def _input(contract: Contract, load: Load | None) -> dict[str, Any]:
    namespace, name = source_of(contract)
    fields = [{"name": c.source, "type": c.type} for c in contract.columns]
    return {
        "namespace": namespace,
        "name": name,
        "facets": {"schema": _facet("schema", fields=fields)},
        "inputFacets": _judged(load) if load else {},
    }


def _output(namespace: str, contract: Contract, load: Load | None) -> dict[str, Any]:
    fields = [{"name": c.name, "type": c.sql_type, "description": c.title} for c in contract.columns]
    facets = {
        "schema": _facet("schema", fields=fields),
        "columnLineage": _facet("columnLineage", fields=_columns(contract)),
    }
    statistics = {}
    if load:
        facets["version"] = _facet("version", datasetVersion=str(load.load))
        statistics["outputStatistics"] = _facet("outputStatistics", rowCount=int(load.facts.get("changed") or 0))
    return {"namespace": namespace, "name": contract.dataset, "facets": facets, "outputFacets": statistics}


def _columns(contract: Contract) -> dict[str, Any]:
    """Every column of the dataset comes from one of the source; with a code map or a date format it is another value."""
    namespace, name = source_of(contract)
    return {
        column.name: {
            "inputFields": [
                {
                    "namespace": namespace,
                    "name": name,
                    "field": column.source,
                    "transformations": [
                        {"type": "DIRECT", "subtype": "TRANSFORMATION" if column.codes or column.format else "IDENTITY"}
                    ],
                }
            ]
        }
        for column in contract.columns
    }


def _judged(load: Load) -> dict[str, Any]:
    """What the gate counted of the delivery, rule by rule."""
    verdict = load.facts.get("verdict")
    rules = verdict.get("rules") or () if isinstance(verdict, Mapping) else ()
    assertions = [
        {
            "assertion": str(r["id"]),
            "success": not r.get("unexpected"),
            **({"column": r["column"]} if r.get("column") else {}),
        }
        for r in rules
    ]
    told = {
        "dataQualityMetrics": _facet(
            "dataQualityMetrics", rowCount=int(load.counts.get("delivered") or 0), columnMetrics={}
        )
    }
    return told | (
        {"dataQualityAssertions": _facet("dataQualityAssertions", assertions=assertions)} if assertions else {}
    )


def _facet(name: str, **values: Any) -> dict[str, Any]:
    path = _FACETS[name]
    url = f"https://openlineage.io/spec/facets/{path}.json#/$defs/{path.partition('/')[2]}"
    return {"_producer": PRODUCER, "_schemaURL": url, **values}
