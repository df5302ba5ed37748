"""What every command takes: the hub, and whether output is for people or for machines."""

import getpass
from typing import Annotated

import typer

from hub.core import Hub
from hub.output import Output

Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]
Dataset = Annotated[str, typer.Argument(help="dataset name, as in: hub catalog list")]


def hub() -> Hub:
    """The hub that the environment describes."""
    return Hub()


def output(as_json: bool) -> Output:
    """Where a command's result goes."""
    return Output(as_json)


def operator() -> str:
    """Who typed the command, for run records."""
    return getpass.getuser()
