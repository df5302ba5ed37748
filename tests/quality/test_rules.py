"""What a contract's rules are, and which are refused."""

from dataclasses import replace
from datetime import date

import pytest
from gate_builders import TODAY, contract

from quality.rules import rules, version
from schemas.contract import Check, Column
from schemas.errors import ContractInvalid

VALUE = Column("value", "值", "数值", type="integer")


def test_every_rule_has_words_in_both_languages_and_an_expectation() -> None:
    declared = contract(
        VALUE, Column("pid", "身份号", "身份号", element="DE01001"), checks=[Check("n", "nullValues", "value")]
    )
    for rule in rules(declared, today=TODAY):
        words = rule.words
        assert all((words.zh, words.en, words.fix_zh, words.fix_en)), rule.id
        assert rule.expectation.type.startswith("expect_")


def test_column_rules_are_named_by_column_and_code() -> None:
    found = [r.id for r in rules(contract(replace(VALUE, required=True, unique=True, minimum="1")), today=TODAY)]
    assert found == ["key.missing", "key.duplicate", "id.required", "id.type", "id.control",
                     "value.required", "value.type", "value.range", "value.unique"]  # fmt: skip


def test_the_key_alone_needs_no_second_rule_of_uniqueness() -> None:
    declared = contract()
    unique_key = replace(declared, columns=(replace(declared.columns[0], unique=True),))
    assert "id.unique" not in [r.id for r in rules(unique_key, today=TODAY)]


def test_the_version_is_the_same_every_day_and_another_for_other_rules() -> None:
    born = Column("born", "生日", "生日", type="date", element="DE01006")
    assert rules(contract(born), today=TODAY) != rules(contract(born), today=date(2026, 3, 2))
    assert version(contract(born)) == version(contract(born))
    assert version(contract(born)) != version(contract(replace(born, minimum="1900-01-01")))


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (Check("c", "moonPhase"), "no rule that the hub knows"),
        (Check("c", "dateOrder", "", {"columns": ["value"]}), "missing, or no column"),
        (Check("c", "dateOrder"), "missing, or no column"),
        (Check("c", "idAgrees", "", {"id": "nobody"}), "'nobody'"),
        (Check("c", "invalidValues", "value"), "'pattern'"),
        (Check("c", "reference", "value", {"columns": ["value"]}), "'dataset'"),
        (Check("value.type", "nullValues", "value"), "two rules have this id"),
        (Check("c", "sql", "", {}), "a predicate over the dataset's columns is wanted"),
        (Check("c", "sql", "", {"predicate": "value >"}), "not a predicate"),
        (Check("c", "sql", "", {"predicate": "value > 0; DROP TABLE standard"}), "not a predicate"),
        (Check("c", "sql", "", {"predicate": "value > 0 FROM secrets"}), "not a predicate"),
        (Check("c", "sql", "", {"predicate": "value IN (SELECT 1)"}), "a subquery"),
        (Check("c", "sql", "", {"predicate": "value > (FROM read_text('/etc/passwd'))"}), "a subquery"),
        (Check("c", "sql", "", {"predicate": "count(*) OVER () > 1"}), "a window"),
        (Check("c", "sql", "", {"predicate": "max(value) > 1"}), "cannot be evaluated"),
        (Check("c", "sql", "", {"predicate": "salary > 1"}), "no column salary"),
        (Check("c", "sql", "", {"predicate": "_raw_0 = 'x'"}), "no column _raw_0"),
        (Check("c", "sql", "", {"predicate": "no_such_function(value)"}), "cannot be evaluated"),
    ],
)  # fmt: skip
def test_a_rule_that_is_not_understood_is_refused_by_name(check: Check, told: str) -> None:
    with pytest.raises(ContractInvalid, match=check.id) as refused:
        rules(contract(VALUE, checks=[check]), today=TODAY)
    assert told in str(refused.value)


def test_all_rules_not_understood_are_told_at_once() -> None:
    with pytest.raises(ContractInvalid) as refused:
        rules(contract(checks=[Check("a", "moonPhase"), Check("b", "tide")]), today=TODAY)
    assert len(refused.value.problems) == 2


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        (Column("v", "v", "值", pattern="([0-9"), "v.pattern"),
        (Column("v", "v", "值", type="integer", minimum="little"), "v.range"),
        (Column("v", "v", "值", type="date", maximum="2020-13-01"), "v.range"),
        (Column("ID", "v", "值"), "SQL does not tell case apart"),
    ],
)
def test_a_column_whose_own_texts_make_no_rule_is_refused_before_any_delivery(column: Column, rule: str) -> None:
    with pytest.raises(ContractInvalid, match=rule):
        rules(contract(column), today=TODAY)
