"""No room at some moment of a pull: the error says so, the last good load stays served, and with room again the next run is exact."""

from collections.abc import Callable, Iterator
from pathlib import Path

import faults_disk
import pytest
from faults_bench import SEEDS, Bench, Zygote, city, later, moved
from faults_departments import Department
from faults_disk import Disks
from faults_oracle import Oracle, Reader, Tally

PLACES = {
    "landing": ("lake", "read.claimed"),
    "judging": ("home", "judge.before-verdict"),
    "history": ("lake", "judge.after-verdict"),
    "quarantine": ("lake", "append.written"),
    "delta log": ("lake", "commit.before"),
    "ledger, after the read": ("ledger", "land.after-manifest"),
    "ledger, told of the load": ("ledger", "tell.before"),
}
"""What is written next on which disk after which point."""
ROUNDS = max(1, SEEDS // 5)


@pytest.fixture(params=["small disk", "limited files"] if SEEDS else ["what there is"])
def on_disks(
    request: pytest.FixtureRequest, tmp_path: Path, zygote: Zygote, found: Callable[[str], Department]
) -> Iterator[tuple[Bench, Disks]]:
    department = found("snapshot")
    root = department.drop.parent
    with faults_disk.plain(root) if request.param == "limited files" else faults_disk.disks(root) as disks:
        if request.param == "small disk" and not disks.mounted:
            pytest.skip("no tmpfs can be mounted here: disks are full by a limit on files only")
        bench = Bench(root, zygote, department, f"sqlite:///{disks.ledger}/ledger.db")
        yield bench, disks
        bench.close()


@pytest.mark.timeout(900)
def test_a_full_disk_stops_the_run_keeps_the_last_good_load_and_is_forgotten_with_room_again(
    on_disks: tuple[Bench, Disks], tally: Tally
) -> None:
    bench, disks = on_disks
    oracle = Oracle(bench, tally)
    how = "small disk" if disks.mounted else "limited files"
    bench.source(city(1))
    oracle.check_recovery()
    for turn in range(ROUNDS):
        for place, (disk, point) in PLACES.items():
            bench.source(moved(bench.rows))
            tally.at(f"{how}: {place}")
            with Reader(bench, tally):
                assert disks.run_into(bench, disk, point) in told(disks)
                tally.count("faults")
                oracle.check_loads()
                oracle.check_either(bench.before, *([bench.expected()] if "told" in place else []))
                if SEEDS:
                    oracle.check_recovery()
        bench.source(later(bench.rows, turn))
        oracle.check_recovery()


def told(disks: Disks) -> tuple[str, ...]:
    """What the run says. SQLite takes EFBIG for a broken disk, so there a limit on files is told as something that passes."""
    return ("storage-full",) if disks.mounted else ("storage-full", "retry")


@pytest.mark.timeout(300)
def test_a_disk_full_in_the_very_first_load_leaves_nothing_that_hinders_the_next(
    on_disks: tuple[Bench, Disks], tally: Tally
) -> None:
    bench, disks = on_disks
    bench.source(city(2))
    for place in ("history", "quarantine", "delta log"):
        tally.at(f"first load: {place}")
        assert disks.run_into(bench, *PLACES[place]) in told(disks)
        tally.count("faults")
        Oracle(bench, tally).check_either({})
    Oracle(bench, tally).check_recovery()
