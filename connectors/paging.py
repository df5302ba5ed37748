"""From page to page of an API, and never round in a circle.

`options.pagination` has a `kind` and, with their defaults:

- `none`: one page holds all
- `page`: `pageParam` (page), `sizeParam` (size), `size` (500), `first` (1)
- `offset`: `offsetParam` (offset), `sizeParam` (limit), `size` (500)
- `cursor`: `next` (path to the token of the next page), `cursorParam` (cursor), `sizeParam`, `size`; ends without a token
- `link`: `next` (path to the next page's URL; without it the Link header, RFC 8288), same host only; ends without one

Paths are those of `connectors.recordpath`. Pages and offsets end with a page without records, or once the stated total is reached: a
page shorter than asked for ends nothing, for servers cap the size. `sizeParam: ""` sends no size. The same records or the same token
twice, and more than `maxPages` (100000), raise SourceDamaged.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.options import number
from connectors.recordpath import check, value
from schemas.errors import ContractInvalid, Problem, SourceDamaged

Params = dict[str, str]
KINDS = ("none", "page", "offset", "cursor", "link")
MOST_PAGES = 100_000
_TODO = "check options.pagination in the contract"


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


@dataclass(frozen=True)
class Pagination:
    """How an API goes from page to page."""

    kind: str
    name: str
    size: Params
    first: int
    next: str
    most: int

    @staticmethod
    def of(settings: Mapping[str, Any]) -> "Pagination":
        """From `options.pagination`. Raises ContractInvalid."""
        kind = settings.get("kind", "none")
        if kind not in KINDS:
            where = "servers[0].customProperties.options.pagination"
            raise ContractInvalid([Problem(where, f"kind {kind!r} is unknown", ", ".join(KINDS))])
        by_size = str(settings.get("size_param", "limit" if kind == "offset" else "size"))
        size = number(settings, "size", 500, under="options.pagination")
        return Pagination(
            kind=kind,
            name=str(settings.get(f"{kind}_param", kind)),
            size={by_size: str(size)} if by_size and kind != "none" else {},
            first=number(settings, "first", 1, least=-1, under="options.pagination") if kind == "page" else 0,
            next=check(str(settings.get("next") or ""), "pagination.next"),
            most=number(settings, "max_pages", MOST_PAGES, under="options.pagination"),
        )


def pages(fetch: Fetch, params: Params, way: Pagination, where: str) -> Iterator[Page]:
    """All pages; SourceDamaged if they repeat, never end, or end before the stated total."""
    walks = {"none": _one, "page": _numbered, "offset": _numbered, "cursor": _chained, "link": _chained}
    seen, count, total = set[bytes](), 0, None
    for number_, page in enumerate(walks[way.kind](fetch, params, way, where), 1):
        mark = _digest(json.dumps(page.records, sort_keys=True, default=str))
        if page.records and mark in seen:
            raise SourceDamaged(f"{where} gives the same page again (page {number_})", todo=_TODO)
        seen.add(mark)
        count += len(page.records)
        total = page.total if page.total is not None else total
        if number_ > way.most:
            raise SourceDamaged(
                f"{where} gives more than {way.most} pages", todo="check options.pagination, or raise its maxPages"
            )
        yield page
    if total is not None and count < total:
        raise SourceDamaged(
            f"{where} states {total} records and gave {count}", todo="run again; if it stays so, tell the department"
        )


def _one(fetch: Fetch, params: Params, _way: Pagination, _where: str) -> Iterator[Page]:
    yield fetch(None, params)


def _numbered(fetch: Fetch, params: Params, way: Pagination, _where: str) -> Iterator[Page]:
    position, count = way.first, 0
    while True:
        page = fetch(None, params | way.size | {way.name: str(position)})
        yield page
        count += len(page.records)
        if not page.records or (page.total is not None and count >= page.total):
            return
        position += 1 if way.kind == "page" else len(page.records)


def _chained(fetch: Fetch, params: Params, way: Pagination, where: str) -> Iterator[Page]:
    seen = set[bytes]()
    page = fetch(None, params | way.size)
    while True:
        yield page
        token = value(page.document, way.next) if way.next else page.link
        if token in (None, "", False):
            return
        mark = _digest(str(token))
        if mark in seen:
            raise SourceDamaged(f"{where} names the same next page again", todo=_TODO)
        seen.add(mark)
        linked = way.kind == "link"
        page = fetch(str(token), {}) if linked else fetch(None, params | way.size | {way.name: str(token)})


def _digest(text: str) -> bytes:
    """So that what was seen costs 16 bytes a page."""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()
