"""Personas are made from the declarations: valid, nobody's, and one in each state for every kind that has forms."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

import pytest

from prefill import forms, personas
from prefill.answer import Asked, prefill
from prefill.forms import Form
from prefill.personas import ENTERPRISE, PERSON, Persona, identifier
from prefill.seal import SealKey
from prefill.world import World
from schemas import odcs
from schemas.contract import Contract
from schemas.identifiers import citizen_faults, uscc_faults
from subjects import declare

CITY = Path(__file__).parents[2] / "examples" / "demo_city"
CONTRACTS = {c.dataset: c for c in map(odcs.load, sorted((CITY / "contracts").glob("*.yaml")))}
KINDS = declare.load(CITY / "subjects", CONTRACTS)
FORMS = forms.load(CITY / "forms", KINDS, CONTRACTS)


def made(kind: str, contracts: Mapping[str, Contract] = CONTRACTS) -> list[Persona]:
    return personas.build(KINDS[kind], FORMS.values(), contracts)


@pytest.mark.parametrize("number", [1, 8, 99])
def test_an_identifier_is_valid_but_for_its_region_which_is_nobodys(number: int) -> None:
    assert citizen_faults(identifier(PERSON, number), date(2026, 1, 1)) <= {"region"}
    assert identifier(PERSON, number).startswith("99")
    assert uscc_faults(identifier(ENTERPRISE, number)) == frozenset()


@pytest.mark.parametrize("kind", ["person", "enterprise"])
def test_the_set_is_fixed_and_each_persona_answers_every_form_in_its_state(
    kind: str, now: datetime, key: SealKey
) -> None:
    everybody = made(kind)
    assert [one.identifier for one in everybody] == [one.identifier for one in made(kind)]
    assert [one.state for one in everybody][-1] is None
    asked: list[Form] = [f for f in FORMS.values() if f.subject == kind] + [forms.of_kind(KINDS[kind], CONTRACTS)]
    for one in everybody:
        answers = [
            prefill(form, one.file, one.in_world(World({}, now, key)), one.asked(Asked()), client="c", subject="s")
            for form in asked
        ]
        states = {f.state for answer in answers for f in answer.fields if not f.typed}
        assert all(answer.sandbox for answer in answers)
        assert one.state in states or (one.state is None and len(states) == 7)
        assert all(f.value is not None or f.reasons for answer in answers for f in answer.fields)


def test_a_list_has_a_row_for_every_condition_of_a_form() -> None:
    (fresh, *_) = made("person")
    assert [item.values["permit_type"] for item in fresh.file.items("travel_permits", {"permit_type": "513"})] == [
        "513"
    ]


def test_a_kind_without_an_identifier_that_can_be_made_up_has_no_personas() -> None:
    from dataclasses import replace

    assert personas.build(replace(KINDS["person"], key_element=None), FORMS.values(), CONTRACTS) == []
