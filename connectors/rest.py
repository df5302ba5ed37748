"""A department's HTTP API: pages of JSON, each landed as the body that came.

Options of the contract's server block (`customProperties.options`), all optional:

- `records`: where a page's records stand (`connectors.recordpath`; without it the page is the list); `total`: path to the stated total
- `pagination`: see `connectors.paging`; `params`: fixed query parameters, as `{status: all}`
- `updatedSince`: the query parameter that takes the watermark, less `lagSeconds`; without it every read is full.
  `updatedSinceFormat`: `as is` (as in the records), `iso`, `epoch`, `epoch-ms`, or a strftime pattern; in zone `updatedSinceZone`
- `auth` and what belongs to it: see `connectors.signin`; `requestsPerSecond`; `timeout`: seconds for one answer (30)
- `sslRootCert`: a certificate below the drop root that signs the API's own; without it, those that are generally trusted

A page read later wins over an earlier one, hence a part for each. An API has no snapshot, so a read is never consistent; it is complete
if it did not ask for changes only. Redirects are not followed: the address is the one that was registered. Nothing is taken from
the environment (proxies, .netrc).
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa

from connectors.batches import text_schema
from connectors.bounds import Bound, Horizon, bound, rank, start
from connectors.client import Client
from connectors.formats.objects import flatten
from connectors.guard import ANYWHERE, Guard
from connectors.interface import Closing, Part, Probe, Reading, Rows, SourceColumn
from connectors.options import number, options
from connectors.paging import Page, Pagination, Params, pages
from connectors.recordpath import check, records, value
from connectors.shape import Shape
from connectors.since import Since
from connectors.wire import Pace
from schemas.contract import Column, Source
from schemas.errors import SourceDamaged


class RestConnector(Closing):
    """One endpoint; `sleep` and `transport` are arguments so that tests substitute them."""

    def __init__(
        self,
        source: Source,
        *,
        secret: Callable[[str], str],
        clock: Callable[[], datetime],
        root: Path = Path(),
        guard: Guard = ANYWHERE,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.source = source
        self.options = options(source)
        self.clock = clock
        self.records, self.total = (check(str(self.options.get(name) or ""), name) for name in ("records", "total"))
        self.pagination = Pagination.of(self.options.get("pagination", {}))
        self.since = Since.of(self.options, source.timezone)
        pace = Pace(clock, sleep, chance, number(self.options, "requests_per_second", 0.0) or None)
        self._with: dict[str, Any] = {
            "secret": secret,
            "pace": pace,
            "guard": guard,
            "root": root,
            "transport": transport,
        }
        self.client = Client(source, **self._with)

    def __repr__(self) -> str:
        return f"RestConnector({self.client.where})"

    def probe(self) -> Probe:
        """Ask for the first page."""
        page = next(self._pages(self.client, None))
        rows = {} if page.total is None else {self.source.table: Rows(page.total)}
        return Probe(self.client.where, "HTTP API", self.tables(), rows=rows)

    def tables(self) -> tuple[str, ...]:
        """The one endpoint that the source names: an API lists no others."""
        return (self.source.table,)

    def describe(self, table: str) -> tuple[SourceColumn, ...]:
        """The names in the first page's records."""
        return tuple(SourceColumn(field.name, "json") for field in self.sample(table, 100).schema)

    def sample(self, table: str, n: int) -> pa.Table:
        """The first `n` records of an endpoint."""
        client = Client(replace(self.source, table=table), **self._with)
        try:
            found = chain.from_iterable(page.records for page in self._pages(client, None))
            records = [dict(flatten(record)) for record in islice(found, n)]
        finally:
            client.close()
        names = list(dict.fromkeys(name for record in records for name in record))
        arrays = [pa.array([record.get(name) for record in records], pa.string()) for name in names]
        return pa.Table.from_arrays(arrays, schema=text_schema(names))

    def read(self, columns: Sequence[Column], watermark: str | None) -> Reading:
        """Ask page by page as the parts are consumed."""
        cursor = next((c.source for c in columns if c.name == self.source.cursor), self.source.cursor)
        cursor = cursor if self.source.sync == "incremental" else None
        last = Bound.from_json(watermark) if watermark and cursor and self.since.name else None
        shape = Shape((column.source for column in columns), self.client.where)
        return Reading(
            lambda reading: self._parts(reading, cursor, last, shape),
            complete=last is None and self.source.sync != "append",
            consistent=False,
            mark=watermark if cursor else None,
            note="an API has no snapshot: read page by page",
        )

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _parts(self, reading: Reading, cursor: str | None, last: Bound | None, shape: Shape) -> Iterator[Part]:
        newest: str | None = None
        for count, page in enumerate(self._pages(self.client, last), 1):
            shape.see(page.records, count)
            if cursor:
                newest = self._later(newest, page, cursor)
            if page.records or count == 1:
                yield Part(f"page-{count:06d}.json", "json", chunks=iter([page.body]))
        if newest is not None:
            zone, now = self.source.timezone, Horizon(self.clock(), sure=False)
            reading.mark = bound(newest, now, zone, numeric=rank(newest, zone)[0] == 1).to_json()

    def _later(self, newest: str | None, page: Page, cursor: str) -> str | None:
        """The greatest cursor value so far, timestamps compared as moments."""
        values = [str(value) for value in (_field(record, cursor) for record in page.records) if value is not None]
        return max(
            [*values, *([newest] if newest is not None else [])],
            key=lambda v: rank(v, self.source.timezone),
            default=None,
        )

    def _pages(self, client: Client, last: Bound | None) -> Iterator[Page]:
        def fetch(url: str | None, params: Params) -> Page:
            return self._page(client, url, params)

        return pages(fetch, self._params(last), self.pagination, client.where)

    def _params(self, last: Bound | None) -> Params:
        fixed = {str(k): str(v) for k, v in (self.options.get("params") or {}).items()}
        if last is None:
            return fixed
        return fixed | {self.since.name: self.since.write(start(last, self.source.lag))}

    def _page(self, client: Client, url: str | None, params: Params) -> Page:
        answer = client.get(url, params)
        try:
            document = json.loads(answer.body, parse_float=Decimal)
            found = records(document, self.records)
        except (ValueError, RecursionError, ArithmeticError):
            raise SourceDamaged(
                f"{client.where} answers something that is no JSON", todo="check location in the contract"
            ) from None
        if found is None:
            raise SourceDamaged(
                f"{client.where}: there is no list at {self.records or 'the top'!r}",
                todo="correct options.records in the contract",
            )
        if not all(isinstance(record, dict) for record in found):
            raise SourceDamaged(f"{client.where}: a record is no object", todo="check options.records in the contract")
        link = httpx.Response(200, headers=answer.headers).links.get("next", {}).get("url")
        return Page(answer.body, document, found, self._stated(document), link)

    def _stated(self, document: Any) -> int | None:
        """The total that a page states."""
        stated = value(document, self.total) if self.total else None
        try:
            return None if stated is None else int(stated)
        except (ValueError, TypeError):
            raise SourceDamaged(
                f"{self.client.where}: what stands at {self.total!r} is no number",
                todo="correct options.total in the contract",
            ) from None


def _field(record: dict[str, Any], name: str) -> Any:
    return record[name] if name in record else value(record, name)
