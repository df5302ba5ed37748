"""What the Open Data Contract Standard itself has to say of a document: its JSON Schema, then its pydantic model.

Each catches what the other lets through. Follow-on faults are left out, and each problem has an example of right.
"""

import json
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft201909Validator
from jsonschema.exceptions import ValidationError as SchemaError

from schemas.errors import Problem


@cache
def _validator() -> Draft201909Validator:
    schema = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    return Draft201909Validator(json.loads(schema))


def problems(document: dict[str, Any]) -> list[Problem]:
    """What keeps the document from being a data contract of the standard; empty if nothing does."""
    from open_data_contract_standard.model import OpenDataContractStandard
    from pydantic import ValidationError

    errors = sorted(_validator().iter_errors(document), key=lambda e: list(map(str, e.absolute_path)))
    found = [Problem(_path(leaf.absolute_path), leaf.message[:300], _hint(leaf)) for leaf in map(_leaf, errors)]
    telling = [p for p in dict.fromkeys(found) if not _follows(p, found)]
    if telling:
        return telling
    try:
        OpenDataContractStandard.model_validate(document)
    except ValidationError as error:
        return [Problem(_path(e["loc"]), e["msg"], "the form of the ODCS 3.2 reference") for e in error.errors()]
    return []


def _leaf(error: SchemaError) -> SchemaError:
    """The most telling error below an anyOf/oneOf: the deepest."""
    while error.context:
        error = max(error.context, key=lambda e: len(e.absolute_path))
    return error


def _follows(problem: Problem, all_found: list[Problem]) -> bool:
    """Whether a property is only "unexpected" because another fault, there or below, kept its part from matching."""
    others = (p for p in all_found if "Unevaluated" not in p.wrong)
    return "Unevaluated" in problem.wrong and any(
        problem.path == "-" or p.path.startswith(problem.path) for p in others
    )


def _path(parts: Any) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "-"


def _hint(error: SchemaError) -> str:
    wanted: Any = error.validator_value
    if error.validator == "enum":
        return f"one of {', '.join(map(str, wanted[:12]))}"
    if error.validator == "required":
        return f"add {error.message.split(chr(39))[1]}: …"
    if error.validator == "additionalProperties" and isinstance(error.schema, dict):
        return f"one of {', '.join(list(error.schema.get('properties', ()))[:12])}"
    if error.validator == "unevaluatedProperties":
        return "customProperties: [{property: …, value: …, vendor: cityhub}]"
    return f"{error.validator}: {wanted}"[:120]
