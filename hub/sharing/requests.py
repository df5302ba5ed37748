"""数据共享申请 requests for data, from the asking to the grant, its refusal or its revocation.

1. `open_request` weighs what is asked for (`access.approval`): it is granted at once, refused at once with the law, or asked of a department.
2. `approve`, `refuse`, `extend` are the department's; `withdraw` is who asked's. What a step rests on is looked at anew: contracts change.
3. The last approval makes the grant in its own transaction, so that no grant is without its approvals and none of these without its grant.
4. `revoke` ends the grant; `delegate` lets another decide.

A step that somebody else was quicker with is a Conflict: nothing is decided on what was not seen.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from access import approval
from access.actors import Actor
from access.approval import Case, Ground, Weight, weigh
from hub.core import Hub
from hub.sharing.offer import Offer
from hub.sharing.request_clocks import Clocks
from ledger import delegations, grants
from ledger import requests as store
from ledger.delegations import Delegation
from ledger.grants import Basis, Grant, Kind
from ledger.requests import Deed, Request, Step
from schemas.errors import Conflict, Forbidden, Invalid, NotFound, TooMany

RULES = "cityhub"
"""Who grants and refuses at once: no person, the rules."""


@dataclass(frozen=True)
class Wish:
    """What is asked for a client: fields of a form or dataset (none: all it has now), why, on which law, for how many days, how often a day."""

    client: str
    kind: Kind
    name: str
    purpose: str
    basis: Basis
    legal: str
    fields: Sequence[str] = ()
    row_filter: str = ""
    days: int | None = None
    quota: int | None = None
    contact: str = ""


def open_request(hub: Hub, offer: Offer, wish: Wish, actor: Actor | None = None) -> Request:
    """The request, asked, granted or refused; `actor` is the person who asks for the client, None for the client itself.

    Raises:
        NotFound: there is no such client, form or dataset.
        Forbidden: the person may not ask for this client.
        Invalid: a field or the row filter is none of the dataset's, or the purpose or the law is missing.
        TooMany: the client has as many requests open as settings allow.
    """
    _check(wish)
    if actor is not None and not approval.may_ask(actor, wish.client):
        raise Forbidden("you ask for no data for this client", todo="ask a department's editor")
    asked = offer.asked(wish.kind, wish.name, tuple(wish.fields), wish.row_filter)
    weight, now, number = weigh(asked.items), hub.clock(), f"r{secrets.token_hex(6)}"
    if store.waiting(hub.ledger, wish.client) >= hub.settings.requests_open:
        raise TooMany("too many requests of this client are open", todo="wait until departments have answered some")
    request = Request(
        id=number, client=wish.client, kind=wish.kind, name=wish.name, fields=asked.fields, purpose=wish.purpose.strip(), basis=wish.basis,
        legal=wish.legal.strip(), row_filter=asked.row_filter, days=wish.days, quota=wish.quota, contact=wish.contact.strip(),
        department=weight.department, dataset=_leading(asked.items), allowed=_allowed(hub, weight), opened_on=hub.today(), opened_at=now,
        moved_at=now, requested_by=actor.name if actor else "", from_department=actor.department if actor else "",
    )  # fmt: skip
    first = Step("requested", request.requested_by, now, request.from_department)
    clocks = Clocks(hub)
    match weight.outcome:
        case "asked":
            return store.open_(hub.ledger, request, [first], clocks.messages(request, "opened"))
        case "granted":
            steps = [first, Step("granted", RULES, now, reason="无条件共享 shared unconditionally")]
            return store.open_(hub.ledger, request, steps, clocks.messages(request, "granted"), _granted(request, hub))
        case "refused":
            steps = [first, Step("refused", RULES, now, reason=weight.reason)]
            return store.open_(hub.ledger, request, steps, clocks.messages(request, "refused"))


def approve(hub: Hub, offer: Offer, number: str, actor: Actor, reason: str = "") -> Request:
    """The request after the actor's approval: granted, or `approved` where a second person must approve too.

    Raises:
        Forbidden: the actor may not, for one of the reasons in `access.approval`.
        Conflict: it is decided, somebody else was quicker, or what it asks for is not shared any more.
    """
    request = _open(hub, number, "approved")
    ground = _judged(hub, request, actor, approving=True)
    asked = offer.asked(request.kind, request.name, sorted(request.fields), request.row_filter)
    weight = weigh(asked.items)
    if weight.outcome == "refused":
        raise Conflict(weight.reason, todo=f"hub request refuse {number} --reason …")
    approved = len(_approved_by(hub, request)) + 1
    if approved < weight.approvals:
        return _take(hub, request, actor, "approved", ground, reason)
    return _take(hub, request, actor, "granted", ground, reason, grant=_granted(request, hub))


def refuse(hub: Hub, number: str, actor: Actor, reason: str) -> Request:
    """The request, refused. Raises Invalid without a reason, Forbidden, Conflict."""
    wanted(reason, "a refusal")
    request = _open(hub, number, "refused")
    return _take(hub, request, actor, "refused", _judged(hub, request, actor), reason)


def extend(hub: Hub, number: str, actor: Actor, reason: str) -> Request:
    """The request with more time, once. Raises Invalid without a reason, Forbidden, and Conflict where there is no more time to give."""
    wanted(reason, "an extension")
    request = _open(hub, number, "extended")
    ground = _judged(hub, request, actor)
    if not _extensible(hub, request) or Clocks(hub).clock(request).overdue:
        why = "its time was extended before, has run out, or is that of unconditional data"
        raise Conflict(f"request {number} cannot be extended: {why}", todo="approve or refuse it")
    more = {"extension": hub.settings.request_extension_days, "reminded_at": None}
    return _take(hub, request, actor, "extended", ground, reason, changes=more)


def withdraw(hub: Hub, number: str, actor: Actor | None = None, reason: str = "") -> Request:
    """The request, taken back by its client (None) or by who may (`access.approval.may_withdraw`). Raises Forbidden, Conflict."""
    request = _open(hub, number, "withdrawn")
    if actor is not None and not _withdraws(actor, request):
        raise Forbidden("who asked withdraws a request", todo="refuse it, with a reason")
    step = Step("withdrawn", actor.name if actor else "", hub.clock(), actor.department if actor else "", "", reason)
    return store.take(hub.ledger, request, step, Clocks(hub).messages(request, "withdrawn"))


def revoke(hub: Hub, number: str, actor: Actor, why: str) -> Request:
    """The request, whose grant is revoked by the department that decided on it, or by the data office."""
    wanted(why, "a revocation", "why")
    request = store.find(hub.ledger, number)
    if "office" not in actor.roles:
        _judged(hub, request, actor)
    given = Clocks(hub).given(request)
    if given is None:
        raise Conflict(f"request {number} has no grant", todo=f"look again: hub request show {number}")
    grants.revoke(hub.ledger, given.grant.id, hub.clock(), by=actor.name, why=why)
    return request


def delegate(
    hub: Hub, actor: Actor, department: str, until: date, why: str, *, person: str = "", to_department: str = ""
) -> Delegation:
    """Let a person or another department's approvers decide on requests for the department's data, up to and with a day.

    Raises:
        Forbidden: the actor may not speak for the department.
        Invalid: neither or both are named, it would be to itself, or the day has passed.
    """
    if not approval.may_delegate(actor, department):
        raise Forbidden("a department's approver delegates its approvals", todo="ask one of them")
    if bool(person) == bool(to_department) or to_department == (department or None) or person == actor.name:
        raise Invalid("one person or one other department decides instead", todo="name who", field="to")
    if until < hub.today():
        raise Invalid("a delegation ends today or later", todo="name a later day", field="until")
    wanted(why, "a delegation", "why")
    made = Delegation(
        f"d{secrets.token_hex(6)}", department, person, to_department, until, why.strip(), actor.name, hub.clock()
    )
    return delegations.put(hub.ledger, made)


def end_delegation(hub: Hub, number: str, actor: Actor) -> None:
    """Revoke a delegation. Raises NotFound, and Forbidden for whoever does not speak for the department."""
    found = next((d for d in delegations.standing(hub.ledger, hub.today()) if d.id == number), None)
    if found is None:
        raise NotFound(f"there is no delegation {number!r} to revoke", todo="hub delegation list")
    if not approval.may_delegate(actor, found.department):
        raise Forbidden("a department's approver ends its delegations", todo="ask one of them")
    delegations.revoke(hub.ledger, number, hub.clock(), by=actor.name)


def moves(clocks: Clocks, request: Request, actor: Actor, known: Sequence[Delegation]) -> tuple[str, ...]:
    """What the actor may do with the request now, under the delegations: `approve`, `refuse`, `extend`, `withdraw`, `revoke`."""
    hub, case = clocks.hub, _case(clocks, request)
    decides = approval.ground(actor, case, known, hub.today()) not in approval.BARS
    if not request.open:
        return ("revoke",) if (decides or "office" in actor.roles) and clocks.stands(request) else ()
    approves = approval.approval(actor, case, known, hub.today()) not in approval.BARS
    extends = decides and _extensible(hub, request) and not case.overdue
    may = {"approve": approves, "refuse": decides, "extend": extends, "withdraw": _withdraws(actor, request)}
    return tuple(name for name, allowed in may.items() if allowed)


def wanted(reason: str, what: str, field: str = "reason") -> None:
    """Raise Invalid for an empty reason."""
    if not reason.strip():
        raise Invalid(f"{what} wants a reason", todo="say why, for those who read it later", field=field)


def _check(wish: Wish) -> None:
    for name in ("purpose", "legal"):
        if not str(getattr(wish, name)).strip():
            raise Invalid(
                f"{name} is missing",
                todo="say for what, and which article, decree or agreement it rests on",
                field=name,
            )


def _leading(items: Sequence[approval.Item]) -> str:
    """The dataset that the strictest item is of: its department is told."""
    return max(items, key=lambda item: item.share_type).dataset


def _allowed(hub: Hub, weight: Weight) -> int:
    unconditional = weight.share_type == approval.UNCONDITIONAL
    return hub.settings.request_days_unconditional if unconditional else hub.settings.request_days


def _granted(request: Request, hub: Hub) -> Grant:
    now = hub.clock()
    return Grant(
        id=f"g{secrets.token_hex(6)}", client=request.client, kind=request.kind, name=request.name, purpose=request.purpose,
        basis=request.basis, begins=now, ends=now + timedelta(days=request.days) if request.days else None, fields=request.fields,
        quota=request.quota, row_filter=request.row_filter, legal=request.legal, request=request.id,
    )  # fmt: skip


def _open(hub: Hub, number: str, deed: Deed) -> Request:
    request = store.find(hub.ledger, number)
    if not request.open:
        raise Conflict(f"request {number} is {request.state}: it cannot be {deed}", todo=f"hub request show {number}")
    return request


def _case(clocks: Clocks, request: Request) -> Case:
    approved_by = _approved_by(clocks.hub, request)
    return Case(request.department, request.requested_by, approved_by, clocks.clock(request).overdue)


def _approved_by(hub: Hub, request: Request) -> tuple[str, ...]:
    if request.state != "approved":
        return ()
    return tuple(step.by for step in store.steps(hub.ledger, request.id) if step.deed == "approved")


def _withdraws(actor: Actor, request: Request) -> bool:
    return approval.may_withdraw(actor, request.client, request.requested_by, request.from_department)


def _extensible(hub: Hub, request: Request) -> bool:
    return not request.extension and request.allowed == hub.settings.request_days


def _judged(hub: Hub, request: Request, actor: Actor, *, approving: bool = False) -> Ground:
    """On what ground the actor decides on the request. Raises Forbidden."""
    judge = approval.approval if approving else approval.ground
    known = delegations.standing(hub.ledger, hub.today())
    return approval.held(judge(actor, _case(Clocks(hub), request), known, hub.today()))


def _take(
    hub: Hub, request: Request, actor: Actor, deed: Deed, ground: Ground, reason: str, grant: Grant | None = None,
    changes: Mapping[str, object] | None = None,
) -> Request:  # fmt: skip
    step = Step(deed, actor.name, hub.clock(), actor.department, ground, reason.strip())
    assert deed != "requested"  # noqa: S101 - that step is the first
    return store.take(hub.ledger, request, step, Clocks(hub).messages(request, deed), grant, **(changes or {}))
