"""hub subject, due: one person one file, and what is about to expire."""

from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Annotated, Literal

import typer

from hub.commands.common import Json, hub, operator, output
from hub.filing import subject_desk, subject_files
from hub.filing.answers import link
from ledger import contracts
from schemas.errors import NotFound
from schemas.masking import mask
from subjects.show import render

subject_app = typer.Typer(no_args_is_help=True, help="一人一档、一企一档 subjects: one file per person, enterprise, …")

Kind = Annotated[str, typer.Argument(help="subject kind, as declared: person, enterprise, …")]
Because = Annotated[str, typer.Option(help="why, for the history; name no identifier")]
Unmask = Annotated[bool, typer.Option("--unmask", help="show identifiers and keys in full")]


@subject_app.command("show")
def show(
    kind: Kind,
    identifier: Annotated[
        str,
        typer.Option(prompt="identifier", hide_input=True, help="asked for if left out, so that no shell remembers it"),
    ],
    as_of: Annotated[datetime | None, typer.Option(help="as it was on this day or at this moment, UTC")] = None,
    unmask: Annotated[bool, typer.Option("--unmask", help="show values in full")] = False,
    as_json: Json = False,
) -> None:
    """Show one subject's file with the source of every value; masked unless --unmask."""
    it = hub()
    declared = subject_files.kind_of(it, kind)
    if as_of is None:
        file = subject_files.subject(it, kind, identifier)
    else:
        file = subject_files.subject_as_of(it, kind, identifier, as_of.replace(tzinfo=UTC))
    if file is None:
        raise NotFound(f"no {kind} file for this identifier", todo="check it, or build the files: hub subject build")
    if as_json and unmask:
        output(as_json).record(file.body)
    else:
        output(as_json).raw(render(file, declared, contracts.applied(it.ledger), unmask=unmask))


@subject_app.command("build")
def build(
    full: Annotated[
        bool, typer.Option("--full", help="build everybody's file, not only those that new loads touched")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring subject files up to date with the newest loads."""
    rows = [
        {"kind": b.kind, "written": b.written, "removed": b.removed} for b in subject_files.build_all(hub(), full=full)
    ]
    output(as_json).table("subject files", rows, empty="every file is up to date")


@subject_app.command("merge")
def merge(
    kind: Kind,
    because: Because,
    reissued: Annotated[
        bool, typer.Option("--reissued/--duplicate", help="the number was issued anew, or two files are one subject")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let one identifier give way to another; both are asked for. The next build puts their records into one file."""
    former = typer.prompt("identifier that gives way", hide_input=True)
    surviving = typer.prompt("identifier that stands", hide_input=True)
    action: Literal["reissue", "duplicate"] = "reissue" if reissued else "duplicate"
    number = subject_desk.merge(hub(), kind, former, surviving, action, because, operator())
    output(as_json).record({"merge": number, "kind": kind, "action": action})


@subject_app.command("unmerge")
def unmerge(
    kind: Kind,
    number: Annotated[int, typer.Argument(help="the merge's number, as in: hub subject history")],
    because: Because,
    as_json: Json = False,
) -> None:
    """Undo a merge: both identifiers stand by themselves again after the next build. The history keeps both decisions."""
    output(as_json).record(
        {"unmerge": subject_desk.unmerge(hub(), kind, number, because, operator()), "undoes": number}
    )


@subject_app.command("history")
def history(kind: Kind, unmask: Unmask = False, as_json: Json = False) -> None:
    """List every merge of a kind and every undoing, oldest first."""
    it = hub()
    hidden = partial(_shown, subject_files.kind_of(it, kind).key_element, unmask)
    rows = [
        {
            "number": d.seq, "action": d.action, "undoes": d.undoes, "former": hidden(d.former), "surviving": hidden(d.surviving),
            "because": d.because, "by": d.by, "at": f"{d.at:%Y-%m-%d %H:%M:%S}Z",
        }
        for d in subject_desk.history(it, kind)
    ]  # fmt: skip
    output(as_json).table(f"merges of {kind}", rows, empty="nothing was merged")


@subject_app.command("review")
def review(
    kind: Kind,
    limit: Annotated[int, typer.Option(min=1, help="how many records at most")] = 50,
    unmask: Unmask = False,
    as_json: Json = False,
) -> None:
    """List the records whose identifier makes no file, and why: to be corrected by their department, or merged by you."""
    it = hub()
    element = subject_files.kind_of(it, kind).key_element
    rows = [
        {
            "dataset": s.dataset, "column": s.column, "reason": s.reason, "key": [_shown(None, unmask, k) for k in s.key],
            "identifier": _shown(element, unmask, s.identifier), "perhaps": _shown(element, unmask, s.perhaps),
        }
        for s in islice(subject_desk.strays(it, kind), limit)
    ]  # fmt: skip
    output(as_json).table(f"{kind} records that are nobody's", rows, empty="every record is somebody's")


def _shown(element: str | None, unmask: bool, value: str | None) -> str:
    return "" if value is None else value if unmask else mask(element, value)


def due(
    within: Annotated[str, typer.Option(help="days, as 30d")] = "30d",
    links: Annotated[
        bool, typer.Option("--links", help="a link each that opens the prefilled form; it holds for a day")
    ] = False,
    unmask: Annotated[bool, typer.Option("--unmask", help="show identifiers in full")] = False,
    as_json: Json = False,
) -> None:
    """List permits and licences about to expire, each with the form that renews it."""
    if not within.rstrip("d").isdigit():
        raise typer.BadParameter("a number of days is wanted, as 30d")
    it = hub()
    declared = subject_files.kinds(it)
    rows = [
        {
            "valid_to": f"{d.valid_to}",
            "kind": d.kind,
            "what": d.dataset,
            "subject": d.identifier if unmask else mask(declared[d.kind].key_element, d.identifier),
            "form": d.form,
            **({"open": link(it, d)} if links else {}),
        }
        for d in subject_files.falling_due(it, int(within.rstrip("d")))
    ]
    output(as_json).table(f"due within {within}", rows, empty="nothing falls due")


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    app.add_typer(subject_app, name="subject")
    app.command()(due)
