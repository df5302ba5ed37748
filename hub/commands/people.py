"""hub subject, due: one person one file, and what is about to expire."""

from typing import Annotated

import typer

from hub import subject_files
from hub.answers import link
from hub.commands.common import Json, hub, output
from ledger import contracts
from schemas.errors import NotFound
from schemas.masking import mask
from subjects.show import render

subject_app = typer.Typer(no_args_is_help=True, help="一人一档、一企一档 subjects: one file per person, enterprise, …")


@subject_app.command("show")
def show(
    kind: Annotated[str, typer.Argument(help="subject kind, as declared: person, enterprise, …")],
    identifier: Annotated[
        str,
        typer.Option(prompt="identifier", hide_input=True, help="asked for if left out, so that no shell remembers it"),
    ],
    unmask: Annotated[bool, typer.Option("--unmask", help="show values in full")] = False,
    as_json: Json = False,
) -> None:
    """Show one subject's file with the source of every value; masked unless --unmask."""
    it = hub()
    declared = subject_files.kind_of(it, kind)
    file = subject_files.subject(it, kind, identifier)
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
