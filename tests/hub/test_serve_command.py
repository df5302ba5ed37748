"""`hub serve` as whoever starts and stops it sees it: the terminal tells what matters and nothing else."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import servers

PATIENCE = 60.0


def serve(home: Path, port: int) -> "subprocess.Popen[str]":
    (home / "subjects").mkdir(parents=True)
    (home / "forms").mkdir(exist_ok=True)
    environment = {**os.environ, "HUB_HOME": str(home), "HUB_DECLARATIONS": str(home), "HUB_PERSONAS": "off"}
    command = [str(Path(sys.executable).parent / "hub"), "serve", "--port", str(port)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def test_a_server_that_is_interrupted_ends_without_a_word(tmp_path: Path) -> None:
    port = servers.free_port()
    process = serve(tmp_path, port)
    end = time.monotonic() + PATIENCE
    while not answers(port):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "it did not come up"
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (0, "")


def test_a_port_that_is_taken_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = serve(tmp_path, port)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert f"nothing is served at 127.0.0.1:{port}" in said
    assert "--port" in said
    assert "leaked" not in said


def test_a_form_that_does_not_fit_is_told_with_its_file_and_nothing_is_served(tmp_path: Path) -> None:
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "renewal.yaml").write_text("form: renewal\ntitle: 1\n", encoding="utf-8")
    process = serve(tmp_path, servers.free_port())
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    for told in ("renewal.yaml", "'fields' is a required property", "title: 1 is not of type 'string'"):
        assert told in said
