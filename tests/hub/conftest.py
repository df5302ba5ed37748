"""A hub without data, and its command line in this process."""

import sys
from pathlib import Path

import pytest
from city_bench import CITY
from command_line import Run

from hub import cli


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `hub WORDS…` on a home of its own, `tmp_path / "home"`: exit code, standard output, standard error."""
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HUB_DECLARATIONS", str(CITY))
    monkeypatch.setenv("LC_ALL", "C")  # English, unless a test says otherwise

    def words(*given: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hub", *given])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return words
