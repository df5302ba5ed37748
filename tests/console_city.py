"""The demo city with its people: pulled, served on a port of its own, with a dispute, requests, a proposal, and an entry in the audit of each."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from city_bench import City, city

from examples.demo_city import people
from examples.demo_city.people import POLICE
from hub import web
from hub.filing import subject_files
from hub.filing.prefilling import PORTAL_CLIENT
from hub.registration import review
from hub.repair import disputes
from hub.repair.disputes import Claim
from hub.sharing.offer import offer
from hub.sharing.requests import Wish, open_request
from ledger import clients
from ledger.clients import Client

__all__ = ["POLICE", "ConsoleCity", "console_city"]


@dataclass(frozen=True)
class ConsoleCity:
    """The served city: its address, and each account's password."""

    city: City
    url: str
    passwords: dict[str, str]


@contextmanager
def console_city(home: Path) -> Iterator[ConsoleCity]:
    """The city, while the block lasts."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with city(home, 400, api_url=url, airflow_pages="http://127.0.0.1:18480", demo_portal=True) as running:
        for name in ("residents", "marriages", "companies", "food_licences", "travel_permits"):
            running.pull(name)
        subject_files.build_all(running.hub)
        _furnish(running, home)
        passwords = people.settle(running.hub, home / "passwords.json")
        server = uvicorn.Server(
            uvicorn.Config(web.application(running.hub), log_level="error", lifespan="off", ws="none")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        try:
            yield ConsoleCity(running, url, passwords)
        finally:
            server.should_exit = True
            thread.join(20)
            listening.close()


def _furnish(running: City, home: Path) -> None:
    """What people find on their desks: a dispute, three requests, a proposal."""
    hub = running.hub
    clients.put(hub.ledger, Client(PORTAL_CLIENT, "示例门户", "Demo portal", "-"), hub.clock())
    clients.put(hub.ledger, Client("housing", "住建局", "Housing", "-"), hub.clock())
    key = str(next(iter(running.current("residents"))))
    for column, text in (("name", "姓名有误，以身份证为准"), ("address", "已搬家")):
        named = {"key": {"citizen_id": key}, "claimed": "王小明", "text": text, "evidence": "卷宗 2026-118"}
        disputes.open_dispute(hub, Claim("residents", "housing", column=column, citizen=True, **named))  # type: ignore[arg-type]
    offered = offer(hub)
    for client, purpose, fields in (
        ("housing", "公租房资格核验", ("citizen_id", "name")),
        ("housing", "人才引进核验", ("citizen_id", "name", "address")),
        (PORTAL_CLIENT, "居住证办理", ("name",)),
    ):
        wish = Wish(
            client, "dataset", "residents", purpose, "duty", "政务数据共享条例第二十一条", fields, contact="6-1188"
        )
        open_request(hub, offered, wish)
    proposed = home / "marriages.odcs.yaml"
    text = (home / "contracts" / "marriages.odcs.yaml").read_text(encoding="utf-8")
    proposed.write_text(text.replace("version: 1.0.0", "version: 1.1.0", 1).replace("每日", "每周"), encoding="utf-8")
    review.submit(hub, proposed, by="wang.fang")
