"""The owner is told once when trouble begins and once when it is over, in the words of the webhook's own kind."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from city_bench import hub_at

from hub import maintenance
from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import registry
from hub.telling import deliver, notify
from ledger import contracts, incidents, outbox
from ledger.outbox import Message
from schemas.errors import SourceMissing

CONTRACT = Path(__file__).parents[2] / "faults" / "people.odcs.yaml"


class Webhook:
    """A real HTTP server that remembers what it was sent, and refuses while `down`."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.down = False
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not hook.down:
                    hook.got.append(json.loads(body))
                self.send_response(503 if hook.down else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    yield made
    made.close()


def hub_with(folder: Path, url: str, style: str) -> Hub:
    hub = hub_at(folder / "home")
    hub.settings.drops.mkdir(parents=True)
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    document["servers"] = [{"server": "source", "type": "local", "format": "csv", "path": "people.csv"}]
    custom = [{"property": "messageFormat", "value": style, "vendor": "cityhub"}]
    document["support"] = [{"channel": "数据处", "tool": "other", "url": url, "customProperties": custom}]
    path = folder / "people.odcs.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    registry.apply(hub, (path,))
    return hub


def fail(hub: Hub, owner: str) -> None:
    with pytest.raises(SourceMissing):
        pipeline.pull(hub, "people", owner=owner)


def mend(hub: Hub, owner: str) -> None:
    (hub.settings.drops / "people.csv").write_text("身份证号,姓名,n\n110101199003074610,张三,1\n", encoding="utf-8")
    pipeline.pull(hub, "people", owner=owner)


def test_trouble_is_told_once_and_recovery_once(tmp_path: Path, webhook: Webhook) -> None:
    hub = hub_with(tmp_path, webhook.url, "plain")
    fail(hub, "1")
    fail(hub, "2")
    assert len(webhook.got) == 1
    assert webhook.got[0]["kind"] == "failed"
    text = webhook.got[0]["text"]
    assert "中没有文件 people.csv" in text
    assert "no file people.csv in" in text
    assert "下一步 next: 请在数据契约中更正路径，或索取该文件 / correct path in the contract" in text
    mend(hub, "3")
    mend(hub, "4")
    assert [m["kind"] for m in webhook.got] == ["failed", "recovered"]
    (hub.settings.drops / "people.csv").unlink()
    fail(hub, "5")
    assert len(webhook.got) == 3, "a new incident is told again"


@pytest.mark.parametrize("style", ["wecom", "dingtalk"])
def test_each_chat_gets_the_markdown_it_takes(tmp_path: Path, webhook: Webhook, style: str) -> None:
    fail(hub_with(tmp_path, webhook.url, style), "1")
    (message,) = webhook.got
    assert message["msgtype"] == "markdown"
    assert set(message) == {"msgtype", "markdown"}
    text = message["markdown"]["content" if style == "wecom" else "text"]
    assert "people" in text


def test_a_webhook_that_is_down_gets_its_message_later(tmp_path: Path, webhook: Webhook) -> None:
    hub = hub_with(tmp_path, webhook.url, "plain")
    webhook.down = True
    fail(hub, "1")
    assert [m.tries for m in outbox.unsent(hub.ledger)] == [1]
    webhook.down = False
    assert deliver.send(hub) == 0, "not before its time"
    later = Hub(hub.settings, clock=lambda: hub.clock() + timedelta(minutes=2), secret=hub.secret)
    assert maintenance.upkeep(later)["messages sent"] == 1
    assert [m["kind"] for m in webhook.got] == ["failed"]
    assert outbox.unsent(hub.ledger) == ()


def test_a_late_dataset_is_told_once(tmp_path: Path, webhook: Webhook) -> None:
    hub = hub_with(tmp_path, webhook.url, "plain")
    mend(hub, "1")
    later = Hub(hub.settings, clock=lambda: hub.clock() + timedelta(days=9), secret=hub.secret)
    assert notify.find_late(hub, contracts.applied(hub.ledger)) == ()
    assert notify.find_late(later, contracts.applied(hub.ledger)) == ("people",)
    notify.find_late(later, contracts.applied(hub.ledger))
    assert [m["kind"] for m in webhook.got] == ["late"]


def test_a_webhook_that_cannot_be_reached_holds_up_nobody_else(tmp_path: Path, webhook: Webhook) -> None:
    hub = hub_with(tmp_path, webhook.url, "plain")
    for number, url in enumerate(("http://[bad", "http://127.0.0.1:1/x", webhook.url)):
        message = Message(0, url, {"kind": "failed"}, 0)
        incidents.begin(hub.ledger, f"d{number}", "failed", "why", now=hub.clock(), messages=[message])
    assert deliver.send(hub) == 1
    assert len(outbox.unsent(hub.ledger)) == 2
