"""MariaDB's and MySQL's rows by connectorx: Arrow batches made in Rust, several times as fast as a driver in Python.

It opens a connection of its own for one statement, so rows are of that statement's snapshot, taken after the bound's: nothing at or below
the bound can be missing. Only what it converts exactly is asked for natively (signed integers, DOUBLE); all else comes as the server's text.
It knows no TLS by our rules, so sessions with TLS do without it.

It runs in a process of its own (`connectorx_child`), for it has no time-outs and keeps every other thread from running while it waits: a server
that falls silent would stop the hub, the lease's renewal included. A process can be ended.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from io import IOBase
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pyarrow as pa
import pymysql
from pymysql.constants import CR

from connectors.batches import ahead

ROWS = 65_536


def fits(arguments: dict[str, Any]) -> bool:
    """Whether a session with these driver arguments can do with it."""
    return "ssl" not in arguments


def rows(arguments: dict[str, Any], says_first: Sequence[str], statement: str) -> Iterator[pa.RecordBatch]:
    """The statement's rows, received while the last ones are used.

    Raises:
        pymysql.Error: the server refuses, ends the statement or is gone; with a code, without the server's words.
    """
    hear, tell = os.pipe()
    asked = {"url": _url(arguments), "statement": statement, "says_first": list(says_first), "rows": ROWS, "tell": tell}
    child = subprocess.Popen(  # noqa: S603 - this very interpreter and our own file
        [sys.executable, "-I", str(Path(__file__).with_name("connectorx_child.py"))], pass_fds=[tell],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(tell)
    with os.fdopen(hear, "rb") as told, child:
        try:
            yield from ahead(_batches(child, asked), patience=arguments.get("read_timeout"))
            if child.wait() != 0:
                raise pymysql.OperationalError(int(told.read() or CR.CR_SERVER_LOST))
        except TimeoutError:
            raise pymysql.OperationalError(CR.CR_SERVER_LOST) from None
        finally:
            child.kill()


def _url(arguments: dict[str, Any]) -> str:
    user, password = quote(str(arguments.get("user", "")), safe=""), quote(str(arguments.get("password", "")), safe="")
    host = str(arguments["host"])
    host = f"[{host}]" if ":" in host else host
    place = f"{host}:{arguments.get('port', 3306)}/{quote(str(arguments.get('database', '')), safe='')}"
    return f"mysql://{user}:{password}@{place}"


def _batches(child: "subprocess.Popen[bytes]", asked: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    """What the child writes, until it ends; whether it ended well is for the caller to see."""
    assert child.stdin is not None  # noqa: S101 - it is a pipe
    assert child.stdout is not None  # noqa: S101
    child.stdin.write(json.dumps(asked).encode() + b"\n")
    child.stdin.close()
    try:
        yield from pa.ipc.open_stream(pa.PythonFile(cast("IOBase", child.stdout), mode="r"))
    except (pa.ArrowInvalid, OSError):  # cut off in the middle
        return
