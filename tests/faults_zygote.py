"""A warm process that forks a child for every trial, so that a kill costs milliseconds, not an import of Great Expectations.

Reads one JSON request per line on standard input: {"settings", "dataset", "task", "owner", "secret", "env", "ahead", "log"}; `ahead` moves the
child's clock forward by seconds. Answers {"pid"} at once, and for {"wait": pid} how the child ended: "exit 0", the code of the
error that it told ("busy"), "signal 9" or "stopped".
"""

import importlib
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import faults_disk

TOLD, OVER = 3, 70
WARM = (
    "great_expectations", "pandas", "duckdb_engine", "deltalake", "hub.pulling.pipeline", "hub.filing.subject_files", "quality.judge",
    "quality.docs", "great_expectations.render.renderer.page_renderer", "great_expectations.render.view",
    "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql", "connectors.sql.sqlite", "connectors.sql.connector",
    "connectors.sql.postgres", "connectors.sql.mariadb", "connectors.files", "connectors.rest", "connectors.formats.delimited",
)  # fmt: skip


def trial(request: dict[str, Any]) -> None:
    from hub.core import Hub, utc_now
    from hub.settings import Settings
    from quality import prepared

    prepared.WORTH = 0  # a trial's few rows, too
    power = os.environ.get("FAULTS_POWER")
    if power:
        import faults_power

        faults_power.watch(Path(power))
    if "FAULTS_IMPATIENT" in os.environ:
        lose_patience()
    hub = Hub(
        Settings(**request["settings"]),
        clock=lambda: utc_now() + timedelta(seconds=request["ahead"]),
        secret=lambda _: request["secret"],
    )
    match request["task"]:
        case "pull":
            from hub.pulling import pipeline

            print(pipeline.pull(hub, request["dataset"], owner=request["owner"]))
        case "subjects":
            from hub.filing import subject_files

            print(subject_files.build_all(hub))
        case module:
            importlib.import_module(module).run(hub, request)


def lose_patience() -> None:
    """Give a silent source up after seconds instead of minutes."""
    from connectors import wire
    from connectors.sql import copying, limits

    wire.TRIES, copying.WAIT_SECONDS, limits.IDLE_SECONDS = 1, 1, 1


def child(request: dict[str, Any], tell: int) -> int:
    """Run a trial with its output in the log; its exit code. The code of an error that it told goes into the pipe `tell`."""
    from schemas.errors import HubError

    out = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ.update(request["env"])
    full = request["env"].get("FAULTS_FULL_AFTER")
    lift = faults_disk.forbid_after(full) if full else lambda: None
    try:
        trial(request)
    except HubError as error:
        lift()
        print(f"{type(error).__name__}: {error}")
        os.write(tell, error.code.encode())
        return TOLD
    finally:
        lift()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def main() -> None:
    for name in WARM:
        importlib.import_module(name)
    told: dict[int, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            print(json.dumps({"number": request["number"], "ended": ended(request["wait"], told)}), flush=True)
            continue
        hear, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = OVER
            try:
                code = child(request, tell)
            except BaseException:  # noqa: BLE001 - a child of a fork must not go on as its parent
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        os.close(tell)
        told[pid] = hear
        print(json.dumps({"number": request["number"], "pid": pid}), flush=True)


def ended(pid: int, told: dict[int, int]) -> str:
    """How a child ended, or that it stands still."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return "stopped"
    with os.fdopen(told.pop(pid), "rb") as pipe:
        if os.WIFSIGNALED(status):
            return f"signal {os.WTERMSIG(status)}"
        code = os.WEXITSTATUS(status)
        return pipe.read().decode() if code == TOLD else f"exit {code}"


if __name__ == "__main__":
    main()
