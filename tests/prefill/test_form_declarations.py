"""A form file that is wrong says where, what and what would be right; the demo city's forms are right."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from prefill import forms
from prefill.paths import FieldPath, IdPath, LatestPath
from schemas import odcs
from schemas.contract import Contract
from schemas.errors import ContractInvalid, SourceMissing
from subjects import declare
from subjects.kinds import Kind

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
        typed = sum(f.path is None for f in form.fields)
        assert len(form.fields) >= 20
        assert 0 < typed <= 7
        assert all(f.suppliers for f in form.fields if not isinstance(f.path, IdPath | None))


def test_a_field_is_bound_to_its_path_element_labels_and_suppliers(
    tmp_path: Path, kinds: dict[str, Kind], contracts: dict[str, Contract]
) -> None:
    form = forms.load(write(tmp_path, FORM), kinds, contracts)["renewal"]
    one, sex, region, given, spouse, post = form.fields
    assert (one.path, one.locked, one.element, one.suppliers) == (IdPath(), True, "DE01001", ())
    assert (sex.path, sex.locked, sex.suppliers) == (FieldPath("sex_code"), False, ("residents",))
    assert (sex.labels["2"], sex.labels_en["2"]) == ("女性", "female")
    assert (region.labels["110101"], region.labels["110000"]) == ("北京市东城区", "北京市")
    where = (("permit_type", "513"), ("status", "1"))
    assert given.path == LatestPath("travel_permits", where, "pinyin_name", "travel_permits", "pinyin_name")
    assert isinstance(spouse.path, LatestPath)
    assert (spouse.path.column, spouse.required) == ("spouse_name", False)
    assert (post.path, post.options[0].label) == (None, "邮寄")
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
        ("person.sex_code", "sex", "fields[1].from", "is no path"),
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


def test_all_faults_of_all_files_come_at_once(
    tmp_path: Path, kinds: dict[str, Kind], contracts: dict[str, Contract]
) -> None:
    broken = FORM.replace("person.id", "person.x").replace("person.sex_code", "person.y")
    with pytest.raises(ContractInvalid) as caught:
        forms.load(write(tmp_path, broken, FORM, FORM), kinds, contracts)
    assert len(caught.value.problems) == 3
    with pytest.raises(SourceMissing):
        forms.load(tmp_path / "nowhere", kinds, contracts)
