"""Events are what OpenLineage 2-0-2 says: the standard's own model takes each whole, and gives the same back."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from catalog_ledger import NOW
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    data_quality_metrics_input_dataset,
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    schema_dataset,
)
from openlineage.client.generated import base
from openlineage.client.serde import Serde

from catalog.openlineage import EventType, event, event_type
from ledger.loads import Load
from ledger.runs import Run
from schemas.contract import Contract

FACETS: dict[str, Any] = {
    "schema": schema_dataset.SchemaDatasetFacet,
    "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
    "dataQualityAssertions": data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
    "dataQualityMetrics": data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
}
PARTS: dict[str, Any] = {
    "fields": schema_dataset.SchemaDatasetFacetFields,
    "inputFields": column_lineage_dataset.InputField,
    "transformations": column_lineage_dataset.Transformation,
    "assertions": data_quality_assertions_dataset.Assertion,
}


def run(phase: str = "published", reason: str = "") -> Run:
    ended = NOW + timedelta(minutes=2)
    return Run(str(uuid4()), "residents", "test", 1, 3, phase, False, NOW, ended, reason)


def facet(name: str, value: Mapping[str, Any]) -> Any:
    """The facet as the library's own class; unknown or missing members raise, and so does another schema version."""
    inner = {k: part(k, v) for k, v in value.items() if not k.startswith("_")}
    made = FACETS[name](**inner, producer=value["_producer"])
    assert value["_schemaURL"] == made._get_schema()
    return made


def part(name: str, value: Any) -> Any:
    if name == "fields" and isinstance(value, dict):
        return {
            k: column_lineage_dataset.Fields(inputFields=part("inputFields", v["inputFields"]))
            for k, v in value.items()
        }
    if name in PARTS:
        return [PARTS[name](**{k: part(k, v) for k, v in one.items()}) for one in value]
    return value


def facets(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facet(name, one) for name, one in value.items()}


def parsed(told: dict[str, Any]) -> base.RunEvent:
    """The event as the library's own value."""
    return base.RunEvent(
        eventType=base.EventType(told["eventType"]),
        eventTime=told["eventTime"],
        producer=told["producer"],
        run=base.Run(told["run"]["runId"], facets(told["run"]["facets"])),
        job=base.Job(told["job"]["namespace"], told["job"]["name"], facets(told["job"]["facets"])),
        inputs=[
            base.InputDataset(
                i["namespace"], i["name"], facets=facets(i["facets"]), inputFacets=facets(i["inputFacets"])
            )
            for i in told["inputs"]
        ],
        outputs=[
            base.OutputDataset(
                o["namespace"], o["name"], facets=facets(o["facets"]), outputFacets=facets(o["outputFacets"])
            )
            for o in told["outputs"]
        ],
    )


@pytest.mark.parametrize(
    ("phase", "kind"),
    [
        ("published", "COMPLETE"), ("dry", "COMPLETE"), ("reconciled", "COMPLETE"), ("held", "ABORT"), ("superseded", "ABORT"),
        ("failed", "FAIL"), ("landed", None),
    ],
)  # fmt: skip
def test_how_a_run_ended_is_told_in_the_standards_words(phase: str, kind: EventType | None) -> None:
    assert event_type(run(phase)) == kind


@pytest.mark.parametrize("kind", ["START", "COMPLETE", "FAIL"])
def test_the_standards_own_model_takes_every_event_and_gives_it_back(
    contracts: Mapping[str, Contract], load: Load, kind: EventType
) -> None:
    one = run(reason="residents: the table is gone" if kind == "FAIL" else "")
    told = event("cityhub", one, contracts["residents"], kind, NOW, load if kind == "COMPLETE" else None)
    assert (
        told["schemaURL"]
        == base.RunEvent._get_schema()
        == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    )
    again = Serde.to_dict(parsed(told))
    assert without_empty(again) == without_empty(told)


def without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_empty(v) for k, v in value.items() if v not in (None, {}, [])}
    return [without_empty(v) for v in value] if isinstance(value, list) else value


def test_a_published_run_tells_columns_counts_and_verdict(contracts: Mapping[str, Contract], load: Load) -> None:
    told = event(
        "cityhub", run(), contracts["residents"], "COMPLETE", NOW, replace(load, facts={**load.facts, "changed": 12})
    )
    (source,), (output,) = told["inputs"], told["outputs"]
    assert (source["namespace"], source["name"]) == ("sqlite://", "police.db.residents")
    assert output["facets"]["columnLineage"]["fields"]["name"]["inputFields"][0]["field"] == "xm"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 12
    assert source["inputFacets"]["dataQualityMetrics"]["rowCount"] == 100
    assertions = {a["assertion"]: a["success"] for a in source["inputFacets"]["dataQualityAssertions"]["assertions"]}
    assert assertions == {"name.required": False, "citizen_id.checksum": False, "birth_date.date": True}


def test_a_failed_run_tells_its_reason(contracts: Mapping[str, Contract]) -> None:
    told = event("cityhub", run("failed", "no such host"), contracts["residents"], "FAIL", NOW)
    assert told["run"]["facets"]["errorMessage"]["message"] == "no such host"
    assert event("cityhub", run("failed", "x"), contracts["residents"], "START", NOW)["run"]["facets"] == {}
