"""A declared YAML file as a plain document, or every reason why not: shared by subject kinds and forms."""

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from schemas.errors import ContractInvalid, Problem, SourceMissing


def files(folder: Path, what: str) -> list[Path]:
    """The YAML files of a folder in name order.

    Raises:
        SourceMissing: there is no such folder.
    """
    if not folder.is_dir():
        raise SourceMissing(
            f"there is no folder {folder}",
            todo=f"put the {what} files there, or name the folder that has them in {folder.name}/: HUB_DECLARATIONS",
        )
    return sorted(p for p in folder.iterdir() if p.suffix in {".yaml", ".yml"})


def read(path: Path, package: str, schema: str) -> dict[str, Any]:
    """The document in `path`, valid by the JSON Schema file `schema` of `package`.

    Raises:
        ContractInvalid: with every problem found, each naming file, path, fault and an example.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ContractInvalid([Problem("-", "cannot be read as UTF-8 text", file=str(path))]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "-"
        fault = f"not valid YAML: {getattr(error, 'problem', None) or 'unreadable'}"
        raise ContractInvalid([Problem(where, fault, "title: …", str(path))]) from error
    errors: Iterable[ValidationError] = _validator(package, schema).iter_errors(document)
    problems = [Problem(_path(e), _wrong(e), _example(e), str(path)) for e in map(_leaf, errors)]
    if problems:
        raise ContractInvalid(sorted(problems, key=str))
    return cast("dict[str, Any]", document)


@cache
def _validator(package: str, schema: str) -> Draft202012Validator:
    text = resources.files(package).joinpath(schema).read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def _leaf(error: ValidationError) -> ValidationError:
    """The most telling error below an anyOf or oneOf: the deepest."""
    while error.context:
        error = max(error.context, key=lambda e: len(e.absolute_path))
    return error


def _path(error: ValidationError) -> str:
    text = ""
    for part in error.absolute_path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "-"


def _wrong(error: ValidationError) -> str:
    if error.instance is None:
        return "is empty"
    return error.message[:300]


def _example(error: ValidationError) -> str:
    """The schema's own example at that place, else what the rule asks for."""
    if error.validator == "required":
        name = error.message.split("'")[1]
        schema = error.schema.get("properties", {}).get(name, {}) if isinstance(error.schema, dict) else {}
        examples = schema.get("examples") or ["…"]
        return f"{name}: {_shown(examples[0])}"
    if error.validator == "additionalProperties" and isinstance(error.schema, dict):
        return "one of " + ", ".join(error.schema.get("properties", {}))
    if error.validator == "enum":
        return f"one of {error.validator_value}"
    examples = error.schema.get("examples") if isinstance(error.schema, dict) else None
    return _shown(examples[0]) if examples else f"{error.validator}: {error.validator_value}"[:120]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
