"""A source's own settings, known by name: one that is misspelt is refused instead of ignored."""

import re
from collections.abc import Mapping
from typing import Any

from schemas.contract import Source
from schemas.errors import ContractInvalid, Problem

FILES = ("done", "delimiter", "header_row", "sheet", "records")
PAGINATION = ("kind", "page_param", "size_param", "offset_param", "cursor_param", "size", "first", "next")
REST = ("records", "total", "pagination", "params", "updated_since", "auth", "auth_header", "timeout")
SQL = ("ssl_mode", "ssl_root_cert")
KNOWN = {"sql": SQL, "rest": REST, "csv": FILES, "xlsx": FILES, "jsonl": FILES, "parquet": FILES, "push": ()}


def options(source: Source) -> dict[str, Any]:
    """The source's options by their snake_case names; contracts write them in camelCase, as ODCS does.

    >>> options(Source("xlsx", "file://", "permits.xlsx", options={"headerRow": 2}))
    {'header_row': 2}
    """
    found = _named(source.options, KNOWN.get(source.kind, ()), "options")
    if "pagination" in found:
        found["pagination"] = _named(found["pagination"], PAGINATION, "options.pagination")
    return found


def _named(given: Any, known: tuple[str, ...], path: str) -> dict[str, Any]:
    where = f"servers[0].customProperties.{path}"
    if not isinstance(given, Mapping):
        raise ContractInvalid([Problem(where, "a mapping is wanted", "{kind: page, size: 500}")])
    names = {
        re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", str(name)): value
        for name, value in given.items()
    }
    unknown = sorted(set(names) - set(known))
    if unknown:
        right = ", ".join(re.sub(r"_(.)", lambda found: found[1].upper(), name) for name in known)
        raise ContractInvalid(
            [Problem(where, f"{', '.join(unknown)} is no option of this source", right or "no options")]
        )
    return names
