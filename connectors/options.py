"""A source's own settings, known by name: one that is misspelt is refused instead of ignored."""

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from schemas.contract import Source
from schemas.errors import ContractInvalid, Problem

N = TypeVar("N", int, float)

FILES = (
    "done", "member", "delimiter", "header_row", "header_rows", "sheet", "records", "host_key", "endpoint", "region",
    "params", "auth", "auth_header", "auth_param", "token_url", "token_auth", "scope", "timeout", "ssl_root_cert",
)  # fmt: skip
PAGINATION = ("kind", "page_param", "size_param", "offset_param", "cursor_param", "size", "first", "next", "max_pages")
REST = (
    "records", "total", "pagination", "params", "updated_since", "updated_since_format", "updated_since_zone",
    "auth", "auth_header", "auth_param", "token_url", "token_auth", "scope", "requests_per_second", "timeout", "ssl_root_cert",
)  # fmt: skip
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


def number(settings: Mapping[str, Any], name: str, default: N, *, least: float = 0, under: str = "options") -> N:
    """An option that is a number above `least`, of the default's type. Raises ContractInvalid."""
    given = settings.get(name)
    if given is None:
        return default
    if isinstance(given, int | float) and not isinstance(given, bool) and given > least and math.isfinite(given):
        return type(default)(given)
    where = f"servers[0].customProperties.{under}.{_camel(name)}"
    raise ContractInvalid([Problem(where, f"a number above {least:g} is wanted", str(default))])


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
        right = ", ".join(map(_camel, known))
        raise ContractInvalid(
            [Problem(where, f"{', '.join(unknown)} is no option of this source", right or "no options")]
        )
    return names


def _camel(name: str) -> str:
    return re.sub(r"_(.)", lambda found: found[1].upper(), name)
