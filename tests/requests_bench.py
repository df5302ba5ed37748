"""A hub with the demo city's contracts and no data, whose clients ask for some: by its ledger's address, at an hour of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from city_bench import CITY

from access.actors import Actor, Role
from hub.core import Hub
from hub.settings import Settings
from hub.sharing import requests
from hub.sharing.offer import Offer, offer
from hub.sharing.request_clocks import find_due
from hub.sharing.requests import Wish
from ledger import clients, contracts, grants, outbox, subscriptions
from ledger import requests as store
from ledger.clients import Client
from ledger.contracts import Application
from ledger.grants import Grant
from ledger.requests import Request
from ledger.subscriptions import Subscription
from schemas import odcs
from schemas.contract import Contact, Contract

MORNING = datetime(2026, 9, 29, 1, tzinfo=UTC)
"""Before the National Day holidays of 2026, which a make-up Saturday follows."""
POLICE, CIVIL, MARKET = "11310100MADEM0011P", "11310100MADEM0038F", "11310100MADEM002XF"
HOOK, OFFICE_URL = "http://127.0.0.1:9/hook", "http://127.0.0.1:9/office"


def person(name: str, department: str = MARKET, *roles: Role, client: str = "") -> Actor:
    """Somebody of a department, an approver where nothing else is said."""
    return Actor(name, department, frozenset(roles or ("approver",)), client)


EDITOR = person("qian", CIVIL, "editor")
APPROVER, SECOND = person("zhang"), person("wang")
OFFICE = person("wu", "", "office")


@dataclass
class Clock:
    now: datetime = MORNING

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class Bench:
    """The hub, what it offers, and its hour."""

    hub: Hub
    clock: Clock
    offer: Offer = field(init=False)

    def __post_init__(self) -> None:
        self.offer = offer(self.hub)

    def ask(self, actor: Actor | None = None, **changes: Any) -> Request:
        """A request for food licences, which are conditional and not sensitive, with changes."""
        wish = Wish(
            "portal",
            "dataset",
            "food_licences",
            "巡查",
            "duty",
            "食品安全法第一百一十条",
            ("licence_no", "status"),
            days=365,
            quota=500,
        )
        return requests.open_request(self.hub, self.offer, replace(wish, **changes), actor)

    def approve(self, request: Request, actor: Actor = APPROVER) -> Request:
        return requests.approve(self.hub, self.offer, request.id, actor)

    def day(self, text: str) -> None:
        """It is the morning of that day."""
        self.clock.now = datetime.fromisoformat(f"{text}T01:00:00+00:00")

    def now(self, request: Request) -> Request:
        return store.find(self.hub.ledger, request.id)

    def grants(self) -> tuple[Grant, ...]:
        return grants.standing(self.hub.ledger, "portal")

    def told(self, url: str = HOOK) -> list[str]:
        """The types of the events that an address is to get, in order."""
        found = [m.body for m in outbox.unsent(self.hub.ledger) if m.url == url]
        return [str(b.get("type", "")).removeprefix("cityhub.") or str(b["kind"]) for b in found]

    def look(self) -> dict[str, int]:
        return find_due(self.hub)

    def change(self, dataset: str, **changes: Any) -> None:
        """Apply another version of a contract."""
        changed = replace(self.hub.contract(dataset), **changes)
        contracts.apply(self.hub.ledger, [Application(changed, "", f"{hash(str(changes)):x}")], at=self.clock())


@cache
def city_contracts() -> tuple[Contract, ...]:
    return tuple(odcs.load(path, path.read_text("utf-8")) for path in sorted((CITY / "contracts").glob("*.odcs.yaml")))


@contextmanager
def bench(home: Path, ledger_url: str = "", **settings: Any) -> Iterator[Bench]:
    """A bench whose ledger is at the address, in the home folder by default."""
    given = {"home": home, "declarations": CITY, "ledger_url": ledger_url, "notify_url": OFFICE_URL, **settings}
    clock = Clock()
    hub = Hub(Settings(**given), clock)
    for name in ("portal", "other"):
        clients.put(hub.ledger, Client(name, name, name, "-"), MORNING)
    contracts.apply(hub.ledger, [Application(one, "", one.dataset) for one in city_contracts()], at=MORNING)
    everything = Subscription("*", "all", Contact(HOOK, "cloudevents"), MORNING, ("request.*",))
    subscriptions.subscribe(hub.ledger, everything)
    yield Bench(hub, clock)
    hub.ledger.dispose()
