"""A warm process that forks a child for every trial, so that a kill costs milliseconds, not an import of Great Expectations.

Reads one JSON request per line on standard input: {"home", "drop", "dataset", "owner", "env", "ahead"}; `ahead` moves the child's clock
forward by seconds. Answers {"pid"} at once, and for {"wait": pid} how the child ended: "exit N", "signal N" or "stopped".
"""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path


def trial(request: dict) -> int:
    os.environ.update(request["env"])
    from hub import pipeline
    from hub.core import Hub, utc_now
    from hub.settings import Settings
    from schemas.errors import HubError

    settings = Settings(home=Path(request["home"]), drop_root=Path(request["drop"]), judge_memory_mb=256)
    hub = Hub(settings, clock=lambda: utc_now() + timedelta(seconds=request["ahead"]))
    try:
        pipeline.pull(hub, request["dataset"], owner=request["owner"])
    except HubError as error:
        Path(request["home"], f"error-{request['owner']}").write_text(error.code)
        return 3
    return 0


def main() -> None:
    import great_expectations  # noqa: F401
    import pandas  # noqa: F401

    import hub.pipeline  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], os.WUNTRACED)
            how = (
                "stopped" if os.WIFSTOPPED(status)
                else f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
            )  # fmt: skip
            print(json.dumps({"ended": how}), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            code = 70
            try:
                code = trial(request)
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(json.dumps({"pid": pid}), flush=True)


if __name__ == "__main__":
    main()
