"""Requests as those who ask and those who decide meet them: who sees which, and what of it.

1. A client sees its own, and of the steps what was done when and why, never by whom. Another's is not found.
2. A person sees what the own department or client asked for, what the department decides or was delegated; data office and auditors see all.
3. What a person may do with one is said with it (`may`), and decided again when it is done (`hub.sharing.requests`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, cast

from access import approval
from access.actors import Actor
from access.approval import weigh
from hub.core import Hub
from hub.sharing import requests
from hub.sharing.offer import Offer
from hub.sharing.request_clocks import Clocks
from hub.sharing.requests import Wish
from ledger import delegations
from ledger import requests as store
from ledger.delegations import Delegation
from ledger.requests import Request, State
from schemas.errors import NotFound, Refuse

if TYPE_CHECKING:  # the command line does not wait for the web's parts
    from serving.services import Approvals, Requests, View

_WITHOUT_NAMES = ("deed", "at", "reason")


def requests_of(hub: Hub, offer: Offer) -> "Requests":
    """What the routes of clients call."""
    from serving.services import Requests

    desk = _Clients(hub, offer)
    return Requests(desk.open, desk.listed, desk.shown, desk.withdrawn)


def approvals_of(hub: Hub, offer: Offer) -> "Approvals":
    """What the pages of people call."""
    from serving.services import Approvals

    desk = People(hub, offer)
    return Approvals(
        desk.open, desk.listed, desk.shown, desk.approve, desk.refuse, desk.extend, desk.withdraw, desk.revoke, desk.overdue, desk.clocks,
        desk.delegations, desk.delegate, desk.end_delegation,
    )  # fmt: skip


@dataclass(frozen=True)
class _Clients:
    hub: Hub
    offer: Offer

    def open(self, client: str, given: Mapping[str, Any]) -> dict[str, Any]:
        return self._told(requests.open_request(self.hub, self.offer, Wish(client=client, **given)))

    def listed(self, client: str) -> list[dict[str, Any]]:
        return Clocks(self.hub).rows(store.listed(self.hub.ledger, client=client)[::-1])

    def shown(self, client: str, number: str) -> dict[str, Any]:
        return self._told(self._found(client, number))

    def withdrawn(self, client: str, number: str, reason: str) -> dict[str, Any]:
        self._found(client, number)
        return self._told(requests.withdraw(self.hub, number, None, reason))

    def _found(self, client: str, number: str) -> Request:
        found = [r for r in store.listed(self.hub.ledger, client=client) if r.id == number]
        if not found:
            raise NotFound("there is no such request", todo="GET /v1/requests lists yours")
        return found[0]

    def _told(self, request: Request) -> dict[str, Any]:
        steps = _steps(self.hub, request)
        return {
            **Clocks(self.hub).rows([request])[0],
            "steps": [{name: step[name] for name in _WITHOUT_NAMES} for step in steps],
        }


@dataclass(frozen=True)
class People:
    """What `serving.services.Approvals` says, for pages and commands."""

    hub: Hub
    offer: Offer

    def open(self, actor: Actor, client: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """One more request, for a client."""
        wish = Wish(client=client, **given)
        return self.shown(actor, requests.open_request(self.hub, self.offer, wish, actor).id)

    def listed(self, actor: Actor, view: "View" = "all", state: str = "") -> list[dict[str, Any]]:
        """Rows, those that are undecided first and by their day, then the newest."""
        known = self._known()
        found = [r for r in self._candidates(actor, view, known, state) if self._sees(actor, r, known)]
        if view == "asked":
            found = [r for r in found if self._asked(actor, r)]
        rows = self._rows(actor, found, known)
        if view == "decide":
            rows = [row for row in rows if {"approve", "refuse"} & {*row["may"]}]
        waiting = [row for row in rows if row["state"] in store.OPEN]
        decided = [row for row in rows if row["state"] not in store.OPEN]
        return sorted(waiting, key=lambda row: str(row["due_on"])) + decided[::-1]

    def shown(self, actor: Actor, number: str) -> dict[str, Any]:
        """One request with who asked, how many approvals it takes, and its steps: for a portal without names."""
        request, known = self._seen(actor, number)
        (row,) = self._rows(actor, [request], known)
        asked_by = {"requested_by": request.requested_by, "contact": request.contact}
        steps = _steps(self.hub, request)
        if actor.roles <= {"client"}:
            steps = [{name: step[name] for name in _WITHOUT_NAMES} for step in steps]
        return {**row, **asked_by, "approvals": self._approvals(request), "steps": steps}

    def approve(self, actor: Actor, number: str, reason: str = "") -> dict[str, Any]:
        """The request after the actor's approval."""
        self._seen(actor, number)
        return self.shown(actor, requests.approve(self.hub, self.offer, number, actor, reason).id)

    def refuse(self, actor: Actor, number: str, reason: str) -> dict[str, Any]:
        """The request, refused."""
        return self._moved(requests.refuse, actor, number, reason)

    def extend(self, actor: Actor, number: str, reason: str) -> dict[str, Any]:
        """The request with more time."""
        return self._moved(requests.extend, actor, number, reason)

    def withdraw(self, actor: Actor, number: str, reason: str = "") -> dict[str, Any]:
        """The request, taken back."""
        return self._moved(requests.withdraw, actor, number, reason)

    def revoke(self, actor: Actor, number: str, why: str) -> dict[str, Any]:
        """The request, its grant revoked."""
        return self._moved(requests.revoke, actor, number, why)

    def overdue(self, actor: Actor) -> list[dict[str, Any]]:
        """What was not decided in time, then what was granted and not delivered in time."""
        known, clocks = self._known(), Clocks(self.hub)
        late = [r for r in store.listed(self.hub.ledger, states=store.OPEN) if clocks.clock(r).overdue]
        late += [r for r in store.undelivered(self.hub.ledger) if clocks.delivery(r).overdue]
        return self._rows(actor, [r for r in late if self._sees(actor, r, known)], known)

    def clocks(self, actor: Actor) -> dict[str, int]:
        """How many are open, the actor's to decide, soon due, overdue, undelivered."""
        rows = [row for row in self.listed(actor) if row["state"] in store.OPEN]
        late = self.overdue(actor)
        return {
            "open": len(rows),
            "to_decide": sum(bool({"approve", "refuse"} & {*row["may"]}) for row in rows),
            "soon": sum(row["soon"] for row in rows),
            "overdue": sum(row["overdue"] for row in rows),
            "undelivered": sum(row["state"] not in store.OPEN for row in late),
        }

    def delegations(self, actor: Actor) -> list[dict[str, Any]]:
        """The delegations that stand: of or to the actor's department, or to the actor; all for the data office and auditors."""
        mine = [
            d for d in self._known()
            if not actor.roles.isdisjoint({"office", "auditor"})
            or actor.department in (d.department, d.to_department)
            or d.person == actor.name
        ]  # fmt: skip
        return [_delegation(d) for d in mine]

    def delegate(
        self, actor: Actor, department: str, until: date, why: str, *, person: str = "", to_department: str = ""
    ) -> dict[str, Any]:
        """One more delegation."""
        to = {"person": person, "to_department": to_department}
        return _delegation(requests.delegate(self.hub, actor, department, until, why, **to))

    def end_delegation(self, actor: Actor, number: str) -> None:
        """End a delegation."""
        requests.end_delegation(self.hub, number, actor)

    def _known(self) -> tuple[Delegation, ...]:
        return delegations.standing(self.hub.ledger, self.hub.today())

    def _candidates(self, actor: Actor, view: "View", known: Sequence[Delegation], state: str) -> tuple[Request, ...]:
        """What the actor may see at most: of its departments, or everything."""
        states = store.OPEN if view == "decide" else [cast("State", state)] if state else None
        everything = not actor.roles.isdisjoint({"office", "auditor"})
        reached = {d.department for d in known if approval.reaches(d, actor)}
        departments = None if everything else reached | ({actor.department} - {""})
        return store.listed(self.hub.ledger, departments=departments, asker=(actor.name, actor.client), states=states)

    def _sees(self, actor: Actor, request: Request, known: Sequence[Delegation]) -> bool:
        return (
            not actor.roles.isdisjoint({"office", "auditor"})
            or self._asked(actor, request)
            or (bool(actor.department) and actor.department == request.department)
            or any(d.department == request.department and approval.reaches(d, actor) for d in known)
        )

    def _asked(self, actor: Actor, request: Request) -> bool:
        """Whether the actor, the actor's department or client asked for it."""
        theirs = bool(actor.department) and actor.department == request.from_department
        portal = "client" in actor.roles and actor.client == request.client
        return theirs or portal or actor.name == request.requested_by

    def _seen(self, actor: Actor, number: str) -> tuple[Request, tuple[Delegation, ...]]:
        known, request = self._known(), store.find(self.hub.ledger, number)
        if not self._sees(actor, request, known):
            raise NotFound(f"there is no request {number!r}", todo="see the list of requests")
        return request, known

    def _moved(
        self, how: Callable[[Hub, str, Actor, str], Request], actor: Actor, number: str, reason: str
    ) -> dict[str, Any]:
        self._seen(actor, number)
        return self.shown(actor, how(self.hub, number, actor, reason).id)

    def _rows(self, actor: Actor, found: Sequence[Request], known: Sequence[Delegation]) -> list[dict[str, Any]]:
        clocks = Clocks(self.hub)
        rows = zip(clocks.rows(found), found, strict=True)
        return [{**row, "may": list(requests.moves(clocks, r, actor, known))} for row, r in rows]

    def _approvals(self, request: Request) -> int:
        """How many approvals it takes; none where it is settled, or where what it asks for is gone."""
        try:
            asked = self.offer.asked(request.kind, request.name, sorted(request.fields), request.row_filter)
            return weigh(asked.items).approvals if request.open else 0
        except Refuse:
            return 0


def _steps(hub: Hub, request: Request) -> list[dict[str, Any]]:
    """The steps as plain values; the end of its grant is the last of them."""
    given = Clocks(hub).given(request)
    steps: list[dict[str, Any]] = [
        {"deed": s.deed, "at": s.at, "by": s.by, "department": s.department, "ground": s.ground, "reason": s.reason}
        for s in store.steps(hub.ledger, request.id)
    ]
    if given is not None and given.revoked_at is not None:
        end = {"deed": "revoked", "at": given.revoked_at, "by": given.revoked_by, "reason": given.revoked_why}
        steps.append({**end, "department": "", "ground": ""})
    return steps


def _delegation(d: Delegation) -> dict[str, Any]:
    return {
        "delegation": d.id, "department": d.department, "person": d.person, "to_department": d.to_department, "until": d.until.isoformat(),
        "why": d.why, "by": d.by,
    }  # fmt: skip
