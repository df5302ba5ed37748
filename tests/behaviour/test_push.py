"""A department that cannot be reached sends its records: from the request to the published row, and back to the department."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from library_bench import Library, Row, library_at

from access import audit_verify
from access.audit_seal import Signer
from hub import maintenance
from hub.pulling import pushes
from lake import inbox
from schemas.errors import DeliveryHeld, NotFound, SourceDamaged


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return library_at(tmp_path)


GOOD: tuple[Row, ...] = (("c1", "林一", 1), ("c2", "林二", 1), ("c3", "林三", 1))


def test_pushed_records_are_published_and_the_department_is_told_of_its_bad_ones(library: Library) -> None:
    receipt = library.send(*GOOD, ("c4", None, 1))
    assert library.fate(receipt) == receipt
    library.pull()
    assert library.current() == {"c1": ("林一", 1), "c2": ("林二", 1), "c3": ("林三", 1)}
    fate = library.fate(receipt)
    assert (fate["status"], fate["load"], fate["batches"]) == ("published", 1, 1)
    assert (fate["counts"]["passed"], fate["counts"]["rejected"]) == (3, 1)
    assert fate["records_quarantined"] == [{"record": 4, "rules": ["name.required"]}]
    assert [rule["id"] for rule in fate["rules"]] == ["name.required"]
    assert "c4" not in json.dumps(fate)


def test_of_two_batches_with_one_key_the_later_wins_whether_read_together_or_apart(library: Library) -> None:
    library.send(*GOOD)
    second = library.send(("c1", "林一", 2))
    library.pull()
    third = library.send(("c1", "林一", 3), ("c9", "林九", 1))
    library.pull()
    assert library.current() == {"c1": ("林一", 3), "c2": ("林二", 1), "c3": ("林三", 1), "c9": ("林九", 1)}
    assert [library.fate(r)["load"] for r in (second, third)] == [1, 2]


def test_arrow_and_json_lines_end_alike(library: Library) -> None:
    table = pa.table({"卡号": ["c1"], "姓名": ["林一"], "次数": [7]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content = sink.getvalue().to_pybytes()
    library.send(content=content, media="application/vnd.apache.arrow.stream")
    library.pull()
    assert library.current() == {"c1": ("林一", 7)}
    library.send(("c1", "林一", 7))
    assert library.pull().facts["counts"]["unchanged"] == 1


def test_a_complete_batch_deletes_what_it_lacks(library: Library) -> None:
    first = library.send(*GOOD)
    library.pull()
    passed_over = library.send(("c5", "林五", 1))
    library.send(*GOOD[:2], query="?complete=true")
    with pytest.raises(DeliveryHeld):
        library.pull()
    library.pull(accept_deletions=True)
    assert set(library.current()) == {"c1", "c2"}
    assert [library.fate(r)["status"] for r in (first, passed_over)] == ["published", "superseded"]


def test_a_held_batch_says_why_and_comes_right_with_the_next(library: Library) -> None:
    receipt = library.send(("c1", None, 1), ("c2", None, 1))
    with pytest.raises(DeliveryHeld):
        library.pull()
    fate = library.fate(receipt)
    assert (fate["status"], fate["quarantined"]) == ("held", 2)
    assert "rejected" in fate["reason"]
    library.send(*GOOD)
    library.pull()
    assert len(library.current()) == 3
    assert library.fate(receipt)["quarantined"] == 0


def test_a_batch_that_nobody_can_read_is_told_and_can_be_set_aside(library: Library) -> None:
    bad = library.send(content='{"卡号": "c1", "name": "林一"}'.encode())
    with pytest.raises(SourceDamaged):
        library.pull()
    fate = library.fate(bad)
    assert (fate["status"], "'name'" in fate["reason"]) == ("failed", True)
    library.send(*GOOD)
    pushes.discard(library.hub, "arrivals", bad["id"], "other columns than agreed")
    library.pull()
    assert len(library.current()) == 3
    assert library.fate(bad)["reason"] == "other columns than agreed"
    assert [a["status"] for a in pushes.arrivals(library.hub, "arrivals")] == ["discarded", "published"]


def test_the_resource_code_names_the_dataset_too(library: Library) -> None:
    assert library.send(*GOOD, code="302009/000001")["dataset"] == "arrivals"


def test_a_dataset_that_is_pulled_takes_no_push_even_from_one_who_may(tmp_path: Path) -> None:
    pulled = library_at(tmp_path, ("property: kind, value: push", 'property: url, value: "sqlite:///a.db"'),
                        ("value: incremental", "value: snapshot"))  # fmt: skip
    with pytest.raises(NotFound, match="pushed"):
        pushes.door(pulled.hub, "library", "arrivals")


def test_upkeep_removes_a_batch_only_when_it_is_published_and_past_retention(library: Library) -> None:
    published = library.send(*GOOD)
    library.pull()
    waiting = library.send(("c5", "林五", 1))
    left = library.hub.lake / "inbox/arrivals/arriving/left-by-a-kill"
    left.write_text("half")
    assert maintenance.upkeep(library.hub)["batches removed"] == 0
    library.clock.now += timedelta(days=31)
    assert maintenance.upkeep(library.hub)["batches removed"] == 1
    place = inbox.folder(library.hub.lake, "arrivals")
    assert [p.name[:16] for p in sorted(place.rglob("*.json*"))] == [waiting["id"]] * 2
    with pytest.raises(NotFound):
        inbox.find(library.hub.lake, "arrivals", published["id"])
    library.pull()
    assert len(library.current()) == 4


def test_every_push_is_in_the_chain_and_the_chain_holds(library: Library) -> None:
    library.send(*GOOD)
    library.send(*GOOD, query="?complete=true")
    report = audit_verify.verify(library.hub.audit, [Signer(library.hub.key("audit")).public_pem])
    assert (report.ok, report.entries) == (True, 3)  # the chain's own first entry, and two pushes


class Airflow(BaseHTTPRequestHandler):
    """Notes what it is asked for."""

    asked: list[tuple[str, dict[str, Any], str]]

    def do_POST(self) -> None:
        run = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, run, self.headers["Authorization"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_push_asks_airflow_for_one_run_a_minute_and_does_without(tmp_path: Path) -> None:
    Airflow.asked = []
    library = library_at(tmp_path, airflow_token="t")
    with ThreadingHTTPServer(("127.0.0.1", 0), Airflow) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        object.__setattr__(library.hub.settings, "airflow_url", f"http://127.0.0.1:{server.server_address[1]}")
        library.send(*GOOD)
        library.send(*GOOD)
        server.shutdown()
        thread.join()
    run = {"dag_run_id": "push__2026-03-02T08:01", "logical_date": None, "run_after": "2026-03-02T08:01:00+00:00"}
    assert Airflow.asked == [("/api/v2/dags/dataset.arrivals/dagRuns", run, "Bearer t")] * 2
    library.send(*GOOD)
    assert len(pushes.arrivals(library.hub, "arrivals")) == 3
