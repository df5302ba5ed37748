"""The client that portals copy reads records page by page and follows changes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from records_bench import CASE, NOW, PURPOSE, Bench

from access.keys import checked
from examples.portal.hub_client import HubClient, HubRefused, new_key
from ledger import credentials


class Wire(httpx.BaseTransport):
    """Carries requests to an application in this process."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._bench.http.request(
            request.method, str(request.url), content=request.read(), headers=dict(request.headers)
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def test_records_and_changes_are_read_to_their_end(tmp_path: Path) -> None:
    bench: Any = Bench.at(tmp_path, clock=lambda: datetime.now(UTC))  # type: ignore[arg-type]
    pem, public = new_key()
    credentials.put_keys(bench.hub.ledger, "portal", checked(public), NOW)
    bench.allow(row_filter='[{"column": "floors", "op": "le", "value": 1500}]')
    rows = [{"id": f"h{n:04}", "district": "A", "owner": None, "floors": n, "fee": None} for n in range(2300)]
    bench.publish(rows)
    with httpx.Client(transport=Wire(bench)) as http:
        client = HubClient("http://hub.test", "portal", pem, http=http)
        found = list(client.records("houses", PURPOSE, case=CASE, fields=["id", "floors"]))
        assert [row["floors"] for row in found] == [*range(1501)]
        few = client.records("houses", PURPOSE, case=CASE, where=[{"column": "floors", "op": "lt", "value": 3}])
        assert [row["id"] for row in few] == ["h0000", "h0001", "h0002"]
        feed = client.changes("houses", PURPOSE, since=0, case=CASE)
        assert sum(change["op"] == "upsert" for change in feed) == 1501
        assert (feed.load, feed.grants) == (1, ("g1",))
        bench.publish([*rows[1:1400], {**rows[1400], "floors": 1501}])
        feed = client.changes("houses", PURPOSE, since=feed.load, case=CASE)
        gone = [change["record"] for change in feed if change["op"] == "delete"]
        assert gone == [{"id": f"h{n:04}"} for n in (0, *range(1400, 1501))]
        assert feed.load == 2
        with pytest.raises(HubRefused) as refusal:
            list(client.records("flats", PURPOSE, case=CASE))
        assert refusal.value.status == 403
