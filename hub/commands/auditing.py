"""hub audit, erase: who used whose data, when, for what; the proof that nothing of it was changed; and how somebody is forgotten."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from access import audit_trail
from hub import trail
from hub.commands.common import Json, hub, operator, output
from ledger import audit as audit_tables
from schemas.errors import Stop

app = typer.Typer(no_args_is_help=True, help="审计 audit: who used which data, for what")


@app.command("verify")
def verify(
    anchors: Annotated[
        Path | None, typer.Option(help="signed heads kept elsewhere; default: HUB_AUDIT_ANCHORS")
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk the audit chains; any edit, deletion, reordering or truncation is named, and the exit code is 1."""
    report = trail.verify(hub(), anchors)
    output(as_json).record(
        {"entries": report.entries, "chains": report.chains, "faults": [str(f) for f in report.faults]}
    )
    if not report.ok:
        raise Stop(f"the audit has {len(report.faults)} faults", todo="keep the database as it is and call the auditor")


@app.command("search")
def search(
    kind: Annotated[str, typer.Option(help="a subject's kind (person, enterprise); its identifier is asked for")] = "",
    client: Annotated[str, typer.Option(help="only this client's")] = "",
    purpose: Annotated[str, typer.Option(help="only for this purpose")] = "",
    result: Annotated[str, typer.Option(help="only with this result, as: answered")] = "",
    since: Annotated[datetime | None, typer.Option(help="from this day or moment, UTC")] = None,
    until: Annotated[datetime | None, typer.Option(help="before this day or moment, UTC")] = None,
    limit: Annotated[int, typer.Option(min=1, help="how many, the newest")] = 50,
    as_json: Json = False,
) -> None:
    """Find entries: about a subject, of a client, for a purpose, in a period."""
    it = hub()
    subjects = trail.known_as(it, kind, typer.prompt("identifier", hide_input=True)) if kind else ()
    found = audit_trail.uses(
        it.audit, subjects=subjects, client=client, purpose=purpose, result=result, most=limit,
        since=since and since.replace(tzinfo=UTC), until=until and until.replace(tzinfo=UTC),
    )  # fmt: skip
    names = ("client", "who", "purpose", "form", "result", "basis", "evidence", "fields", "subject")
    rows = [{"at": f"{u.at:%Y-%m-%d %H:%M:%S}Z", **{n: u.body.get(n, "") for n in names}} for u in found]
    output(as_json).table("audit", rows, empty="no entry fits")


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="where to write the entries and signed heads, as JSON lines")],
    as_json: Json = False,
) -> None:
    """Write the whole audit to a file that `access/audit_verifier.py` checks without the hub."""
    it, lines = hub(), 0
    with file.open("w", encoding="utf-8") as out:
        for line in audit_trail.export(it.audit):
            out.write(line)
            lines += 1
    output(as_json).record({"file": str(file), "lines": lines})


@app.command("anchor")
def anchor() -> None:
    """Print every chain's signed head. Kept where the hub's operators cannot write, it shows if an end is cut off later."""
    output(False).raw("".join(map(audit_trail.head_line, audit_tables.heads(hub().audit).values())))


@app.command("keys")
def keys() -> None:
    """Print the public keys that heads are signed with, for a verifier."""
    output(False).raw("".join(trail.public_keys(hub())))


def erase(
    kind: Annotated[str, typer.Argument(help="the subject's kind: person, enterprise, …; its identifier is asked for")],
    why: Annotated[str, typer.Option(help="on whose request, under which number; it is written into the audit")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask again")] = False,
    as_json: Json = False,
) -> None:
    """Erase a subject from the lake, the subject files, tickets and scratch space. It cannot be undone."""
    from hub.filing import erasing

    identifier = typer.prompt("identifier", hide_input=True)
    if not yes:
        typer.confirm("erase this subject for good?", abort=True)
    done = erasing.erase(hub(), kind, identifier, by=operator(), why=why)
    output(as_json).record(done)
    if done["still named in"]:
        raise Stop(
            "some files still name the subject",
            todo="look at each: what a department delivered is erased at the department",
        )


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="audit")
    root.command()(erase)
