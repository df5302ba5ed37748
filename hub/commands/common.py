"""What every command takes: the hub, and whether output is for people or for machines."""

import getpass
from typing import Annotated

import typer

from hub.core import Hub
from hub.output import Output
from hub.settings import Settings
from hub.words import language

Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]
Dataset = Annotated[str, typer.Argument(help="dataset name, as in: hub catalog list")]


def hub() -> Hub:
    """The hub that the environment describes."""
    return Hub()


def output(as_json: bool) -> Output:
    """Where a command's result goes."""
    return Output(as_json, language(Settings().language))


def operator() -> str:
    """Who typed the command, for run records."""
    return getpass.getuser()
