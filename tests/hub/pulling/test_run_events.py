"""Every run is told to an OpenLineage collector, as it begins and as it ends, and no collector makes a run fail."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from modes_bench import Bench, sieve_alone

from hub.core import Hub
from hub.settings import Settings
from hub.telling import lineage_events
from ledger import outbox, runs
from schemas.errors import HubError

ROWS = [("1", "甲", "有效", 1, "2026-01-01T00:00:00"), ("2", "乙", "有效", 2, "2026-01-01T00:00:00")]


@dataclass
class Collector:
    """What was posted, and what is answered."""

    port: int = 0
    status: int = 201
    events: list[dict[str, Any]] = field(default_factory=list)

    def told(self, run: str) -> list[str]:
        return [one["eventType"] for one in self.events if one["run"]["runId"] == run]


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if found.status < 400:
                found.events.append(json.loads(body))
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    sieve_alone(monkeypatch)
    made = Bench(tmp_path)
    made.source(ROWS)
    made.apply()
    return made


def telling(bench: Bench, port: int) -> Bench:
    """The bench with a collector on this port."""
    settings = bench.hub.settings.model_copy(update={"openlineage_url": f"http://127.0.0.1:{port}/api/v1/lineage"})
    bench.hub = Hub(Settings(**settings.model_dump()), secret=bench.hub.secret)
    return bench


def test_a_published_run_is_told_once_at_each_end(bench: Bench, collector: Collector) -> None:
    run = telling(bench, collector.port).pull()
    assert collector.told(run.run) == ["START", "COMPLETE"]
    start, complete = collector.events
    assert (complete["job"]["name"], complete["outputs"][0]["name"]) == ("dataset.things", "things")
    assert complete["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert complete["inputs"][0]["inputFacets"]["dataQualityMetrics"]["rowCount"] == 2
    assert start["inputs"][0]["inputFacets"] == {}
    again = bench.pull()
    assert collector.told(again.run) == ["START", "COMPLETE"]
    assert collector.told(run.run) == ["START", "COMPLETE"]


def test_a_dry_run_completes_and_a_failed_one_tells_why_without_a_record(bench: Bench, collector: Collector) -> None:
    telling(bench, collector.port)
    dry = bench.pull(dry_run=True)
    assert collector.told(dry.run) == ["START", "COMPLETE"]
    bench.sql('DROP TABLE "登记"')
    with pytest.raises(HubError):
        bench.pull()
    failed = collector.events[-1]
    assert failed["eventType"] == "FAIL"
    assert "登记" in failed["run"]["facets"]["errorMessage"]["message"]
    assert "甲" not in json.dumps(collector.events, ensure_ascii=False)


def test_a_held_load_aborts(bench: Bench, collector: Collector) -> None:
    telling(bench, collector.port).pull()
    bench.sql('DELETE FROM "登记"')
    with pytest.raises(HubError):
        bench.pull()
    assert collector.events[-1]["eventType"] == "ABORT"


@pytest.mark.parametrize("status", [500, 404])
def test_a_collector_that_answers_wrongly_fails_no_run_and_hears_of_it_later(
    bench: Bench, collector: Collector, status: int
) -> None:
    collector.status = status
    run = telling(bench, collector.port).pull()
    assert run.phase == "published"
    assert collector.events == []
    waiting = [m.body["eventType"] for m in outbox.unsent(bench.hub.ledger)]
    assert waiting == ["START", "COMPLETE"]


def test_a_collector_that_is_not_there_fails_no_run(bench: Bench) -> None:
    assert telling(bench, 9).pull().phase == "published"


def test_upkeep_tells_what_a_killed_process_left_out(
    bench: Bench, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling(bench, collector.port)
    with monkeypatch.context() as killed:
        killed.setattr(lineage_events, "tell", lambda *_: None)
        run = bench.pull()
    assert collector.events == []
    assert lineage_events.catch_up(bench.hub) == 1
    assert lineage_events.catch_up(bench.hub) == 0
    assert [m.event for m in outbox.unsent(bench.hub.ledger)] == [f"{run.run}.START", f"{run.run}.COMPLETE"]


def test_without_a_collector_nothing_is_kept(bench: Bench) -> None:
    run = bench.pull()
    assert outbox.unsent(bench.hub.ledger) == ()
    assert runs.find(bench.hub.ledger, run.run).phase == "published"
