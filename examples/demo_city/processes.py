"""Child processes of the demo: started in groups of their own, their output in files, all of them stopped at the end."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class Children:
    """Starts programs and stops exactly those, on leaving the block."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self.logs = logs
        self.environment = dict(environment)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def run(self, name: str, command: Sequence[str]) -> None:
        """Run a program to its end. Raises RuntimeError with the log's last lines if it fails."""
        with (self.logs / f"{name}.log").open("wb") as log:
            done = subprocess.run(command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} failed ({done.returncode}):\n{self.tail(name)}")

    def start(self, name: str, command: Sequence[str], **more: str) -> None:
        """Start a program that goes on; `more` is added to its environment."""
        with (self.logs / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                command, env=self.environment | more, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def finish(self, name: str) -> None:
        """Wait for a started program that ends by itself. Raises RuntimeError with the log's last lines if it failed."""
        if code := self.running.pop(name).wait():
            raise RuntimeError(f"{name} failed ({code}):\n{self.tail(name)}")

    def check(self) -> None:
        """Raise RuntimeError if a program that should go on has ended."""
        for name, child in self.running.items():
            if child.poll() is not None:
                raise RuntimeError(f"{name} ended ({child.returncode}):\n{self.tail(name)}")

    def tail(self, name: str, lines: int = 15) -> str:
        """The last lines of a program's log."""
        text = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self) -> None:
        """End every program that was started, last first; those that do not listen are killed."""
        for child in reversed(self.running.values()):
            _signal(child, signal.SIGTERM)
        deadline = time.monotonic() + 15
        for child in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=max(0.1, deadline - time.monotonic()))
            _signal(child, signal.SIGKILL)
            child.wait()
        self.running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the child's whole group; the group may outlive its leader."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return
