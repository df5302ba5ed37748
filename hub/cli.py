"""The `hub` command: one grammar, one way to fail.

Exit codes: 0 done, 1 failed, 2 usage, 3 refused by a check. Errors go to standard error, with what to do next.
"""

import sys

import typer

from hub.commands import contract, inbox, meaning, people, pipeline, repairs, sharing
from hub.output import complain
from schemas.errors import HubError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="cityhub: departments' records pulled, judged, cataloged, and used to prefill forms.",
)
app.add_typer(contract.app, name="contract")
app.add_typer(inbox.app, name="inbox")
pipeline.add_to(app)
repairs.add_to(app)
people.add_to(app)
meaning.add_to(app)
sharing.add_to(app)


def main() -> None:
    """Run the command line; a `HubError` becomes its message and exit code."""
    try:
        app()
    except HubError as error:
        complain(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
