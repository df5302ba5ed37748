"""A REST connector over a function from request to answer, for the tests of its ways."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from connector_stages import Delivery, columns, deliver

from connectors.rest import RestConnector
from schemas.contract import Source

SECRET = "office:s3cret+of/the%office"
Handler = Callable[[httpx.Request], httpx.Response]


class Api:
    """A connector over a function from request to answer, in a time that passes only by sleeping and by `pass_time`."""

    def __init__(self, handler: Handler, value: str = SECRET, **changes: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.now = datetime(2026, 5, 1, tzinfo=UTC)
        self.handler = handler
        options = {"records": "items", **changes.pop("options", {})}
        self.source = Source("rest", "https://api.example/v1", "items", options=options, **changes)
        self.value = value

    @property
    def connector(self) -> RestConnector:
        return RestConnector(
            self.source, secret=lambda _: self.value, clock=lambda: self.now, sleep=self.sleep, chance=lambda: 1.0,
            transport=httpx.MockTransport(self._answer),
        )  # fmt: skip

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.handler(request)

    def deliver(self, folder: Path, watermark: str | None = None, names: tuple[str, ...] = ("id",)) -> Delivery:
        return deliver(self.connector, self.source, columns(*names), watermark, folder)


def page(items: list[Any], **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"items": items, **more})


def numbered(request: httpx.Request) -> httpx.Response:
    """Three pages of one record."""
    number = int(request.url.params["page"])
    return page([{"id": number}] if number <= 3 else [])
