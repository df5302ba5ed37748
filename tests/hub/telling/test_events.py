"""Events: written with their fact, signed so that others can check it, tried later and later, given up after that."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from events_bench import KEY, ROWS, Clock, subscribe
from modes_bench import Bench
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from access import webhooks
from hub import maintenance
from hub.core import Hub, utc_now
from hub.pulling import pipeline
from hub.telling import deliver, events
from hub.telling.events import TYPES, Event
from ledger import incidents, loads, outbox
from ledger.outbox import Message
from schemas.errors import DeliveryHeld, SourceDenied


@dataclass
class Receiver:
    """A real HTTP server that keeps what it was sent and answers with `status`."""

    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/events?key=canary-webhook-key"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_a_publication_is_told_as_a_cloudevent_that_others_can_verify(bench: Bench, receiver: Receiver) -> None:
    subscribe(bench.hub, receiver.url)
    run = bench.pull()
    assert receiver.got == [], "a pull does not wait for its subscribers"
    assert maintenance.remind(bench.hub)["messages sent"] == 1
    ((headers, body),) = receiver.got
    event = Webhook(KEY).verify(body, headers)
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert (event["specversion"], event["type"], event["subject"]) == ("1.0", "cityhub.dataset.published", "loads/1")
    assert event["id"] == headers["webhook-id"] == run.run
    assert event["source"].endswith("/v1/datasets/things")
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    assert event["data"] | {"counts": None} == {
        "dataset": "things", "provider_code": "11310000002420886W", "load": 1, "run": run.run, "kind": "pull", "rows": 2, "counts": None
    }  # fmt: skip
    assert set(event) >= {"id", "source", "specversion", "type"}
    assert all(re.fullmatch("[a-z0-9]+", name) for name in event), "CloudEvents 1.0, 3.1: attribute names"


def test_a_changed_body_another_key_and_an_old_timestamp_do_not_verify(bench: Bench, receiver: Receiver) -> None:
    subscribe(bench.hub, receiver.url)
    bench.pull()
    deliver.send(bench.hub)
    ((headers, body),) = receiver.got
    assert Webhook(KEY).verify(body, headers)["type"]
    with pytest.raises(WebhookVerificationError):
        Webhook(KEY).verify(body.replace(b"things", b"thinks"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(bytes(32)).decode()).verify(body, headers)
    old = webhooks.headers(KEY, "id", body, utc_now() - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(KEY).verify(body, old)
    later = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 60)}
    with pytest.raises(WebhookVerificationError, match="No matching"):
        Webhook(KEY).verify(body, later)


def test_the_receiver_on_the_reference_page_verifies_too() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    given: dict[str, Any] = {}
    exec(code, given)  # noqa: S102 - the page's own lines are what is tested
    now = datetime(2026, 3, 2, tzinfo=UTC)
    headers = webhooks.headers(KEY, "id", b"{}", now)
    assert given["verified"](KEY, headers, b"{}", now.timestamp())
    assert not given["verified"](KEY, headers, b"{ }", now.timestamp())
    assert not given["verified"](KEY, headers, b"{}", now.timestamp() + 301)


@pytest.mark.parametrize("secret", ["", "hunter2", "whsec_c2hvcnQ=", "whsec_*"])
def test_a_key_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(SourceDenied) as refused:
        webhooks.headers(secret, "id", b"", utc_now())
    assert not secret or secret not in str(refused.value)


def test_the_signature_is_the_hmac_that_the_convention_names() -> None:
    now = datetime(2021, 1, 1, tzinfo=UTC)
    signed = webhooks.headers(KEY, "msg_1", b'{"a": 1}', now)
    expected = hmac.new(bytes(range(32)), b'msg_1.1609459200.{"a": 1}', hashlib.sha256).digest()
    assert signed["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"


def test_a_message_is_tried_later_and_later_and_then_given_up_until_somebody_revives_it(
    bench: Bench, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    clock = bench.hub.clock
    assert isinstance(clock, Clock)
    subscribe(bench.hub, receiver.url)
    receiver.status = 503
    bench.pull()
    for number, wait in enumerate(deliver.WAITS, 1):
        deliver.send(bench.hub)
        assert len(receiver.got) == number
        clock.now += wait - timedelta(seconds=1)
        deliver.send(bench.hub)
        assert len(receiver.got) == number, "not before its time"
        clock.now += timedelta(seconds=1)
    deliver.send(bench.hub)
    assert len(receiver.got) == deliver.TRIES
    (given_up,) = outbox.dead(bench.hub.ledger)
    assert given_up.error == "HTTPStatusError 503"
    clock.now += timedelta(days=9)
    assert deliver.send(bench.hub) == 0
    receiver.status = 200
    assert (outbox.revive(bench.hub.ledger, clock()), deliver.send(bench.hub)) == (1, 1)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1, "each try has the same id"
    assert "canary-webhook-key" not in caplog.text


def test_a_receiver_that_is_gone_is_given_up_at_once(bench: Bench, receiver: Receiver) -> None:
    subscribe(bench.hub, receiver.url)
    receiver.status = 410
    bench.pull()
    deliver.send(bench.hub)
    assert len(outbox.dead(bench.hub.ledger)) == 1


def test_a_redirect_is_not_followed(bench: Bench, receiver: Receiver) -> None:
    subscribe(bench.hub, receiver.url)
    receiver.status = 307
    bench.pull()
    assert deliver.send(bench.hub) == 0
    assert len(receiver.got) == 1


def test_a_webhook_outside_the_list_is_never_connected_to(bench: Bench, receiver: Receiver) -> None:
    subscribe(bench.hub, receiver.url)
    bench.pull()
    strict = Hub(bench.hub.settings.model_copy(update={"production": True}), bench.hub.clock, bench.hub.secret)
    assert deliver.send(strict) == 0
    assert receiver.got == []
    assert [m.error for m in outbox.unsent(strict.ledger)] == ["contract-invalid"]


def test_only_who_asked_for_a_type_and_a_dataset_is_told(bench: Bench, receiver: Receiver) -> None:
    subscribe(bench.hub, receiver.url, "dispute.*", "contract.*")
    bench.pull()
    subscribe(bench.hub, receiver.url, "*", dataset="others")
    bench.pull()
    assert outbox.unsent(bench.hub.ledger) == ()
    subscribe(bench.hub, receiver.url, "dataset.*", dataset="things")
    bench.pull()
    assert len(outbox.unsent(bench.hub.ledger)) == 1


def test_a_load_told_again_and_a_ledger_rebuilt_are_no_news(bench: Bench, receiver: Receiver) -> None:
    subscribe(bench.hub, receiver.url)
    bench.pull()
    deliver.send(bench.hub)
    contract = bench.hub.contract("things")
    from lake.history import History

    head = History(bench.hub.lake, "things").head()
    assert head is not None
    pipeline.tell(bench.hub, contract, head)
    assert maintenance.rebuild(bench.hub) == {"things": 1}
    assert loads.known(bench.hub.ledger, "things") == 1
    assert outbox.unsent(bench.hub.ledger) == ()


def test_no_load_is_recorded_without_its_event(
    bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(bench.hub, receiver.url)
    with monkeypatch.context() as broken:
        broken.setattr(loads, "queue", lambda *_: 1 / 0)
        with pytest.raises(Exception, match="ZeroDivisionError"):
            bench.pull()
    assert loads.known(bench.hub.ledger, "things") == 0
    assert pipeline.catch_up(bench.hub, bench.hub.contract("things")) == 1
    deliver.send(bench.hub)
    assert [e["type"].rpartition(".")[2] for e in receiver.events] == ["failed", "published", "recovered"]


def test_a_held_load_is_told_to_who_subscribed_and_to_its_owner_in_words(bench: Bench, receiver: Receiver) -> None:
    bench.pull()
    subscribe(bench.hub, receiver.url, "dataset.held", "dataset.recovered")
    bench.source([])
    with pytest.raises(DeliveryHeld):
        bench.pull()
    bench.source(ROWS)
    bench.pull()
    assert [e["type"] for e in receiver.events] == ["cityhub.dataset.held", "cityhub.dataset.recovered"]
    assert "empty" in receiver.events[0]["data"]["reason"]


def test_two_senders_do_not_both_send(bench: Bench, receiver: Receiver) -> None:
    subscribe(bench.hub, receiver.url)
    bench.pull()
    (message,) = outbox.due(bench.hub.ledger, bench.hub.clock())
    later = bench.hub.clock() + timedelta(minutes=2)
    assert [outbox.claim(bench.hub.ledger, message, until=later) for _ in range(2)] == [True, False]
    assert deliver.send(bench.hub) == 0
    clock = bench.hub.clock
    assert isinstance(clock, Clock)
    clock.now += timedelta(minutes=3)  # whoever claimed it died
    assert deliver.send(bench.hub) == 1


def test_what_arrived_is_forgotten_after_a_month_and_what_waits_is_not(bench: Bench, receiver: Receiver) -> None:
    subscribe(bench.hub, receiver.url)
    bench.pull()
    deliver.send(bench.hub)
    clock = bench.hub.clock
    assert isinstance(clock, Clock)
    clock.now += timedelta(days=29)
    assert deliver.clean(bench.hub) == 0
    clock.now += timedelta(days=2)
    bench.pull()
    assert deliver.clean(bench.hub) == 1
    assert len(outbox.unsent(bench.hub.ledger)) == 1


def test_the_page_lists_every_type_and_no_other() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| `([a-z.]+)` \|", page, re.MULTILINE)) == TYPES


@pytest.mark.parametrize("style", ["plain", "wecom", "dingtalk", "cloudevents"])
def test_every_type_of_event_can_be_told_in_every_way(bench: Bench, style: Any) -> None:
    subscribe(bench.hub, "http://127.0.0.1:9/x", style=style)
    contract = bench.hub.contract("things")
    for kind in TYPES:
        (message,) = events.messages(bench.hub, Event(kind, contract, ("标题", "title"), ("line", ""), {"n": 1}))
        assert json.loads(json.dumps(message.body)) == message.body
        assert "things" in str(message.body)


# The command line


def test_subscriptions_are_made_listed_and_ended_by_command(run: Any) -> None:
    assert run("event", "subscribe", "tax", "https://8.8.8.8/s3cret", "--type", "dispute.*")[0] == 3, "no key"
    assert run("event", "subscribe", "tax", "https://8.8.8.8/s3cret", "--secret", "env:HUB_SUBJECT_KEY")[0] == 3
    assert run("event", "subscribe", "tax", "ftp://8.8.8.8/x", "--secret", "file:tax")[0] == 3
    assert run("event", "subscribe", "tax", "mailto:nobody")[0] == 3
    assert run("event", "subscribe", "tax", "https://8.8.8.8/x", "--dataset", "nothing", "--secret", "file:tax")[0] == 3
    assert (
        run("event", "subscribe", "tax", "https://8.8.8.8/s3cret", "--type", "dispute.*", "--secret", "file:tax")[0]
        == 0
    )
    assert run("event", "subscribe", "duty", "mailto:duty@tax.example")[0] == 0
    code, shown, _ = run("event", "list", "--json")
    assert code == 0
    assert [(s["name"], s["host"], s["types"], s["signed"]) for s in json.loads(shown)] == [
        ("duty", "tax.example", ["*"], False), ("tax", "8.8.8.8", ["dispute.*"], True)
    ]  # fmt: skip
    assert "s3cret" not in shown
    assert run("event", "unsubscribe", "tax")[0] == 0
    assert run("event", "unsubscribe", "tax")[0] == 3
    assert [t["type"] for t in json.loads(run("event", "types", "--json")[1])] == list(TYPES)


def test_the_outbox_is_listed_and_sent_by_command(run: Any, tmp_path: Path) -> None:
    from hub.settings import Settings

    hub = Hub(Settings(home=tmp_path / "home"))
    message = Message(0, "http://127.0.0.1:9/s3cret", {"type": "cityhub.test"}, 0)
    incidents.begin(hub.ledger, "people", "failed", "why", now=hub.clock(), messages=[message])
    assert json.loads(run("event", "outbox", "--json")[1])[0]["type"] == "cityhub.test"
    assert json.loads(run("event", "send", "--json")[1])["messages sent"] == 0
    code, shown, _ = run("event", "outbox", "--json")
    assert (code, json.loads(shown)[0]["error"], "s3cret" in shown) == (0, "ConnectError", False)
    assert json.loads(run("event", "outbox", "--dead", "--json")[1]) == []
