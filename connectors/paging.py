"""From page to page of an API, and never round in a circle.

`options.pagination` has a `kind` and, with their defaults:

- `none`: one page holds all
- `page`: `pageParam` (page), `sizeParam` (size), `size` (500), `first` (1)
- `offset`: `offsetParam` (offset), `sizeParam` (limit), `size` (500)
- `cursor`: `next` (dotted path to the token of the next page), `cursorParam` (cursor), `sizeParam`, `size`; ends without a token
- `link`: `next` (dotted path to the next page's URL; without it the Link header, RFC 8288), same host only; ends without one

Pages and offsets end with a page without records, or once the stated total is reached: a page shorter than asked for ends nothing,
for servers cap the size. `sizeParam: ""` sends no size. The same records or the same token twice raise SourceDamaged.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.errors import ContractInvalid, Problem, SourceDamaged

Params = dict[str, str]


@dataclass(frozen=True)
class Page:
    """One answer: its body as it came, its records, the total it states, the URL its Link header names next."""

    body: bytes
    document: Any
    records: list[Any]
    total: int | None = None
    link: str | None = None


Fetch = Callable[[str | None, Params], Page]
"""Gets a page: of the endpoint, or of a URL that the page before named."""


def pages(fetch: Fetch, params: Params, settings: Mapping[str, Any], where: str) -> Iterator[Page]:
    """All pages, by the `pagination` settings; SourceDamaged if they repeat, or end before the stated total."""
    kind = settings.get("kind", "none")
    walks = {"none": _one, "page": _numbered, "offset": _numbered, "cursor": _chained, "link": _chained}
    if kind not in walks:
        problem = Problem(
            "servers[0].customProperties.options.pagination", f"kind {kind!r} is unknown", ", ".join(walks)
        )
        raise ContractInvalid([problem])
    seen, count, total = set[bytes](), 0, None
    for page in walks[kind](fetch, params, settings, where):
        mark = hashlib.sha256(json.dumps(page.records, sort_keys=True, default=str).encode(errors="replace")).digest()
        if page.records and mark in seen:
            raise SourceDamaged(f"{where} gives the same page again", todo="check options.pagination in the contract")
        seen.add(mark)
        count += len(page.records)
        total = page.total if page.total is not None else total
        yield page
    if total is not None and count < total:
        raise SourceDamaged(
            f"{where} states {total} records and gave {count}", todo="run again; if it stays so, tell the department"
        )


def dig(document: Any, path: str) -> Any:
    """The value at a dotted path, None if there is none.

    >>> dig({"data": {"items": [1]}}, "data.items")
    [1]
    """
    for key in path.split(".") if path else ():
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _one(fetch: Fetch, params: Params, _settings: Mapping[str, Any], _where: str) -> Iterator[Page]:
    yield fetch(None, params)


def _numbered(fetch: Fetch, params: Params, settings: Mapping[str, Any], _where: str) -> Iterator[Page]:
    by_page = settings["kind"] == "page"
    name = str(settings.get("page_param", "page") if by_page else settings.get("offset_param", "offset"))
    position = int(settings.get("first", 1)) if by_page else 0
    sized = params | _size(settings, "size" if by_page else "limit")
    count = 0
    while True:
        page = fetch(None, sized | {name: str(position)})
        yield page
        count += len(page.records)
        if not page.records or (page.total is not None and count >= page.total):
            return
        position += 1 if by_page else len(page.records)


def _chained(fetch: Fetch, params: Params, settings: Mapping[str, Any], where: str) -> Iterator[Page]:
    linked, path = settings["kind"] == "link", str(settings.get("next") or "")
    sized = params | _size(settings, "size")
    page = fetch(None, sized)
    seen = set[str]()
    while True:
        yield page
        token = dig(page.document, path) if path else page.link
        if token in (None, "", False):
            return
        if str(token) in seen:
            raise SourceDamaged(
                f"{where} names the same next page again", todo="check options.pagination in the contract"
            )
        seen.add(str(token))
        name = str(settings.get("cursor_param", "cursor"))
        page = fetch(str(token), {}) if linked else fetch(None, sized | {name: str(token)})


def _size(settings: Mapping[str, Any], default: str) -> Params:
    name = str(settings.get("size_param", default))
    return {name: str(settings.get("size", 500))} if name else {}
