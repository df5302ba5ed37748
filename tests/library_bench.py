"""A library that pushes its records to a hub: the bench of the tests that follow a batch all the way."""

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from httpx import ASGITransport, AsyncClient, Response

from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import registry
from hub.settings import Settings
from hub.web import services
from lake import current
from ledger import clients as client_store
from ledger.clients import Client
from serving.app import create_app

CONTRACT = Path(__file__).parent / "arrivals.odcs.yaml"
Row = tuple[str, str | None, int]


def lines(*rows: Row) -> bytes:
    """The rows as a body of JSON lines, under the department's own names."""
    return "".join(json.dumps(dict(zip(("卡号", "姓名", "次数"), row, strict=True))) + "\n" for row in rows).encode()


@dataclass
class Clock:
    now: datetime = datetime(2026, 3, 2, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Library:
    """A hub with one pushed dataset, and the library that sends."""

    hub: Hub
    clock: Clock
    sent: int = 0

    def __post_init__(self) -> None:
        self.app = create_app(replace(services(self.hub), authenticate=lambda token: token))

    def call(self, method: str, path: str, **more: Any) -> Response:
        async def one() -> Response:
            async with AsyncClient(transport=ASGITransport(self.app), base_url="http://hub.test") as client:
                return await client.request(method, f"/v1/datasets/{path}", **more)

        more["headers"] = {"Authorization": "Bearer library", **more.get("headers", {})}
        return asyncio.run(one())

    def send(
        self, *rows: Row, query: str = "", code: str = "arrivals", content: bytes = b"",
        media: str = "application/jsonl", key: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        self.sent += 1
        self.clock.now += timedelta(seconds=1)
        headers = {"Content-Type": media, "Idempotency-Key": key or f"k{self.sent}"}
        answer = self.call("POST", f"{code}/records{query}", content=content or lines(*rows), headers=headers)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def agree(self, *changes: tuple[str, str]) -> None:
        """Put the contract in force with (old text, new text) pairs changed, as its next version."""
        text = CONTRACT.read_text(encoding="utf-8")
        for old, new in (("version: 1.0.0", "version: 1.1.0"), *changes):
            assert old in text
            text = text.replace(old, new)
        file = self.hub.settings.home.parent / CONTRACT.name
        file.write_text(text, encoding="utf-8")
        registry.apply(self.hub, (file,), because="a test")

    def pull(self, **given: Any) -> Any:
        self.clock.now += timedelta(seconds=1)
        return pipeline.pull(self.hub, "arrivals", owner=f"run {self.clock.now}", **given)

    def fate(self, receipt: dict[str, Any]) -> dict[str, Any]:
        return dict(self.call("GET", f"arrivals/receipts/{receipt['id']}").json())

    def current(self) -> dict[str, tuple[str, int]]:
        with duckdb.connect() as con:
            current.create_view(con, self.hub.lake, self.hub.contract("arrivals"), "v")
            return {k: (name, n) for k, name, n in con.execute("SELECT card_no, name, visits FROM v").fetchall()}


def library_at(folder: Path, *changes: tuple[str, str], clock: Clock | None = None, **settings: Any) -> Library:
    """A library whose contract is changed by (old text, new text) pairs."""
    clock = clock or Clock()
    hub = Hub(
        Settings(home=folder / "home", declarations=folder / "declarations", judge_memory_mb=256, **settings),
        clock=clock,
    )
    for name in ("subjects", "forms"):
        (hub.settings.declared / name).mkdir(parents=True)
    contract = folder / CONTRACT.name
    text = CONTRACT.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    contract.write_text(text, encoding="utf-8")
    registry.apply(hub, (contract,))
    client_store.put(hub.ledger, Client("library", "图书馆", "Library", "-"), clock())
    client_store.allow_push(hub.ledger, "library", "arrivals", clock())
    return Library(hub, clock)
