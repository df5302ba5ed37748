"""The `hub` command without its start-up: a process that has imported everything forks a child for each call.

`WarmHub(folder)` puts a program named `hub` into `folder`; it hands its arguments, environment, working directory and its three standard
streams to the waiting process, and ends with the child's exit code. Only `hub serve` starts the real program, so that a signal reaches it.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

CLIENT = """#!{python} -SE
import json, os, socket, sys
if sys.argv[1:2] == ["serve"]:
    os.execv({real!r}, ["hub", *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    call = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(line, [len(call).to_bytes(4, "big")], [0, 1, 2])
    line.sendall(call)
    sys.exit(line.recv(1)[0])
"""


class WarmHub:
    """Starts the waiting process on entering, ends it on leaving."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._address = str(folder / "line")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        real = Path(sys.executable).parent / "hub"
        client = self.folder / "hub"
        client.write_text(CLIENT.format(python=sys.executable, real=str(real), address=self._address))
        client.chmod(0o700)
        self._process = subprocess.Popen([sys.executable, __file__, self._address], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", "the warm process did not come up"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.communicate()


def wait_for_calls(address: str) -> None:
    """Import what commands need, then fork a child for each call until terminated."""
    import great_expectations  # noqa: F401
    import pandas  # noqa: F401

    import hub.cli  # noqa: F401

    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            line, _ = door.accept()
            with line:
                line.sendall(bytes([answer(line)]))


def answer(line: socket.socket) -> int:
    """Run one call in a child; returns its exit code."""
    size, streams, _, _ = socket.recv_fds(line, 4, 3)
    body = b""
    while len(body) < int.from_bytes(size, "big"):
        more = line.recv(1 << 20)
        assert more, "the caller was killed in the middle of its call"
        body += more
    child = os.fork()
    if child == 0:
        arguments, environment, folder = json.loads(body)
        run(arguments, environment, folder, streams)
    for stream in streams:
        os.close(stream)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) & 255


def run(arguments: list[str], environment: dict[str, str], folder: str, streams: list[int]) -> None:
    """Be the command."""
    import hub.cli

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["hub", *arguments]
    code = 70
    try:
        hub.cli.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - a child that forked must never return into its parent's code
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    wait_for_calls(sys.argv[1])
