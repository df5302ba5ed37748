"""hub dispute …: 异议核实, tickets about values that somebody says are wrong, and what their department answers."""

import json
import sys
from typing import Annotated, Any

import typer

from hub.commands.common import Json, hub, output
from hub.repair import disputes
from hub.repair.disputes import Claim, Tickets
from ledger import disputes as store
from ledger.disputes import Move
from schemas.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="异议核实 disputes: values that somebody says are wrong")
Ticket = Annotated[str, typer.Argument(help="ticket number, as in: hub dispute list")]
_FIELDS = ("key", "subject", "claimed", "text", "evidence")


@app.command("open")
def open_(
    dataset: Annotated[str, typer.Argument(help="dataset name, as in: hub catalog list")],
    column: Annotated[str, typer.Argument(help="the column whose value is disputed")],
    citizen: Annotated[bool, typer.Option("--citizen", help="a citizen says so, not an office")] = False,
    as_json: Json = False,
) -> None:
    """Open a ticket; which record, and what is wrong, come as JSON on standard input, so that they stand in no command line.

    {"key": {"permit_no": "…"}} or {"subject": "…"}, with "claimed", "text" and "evidence" where known.
    """
    try:
        given = json.load(sys.stdin)
        named = {name: given[name] for name in _FIELDS if name in given}
    except (ValueError, TypeError):
        raise Invalid(
            "standard input is no JSON object", todo='echo \'{"key": {"permit_no": "…"}}\' | hub dispute open …'
        ) from None
    it = hub()
    ticket = disputes.open_dispute(it, Claim(dataset, "office", column=column, citizen=citizen, **named))
    output(as_json).record(Tickets(it).row(ticket))


@app.command("list")
def list_(
    dataset: Annotated[str, typer.Argument(help="only of this dataset")] = "",
    department: Annotated[str, typer.Option("--department", help="only of this department (its code)")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="only those whose time has run out")] = False,
    everything: Annotated[bool, typer.Option("--all", help="those that have ended too")] = False,
    as_json: Json = False,
) -> None:
    """List tickets with state and due day, oldest first; which record each is about is shown by `hub dispute show` alone."""
    it = hub()
    tickets = Tickets(it)
    found = store.listed(it.ledger, dataset=dataset, provider_code=department, only_open=not everything)
    rows = [row for row in map(tickets.row, found) if row["overdue"] or not overdue]
    for row in rows:
        row["due_on"] += "?" if row["provisional"] and not as_json else ""
    output(as_json).table("disputes", rows, empty="no dispute")


@app.command()
def show(ticket: Ticket, as_json: Json = False) -> None:
    """Show one ticket with the record and the claim, for the department that must find it: personal data."""
    it = hub()
    found = store.find(it.ledger, ticket)
    known = disputes.detail(it, found)
    rest = {n: getattr(known, n) for n in ("claimed", "text", "evidence", "reason") if getattr(known, n)}
    output(as_json).record(
        {**Tickets(it).row(found), "record": known.where, "value_held": known.held or "no such record", **rest}
    )


@app.command()
def accept(ticket: Ticket, as_json: Json = False) -> None:
    """Say that the department looks into it; the clock runs on."""
    _move(ticket, "accept", "", as_json)


@app.command()
def correct(ticket: Ticket, as_json: Json = False) -> None:
    """Say that the value was corrected at its source; the pull that brings the change closes the ticket."""
    _move(ticket, "correct", "", as_json)


@app.command()
def reject(
    ticket: Ticket,
    reason: Annotated[str, typer.Option("--reason", help="what was looked at, and why the value stands")],
    as_json: Json = False,
) -> None:
    """Say that the value stands, and why; whoever opened the ticket reads the reason."""
    _move(ticket, "reject", reason, as_json)


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="dispute")


def _move(ticket: str, how: Move, reason: str, as_json: bool) -> None:
    it = hub()
    row: dict[str, Any] = Tickets(it).row(disputes.answer(it, store.find(it.ledger, ticket), how, reason))
    output(as_json).record(row)
