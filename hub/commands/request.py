"""hub request, delegation: 数据共享申请, requests for data: asked, decided in time, with a reason; and who decides instead of whom.

Whoever types speaks for the data office, or with --department for that department, under the name of their own account; it is in the steps.
"""

from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer

from access.actors import Actor, Role
from hub.commands.common import Json, hub, operator, output
from hub.core import Hub
from hub.sharing.offer import offer
from hub.sharing.request_desk import People
from schemas.errors import Invalid

request_app = typer.Typer(
    no_args_is_help=True, help="数据共享申请 requests: asked, approved or refused in time, granted"
)
delegation_app = typer.Typer(no_args_is_help=True, help="委托审批 delegations: who decides on requests instead")

Number = Annotated[str, typer.Argument(help="request number, as in: hub request list")]
For = Annotated[
    str, typer.Option("--department", help="speak for this department (its code); default: the data office")
]
Reason = Annotated[str, typer.Option("--reason", help="why, for who asked and for who reads it later")]
_LISTED = (
    "request",
    "client",
    "kind",
    "name",
    "state",
    "purpose",
    "provider",
    "opened_on",
    "due_on",
    "overdue",
    "grant",
    "may",
)


class _Desk:
    """The hub and the actor of one command."""

    def __init__(self, department: str) -> None:
        roles: frozenset[Role] = frozenset({"editor", "approver" if department else "office"})
        self.actor = Actor(operator(), department, roles)

    @cached_property
    def hub(self) -> Hub:
        return hub()

    @cached_property
    def approvals(self) -> People:
        return People(self.hub, offer(self.hub))


@request_app.command("open")
def open_(
    client: Annotated[str, typer.Argument(help="the client that is to be granted it")],
    purpose: Annotated[str, typer.Option(help="what it is for: the word sent with each use")],
    basis: Annotated[Literal["consent", "duty", "open"], typer.Option(help="as in: hub grant add")],
    legal: Annotated[str, typer.Option(help="the article, decree or agreement that it rests on")],
    form: Annotated[str, typer.Option(help="the form; or --dataset")] = "",
    dataset: Annotated[str, typer.Option(help="the dataset; or --form")] = "",
    field: Annotated[list[str] | None, typer.Option(help="a field (again for more); none: all that it has now")] = None,
    rows: Annotated[str, typer.Option(help="which rows of a dataset, as a row filter; none: all")] = "",
    days: Annotated[int | None, typer.Option(min=1, help="how many days; none: until revoked")] = None,
    quota: Annotated[int | None, typer.Option(min=1, help="answers a day; none: no limit")] = None,
    contact: Annotated[str, typer.Option(help="how to reach the office that asks")] = "",
    department: For = "",
    as_json: Json = False,
) -> None:
    """Ask for fields of a form or dataset. What is shared unconditionally is granted at once, what is not shared refused at once."""
    if bool(form) == bool(dataset):
        raise Invalid("a request is for a form or for a dataset", todo="give --form or --dataset")
    desk = _Desk(department)
    wish = {
        "kind": "form" if form else "dataset", "name": form or dataset, "fields": field or [], "purpose": purpose, "basis": basis,
        "legal": legal, "row_filter": rows, "days": days, "quota": quota, "contact": contact,
    }  # fmt: skip
    _show(desk.approvals.open(desk.actor, client, wish), as_json)


@request_app.command("list")
def list_(
    decide: Annotated[bool, typer.Option("--decide", help="only those that you may decide now")] = False,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="only those not decided, or not delivered, in time")
    ] = False,
    state: Annotated[
        Literal["", "requested", "approved", "granted", "refused", "withdrawn"], typer.Option(help="only in this state")
    ] = "",
    department: For = "",
    as_json: Json = False,
) -> None:
    """List requests, undecided ones first, by the day they are due."""
    desk = _Desk(department)
    approvals = desk.approvals
    found = (
        approvals.overdue(desk.actor) if overdue else approvals.listed(desk.actor, "decide" if decide else "all", state)
    )
    rows = found if as_json else [{name: row[name] for name in _LISTED} for row in found]
    for row, full in zip(rows, found, strict=True):
        row["due_on"] += "?" if full["provisional"] and not as_json else ""
    output(as_json).table("requests", rows, empty="no request")


@request_app.command()
def show(number: Number, department: For = "", as_json: Json = False) -> None:
    """Show one request with its steps and what you may do with it."""
    desk = _Desk(department)
    _show(desk.approvals.shown(desk.actor, number), as_json)


@request_app.command()
def approve(number: Number, reason: Reason = "", department: For = "", as_json: Json = False) -> None:
    """Approve: the grant is made at once, or after a second person's approval where the data is sensitive."""
    desk = _Desk(department)
    _show(desk.approvals.approve(desk.actor, number, reason), as_json)


@request_app.command()
def refuse(number: Number, reason: Reason, department: For = "", as_json: Json = False) -> None:
    """Refuse, with a reason that who asked can read."""
    desk = _Desk(department)
    _show(desk.approvals.refuse(desk.actor, number, reason), as_json)


@request_app.command()
def extend(number: Number, reason: Reason, department: For = "", as_json: Json = False) -> None:
    """Take more time, once, before the day it is due."""
    desk = _Desk(department)
    _show(desk.approvals.extend(desk.actor, number, reason), as_json)


@request_app.command()
def withdraw(number: Number, reason: Reason = "", department: For = "", as_json: Json = False) -> None:
    """Take back what you or your department asked for."""
    desk = _Desk(department)
    _show(desk.approvals.withdraw(desk.actor, number, reason), as_json)


@request_app.command()
def revoke(number: Number, reason: Reason, department: For = "", as_json: Json = False) -> None:
    """Revoke what the request was granted: within seconds no process answers under it any more."""
    desk = _Desk(department)
    _show(desk.approvals.revoke(desk.actor, number, reason), as_json)


@request_app.command()
def clocks(department: For = "", as_json: Json = False) -> None:
    """Count what is open, yours to decide, soon due, overdue, and granted but not delivered."""
    desk = _Desk(department)
    output(as_json).record(desk.approvals.clocks(desk.actor))


@delegation_app.command("add")
def delegation_add(
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="the last day, as 2026-12-31")],
    why: Annotated[str, typer.Option(help="the reason, for the record")],
    person: Annotated[str, typer.Option(help="the account name of who decides; or --to")] = "",
    to: Annotated[str, typer.Option(help="the department (code) whose approvers decide; or --person")] = "",
    department: For = "",
    as_json: Json = False,
) -> None:
    """Let a person or another department decide on requests for the department's data."""
    desk = _Desk(department)
    made = desk.approvals.delegate(desk.actor, department, until.date(), why, person=person, to_department=to)
    output(as_json).record(made)


@delegation_app.command("list")
def delegation_list(department: For = "", as_json: Json = False) -> None:
    """List the delegations that stand."""
    desk = _Desk(department)
    output(as_json).table("delegations", desk.approvals.delegations(desk.actor), empty="no delegation")


@delegation_app.command("revoke")
def delegation_revoke(
    delegation: Annotated[str, typer.Argument(help="delegation number, as in: hub delegation list")],
    department: For = "",
    as_json: Json = False,
) -> None:
    """End a delegation now."""
    desk = _Desk(department)
    desk.approvals.end_delegation(desk.actor, delegation)
    output(as_json).record({"delegation": delegation, "revoked": True})


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(request_app, name="request")
    root.add_typer(delegation_app, name="delegation")


def _show(row: dict[str, Any], as_json: bool) -> None:
    """The row; for people with its steps as a table, and without what says nothing."""
    shown = row if as_json else {name: value for name, value in row.items() if value not in ("", None, [], False)}
    steps = [] if as_json else shown.pop("steps", [])
    output(as_json).record(shown)
    if steps:
        zone = ZoneInfo(hub().settings.timezone)
        rows = [{**step, "at": f"{step['at'].astimezone(zone):%Y-%m-%d %H:%M}"} for step in steps]
        output(as_json).table("course", rows)
