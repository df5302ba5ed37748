"""hub serve: the interface and pages that share what the city knows."""

import asyncio
import gc
import sys
from contextlib import suppress
from typing import Annotated

import typer

from hub.commands.common import hub

_GRACE = 8
"""Seconds that answers under way get to end when the server is told to stop; Docker waits for ten."""


def serve(
    port: Annotated[int, typer.Option(help="port on the loopback interface")] = 8000,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
) -> None:
    """Serve the API, the catalog's pages and, where settings say so, the demonstration portal."""
    import uvloop

    with suppress(KeyboardInterrupt):
        uvloop.run(_serving(host, port))


async def _serving(host: str, port: int) -> None:
    import uvicorn

    from hub.trail import open_process
    from hub.web import application

    it = hub()
    with open_process(it, "api", asyncio.get_running_loop()) as log:
        app = application(it, log)
        # Between the loop and the threads beside it: neither waits for the other's five milliseconds.
        sys.setswitchinterval(0.0005)
        gc.collect()
        gc.freeze()  # what stays for good is not looked through again with every hundredth answer,
        gc.set_threshold(20_000)  # nor what comes and goes, which hardly ever refers to itself, with every third
        asked = uvicorn.Config(
            app, host=host, port=port, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )  # fmt: skip
        await uvicorn.Server(asked).serve()


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    app.command()(serve)
