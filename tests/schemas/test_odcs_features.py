"""Every feature that the standard's own example contracts show: the hub reads it, or refuses it and says why.

The documents are of our own making, one small feature each.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas import odcs
from schemas.contract import Contract
from schemas.errors import ContractInvalid

Edit = Callable[[dict[str, Any]], None]
KEY = {"name": "id", "logicalType": "string", "primaryKey": True, "primaryKeyPosition": 1}
BARE: dict[str, Any] = {
    "apiVersion": "v3.2.0",
    "kind": "DataContract",
    "id": "trees",
    "name": "行道树",
    "version": "1.0.0",
    "status": "active",
    "tenant": "市园林局",
    "servers": [
        {"server": "s", "type": "postgres", "host": "db.example", "port": 5432, "database": "d", "schema": "public"}
    ],
    "schema": [
        {"name": "trees", "physicalType": "table", "properties": [KEY, {"name": "height", "logicalType": "number"}]}
    ],
}
OURS = {
    "resourceCode": "302001/000009",
    "shareType": 1,
    "shareCondition": "无条件",
    "shareMode": ["api"],
    "providerCode": "11310000002420886W",
}


def load(*edits: Edit) -> Contract:
    document = copy.deepcopy(BARE)
    document["customProperties"] = [{"property": k, "value": v, "vendor": "cityhub"} for k, v in OURS.items()]
    for edit in edits:
        edit(document)
    return odcs.load(Path("trees.odcs.yaml"), yaml.safe_dump(document, allow_unicode=True))


def top(**values: Any) -> Edit:
    return lambda document: document.update(values)


def table(**values: Any) -> Edit:
    return lambda document: document["schema"][0].update(values)


def column(**values: Any) -> Edit:
    return lambda document: document["schema"][0]["properties"][1].update(values)


def server(**values: Any) -> Edit:
    return top(servers=[{"server": "s", **values}])


def rule(**values: Any) -> Edit:
    return column(quality=[values])


DEFINED = [{"url": "https://example.org/trees", "type": "businessDefinition"}]
READ: dict[str, Edit] = {
    "an older version of the standard": top(apiVersion="v3.0.2"),
    "authoritative definitions": table(authoritativeDefinitions=DEFINED),
    "another vendor's custom properties": column(customProperties=[{"property": "masking", "value": None}]),
    "descriptions and business names": column(description="in metres", businessName="height", tags=["size"]),
    "pricing": top(price={"priceAmount": 9.95, "priceCurrency": "USD", "priceUnit": "megabyte"}),
    "roles": top(roles=[{"role": "reader", "access": "read", "firstLevelApprovers": "someone"}]),
    "a team as a list": top(team=[{"username": "wang", "role": "owner", "dateIn": "2022-08-02"}]),
    "a team as an object": top(team={"name": "gardens", "members": [{"username": "wang"}]}),
    "support by mail": top(support=[{"channel": "mail", "tool": "email", "url": "mailto:trees@example.org"}]),
    "tags": top(tags=["trees"]),
    "service levels that are not numbers": top(
        slaProperties=[
            {"property": "generalAvailability", "value": "2022-05-12T09:30:10-08:00"},
            {"property": "timeOfAvailability", "value": "09:00-08:00", "driver": "analytics"},
            {"property": "latency", "value": 4, "unit": "d"},
        ]
    ),
    "an enumeration with labels": column(logicalType="string", enum=[{"value": "a", "label": "A"}]),
    "text, date, integer and boolean columns": column(logicalType="boolean", physicalType="bool"),
    "bounds": column(logicalTypeOptions={"minimum": 0, "maximum": 200}),
    "partitions and transformations": column(partitioned=True, partitionKeyPosition=1, transformLogic="select 1"),
    "relationships": column(relationships=[{"type": "foreignKey", "to": "species.id"}]),
    "completeness": rule(type="library", metric="nullValues", mustBe=0, dimension="completeness", severity="error"),
    "accuracy as text": rule(type="text", description="heights are measured each year"),
    "an hour at which a rule is judged": rule(metric="nullValues", mustBe=0, schedule="0 20 * * *", scheduler="cron"),
    "a deprecated column": column(deprecated=True),
    "a deprecated table": table(deprecated=True),
}  # fmt: skip
REFUSED: dict[str, tuple[Edit, str]] = {
    "an identifier that is no name": (top(id="53581432-6c55-4ba2-a65f-72344a91553a"), "is no dataset name"),
    "several tables": (lambda d: d["schema"].append(copy.deepcopy(d["schema"][0])), "exactly one object"),
    "no table": (top(schema=[]), "exactly one object"),
    "no server": (lambda d: d.pop("servers"), "exactly one server"),
    "several servers": (lambda d: d["servers"].append({**d["servers"][0], "server": "t"}), "exactly one server"),
    "Kafka": (server(type="kafka", host="k:9092", format="avro"), "has no connector"),
    "Azure": (server(type="azure", location="abfss://x@y/*.parquet", format="parquet"), "has no connector"),
    "variables": (server(type="postgres", host="${DB_HOST}", port=1, database="d", schema="s"), "variables are not resolved"),
    "an array": (column(logicalType="array", items={"logicalType": "string"}), "cannot be held in a table column"),
    "a nested object": (column(logicalType="object", properties=[{"name": "x", "logicalType": "string"}]), "cannot be held"),
    "a map": (
        column(logicalType="map", map={"key": {"logicalType": "string"}, "value": {"logicalType": "string"}}),
        "cannot be held in a table column",
    ),
    "a measure": (column(semanticType="measure", transformLogic="sum(x)"), "is computed"),
    "exclusive bounds": (column(logicalTypeOptions={"exclusiveMinimum": 0}), "bounds are inclusive"),
    "a rule between two bounds": (rule(metric="rowCount", mustBeBetween=[1, 2]), "one operator with one bound"),
    "another form of dates": (
        column(logicalType="date", logicalTypeOptions={"format": "dd.MM.yyyy"}),
        "ISO 8601 here",
    ),
    "a rule in another unit": (rule(metric="nullValues", mustBeLessThan=5, unit="hectares"), "numbers of rows or percent"),
    "a rule as a whole query": (
        rule(type="sql", query="SELECT COUNT(*) FROM trees WHERE height < 0", mustBe=0),
        "wants a predicate",
    ),
    "another engine's rule": (
        rule(type="custom", engine="soda", implementation="type: duplicate_percent"),
        "custom rules are of engine cityhub",
    ),
    "no primary key": (lambda d: d["schema"][0]["properties"][0].pop("primaryKey"), "no primary key"),
    "an unknown word": (table(undefinedProperty="x"), "ndefinedProperty"),
}  # fmt: skip


@pytest.mark.parametrize("feature", READ)
def test_a_feature_that_the_hub_reads_loads(feature: str) -> None:
    assert load(READ[feature]).key == ("id",)


@pytest.mark.parametrize("feature", REFUSED)
def test_a_feature_that_the_hub_does_not_read_is_refused_with_the_reason(feature: str) -> None:
    edit, reason = REFUSED[feature]
    with pytest.raises(ContractInvalid, match=reason) as refused:
        load(edit)
    assert all(problem.path and problem.example and problem.file for problem in refused.value.problems)


def test_without_the_hubs_own_properties_each_of_them_is_asked_for() -> None:
    with pytest.raises(ContractInvalid) as refused:
        load(top(customProperties=[]))
    asked = {problem.path.removeprefix("customProperties.") for problem in refused.value.problems}
    assert asked == set(OURS)


def test_a_mail_address_is_a_contact_and_the_end_of_life_is_a_day() -> None:
    contact = load(READ["support by mail"]).contact
    assert contact is not None
    assert contact.url == "mailto:trees@example.org"
    ends = {"property": "endOfLife", "value": "2042-05-12T09:30:10-08:00"}
    assert load(top(slaProperties=[ends])).retire_on == "2042-05-12"
    with pytest.raises(ContractInvalid, match="is no date"):
        load(top(slaProperties=[{**ends, "value": "soon"}]))


def test_what_is_marked_deprecated_is_so() -> None:
    assert load(READ["a deprecated table"]).status == "deprecated"
    assert load(READ["a deprecated column"]).column("height").deprecated
