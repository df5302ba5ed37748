"""Where records and totals stand in a JSON document: JSONPath (RFC 9535), or for short a dotted path.

`data.items` is the list at that place. `$.data.items[*]`, `$.groups[*].staff[*]`, `$.items[?@.state == 'open']` are JSONPath: each object
found is a record, and of each list found its elements. A document whose list is there but empty has no records; one in which the
path leads nowhere is of another shape than was agreed, which is told apart.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError
from jsonpath.segments import JSONPathChildSegment, JSONPathSegment
from jsonpath.selectors import NameSelector, WildcardSelector

from schemas.errors import ContractInvalid, Problem

_ENVIRONMENT = JSONPathEnvironment(strict=True)


def check(path: str, option: str) -> str:
    """The path, if it can be read. Raises ContractInvalid."""
    try:
        if path.startswith("$"):
            _compiled(path)
    except JSONPathError:
        where = f"servers[0].customProperties.options.{option}"
        problem = Problem(where, f"{path!r} is no JSONPath (RFC 9535)", "$.data.items[*], or data.items")
        raise ContractInvalid([problem]) from None
    return path


def records(document: Any, path: str) -> list[Any] | None:
    """The records at a path; None if it leads nowhere.

    >>> records({"groups": [{"staff": [{"id": 1}]}, {"staff": []}]}, "$.groups[*].staff[*]")
    [{'id': 1}]
    >>> records({"groups": []}, "$.groups[*].staff[*]")
    []
    >>> records({"group": []}, "$.groups[*].staff[*]") is None
    True
    """
    if not path.startswith("$"):
        found = _dig(document, path)
        return found if isinstance(found, list) else None
    segments = _compiled(path).segments
    nodes = _select(document, segments)
    if not nodes and _leads_nowhere(document, segments):
        return None
    return [record for node in nodes for record in (node if isinstance(node, list) else [node])]


def value(document: Any, path: str) -> Any:
    """The one value at a path (the first of several), None if there is none.

    >>> value({"meta": {"total": 7}}, "meta.total"), value({"meta": [{"total": 7}]}, "$.meta[0].total")
    (7, 7)
    """
    if not path.startswith("$"):
        return _dig(document, path)
    return next(iter(_select(document, _compiled(path).segments)), None)


def streamed(path: str) -> str | None:
    """The path as ijson walks it, so that a document of any size can be read; None where the document must be seen whole.

    >>> streamed("data.items"), streamed("$.groups[*]['staff'][*]"), streamed("$..items[*]")
    ('data.items.item', 'groups.item.staff.item', None)
    """
    if not path.startswith("$"):
        names = path.split(".") if path else []
        return None if "item" in names else ".".join([*names, "item"])  # "item" is also ijson's word for [*]
    steps = [_step(segment) for segment in _compiled(path).segments]
    if None in steps or not steps or steps[-1] != "item":
        return None
    return ".".join(str(step) for step in steps)


def _step(segment: JSONPathSegment) -> str | None:
    """A segment as a part of ijson's prefix: a name without a dot, or `[*]`."""
    selector = segment.selectors[0] if len(segment.selectors) == 1 else None
    if not isinstance(segment, JSONPathChildSegment):
        return None
    if isinstance(selector, WildcardSelector):
        return "item"
    if isinstance(selector, NameSelector) and selector.name != "item" and "." not in selector.name:
        return selector.name
    return None


def _leads_nowhere(document: Any, segments: Sequence[JSONPathSegment]) -> bool:
    """Whether the first segment that finds nothing is a name: then it is missing. All others choose among what is there."""
    for count, segment in enumerate(segments, 1):
        if not _select(document, segments[:count]):
            return not isinstance(segment, JSONPathChildSegment) or any(
                isinstance(selector, NameSelector) for selector in segment.selectors
            )
    return False


def _select(document: Any, segments: Sequence[JSONPathSegment]) -> list[Any]:
    return JSONPath(env=_ENVIRONMENT, segments=segments).findall(document)


def _dig(document: Any, path: str) -> Any:
    for key in path.split(".") if path else ():
        document = document.get(key) if isinstance(document, dict) else None
    return document


@lru_cache(maxsize=64)
def _compiled(path: str) -> JSONPath:
    found = _ENVIRONMENT.compile(path)
    if not isinstance(found, JSONPath):
        raise JSONPathError(path)
    return found
