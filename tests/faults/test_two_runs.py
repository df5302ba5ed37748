"""Two runs of one dataset at once, holders of a lease that sleep past it, and a ledger that lost its pipeline tables."""

import os
import signal
from collections.abc import Callable

import pytest
from faults_bench import FAR, SEEDS, Bench, city, later, moved
from faults_oracle import Oracle, Reader, Tally

from hub import maintenance
from hub.core import Hub
from lake import crash
from lake.history import History
from ledger import loads

# At land.part the read of a SQLite source is not over, and nobody can write there.
PAUSES = [p for p in crash.POINTS[: crash.POINTS.index("commit.after")] if p != "land.part"]
PAUSES = PAUSES if SEEDS else ["land.before-manifest", "append.written"]
KINDS = ("snapshot", "incremental", "files") if SEEDS else ("snapshot",)


def paused(bench: Bench, point: str, owner: str) -> int:
    """A run that stands still at `point`."""
    child = bench.start(HUB_CRASH_AT=point, HUB_CRASH_SIGNAL="STOP", owner=owner)
    assert bench.zygote.wait(child) == "stopped"
    return child


def woken(bench: Bench, child: int) -> str:
    """How a run that stood still ends once it goes on."""
    os.kill(child, signal.SIGCONT)
    return bench.zygote.wait(child)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_wakes_after_another_took_its_lease_publishes_nothing(
    bench_of: Callable[[str], Bench], tally: Tally, kind: str
) -> None:
    bench = bench_of(kind)
    oracle = Oracle(bench, tally)
    bench.source(city(4))
    oracle.check_recovery()
    for number, point in enumerate(PAUSES):
        tally.at(f"asleep past its lease: {point}")
        with Reader(bench, tally):
            bench.source(later(bench.rows, number))
            zombie = paused(bench, point, f"zombie {number}")
            bench.source(moved(bench.rows))
            assert bench.pull(ahead=FAR * bench.trials, owner=f"heir {number}") == "exit 0"
            after = bench.current()
            assert woken(bench, zombie) == "superseded"
            tally.count("faults")
            oracle.check_either(after)
            assert f"zombie {number}" not in {r.owner for r in bench.runs() if r.phase == "published"}
            oracle.check_recovery()


@pytest.mark.parametrize(
    "point", ["land.part", "judge.before-verdict", "append.written", "commit.before"] if SEEDS else ["append.written"]
)
def test_a_task_tried_again_beside_its_own_sleeping_try_publishes_once(
    bench_of: Callable[[str], Bench], tally: Tally, point: str
) -> None:
    bench = bench_of("snapshot")
    bench.source(city(5))
    tally.at(f"tried again beside a sleeping try: {point}")
    with Reader(bench, tally):
        zombie = paused(bench, point, "airflow:task")
        assert bench.pull(owner="airflow:task") == "exit 0"
        after = bench.current()
        assert woken(bench, zombie) in ("exit 0", "superseded", "retry", "source-damaged")
        tally.count("faults")
        oracle = Oracle(bench, tally)
        oracle.check_either(after)
        assert History(bench.hub.lake, "people").number == 1
        oracle.check_converged()


def test_of_two_runs_at_once_one_works_and_one_is_told_to_wait(bench_of: Callable[[str], Bench], tally: Tally) -> None:
    bench = bench_of("snapshot")
    bench.source(city(6))
    first = paused(bench, "land.part", "first")
    assert bench.pull(owner="second") == "busy"
    assert woken(bench, first) == "exit 0"
    tally.count("faults")
    Oracle(bench, tally).check_converged()
    assert History(bench.hub.lake, "people").number == 1


def test_dropped_pipeline_tables_can_be_rebuilt_from_the_lake(bench_of: Callable[[str], Bench], tally: Tally) -> None:
    bench = bench_of("snapshot")
    bench.source(city(7))
    bench.pull()
    bench.source(later(bench.rows, 7))
    bench.crash("tell.before")
    bench.pull(ahead=FAR)
    told = loads.history(bench.hub.ledger, "people")
    with bench.hub.ledger.write() as connection:
        for table in ("runs", "leases", "loads", "dataset_states"):
            connection.exec_driver_sql(f"DROP TABLE {table}")
    bench.close()
    bench.hub = Hub(bench.hub.settings)
    assert maintenance.rebuild(bench.hub) == {"people": 3}
    again = loads.history(bench.hub.ledger, "people")
    assert [(x.load, x.run, x.rows, x.counts, x.facts) for x in again] == [
        (x.load, x.run, x.rows, x.counts, x.facts) for x in told
    ]
    Oracle(bench, tally).check_recovery()


def test_a_second_run_without_changes_writes_no_row_and_no_data_file(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("snapshot")
    bench.source(city(8))
    bench.pull()
    before = data_files(bench)
    assert bench.pull() == "exit 0"
    assert data_files(bench) == before
    assert History(bench.hub.lake, "people").number == 2


def data_files(bench: Bench) -> list[tuple[str, int]]:
    return sorted((str(p), p.stat().st_mtime_ns) for p in bench.hub.lake.rglob("*.parquet") if "landing" not in p.parts)
