"""A small demo city on the embedded default, without Airflow: generated, its insurance service running, pulled in one process."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from examples.demo_city import rest_server
from examples.demo_city.generator import Plan, advance, generate
from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import registry
from hub.settings import Settings
from lake import current, quarantine
from ledger.runs import Run

ROOT = Path(__file__).parents[1]
CITY = ROOT / "examples" / "demo_city"
ORDER = ("residents", "companies", "food_licences", "marriages", "insurance", "travel_permits", "utility_accounts")
TODAY = date(2026, 11, 23)
TOKEN = "city-token"


@dataclass
class City:
    """The city's hub and sources; `pulls` numbers the runs."""

    hub: Hub
    pulls: int = 0

    @property
    def drop(self) -> Path:
        return self.hub.settings.drops

    def pull(self, dataset: str, **given: Any) -> Run:
        self.pulls += 1
        return pipeline.pull(self.hub, dataset, owner=f"test {self.pulls}", **given)

    def pull_all(self) -> dict[str, Run]:
        return {name: self.pull(name) for name in ORDER}

    def next_day(self) -> None:
        advance(self.drop, 1)

    def truth(self, name: str) -> Any:
        text = (self.drop / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)

    def current(self, dataset: str, load: int | None = None) -> dict[Any, tuple[Any, ...]]:
        contract = self.hub.contract(dataset)
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            current.create_view(con, self.hub.lake, contract, "v", load)
            text = {
                c.name: "::VARCHAR" if c.type == "timestamp" else "" for c in contract.columns
            }  # Python needs pytz for the type
            columns = ", ".join(current.quote(n) + cast for n, cast in text.items())
            rows = con.execute(f"SELECT {current.quote(contract.key[0])}, {columns} FROM v").fetchall()
        return {row[0]: row[1:] for row in rows}

    def quarantined(self, dataset: str) -> Counter[tuple[str, frozenset[str]]]:
        """Rows in quarantine: the key as delivered, and the rules that the row broke."""
        contract = self.hub.contract(dataset)
        source = contract.column(contract.key[0]).source
        with duckdb.connect() as con:
            quarantine.create_view(con, self.hub.lake, dataset, "q")
            rows = con.execute("SELECT delivered, reasons FROM q").fetchall()
        return Counter((json.loads(d)[source] or "", frozenset(reasons)) for d, reasons in rows)

    def expected_quarantine(self, dataset: str, file: str = "truth.jsonl") -> Counter[tuple[str, frozenset[str]]]:
        return Counter(
            (r["key"][0] or "", frozenset(r["rules"]))
            for r in self.truth(file)
            if r["dataset"] == dataset and r["expected"] == "quarantined"
        )


def hub_at(home: Path, **settings: Any) -> Hub:
    """A hub of its own folder, whose secrets are the test's."""
    made = Settings(home=home, declarations=CITY, judge_memory_mb=512, **settings)
    return Hub(made, secret=lambda _reference: TOKEN)


@contextmanager
def city(home: Path, residents: int = 600, **settings: Any) -> Iterator[City]:
    """A generated city with its contracts applied; the insurance service listens on a port of its own."""
    hub = hub_at(home, **settings)
    generate(hub.settings.drops, Plan(residents, residents * 15 // 100, 7, TODAY), 0)
    server = rest_server.serve(rest_server.Accounts(hub.settings.drops, TOKEN, throttle=0), port=0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    contracts = home / "contracts"
    contracts.mkdir()
    for path in (CITY / "contracts").glob("*.odcs.yaml"):
        text = path.read_text(encoding="utf-8").replace("127.0.0.1:18473", f"127.0.0.1:{server.server_address[1]}")
        (contracts / path.name).write_text(text, encoding="utf-8")
    registry.apply(hub, (contracts,))
    try:
        yield City(hub)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
