"""A form file that is wrong says where, what and what would be right; the demo city's forms are right."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from prefill import forms
from prefill.paths import FieldPath, IdPath, LatestPath, RowsPath
from schemas import odcs
from schemas.contract import Contract
from schemas.errors import ContractInvalid, SourceMissing
from subjects import declare
from subjects.kinds import DueRule, Kind

CITY = Path(__file__).parents[2] / "examples" / "demo_city"
FORM = """
form: renewal
version: 1.0.0
title: 换发
title_en: Renewal
subject: person
department: 出入境
department_en: Exit-Entry
fields:
  - {name: id, label: 号码, label_en: ID, from: person.id, entry: locked}
  - {name: sex, label: 性别, label_en: Sex, from: person.sex_code}
  - {name: region, label: 户籍, label_en: Region, from: person.hukou_region}
  - {name: given, label: 名, label_en: Given name, from: "travel_permits[permit_type=513, status=1].latest.pinyin_name", transform: other_words}
  - {name: spouse, label: 配偶, label_en: Spouse, from: marriages.latest.spouse_name, required: false}
  - {name: post, label: 取证, label_en: Delivery, input: choice, options: [{value: p, label: 邮寄, label_en: Post}]}
"""


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return {c.dataset: c for c in map(odcs.load, sorted((CITY / "contracts").glob("*.yaml")))}


@pytest.fixture(scope="module")
def kinds(contracts: Mapping[str, Contract]) -> dict[str, Kind]:
    return declare.load(CITY / "subjects", contracts)


def write(folder: Path, *texts: str) -> Path:
    for i, text in enumerate(texts):
        (folder / f"{i}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_the_demo_citys_forms_bind_and_ask_little(kinds: dict[str, Kind], contracts: dict[str, Contract]) -> None:
    found = forms.load(CITY / "forms", kinds, contracts)
    assert set(found) == {rule.form for kind in kinds.values() for rule in kind.due}
    for form in found.values():
        typed = sum(f.typed for f in form.fields)
        assert len(form.fields) >= 20
        assert 0 < typed <= 7
        assert all(f.suppliers for f in form.fields if not f.typed and f.paths != (IdPath(),))


def test_a_field_is_bound_to_its_path_element_labels_and_suppliers(
    tmp_path: Path, kinds: dict[str, Kind], contracts: dict[str, Contract]
) -> None:
    form = forms.load(write(tmp_path, FORM), kinds, contracts)["renewal"]
    one, sex, region, given, spouse, post = form.fields
    assert (one.paths, one.locked, one.element, one.suppliers) == ((IdPath(),), True, "DE01001", ())
    assert (sex.paths, sex.locked, sex.suppliers) == ((FieldPath("sex_code"),), False, ("residents",))
    assert (sex.labels["2"], sex.labels_en["2"]) == ("女性", "female")
    assert (region.labels["110101"], region.labels["110000"]) == ("北京市东城区", "北京市")
    where = (("permit_type", "513"), ("status", "1"))
    assert given.paths == (LatestPath("travel_permits", where, "pinyin_name", "travel_permits", "pinyin_name"),)
    assert isinstance(spouse.paths[0], LatestPath)
    assert (spouse.paths[0].column, spouse.required) == ("spouse_name", False)
    assert (post.typed, post.options[0].label) == (True, "邮寄")
    assert form.datasets == ("residents", "travel_permits", "marriages")


@pytest.mark.parametrize(
    ("old", "new", "path", "wrong"),
    [
        ("subject: person", "subject: robot", "subject", "no subject kind 'robot'"),
        ("version: 1.0.0", "version: one", "version", "does not match"),
        ("title: 换发", "", "-", "'title' is a required property"),
        ("from: person.id", "form: person.id", "fields[0]", "'form' was unexpected"),
        ("person.id", "enterprise.id", "fields[0].from", "'enterprise' is not the form's subject"),
        ("person.sex_code", "person.gender", "fields[1].from", "no field 'gender'"),
        ("person.sex_code", "sex", "fields[1].from", "no list 'sex'"),
        ("person.sex_code", "the sex", "fields[1].from", "is no path"),
        ("person.sex_code", "marriages", "fields[1]", "`items` go together"),
        ("person.sex_code", "[person.sex_code, person.gender]", "fields[1].from[1]", "no field 'gender'"),
        ("person.sex_code}", "person.sex_code, element: DE01002}", "fields[1].element", "holds DE01005"),
        ("person.sex_code}", "person.sex_code, input: date}", "fields[1].input", "holds no date"),
        ("permit_type=513", "permit_type=999", "fields[3].from", "never holds '999'"),
        ("travel_permits[", "permits[", "fields[3].from", "no list 'permits'"),
        ("status=1", "status", "fields[3].from", "is no condition"),
        ("status=1", "colour=1", "fields[3].from", "no column 'colour'"),
        ("latest.pinyin_name", "latest.pinyin", "fields[3].from", "no column 'pinyin'"),
        ("latest.pinyin_name", "first.pinyin_name", "fields[3].from", "is no path"),
        ("other_words", "shuffle", "fields[3].transform", "is not one of"),
        (", options: [{value: p, label: 邮寄, label_en: Post}]", "", "fields[5]", "'options' is a required property"),
        ("input: choice,", "input: choice, entry: locked,", "fields[5]", "typed can neither be locked"),
        ("name: sex", "name: id", "fields", "'id' stands twice"),
        ("entry: locked", "entry: shut", "fields[0].entry", "is not one of"),
    ],
)
def test_a_fault_names_file_path_and_an_example(
    tmp_path: Path, kinds: dict[str, Kind], contracts: dict[str, Contract], old: str, new: str, path: str, wrong: str
) -> None:
    assert old in FORM
    with pytest.raises(ContractInvalid) as caught:
        forms.load(write(tmp_path, FORM.replace(old, new, 1)), kinds, contracts)
    for problem in caught.value.problems:
        assert problem.file.startswith(str(tmp_path))
        assert problem.example
    assert any(p.path == path and wrong in p.wrong for p in caught.value.problems), str(caught.value)


def test_a_form_that_renews_what_falls_due_shows_which_record_that_is(
    tmp_path: Path, kinds: dict[str, Kind], contracts: dict[str, Contract]
) -> None:
    renewing = {
        **kinds,
        "person": replace(kinds["person"], due=(DueRule("travel_permits", "valid_to", "renewal", {}),)),
    }
    with pytest.raises(ContractInvalid, match="does not show which: permit_no"):
        forms.load(write(tmp_path, FORM), renewing, contracts)
    shown = FORM + "  - {name: number, label: 号, label_en: Number, from: travel_permits.latest.permit_no}\n"
    assert forms.load(write(tmp_path, shown), renewing, contracts)["renewal"].fields[-1].name == "number"


def test_all_faults_of_all_files_come_at_once(
    tmp_path: Path, kinds: dict[str, Kind], contracts: dict[str, Contract]
) -> None:
    broken = FORM.replace("person.id", "person.x").replace("person.sex_code", "person.y")
    with pytest.raises(ContractInvalid) as caught:
        forms.load(write(tmp_path, broken, FORM, FORM), kinds, contracts)
    assert len(caught.value.problems) == 3
    with pytest.raises(SourceMissing):
        forms.load(tmp_path / "nowhere", kinds, contracts)


NESTED = (
    FORM
    + """
  - name: permits
    label: 证件
    label_en: Permits
    from: travel_permits[status=1]
    most: 5
    items:
      - {name: number, label: 号码, label_en: Number, from: permit_no}
      - {name: given, label: 名, label_en: Given name, from: pinyin_name, transform: other_words}
  - {name: phone, label: 电话, label_en: Phone, from: [person.mobile, utility_accounts.latest.account_no]}
"""
)


def test_rows_of_a_list_and_fallbacks_are_bound(
    tmp_path: Path, kinds: dict[str, Kind], contracts: dict[str, Contract]
) -> None:
    form = forms.load(write(tmp_path, NESTED), kinds, contracts)["renewal"]
    permits, phone = form.named.get("permits"), form.named.get("phone")
    assert permits is not None
    assert permits.rows == RowsPath("travel_permits", (("status", "1"),), "travel_permits")
    assert (permits.most, permits.suppliers, permits.items[1].transform) == (5, ("travel_permits",), "other_words")
    assert phone is not None
    assert (len(phone.paths), phone.suppliers, phone.element) == (2, ("residents", "utility_accounts"), "DE01012")


def test_a_column_that_is_not_shared_binds_to_no_form(
    tmp_path: Path, kinds: dict[str, Kind], contracts: dict[str, Contract]
) -> None:
    columns = tuple(replace(c, share_type=3) if c.name == "sex_code" else c for c in contracts["residents"].columns)
    closed = {**contracts, "residents": replace(contracts["residents"], columns=columns)}
    with pytest.raises(ContractInvalid, match="is not shared"):
        forms.load(write(tmp_path, FORM), kinds, closed)


def test_a_column_that_is_not_shared_leaves_by_no_fallback_and_not_with_the_kind_as_a_form_either(
    kinds: dict[str, Kind], contracts: dict[str, Contract], tmp_path: Path
) -> None:
    def shut(dataset: str, column: str) -> dict[str, Contract]:
        columns = tuple(replace(c, share_type=3) if c.name == column else c for c in contracts[dataset].columns)
        return {**contracts, dataset: replace(contracts[dataset], columns=columns)}

    person = kinds["person"]
    first, second = (next(f for f in person.fields if f.name == n) for n in ("sex_code", "mobile"))
    both = replace(first, candidates=(*first.candidates, *second.candidates))
    backed = {**kinds, "person": replace(person, fields=tuple(both if f is first else f for f in person.fields))}
    with pytest.raises(ContractInvalid, match="'mobile' is not shared"):
        forms.load(write(tmp_path, FORM), backed, shut("residents", "mobile"))
    assert "mobile" not in forms.of_kind(person, shut("residents", "mobile")).named
    permits = forms.of_kind(person, shut("travel_permits", "pinyin_name")).named["travel_permits"]
    assert "pinyin_name" not in {cell.name for cell in permits.items}


def test_a_form_cannot_take_a_kinds_name_for_the_kind_is_a_form_of_its_own(
    tmp_path: Path, kinds: dict[str, Kind], contracts: dict[str, Contract]
) -> None:
    with pytest.raises(ContractInvalid, match="is a subject kind's name"):
        forms.load(write(tmp_path, FORM.replace("form: renewal", "form: person")), kinds, contracts)
    own = forms.of_kind(kinds["person"], contracts)
    assert {f.name for f in own.fields} == {x.name for x in (*kinds["person"].fields, *kinds["person"].lists)}
    permits = own.named.get("travel_permits")
    assert permits is not None
    assert permits.items[0].label == contracts["travel_permits"].column(kinds["person"].lists[0].names[0]).title


def test_the_editors_schema_offers_the_paths_that_there_are_and_refuses_others(
    tmp_path: Path, kinds: dict[str, Kind]
) -> None:
    validator = Draft202012Validator(forms.schema_for(kinds))
    document = yaml.safe_load(NESTED)
    assert [e.message for e in validator.iter_errors(document)] == []
    document["fields"][1]["from"] = "person.gender"
    assert len(list(validator.iter_errors(document))) == 1
    assert "travel_permits.latest.valid_to" in json.dumps(validator.schema)
