"""Clients' own webhooks: told of loads of what they hold a grant for, signed with a key of their own, never led inward or to another's key."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from records_bench import HOUSES, NOW, Bench
from standardwebhooks.webhooks import Webhook

from hub.telling import deliver, notify
from lake.history import History
from ledger import grants, loads, outbox
from ledger.loads import Load

HOOK = "https://portal.example/hook"
SUBSCRIPTIONS = "/v1/subscriptions"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.at(tmp_path)


def subscribe(bench: Bench, client: str = "portal", url: str = HOOK, dataset: str = "houses") -> Any:
    headers = {"Authorization": f"Bearer {bench.token(client)}"}
    return bench.http.post(SUBSCRIPTIONS, json={"dataset": dataset, "url": url}, headers=headers)


def publish(bench: Bench) -> None:
    """A load, told to the ledger with its news as the pipeline tells it."""
    bench.publish([{"id": f"h{bench.clock.now:%S}", "district": "A", "owner": "p1", "floors": 1, "fee": None}])
    commit = History(bench.hub.lake, "houses").head()
    assert commit is not None
    loads.forget(bench.hub.ledger)
    told = Load("houses", commit.load, commit.run, NOW, commit.rows, commit.counts)
    loads.tell(bench.hub.ledger, told, notify.published(bench.hub, HOUSES, commit))


def test_a_load_is_told_signed_and_without_a_record(bench: Bench) -> None:
    got: list[tuple[dict[str, str], bytes]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204 if len(got) > 1 else 500)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        bench.allow()
        made = subscribe(bench, url=f"http://127.0.0.1:{server.server_address[1]}/hook?token=1")
        assert made.status_code == 201, made.text
        publish(bench)
        assert deliver.send(bench.hub) == 0
        bench.clock.now += deliver.WAITS[0]
        assert deliver.send(bench.hub) == 1
        server.shutdown()
    headers, body = got[1]
    event = json.loads(body)
    assert (event["type"], event["data"]["dataset"], event["data"]["load"], event["data"]["rows"]) == (
        "cityhub.dataset.published",
        "houses",
        1,
        1,
    )
    assert b"p1" not in body
    assert got[0][0]["webhook-id"] == headers["webhook-id"] == event["id"]
    verifier = Webhook(made.json()["secret"])
    stamp = {**headers, "webhook-timestamp": headers["webhook-timestamp"]}
    assert _verified(verifier, body, stamp)
    assert not _verified(verifier, body + b" ", stamp)
    assert made.json()["host"] == "127.0.0.1"
    assert "token" not in bench.http.get(SUBSCRIPTIONS, headers=bench._headers("portal")).text


def _verified(verifier: Webhook, body: bytes, headers: dict[str, str]) -> bool:
    """As the standard's own library verifies it, but for the hour, which is the test's."""
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    expected = verifier.sign(headers["webhook-id"], at, body.decode())
    return expected == headers["webhook-signature"]


def test_two_clients_at_one_address_have_keys_of_their_own(bench: Bench) -> None:
    bench.allow("g1")
    bench.allow("g2", client="stranger")
    one, other = subscribe(bench).json(), subscribe(bench, "stranger").json()
    assert one["secret"] != other["secret"]
    publish(bench)
    assert len({message.secret for message in outbox.unsent(bench.hub.ledger)}) == 2


def test_a_client_sees_and_ends_its_own_alone(bench: Bench) -> None:
    bench.allow("g1")
    bench.allow("g2", client="stranger")
    mine, theirs = subscribe(bench).json(), subscribe(bench, "stranger").json()
    headers = bench._headers("portal")
    assert [one["id"] for one in bench.http.get(SUBSCRIPTIONS, headers=headers).json()] == [mine["id"]]
    assert "secret" not in bench.http.get(SUBSCRIPTIONS, headers=headers).text
    assert bench.http.request("DELETE", f"{SUBSCRIPTIONS}/{theirs['id']}", headers=headers).status_code == 404
    assert bench.http.request("DELETE", f"{SUBSCRIPTIONS}/{mine['id']}", headers=headers).status_code == 204
    assert bench.http.get(SUBSCRIPTIONS, headers=headers).json() == []
    publish(bench)
    assert len(outbox.unsent(bench.hub.ledger)) == 1


def test_without_a_grant_there_is_nothing_to_subscribe_to_and_a_revoked_one_ends_the_news(bench: Bench) -> None:
    forbidden, absent = subscribe(bench), subscribe(bench, dataset="flats")
    assert (forbidden.status_code, forbidden.text) == (absent.status_code, absent.text) == (403, absent.text)
    grant = bench.allow()
    assert subscribe(bench).status_code == 201
    grants.revoke(bench.hub.ledger, grant.id, NOW, by="office", why="ended")
    publish(bench)
    assert outbox.unsent(bench.hub.ledger) == ()


@pytest.mark.parametrize(
    "url",
    ["ftp://portal.example/x", "portal.example", "https://", "https://a:b@portal.example/", "https://portal.example/#x", "https://[::1",
     "https://portal.example:99999/", "http://169.254.169.254/latest", "file:///etc/passwd", "mailto:a@b.example"],
)  # fmt: skip
def test_an_address_that_the_hub_may_not_send_to_is_refused(bench: Bench, url: str) -> None:
    bench.allow()
    answer = subscribe(bench, url=url)
    assert (answer.status_code, answer.json()["field"]) == (422, "url")


def test_production_sends_by_https_to_listed_hosts_alone(tmp_path: Path) -> None:
    bench = Bench.at(tmp_path, production=True, reachable="portal.example")
    bench.allow()
    found = [
        subscribe(bench, url=url).status_code for url in ("http://portal.example/", "https://other.example/", HOOK)
    ]
    assert found == [422, 422, 201]


def test_a_client_has_no_more_than_so_many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.sharing.subscribing.MOST", 2)
    bench.allow()
    assert [subscribe(bench).status_code for _ in range(3)] == [201, 201, 429]
