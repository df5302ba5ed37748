"""Requests for data as they are listed and told, with their time: working days from the day they came in (政务数据共享条例).

`find_due` is called every few minutes: each reminder, each overdue request and each delivery that is late is told once, in the transaction that
notes it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, assert_never
from zoneinfo import ZoneInfo

from access.approval import OFFICE
from hub.core import Hub
from hub.telling import events
from hub.telling.events import Event
from ledger import contracts, grants
from ledger import requests as store
from ledger.grants import Given
from ledger.outbox import Message
from ledger.requests import Request
from schemas import workdays
from schemas.contract import Contact, Contract
from schemas.workdays import Calendar, Clock

TITLES = {
    "opened": ("收到数据共享申请", "data requested"),
    "extended": ("申请已延期", "request extended"),
    "approved": ("申请一审通过", "request approved by one of two"),
    "granted": ("申请已授权", "request granted"),
    "refused": ("申请不予共享", "request refused"),
    "withdrawn": ("申请已撤回", "request withdrawn"),
    "due": ("申请即将到期", "request about to fall due"),
    "overdue": ("申请逾期未答复", "request overdue"),
    "undelivered": ("授权后逾期未提供数据", "granted and not delivered in time"),
}
Told = Literal[
    "opened", "extended", "approved", "granted", "refused", "withdrawn", "due", "overdue", "undelivered"
]  # fmt: skip


@dataclass(frozen=True)
class Clocks:
    """Requests with their time."""

    hub: Hub

    @cached_property
    def calendar(self) -> Calendar:
        """Working days, with the city's own file if it has one."""
        return workdays.load(self.hub.settings.declared / "workdays.csv")

    def clock(self, request: Request) -> Clock:
        """How long there is to decide."""
        days = request.allowed + request.extension
        return self.calendar.clock(request.opened_on, days, self.hub.today(), running=request.open)

    def delivery(self, request: Request) -> Clock:
        """How long there is to deliver what was granted and no load has brought."""
        granted_on = request.moved_at.astimezone(ZoneInfo(self.hub.settings.timezone)).date()
        return self.calendar.clock(granted_on, self.hub.settings.delivery_days, self.hub.today(), running=True)

    def soon(self, request: Request) -> bool:
        """Whether it is due within the working days that settings remind before."""
        left = self.calendar.between(self.hub.today(), self.clock(request).due_on)
        return request.open and not self.clock(request).overdue and left <= self.hub.settings.request_remind_days

    def rows(self, requests: Collection[Request]) -> list[dict[str, Any]]:
        """Lines of a list, as plain values."""
        given = grants.given(self.hub.ledger, [r.id for r in requests if r.state == "granted"])
        about = contracts.applied(self.hub.ledger, {r.dataset for r in requests})
        return [self._row(request, about[request.dataset], given.get(request.id)) for request in requests]

    def stands(self, request: Request) -> bool:
        """Whether the request has a grant that is not revoked and has not ended."""
        return self._state(request, self.given(request)) == "granted"

    def given(self, request: Request) -> Given | None:
        """The request's grant and what became of it, if it was granted."""
        return grants.given(self.hub.ledger, [request.id]).get(request.id) if request.state == "granted" else None

    def _row(self, request: Request, about: Contract, given: Given | None) -> dict[str, Any]:
        clock = self.clock(request)
        provider = self.hub.settings.office if request.department == OFFICE else about.provider
        return {
            "request": request.id, "client": request.client, "kind": request.kind, "name": request.name, "state": self._state(request, given),
            "purpose": request.purpose, "basis": request.basis, "legal": request.legal, "fields": sorted(request.fields),
            "row_filter": request.row_filter, "days": request.days, "quota": request.quota, "department": request.department,
            "provider": provider, "from_department": request.from_department, "opened_on": request.opened_on.isoformat(),
            "due_on": clock.due_on.isoformat(), "overdue": clock.overdue, "soon": self.soon(request),
            "extended": bool(request.extension), "provisional": list(clock.provisional), "grant": given.grant.id if given else None,
        }  # fmt: skip

    def _state(self, request: Request, given: Given | None) -> str:
        """The request's state, beyond the grant's beginning the grant's: `revoked` or `ended`."""
        if given is None:
            return request.state
        if given.revoked_at is not None:
            return "revoked"
        ends = given.grant.ends
        return "ended" if ends is not None and ends <= self.hub.clock() else "granted"

    def messages(self, request: Request, kind: Told) -> tuple[Message, ...]:
        """What is told of a request: to who must act, and always to who subscribed. It names no person and no purpose."""
        about = self.hub.contract(request.dataset)
        due = self.delivery(request).due_on if kind == "undelivered" else self.clock(request).due_on
        lines = (
            f"{request.client}: {request.kind} {request.name}, 申请 request {request.id}",
            f"应于 {due} 前办理 / due {due}" if kind in ("opened", "due", "overdue", "undelivered") else "",
            f"下一步 next: hub request show {request.id}" if kind in ("opened", "due", "overdue") else "",
        )
        data = {
            "request": request.id, "client": request.client, "asked": f"{request.kind} {request.name}", "department": request.department,
            "due_on": due.isoformat(),
        }  # fmt: skip
        event = Event(f"request.{kind}", about, TITLES[kind], lines, data, f"requests/{request.id}")
        return events.messages(self.hub, event, self._concerned(request, about, kind))

    def _concerned(self, request: Request, contract: Contract, kind: Told) -> list[Contact | None]:
        office = events.office(self.hub)
        asked = office if request.department == OFFICE else events.owner(self.hub, contract)
        match kind:
            case "opened" | "due" | "approved" | "undelivered":
                return [asked]
            case "overdue":
                return [asked, office]
            case "extended" | "granted" | "refused" | "withdrawn":
                return []
            case _:
                assert_never(kind)


def find_due(hub: Hub) -> dict[str, int]:
    """Tell of requests that are nearly due, overdue, or granted and not delivered in time: each once; returns how many there are."""
    clocks, now = Clocks(hub), hub.clock()
    waiting = store.listed(hub.ledger, states=store.OPEN)
    late = [r for r in waiting if clocks.clock(r).overdue]
    for request in late:
        if request.overdue_at is None:
            store.mark(hub.ledger, request, "overdue_at", now, clocks.messages(request, "overdue"))
    for request in waiting:
        if request.reminded_at is None and clocks.soon(request):
            store.mark(hub.ledger, request, "reminded_at", now, clocks.messages(request, "due"))
    missing = [r for r in store.undelivered(hub.ledger) if clocks.delivery(r).overdue]
    for request in missing:
        if request.undelivered_at is None:
            store.mark(hub.ledger, request, "undelivered_at", now, clocks.messages(request, "undelivered"))
    return {"requests overdue": len(late), "requests undelivered": len(missing)}
