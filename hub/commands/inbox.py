"""hub inbox: what departments pushed, and what became of it."""

from typing import Annotated

import typer

from hub.commands.common import Dataset, Json, hub, output
from hub.pulling import pushes

app = typer.Typer(no_args_is_help=True, help="报送 inbox: batches that departments push")


@app.command("list")
def arrivals(dataset: Dataset, as_json: Json = False) -> None:
    """List a dataset's batches, oldest first, each with what became of it."""
    output(as_json).table(f"inbox of {dataset}", pushes.arrivals(hub(), dataset), empty="nothing has arrived")


@app.command()
def discard(
    dataset: Dataset,
    receipt: Annotated[str, typer.Argument(help="receipt id, as in: hub inbox list DATASET")],
    reason: Annotated[str, typer.Option(help="why; the department reads it at its receipt")],
    as_json: Json = False,
) -> None:
    """Set a batch aside that keeps later ones from being published; no read takes it any more."""
    output(as_json).record(pushes.discard(hub(), dataset, receipt, reason))


def add_to(root: typer.Typer) -> None:
    """Hang these commands on the root command."""
    root.add_typer(app, name="inbox")
