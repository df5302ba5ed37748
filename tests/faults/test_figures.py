"""A campaign prints its figures at the end, in one process and from workers, a failed test's left out."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CAMPAIGN = """
import pytest

@pytest.mark.parametrize("faults", [2, 3])
def test_good(tally, faults):
    tally.at("commit.before")
    tally.count("faults", faults)

def test_bad(tally):
    tally.at("commit.after")
    tally.count("faults", 5)
    assert False
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_the_figures_stand_at_the_end(tmp_path: Path, workers: int) -> None:
    shutil.copy(HERE / "conftest.py", tmp_path)
    (tmp_path / "test_campaign.py").write_text(CAMPAIGN, encoding="utf-8")
    root = HERE.parents[1]
    command = [sys.executable, "-m", "pytest", "-c", str(root / "pyproject.toml"), "-n", str(workers), str(tmp_path)]
    shown = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout
    _, _, figures = shown.partition("faults and oracle checks")
    rows = [line.split() for line in figures.splitlines() if line.startswith(("commit.", "in all"))]
    assert [row[:3] for row in rows] == [["commit.before", "5", "0.0"], ["in", "all", "5"]], shown
