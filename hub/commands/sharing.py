"""hub serve: the interface and pages that share what the city knows."""

import asyncio
import gc
import sys
from contextlib import suppress
from typing import Annotated

import typer

from hub.commands.common import hub
from schemas.errors import Stop

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
    from serving.wire import wire

    it = hub()
    with open_process(it, "api", asyncio.get_running_loop()) as log:
        app = application(it, log)
        # Between the loop and the threads beside it: neither waits for the other's five milliseconds.
        sys.setswitchinterval(0.0005)
        gc.collect()
        # What stays for good is not looked through again with every hundredth answer; of what comes and goes hardly anything refers to itself.
        gc.freeze()
        gc.set_threshold(20_000)
        asked = uvicorn.Config(
            app, host=host, port=port, http=wire(app), log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )  # fmt: skip
        try:
            await uvicorn.Server(asked).serve()
        except SystemExit:  # uvicorn has said why
            raise Stop(
                f"nothing is served at {host}:{port}", todo="another --port or --host, or end what has this one"
            ) from None
        finally:
            gc.unfreeze()  # else DuckDB's types outlive the interpreter, and each is told on the terminal


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    app.command()(serve)
