"""hub form: what forms ask and where their fields come from; a first form file from a JSON Schema; personas for testers."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.commands.common import Json, hub, output
from hub.filing import subject_files
from hub.filing.answers import made_personas
from ledger import contracts
from prefill import drafting
from prefill import forms as form_files
from prefill.forms import Form
from schemas.errors import Invalid
from subjects import declared_file

app = typer.Typer(no_args_is_help=True, help="表单 forms: what they ask and where their fields come from")


@app.command("list")
def list_forms(as_json: Json = False) -> None:
    """List the forms, and how many of their fields have a source."""
    output(as_json).table(
        "forms", [_row(form) for form in subject_files.forms(hub()).values()], empty="no form is declared"
    )


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="form files; none: all that are declared")] = None,
    as_json: Json = False,
) -> None:
    """Check form files against subject kinds, contracts and data elements; every problem is named, with an example of right."""
    it = hub()
    paths = files or declared_file.files(it.settings.declared / "forms", "form")
    found = form_files.check(paths, subject_files.kinds(it), contracts.applied(it.ledger))
    output(as_json).table("forms in order", [_row(form) for form in found.values()])


@app.command()
def draft(
    schema: Annotated[Path, typer.Argument(help="a JSON Schema of what the form asks", exists=True, dir_okay=False)],
    subject: Annotated[str, typer.Option(help="the subject kind that fills it in")] = "person",
    form: Annotated[str, typer.Option(help="the form's id; default: the file's name")] = "",
    as_json: Json = False,
) -> None:
    """Write a first form file from a plain JSON Schema, bound where the subject kind holds what it asks for."""
    it = hub()
    try:
        document = json.loads(schema.read_text(encoding="utf-8"))
    except ValueError:
        raise Invalid(f"{schema} is not JSON", todo="hub form draft SCHEMA.json") from None
    named = form or schema.name.partition(".")[0].lower().replace("-", "_")
    if not isinstance(document, dict):
        raise Invalid(f"{schema} is no JSON Schema of an object", todo='{"type": "object", "properties": {…}}')
    text = drafting.draft(document, subject_files.kind_of(it, subject), contracts.applied(it.ledger), form=named)
    if as_json:
        output(as_json).record({"form": text})
    else:
        output(as_json).raw(text)


@app.command("schema")
def show_schema() -> None:
    """Print the JSON Schema of form files, with the paths and kinds that this hub has, for an editor to complete from."""
    output(False).raw(json.dumps(form_files.schema_for(subject_files.kinds(hub())), ensure_ascii=False, indent=1))


@app.command("personas")
def show_personas(as_json: Json = False) -> None:
    """List the fictitious subjects for testers, one for each state (served with HUB_PERSONAS=beside or only)."""
    rows = [
        {"kind": one.kind, "subject": one.identifier, "state": one.state or "all", "name": one.name, "story": one.label, "story_en": one.label_en}
        for one in made_personas(hub())
    ]  # fmt: skip
    output(as_json).table("personas", rows, empty="no subject kind is named by citizen ID or credit code")


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="form")


def _row(form: Form) -> dict[str, Any]:
    sourced = sum(not f.typed for f in form.fields)
    return {
        "form": form.id, "title": form.title, "title_en": form.title_en, "subject": form.subject, "fields": len(form.fields),
        "with a source": sourced, "datasets": list(form.datasets),
    }  # fmt: skip
