"""From an ODCS 3.2 file to a `Contract`, or to every reason why not.

1. YAML is parsed; a fault names the line.
2. The standard's own JSON Schema is applied, then its pydantic model: each catches what the other lets through.
3. Our own rules are applied: what ODCS lacks is in `customProperties` with `vendor: cityhub`, listed in `docs/reference/contract.md`;
   what the standard can say and the hub does not do is refused, not ignored.
4. The `Contract` is built. All problems of a file, the standard's and ours, are reported at once, each with its path and an example of right.
"""

from pathlib import Path
from typing import Any

import yaml

from schemas import odcs_limits, odcs_reader, odcs_standard
from schemas.contract import Contract
from schemas.errors import ContractInvalid, Problem


def load(path: Path, text: str | None = None) -> Contract:
    """The contract in `path` (or in `text`, with `path` only named in errors).

    Raises:
        ContractInvalid: with every problem found, each naming file, path, fault and an example.
    """
    name = str(path)
    if text is None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ContractInvalid([Problem("-", f"cannot be read as UTF-8 text ({error})", file=name)]) from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "-"
        wrong = f"not valid YAML: {getattr(error, 'problem', None) or error}"
        raise ContractInvalid([Problem(where, wrong, "id: residents", name)]) from error
    if not isinstance(document, dict):
        raise ContractInvalid([Problem("-", "an empty file or no mapping", "apiVersion: v3.2.0", name)])
    return read(document, name)


def read(document: dict[str, Any], name: str = "") -> Contract:
    """The contract that a document describes; `name` is its file's, for errors. Raises ContractInvalid as `load` does."""
    document = plain(document)
    standard, own = odcs_standard.problems(document), list[Problem]()
    try:
        contract, own = odcs_reader.read(document)
        own += odcs_limits.problems(document)
    except (AttributeError, KeyError, TypeError, ValueError):
        if not standard:  # of a wrong form, our rules say what they can
            raise
    if not standard and not own:
        return contract
    found = [*standard, *(p for p in own if not any(_says(other, p) for other in standard))]
    raise ContractInvalid([Problem(p.path, p.wrong, p.example, name) for p in found])


def _says(standard: Problem, own: Problem) -> bool:
    """Whether the standard's problem is of the same place, or of what the place is part of: our own would say it again."""
    around, _, last = own.path.rpartition(".")
    missing = standard.path == (around or "-") and standard.wrong.startswith(f"'{last}'")
    return missing or standard.path == own.path or own.path.startswith((f"{standard.path}.", f"{standard.path}["))


def plain(value: Any) -> Any:
    """YAML's dates as ISO text, as JSON has no dates."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
