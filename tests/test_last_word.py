"""A run says what it could not exercise, and in CI that is a failure."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WANTING = """
import servers
servers._program = lambda name: None

def test_on_a_server(mariadb_url): ...
def test_on_the_same(mariadb_url): ...
def test_of_nothing(): ...
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A test folder with our conftest, on a machine without MariaDB."""
    for name in ("conftest.py", "servers.py"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    needs_mariadb: x\n")
    (tmp_path / "test_wanting.py").write_text(WANTING)
    return tmp_path


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    plain = {name: value for name, value in os.environ.items() if name != "CI"} | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"
    }
    return subprocess.run(command, cwd=folder, env=plain | environment, capture_output=True, text=True, check=False)


def test_a_missing_server_skips_its_tests_and_is_named_at_the_end_with_its_cure(elsewhere: Path) -> None:
    done = run(elsewhere)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 2 skipped" in done.stdout
    assert "NOT EXERCISED" in done.stdout
    assert "2 test(s) could not run here. To run them:  apt install mariadb-server" in done.stdout


def test_in_ci_it_is_a_failure(elsewhere: Path) -> None:
    done = run(elsewhere, CI="true")
    assert done.returncode == 1
    assert "1 passed, 2 errors" in done.stdout
    assert "apt install mariadb-server" in done.stdout.partition("NOT EXERCISED")[2]


def test_where_nothing_is_missing_nothing_is_said(elsewhere: Path) -> None:
    (elsewhere / "test_wanting.py").write_text("def test_of_nothing(): ...")
    assert "NOT EXERCISED" not in run(elsewhere).stdout
