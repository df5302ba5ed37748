"""A department's home: its datasets, bad rows, disputes and clocks. An actor sees what the own department provides, and nothing else is there."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from access.actors import Actor
from access.audit import Entry
from catalog.library import Catalog
from hub.console import scorecards
from hub.core import Hub
from hub.repair import dispute_desk, quarantine_desk, quarantined
from hub.repair.disputes import Tickets
from ledger import contracts
from ledger import disputes as dispute_store
from prefill.forms import Form
from schemas.contract import Contract
from schemas.errors import NotFound

if TYPE_CHECKING:  # the command line does not wait for the web's parts
    from serving.console.desks import Home
    from serving.services import Approvals, Disputes, Returns

_DAYS = 14


def home(
    hub: Hub, catalog: Catalog, forms: Mapping[str, Form], approvals: "Approvals", record: Callable[[Entry], None]
) -> "Home":
    """What the department's pages call; `record` writes to the audit."""
    from serving.console.desks import Home

    desk = _Desk(hub, catalog, forms, approvals, record)
    return Home(desk.datasets, desk.bad, desk.clocks, desk.returns, desk.disputes)


def dag(hub: Hub, dataset: str) -> str:
    """The address of the dataset's DAG in Airflow; "" where settings do not say where people reach it."""
    base = hub.settings.airflow_pages or hub.settings.airflow_url
    return f"{base.rstrip('/')}/dags/dataset.{dataset}" if base else ""


@dataclass(frozen=True)
class _Desk:
    hub: Hub
    catalog: Catalog
    forms: Mapping[str, Form]
    approvals: "Approvals"
    record: Callable[[Entry], None]

    def datasets(self, actor: Actor) -> list[dict[str, Any]]:
        """The department's datasets, those in trouble first."""
        lists = self.catalog.department(actor.department) if actor.department else None
        cards = lists.provides if lists else ()
        if not cards:
            return []
        now, bad = self.hub.clock(), quarantined.counts(self.hub, [card.dataset for card in cards])
        scored = {
            card.dataset: card.today.overall
            for department in scorecards.departments(self.hub, _DAYS, actor.department)
            for card in department.cards
        }
        rows = [
            {
                "dataset": card.dataset, "zh": card.title, "en": card.title_en or card.title, "freshness": card.freshness(now),
                "outcome": card.outcome, "reason": card.reason, "rows": card.rows, "score": scored.get(card.dataset),
                "bad": bad.get(card.dataset, 0), "confirmed_at": card.confirmed_at, "dag": dag(self.hub, card.dataset),
            }
            for card in cards
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (row["outcome"] == "ok", row["freshness"] == "fresh", row["dataset"]))

    def bad(self, actor: Actor) -> list[dict[str, Any]]:
        """Rules with open rows, by dataset, each with its words."""
        if not actor.department:
            return []
        found = [row for row in quarantined.summary(self.hub, department=actor.department) if row["rows"]]
        known = {
            name: quarantined.known_rules(self.hub, self._owned(actor, name)) for name in {r["dataset"] for r in found}
        }
        return [
            {**row, **quarantined.explained(known[row["dataset"]], (row["rule"],))[0], "title": self._owned(actor, row["dataset"]).title}
            for row in found
        ]  # fmt: skip

    def clocks(self, actor: Actor) -> list[dict[str, Any]]:
        """What is due when: data promised, disputes to answer, requests to decide; overdue first, then by day."""
        zone = ZoneInfo(self.hub.settings.timezone)
        items = [*self._promises(actor, zone), *self._tickets(actor)]
        items += [
            {"kind": "request", "name": row["request"], "about": row["name"], "due": row["due_on"], "overdue": row["overdue"]}
            for row in self.approvals.listed(actor, "decide", "")
        ]  # fmt: skip
        return sorted(items, key=lambda item: (not item["overdue"], item["due"], item["name"]))

    def returns(self, actor: Actor) -> "Returns":
        """The department's rows in quarantine."""
        return quarantine_desk.returns_of(
            self.hub, self._recorded(actor), allowed=lambda _who, name: self._owned(actor, name)
        )

    def disputes(self, actor: Actor) -> "Disputes":
        """The department's tickets."""
        return dispute_desk.disputes_of(
            self.hub, self.forms, lambda _client: (), self._recorded(actor), provides=lambda _who: self._names(actor)
        )

    def _promises(self, actor: Actor, zone: ZoneInfo) -> list[dict[str, Any]]:
        lists = self.catalog.department(actor.department) if actor.department else None
        now = self.hub.clock()
        due: list[tuple[Any, datetime]] = [
            (card, card.confirmed_at + timedelta(hours=card.cycle_hours))
            for card in (lists.provides if lists else ())
            if card.confirmed_at is not None and card.cycle_hours
        ]
        return [
            {
                "kind": "data", "name": card.dataset, "about": card.title, "about_en": card.title_en or card.title,
                "due": at.astimezone(zone).date().isoformat(), "overdue": card.freshness(now) != "fresh",
            }
            for card, at in due
        ]  # fmt: skip

    def _tickets(self, actor: Actor) -> list[dict[str, Any]]:
        tickets = Tickets(self.hub)
        rows = map(tickets.row, dispute_store.listed(self.hub.ledger, datasets=self._names(actor), only_open=True))
        return [
            {"kind": "dispute", "name": row["dispute"], "about": row["dataset"], "due": row["due_on"], "overdue": row["overdue"]}
            for row in rows
        ]  # fmt: skip

    def _names(self, actor: Actor) -> Collection[str]:
        own = contracts.applied(self.hub.ledger).values() if actor.department else ()
        return [contract.dataset for contract in own if contract.provider_code == actor.department]

    def _owned(self, actor: Actor, name: str) -> Contract:
        """The contract of a dataset of the actor's department; another's is not there."""
        contract = contracts.applied(self.hub.ledger, [name]).get(name)
        if contract is None or not actor.department or contract.provider_code != actor.department:
            raise NotFound("your department has no such dataset", todo="see the list of your datasets")
        return contract

    def _recorded(self, actor: Actor) -> Callable[[Entry], None]:
        return lambda entry: self.record(replace(entry, client="console", who=actor.name))
