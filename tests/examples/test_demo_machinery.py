"""The demo looks at the machine before it makes anything, and stops exactly what it started."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from examples.demo_city import preflight
from examples.demo_city.processes import Children

ROOT = Path(__file__).parents[2]


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended but was not fetched by its parent does not."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends_within(seconds: float, pid: int) -> bool:
    """Whether the process ends in time: a signal sent is not yet a process gone."""
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        os.sched_yield()
    return not alive(pid)


def test_nothing_stands_in_the_way_of_a_machine_with_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "available_memory_mb", lambda: preflight.FREE_MEMORY_MB)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert preflight.faults(tmp_path, {"hub": port}) == []


def test_each_fault_is_one_line_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "available_memory_mb", lambda: 100)
    monkeypatch.setattr(preflight, "FREE_DISK_MB", 10**9)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = preflight.faults(tmp_path, {"airflow": port})
    assert len(found) == 3
    assert all("→" in fault and "\n" not in fault for fault in found)
    assert f"AIRFLOW_PORT={port + 100}" in found[2]


def test_the_check_runs_without_the_environment_it_is_to_precede(tmp_path: Path) -> None:
    ports = [f"--{what}-port={port}" for what, port in (("airflow", 1), ("hub", 2), ("rest", 3))]
    script = str(ROOT / "examples" / "demo_city" / "preflight.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, "--home", str(tmp_path), *ports],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr


def test_children_and_their_children_are_stopped_and_others_are_not(tmp_path: Path) -> None:
    family = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        with Children(tmp_path, os.environ) as children:
            children.start("family", [sys.executable, "-c", family])
            parent = children.running["family"].pid
            while not (text := (tmp_path / "family.log").read_text()).endswith("\n"):
                children.check()
        assert not alive(parent)
        assert ends_within(10, int(text)), "the grandchild was not stopped"
        assert bystander.poll() is None
        bystander.communicate(b"\n")


def test_a_child_that_ends_too_early_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ) as children:
        children.start("broken", [sys.executable, "-c", "raise SystemExit('the port is gone')"])
        children.running["broken"].wait()
        with pytest.raises(RuntimeError, match="the port is gone"):
            children.check()
        with pytest.raises(RuntimeError, match="failed"):
            children.run("bad", [sys.executable, "-c", "raise SystemExit(4)"])
