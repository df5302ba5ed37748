"""What the tests of events share: a key, two rows, an hour, a subscription."""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.core import Hub, utc_now
from ledger import subscriptions
from ledger.subscriptions import Subscription
from schemas.contract import Contact

KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ROWS = [("k1", "张三", "有效", 1, "2026-01-01"), ("k2", "李四", "有效", 2, "2026-01-01")]


@dataclass
class Clock:
    now: datetime = field(default_factory=utc_now)

    def __call__(self) -> datetime:
        return self.now


def subscribe(
    hub: Hub, url: str, *types: str, style: Any = "cloudevents", key: str | None = "file:key", dataset: str = "*"
) -> None:
    given = Subscription(dataset, "tests", Contact(url, style), hub.clock(), types or ("*",), key)
    subscriptions.subscribe(hub.ledger, given)
