"""Contract files: what is wrong is named with its file, its path and an example of right; what is right travels without loss."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas import odcs
from schemas.contract import Contract
from schemas.errors import ContractInvalid, Problem

SAMPLE = Path(__file__).with_name("enterprise_sample.odcs.yaml")
GOOD: dict[str, Any] = {
    "apiVersion": "v3.2.0",
    "kind": "DataContract",
    "id": "permits",
    "name": "许可证",
    "version": "1.0.0",
    "status": "active",
    "tenant": "市某局",
    "servers": [
        {
            "server": "source",
            "type": "local",
            "path": "permits/*.csv",
            "format": "csv",
            "customProperties": [{"property": "syncMode", "value": "snapshot", "vendor": "cityhub"}],
        }
    ],
    "schema": [
        {
            "name": "permits",
            "physicalName": "许可证",
            "logicalType": "object",
            "properties": [
                {
                    "name": "permit_no",
                    "physicalName": "证号",
                    "logicalType": "string",
                    "primaryKey": True,
                    "primaryKeyPosition": 1,
                },
                {
                    "name": "citizen_id",
                    "logicalType": "string",
                    "customProperties": [{"property": "dataElementId", "value": "DE01001", "vendor": "cityhub"}],
                },
                {
                    "name": "sex",
                    "logicalType": "string",
                    "customProperties": [
                        {"property": "dataElementId", "value": "DE01005", "vendor": "cityhub"},
                        {"property": "codeMap", "value": {"男": "1", "女": "2"}, "vendor": "cityhub"},
                    ],
                },
                {
                    "name": "valid_from",
                    "logicalType": "date",
                    "customProperties": [{"property": "sourceFormat", "value": "%m/%d/%Y", "vendor": "cityhub"}],
                },
                {"name": "valid_to", "logicalType": "date"},
                {
                    "name": "fee",
                    "logicalType": "number",
                    "physicalType": "decimal(12,2)",
                    "logicalTypeOptions": {"minimum": 0},
                },
            ],
            "quality": [
                {
                    "id": "validity",
                    "type": "custom",
                    "engine": "cityhub",
                    "implementation": {"check": "dateOrder", "columns": ["valid_from", "valid_to"]},
                },
                {"id": "rows", "metric": "rowCount", "mustBeGreaterThan": 0},
            ],
        }
    ],
    "slaProperties": [
        {"property": "frequency", "value": 1, "unit": "d"},
        {"property": "latency", "value": 48, "unit": "h"},
    ],
    "customProperties": [
        {"property": "resourceCode", "value": "302001/000001", "vendor": "cityhub"},
        {"property": "shareType", "value": 2, "vendor": "cityhub"},
        {"property": "shareCondition", "value": "限依法履职", "vendor": "cityhub"},
        {"property": "shareMode", "value": ["file", "api"], "vendor": "cityhub"},
        {"property": "providerCode", "value": "11310000002420886W", "vendor": "cityhub"},
    ],
}


def load(document: dict[str, Any]) -> Contract:
    return odcs.load(Path("dept/permits.odcs.yaml"), yaml.safe_dump(document, allow_unicode=True))


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ContractInvalid) as caught:
        odcs.load(Path("dept/permits.odcs.yaml"), text)
    return caught.value.problems


def set_custom(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(doc: dict[str, Any]) -> None:
        next(p for p in doc["customProperties"] if p["property"] == name)["value"] = value

    return change


def properties(doc: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = doc["schema"][0]["properties"]
    return found


def custom(place: int, name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(doc: dict[str, Any]) -> None:
        node = properties(doc)[place]
        kept = [p for p in node.get("customProperties", []) if p["property"] != name]
        node["customProperties"] = [*kept, {"property": name, "value": value, "vendor": "cityhub"}]

    return change


def rule(**node: Any) -> Callable[[dict[str, Any]], None]:
    return lambda doc: doc["schema"][0]["quality"].append(node)


def own_rule(**implementation: Any) -> Callable[[dict[str, Any]], None]:
    return rule(id="mine", type="custom", engine="cityhub", implementation=implementation)


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(doc: dict[str, Any]) -> None:
        *way, last, value = path
        node: Any = doc
        for step in way:
            node = node[step]
        node[last] = value

    return change


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
    "dataset name": (put("id", "许可"), "id", "is no dataset name"),
    "resource code": (set_custom("resourceCode", "9"), "customProperties.resourceCode", "class, item, detail"),
    "share type": (set_custom("shareType", 7), "customProperties.shareType", "1 无条件"),
    "share condition": (set_custom("shareCondition", "无条件"), "customProperties.shareCondition", "mandatory"),
    "share mode": (set_custom("shareMode", ["fax"]), "customProperties.shareMode", "database, file, api"),
    "share mode of files": (set_custom("shareMode", ["database"]), "customProperties.shareMode", "does not fit"),
    "a system's name": (put("name", "许可证管理系统"), "name", "names a system"),
    "a cycle without words": (
        lambda d: d["slaProperties"][0].update(
            customProperties=[{"property": "updateCycle", "value": "其他", "vendor": "cityhub"}]
        ),
        "slaProperties[0]",
        "wants to be explained",
    ),
    "openness": (
        lambda d: d["customProperties"].append({"property": "openToPublic", "value": "yes", "vendor": "cityhub"}),
        "customProperties.openToPublic",
        "true or false",
    ),
    "provider code": (set_custom("providerCode", "123"), "customProperties.providerCode", "USCC"),
    "no tenant": (put("tenant", " "), "tenant", "missing or empty"),
    "two columns of one name": (
        lambda d: properties(d)[4].update(name="valid_from"),
        "schema[0].properties",
        "stands twice",
    ),
    "no key": (lambda d: properties(d)[0].pop("primaryKey"), "schema[0].properties", "no primary key"),
    "column name": (
        lambda d: properties(d)[5].update(name="_fee"),
        "schema[0].properties[5].name",
        "not starting with _",
    ),
    "stranger's property": (put("colour", "red"), "-", "'colour' was unexpected"),
    "option of another type": (
        lambda d: properties(d)[5].update(logicalTypeOptions={"minLength": 1}),
        "schema[0].properties[5].logicalTypeOptions",
        "'minLength' was unexpected",
    ),
    "nested type": (
        lambda d: properties(d)[4].update(logicalType="array"),
        "schema[0].properties[4].logicalType",
        "cannot be held",
    ),
    "unknown element": (
        custom(1, "dataElementId", "DE99999"),
        "schema[0].properties[1].customProperties.dataElementId",
        "no data element",
    ),
    "element of another type": (
        custom(4, "dataElementId", "DE01001"),
        "schema[0].properties[4].logicalType",
        "cannot hold DE01001",
    ),
    "code map target": (
        custom(2, "codeMap", {"男": "M"}),
        "schema[0].properties[2].customProperties.codeMap",
        "not in code list sex",
    ),
    "code map form": (custom(2, "codeMap", ["男"]), "schema[0].properties[2].customProperties.codeMap", "a mapping"),
    "enum outside the list": (
        lambda d: properties(d)[2].update(enum=[{"value": "M"}]),
        "schema[0].properties[2].enum",
        "is not in sex",
    ),
    "format of a text": (
        custom(0, "sourceFormat", "%Y"),
        "schema[0].properties[0].customProperties.sourceFormat",
        "only dates",
    ),
    "format of half a date": (
        custom(3, "sourceFormat", "%Y"),
        "schema[0].properties[3].customProperties.sourceFormat",
        "whole date",
    ),
    "format unknown to SQL": (
        custom(3, "sourceFormat", "%Q"),
        "schema[0].properties[3].customProperties.sourceFormat",
        "whole date",
    ),
    "unknown rule": (own_rule(check="magic"), "quality.mine", "no rule that the hub knows"),
    "date order of one": (own_rule(check="dateOrder", columns=["valid_to"]), "quality.mine", "two columns of dates"),
    "date order of texts": (
        own_rule(check="dateOrder", columns=["sex", "valid_to"]),
        "quality.mine",
        "two columns of dates",
    ),
    "agreement with nothing": (own_rule(check="idAgrees", id="citizen_id"), "quality.mine", "sex or birth"),
    "agreement of a stranger": (
        own_rule(check="idAgrees", id="who", sex="sex"),
        "quality.mine",
        "unknown column 'who'",
    ),
    "reference to nowhere": (own_rule(check="reference", columns=["permit_no"]), "quality.mine", "dataset"),
    "reference of a stranger": (
        own_rule(check="reference", columns=["x"], dataset="d", to="x"),
        "quality.mine",
        "unknown column 'x'",
    ),
    "predicate missing": (own_rule(check="sql"), "quality.mine", "predicate"),
    "query": (rule(id="mine", type="sql", query="SELECT 1", mustBe=0), "quality.mine", "predicate"),
    "row count without bound": (
        rule(id="mine", metric="rowCount"),
        "schema[0].quality[2]",
        "'mustBe' is a required property",
    ),
    "values without a list": (rule(id="mine", metric="invalidValues", mustBe=0), "quality.mine", "validValues"),
    "nulls of no column": (rule(id="mine", metric="nullValues", mustBe=0), "quality.mine", "names its column"),
    "rule id twice": (rule(id="rows", metric="rowCount", mustBeGreaterThan=1), "quality.rows", "2 rules have this id"),
    "rule id": (rule(id="a.b", metric="rowCount", mustBeGreaterThan=1), "schema[0].quality[2].id", "does not match"),
    "foreign engine": (
        rule(id="mine", type="custom", engine="soda", implementation="x"),
        "schema[0].quality[2]",
        "engine cityhub",
    ),
    "severity": (
        rule(id="mine", metric="rowCount", mustBe=1, severity="fatal"),
        "schema[0].quality[2].severity",
        "'fatal'",
    ),
    "no connector": (put("servers", 0, "format", "docx"), "servers[0].type", "has no connector"),
    "cursor missing": (
        put("servers", 0, "customProperties", 0, "value", "incremental"),
        "servers[0].customProperties.cursor",
        "wants the name",
    ),
    "sync mode": (
        put("servers", 0, "customProperties", 0, "value", "push"),
        "servers[0].customProperties.syncMode",
        "unknown",
    ),
    "time zone": (
        lambda d: d["servers"][0]["customProperties"].append(
            {"property": "timeZone", "value": "Mars/Base", "vendor": "cityhub"}
        ),
        "servers[0].customProperties.timeZone",
        "no IANA time zone",
    ),
    "bound of a number": (
        put("schema", 0, "properties", 5, "logicalTypeOptions", "minimum", "little"),
        "schema[0].properties[5].logicalTypeOptions.minimum",
        "is",
    ),
    "bound of a date": (
        put("schema", 0, "properties", 4, "logicalTypeOptions", {"maximum": "the day after"}),
        "schema[0].properties[4].logicalTypeOptions.maximum",
        "'the day after' is no date",
    ),
    "unit": (put("slaProperties", 0, "unit", "fortnight"), "slaProperties[0]", "a unit"),
}


def test_the_good_file_is_good() -> None:
    contract = load(GOOD)
    assert contract.key == ("permit_no",)
    assert contract.column("fee").sql_type == "DECIMAL(12,2)"
    assert contract.column("sex").codes == {"男": "1", "女": "2"}
    assert [c.kind for c in contract.checks] == ["dateOrder", "rowCount"]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_names_file_path_wrong_and_an_example(fault: str) -> None:
    change, path, wrong = FAULTS[fault]
    document = copy.deepcopy(GOOD)
    change(document)
    found = problems(yaml.safe_dump(document, allow_unicode=True))
    assert all(p.file == "dept/permits.odcs.yaml" and p.example for p in found)
    named = [p for p in found if p.path == path and wrong in p.wrong]
    assert named, found
    assert str(named[0]).startswith(f"dept/permits.odcs.yaml: {path}: ")


@pytest.mark.parametrize(
    ("text", "path", "wrong"),
    [
        ("id: [", "line 1", "not valid YAML"),
        ("", "-", "empty file"),
        ("- a", "-", "no mapping"),
        ("id: permits\n", "-", "is a required property"),
    ],
)
def test_what_is_no_contract_at_all_is_said_so(text: str, path: str, wrong: str) -> None:
    assert any(p.path == path and wrong in p.wrong for p in problems(text))


def test_an_unreadable_file_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(ContractInvalid, match="cannot be read"):
        odcs.load(tmp_path / "absent.yaml")
    (tmp_path / "gbk.yaml").write_bytes("name: 许可".encode("gb18030"))
    with pytest.raises(ContractInvalid, match="cannot be read as UTF-8"):
        odcs.load(tmp_path / "gbk.yaml")


def test_a_file_of_the_standard_alone_gets_sensible_problems() -> None:
    with pytest.raises(ContractInvalid) as caught:
        odcs.load(SAMPLE)
    assert {p.path for p in caught.value.problems} == {
        "quality.uscc_ck",
        "customProperties.shareMode",
        "servers[0].customProperties.cursor",
    }


def test_all_faults_of_a_file_are_reported_at_once() -> None:
    document = copy.deepcopy(GOOD)
    for fault in ("resource code", "unknown element", "unknown rule", "time zone"):
        FAULTS[fault][0](document)
    assert len(problems(yaml.safe_dump(document, allow_unicode=True))) == 4


def test_the_standards_faults_do_not_hide_the_hubs_own_and_none_is_said_twice() -> None:
    document = copy.deepcopy(GOOD)
    FAULTS["resource code"][0](document)
    FAULTS["unknown element"][0](document)
    del document["version"]
    document["status"] = 7
    found = problems(yaml.safe_dump(document, allow_unicode=True))
    assert [p.path for p in found if "required property" in p.wrong or "is not" in p.wrong] == ["-", "status"]
    assert {FAULTS["resource code"][1], FAULTS["unknown element"][1]} < {p.path for p in found}
    assert len(found) == 4


def test_what_is_too_malformed_to_be_walked_is_the_standards_to_refuse() -> None:
    document = {**copy.deepcopy(GOOD), "schema": [3], "servers": "none"}
    assert {p.path for p in problems(yaml.safe_dump(document, allow_unicode=True))} == {"schema[0]", "servers"}


def test_the_columns_of_one_object_too_many_are_looked_at_as_well() -> None:
    document = copy.deepcopy(GOOD)
    document["schema"].append({"name": "more", "properties": [{"name": "n", "logicalType": "array"}]})
    paths = {p.path for p in problems(yaml.safe_dump(document, allow_unicode=True))}
    assert {"schema", "schema[1].properties", "schema[1].properties[0].logicalType"} <= paths


def test_a_refusal_tells_programs_each_fault_apart() -> None:
    document = copy.deepcopy(GOOD)
    for fault in ("resource code", "time zone"):
        FAULTS[fault][0](document)
    with pytest.raises(ContractInvalid) as caught:
        odcs.load(Path("dept/permits.odcs.yaml"), yaml.safe_dump(document, allow_unicode=True))
    told = caught.value.problem()["problems"]
    assert [(one["file"], one["place"]) for one in told] == [
        ("dept/permits.odcs.yaml", FAULTS[fault][1]) for fault in ("resource code", "time zone")
    ]
    assert all(one["problem"] and one["todo"] for one in told)


def test_a_contract_travels_through_json_without_loss() -> None:
    contract = load(GOOD)
    assert Contract.from_json(contract.to_json()) == contract
