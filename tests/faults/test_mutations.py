"""Each guard of the pull protocol is held by a test: taken out of a copy of the code, it makes the test that names it fail.

Here each mutation is only seen to fit the code; `make faults` runs them all, here the first stands for the rest.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults_bench import SEEDS
from faults_oracle import Tally

ROOT = Path(__file__).parents[2]
LAKE, BOUNDS, POWER = (
    "tests/lake/test_history.py",
    "tests/connectors/test_sql_bounds.py",
    "tests/faults/test_power_cuts.py",
)


@dataclass(frozen=True)
class Mutation:
    """A guard, the one place in the code that holds it, what stands there without it, and the test that notices."""

    guard: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation(
        "a load follows the one before", "lake/history.py",
        "if self.number != load.load - 1:", "if False:",
        f"{LAKE}::test_a_load_number_cannot_be_published_twice",
    ),
    Mutation(
        "two commits of one number conflict", "lake/history.py",
        "app_transactions=[Transaction(self.dataset, load.load)]", "app_transactions=[]",
        f"{LAKE}::test_of_racing_writers_exactly_one_publishes",
    ),
    Mutation(
        "files are forced to the disk", "lake/durable.py",
        "        os.fsync(descriptor)", "        pass",
        f"{LAKE}::test_data_is_on_the_disk_before_the_commit_and_the_log_after",
    ),
    Mutation(
        "the log is forced to the disk before anybody is told", "lake/durable.py",
        "        sync_file(entry)\n    sync_folder(log)", "        pass",
        f"{POWER}::test_a_power_cut_at_any_seam_loses_nothing_that_was_told_and_the_next_run_converges",
    ),
    Mutation(
        "a torn commit is set aside", "lake/delta_log.py",
        "while entries and not _whole(entries[-1]):", "while False:",
        "tests/lake/test_torn_log.py::test_a_torn_commit_counts_for_nothing_and_its_number_is_taken_again",
    ),
    Mutation(
        "the bound is capped at the oldest open transaction", "connectors/bounds.py",
        "if stamp.moment <= horizon.moment:", "if True:",
        f"{BOUNDS}::test_postgresql_rows_of_a_transaction_open_during_the_read_come_with_the_next",
    ),
    Mutation(
        "without a sure bound reads overlap", "connectors/bounds.py",
        "if last.sure or not lag:", "if True:",
        f"{BOUNDS}::test_a_role_that_cannot_see_transactions_overlaps_and_says_so",
    ),
    Mutation(
        "deletions compare delivered keys, not published ones", "lake/changes.py",
        'keys = f"read_parquet({literal(str(delivered.keys))})"', 'keys = f"read_parquet({literal(str(delivered.passes))})"',
        f"{LAKE}::test_a_quarantined_key_keeps_its_last_good_version",
    ),
    Mutation(
        "a row without a key suspends deletions", "lake/changes.py",
        "return delivered.complete and not delivered.unkeyable", "return delivered.complete",
        f"{LAKE}::test_a_row_without_a_key_suspends_deletions",
    ),
    Mutation(
        "a landing counts once it is sealed", "lake/landing.py",
        "if not path.exists() or _sha256(path) != landed.sha256:", "if False:",
        "tests/faults/test_damage.py::test_a_flipped_bit_in_a_landing_stops_the_run",
    ),
    Mutation(
        "a zombie sets nothing aside behind a later run", "lake/quarantine.py",
        'if any(int(e["landing"]) > landing for e in commits(lake, dataset).values()):', "if False:",
        f"{LAKE}::test_a_zombie_cannot_write_quarantine_behind_a_later_run",
    ),
    Mutation(
        "a lake that lost loads stops the dataset", "hub/pulling/pipeline.py",
        "    if there < known:", "    if False:",
        "tests/hub/pulling/test_interrupted_steps.py::test_a_lake_that_lost_a_published_load_stops_the_dataset_until_someone_decides",
    ),
)  # fmt: skip
IDS = [m.guard for m in MUTATIONS]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=IDS)
def test_the_guard_stands_in_one_place_and_the_test_that_holds_it_exists(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old) == 1
    file, _, name = mutation.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code and its tests in a folder of their own; the tests that notice pass there."""
    place = tmp_path_factory.mktemp("mutations")
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "root_packages"
    ]
    for name in (*rooms, "tests", "examples"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", place)
    code, told = run_tests(place, *{m.test for m in wanted()})
    assert code == 0, told[-3000:]
    return place


def wanted() -> tuple[Mutation, ...]:
    return MUTATIONS if SEEDS else MUTATIONS[:1]


def run_tests(place: Path, *names: str) -> tuple[int, str]:
    """Run tests of a copy: exit code and output."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *sorted(names)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "FAULT_"))}
    environment |= {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=280, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutation", wanted(), ids=[m.guard for m in wanted()])
def test_without_the_guard_the_test_that_holds_it_fails(copy: Path, mutation: Mutation, tally: Tally) -> None:
    tally.at(f"without: {mutation.guard}")
    file = copy / mutation.file
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        code, told = run_tests(copy, mutation.test)
    finally:
        file.write_text(text, encoding="utf-8")
    assert code == 1, told[-3000:]
    assert re.search(r"^\d+ failed", told, re.MULTILINE), (
        "it fails by what it asserts, not by an error on the way to it"
    )
    tally.count("faults")
