"""A subject file that is wrong says where, what and what would be right; all faults at once."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_city import CONTRACTS, ENTERPRISE, PERSON, declare

from schemas.errors import ContractInvalid, SourceMissing
from subjects import declare as declaring
from subjects import statement
from subjects.kinds import Kind


def faults(folder: Path, *texts: str) -> tuple[str, ...]:
    with pytest.raises(ContractInvalid) as caught:
        declaring.load(declare(folder, *texts), CONTRACTS)
    for problem in caught.value.problems:
        assert problem.file.startswith(str(folder))
        assert problem.example
    return tuple(f"{p.path}: {p.wrong}" for p in caught.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "path", "wrong"),
    [
        ("kind: person", "kind: Person!", "kind", "does not match"),
        ("kind: person", "colour: red", "-", "'colour' was unexpected"),
        ("title: 自然人", "title: ", "title", "is empty"),
        ("[residents.birth_date]", "[residents]", "fields.birth_date.sources[0]", "does not match"),
        ("[residents.birth_date]", "[]", "fields.birth_date.sources", "non-empty"),
        ("[residents.birth_date]", "[citizens.birth_date]", "fields.birth_date.sources[0]", "'citizens' has no applied contract"),
        ("[residents.birth_date]", "[residents.born]", "fields.birth_date.sources[0]", "residents has no column 'born'"),
        ("- permits.name", "- permits.valid_to", "fields.name.sources", "several types"),
        (", by: husband_id, latest", ", latest", "fields.name.sources[2]", "say which column of marriages names the person"),
        ("by: husband_id,", "by: cert_no,", "fields.name.sources[2]", "does not say that 'cert_no' names a person"),
        ("latest: valid_to", "latest: never", "fields.base_amount.sources[0].latest", "no column 'never'"),
        ("valid_until: valid_to}]", "valid_until: kind}]", "fields.base_amount.sources[0].valid_until", "of type string, a date is wanted"),
        ('"fee > 0"', '"fee >"', "fields.base_amount.sources[0].filter", "is no predicate"),
        ('"fee > 0"', '"fee2 > 0"', "fields.base_amount.sources[0].filter", "is no predicate"),
        ("dataset: accounts, columns: [account_no, b", "dataset: meters, columns: [b", "lists.accounts", "'meters' has no applied contract"),
        ("[account_no, balance]", "[account_no, sum]", "lists.accounts.columns[1]", "no column 'sum'"),
        ("[account_no, balance], order: opened_on", "[account_no], order: balance", "lists.accounts.order", "a date is wanted"),
        ("{spouse_id: husband_id, spouse_name: husband_name}", "{spouse_id: husband_id}", "lists.marriages.by", "same names"),
        ("spouse_name: husband_name", "spouse_name: nobody", "lists.marriages.by.wife_id", "no column 'nobody'"),
        ("since_latest: permits", "since_latest: cars", "lists.new_accounts.since_latest", "names no list"),
        ("list: permits, until", "list: cars, until", "due[0].list", "'cars' is no list"),
        ("until: valid_to, form", "until: kind, form", "due[0].until", "a date is wanted"),
        ("where: {kind: a}", "where: {colour: a}", "due[0]", "'colour' is no column of list permits"),
        ("'\\d{17}[\\dX]'", "'\\d{17}['", "key.pattern", "is no regular expression"),
        ("kind: person", "kind: [", "line", "not valid YAML"),
    ],
)  # fmt: skip
def test_a_fault_names_file_path_and_an_example(tmp_path: Path, old: str, new: str, path: str, wrong: str) -> None:
    assert old in PERSON
    found = faults(tmp_path, PERSON.replace(old, new, 1))
    assert any(f.startswith(path) and wrong in f for f in found), found


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    broken = PERSON.replace("residents.birth_date", "residents.born").replace(
        "form: renewal", "form: renewal, extra: 1"
    )
    assert len(faults(tmp_path / "a", broken)) == 1, "the shape is settled first"
    twice = PERSON.replace("residents.birth_date", "residents.born").replace("order: registered_on", "order: cert_no")
    assert len(faults(tmp_path / "b", twice, ENTERPRISE.replace("accounts, columns", "meters, columns"))) == 3


def test_a_dataset_without_a_contract_is_named_once_and_nothing_that_only_follows_from_it(tmp_path: Path) -> None:
    some = {name: one for name, one in CONTRACTS.items() if name != "permits"}
    for known, missing in ((some, {"permits"}), ({}, {*CONTRACTS})):
        with pytest.raises(ContractInvalid) as caught:
            declaring.load(declare(tmp_path, PERSON), known)
        problems = caught.value.problems
        assert len(problems) == len(missing)
        assert {p.wrong for p in problems} == {f"dataset {name!r} has no applied contract" for name in missing}
        assert all(("one of" in p.example) == bool(known) for p in problems)


def test_a_kind_stands_in_one_file_and_holds_something(tmp_path: Path) -> None:
    assert faults(tmp_path / "a", ENTERPRISE, ENTERPRISE) == ("kind: 'enterprise' is declared in another file as well",)
    assert faults(tmp_path / "b", ENTERPRISE.partition("lists:")[0]) == ("-: the kind has neither fields nor lists",)
    with pytest.raises(SourceMissing, match="no folder"):
        declaring.load(tmp_path / "c", CONTRACTS)


def test_a_kind_yields_to_another_that_does_not_yield_itself(tmp_path: Path) -> None:
    person = PERSON.replace("element: DE01001,", "element: DE01001, yields_to: [enterprise],")
    enterprise = ENTERPRISE.replace("element: DE02001,", "element: DE02001, yields_to: [person],")
    assert declaring.load(declare(tmp_path / "a", person, ENTERPRISE), CONTRACTS)["person"].yields_to == ("enterprise",)
    assert len(faults(tmp_path / "b", person, enterprise)) == 2
    assert faults(tmp_path / "c", person)[0].startswith("key.yields_to: cannot yield to 'enterprise'")


def confirmed(folder: Path, dataset: str) -> list[str]:
    kinds = declaring.load(declare(folder, PERSON, ENTERPRISE), CONTRACTS, {("person", "DE01002"): dataset})
    return [f"{c.pick.dataset}.{c.column}" for c in kinds["person"].fields[0].candidates]


def test_the_confirmed_source_of_an_element_goes_first_whatever_order_is_declared(tmp_path: Path) -> None:
    declared = ["residents.name", "permits.name", "marriages.husband_name", "marriages.wife_name"]
    assert confirmed(tmp_path / "a", "residents") == declared
    assert confirmed(tmp_path / "b", "permits") == [declared[1], declared[0], *declared[2:]]
    assert confirmed(tmp_path / "c", "marriages") == [*declared[2:], *declared[:2]]
    assert confirmed(tmp_path / "d", "accounts") == declared, "a dataset without the element changes nothing"


def test_a_confirmed_source_that_was_left_out_is_put_before_the_others(tmp_path: Path) -> None:
    left_out = PERSON.replace("      - residents.name\n", "").replace(
        "title_en: Name", "title_en: Name\n    element: DE01002"
    )
    kinds = declaring.load(declare(tmp_path, left_out, ENTERPRISE), CONTRACTS, {("person", "DE01002"): "residents"})
    first = kinds["person"].fields[0].candidates[0]
    assert (first.pick.name, first.pick.by, first.column) == ("residents", "citizen_id", "name")


def test_values_that_name_subjects_say_of_which_kinds(kinds: dict[str, Kind]) -> None:
    marriages = kinds["person"].list_of("marriages")
    assert marriages is not None
    assert marriages.links == {"spouse_id": ("person",)}


def test_the_digest_follows_what_a_file_is_made_of(tmp_path: Path) -> None:
    kinds = declaring.load(declare(tmp_path / "a", PERSON, ENTERPRISE), CONTRACTS)
    other = declaring.load(
        declare(tmp_path / "b", PERSON.replace("title_en: Person", "title_en: Human"), ENTERPRISE), CONTRACTS
    )
    slim = declaring.load(declare(tmp_path / "c", PERSON.replace("- permits.name\n", "\n", 1), ENTERPRISE), CONTRACTS)
    moved = {**CONTRACTS, "permits": replace(CONTRACTS["permits"], provider="新局")}
    digest = statement.digest(kinds["person"], kinds, CONTRACTS)
    assert statement.digest(other["person"], other, CONTRACTS) == digest
    assert statement.digest(slim["person"], slim, CONTRACTS) != digest
    assert statement.digest(kinds["person"], kinds, moved) != digest
