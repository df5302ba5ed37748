"""kill -9 at every seam of a pull, from every kind of source: the oracle holds after each, and a reader sees only whole loads."""

import random
from collections.abc import Callable

import pytest
from faults_bench import FAR, SEEDS, Bench, city, later
from faults_oracle import Oracle, Reader, Tally

from lake import crash
from lake.history import History

KINDS = (
    "snapshot", "incremental", "files", "api",
    *(pytest.param(k, marks=pytest.mark.needs_postgres) for k in ("ledger on postgresql", "postgresql incremental")),
    pytest.param("mariadb snapshot", marks=pytest.mark.needs_mariadb),
)  # fmt: skip
SERVERS = 3
"""So many kinds at the end need a server; they get a quarter of the seeds."""
CHAIN = 5
"""So many kills one city lives through; the first of them in its very first load."""
Trial = tuple[str, int]


def campaign() -> list[object]:
    """Each kind with its trials (crash point, seed): every point by every seed, or once round all points and kinds."""
    cells = []
    for i, kind in enumerate(KINDS):
        marks, name = getattr(kind, "marks", ()), getattr(kind, "values", (kind,))[0]
        short = [(point, j) for j, point in enumerate(crash.POINTS) if j % len(KINDS) == i]
        seeds = SEEDS if i < len(KINDS) - SERVERS else (SEEDS + 3) // 4
        long = [[(point, seed) for seed in range(seeds)] for point in crash.POINTS]
        cells += [pytest.param(name, t, id=f"{name}-{t[0][0]}", marks=marks) for t in (long if SEEDS else [short])]
    return cells


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kind", "trials"), campaign())
def test_a_kill_at_any_seam_loses_nothing_and_the_next_run_converges(
    bench_of: Callable[[str], Bench], tally: Tally, kind: str, trials: list[Trial]
) -> None:
    for start in range(0, len(trials), CHAIN):
        bench = bench_of(kind)
        oracle = Oracle(bench, tally)
        for number, (point, seed) in enumerate(trials[start : start + CHAIN]):
            tally.at(point)
            bench.source(later(bench.rows, seed) if number else city(seed))
            with Reader(bench, tally):
                killed(bench, oracle, point, random.Random(f"{point} {seed}"))


def killed(bench: Bench, oracle: Oracle, point: str, dice: random.Random) -> None:
    """Kill a pull at `point`, at times its successor as well; then the same task is tried again, or another run comes."""
    owner = dice.choice(("airflow:try", None)) and f"airflow:{bench.trials}"
    before = bench.current()
    nth = f":{dice.randint(1, bench.department.parts)}" if point == "land.part" else ""
    assert bench.crash(point + nth, owner=owner) == "signal 9"
    oracle.tally.count("faults")
    oracle.check_loads()
    if bench.department.reads == 1:
        oracle.check_either(before, bench.expected())
    if dice.random() < 0.2:
        again = dice.choice(crash.POINTS)
        if bench.crash(again, owner=owner, ahead=0 if owner else FAR * bench.trials) == "signal 9":
            oracle.tally.count("faults")
        oracle.check_loads()
    oracle.check_recovery(owner=owner)


def test_the_same_task_tried_again_after_a_kill_takes_up_its_own_run(bench_of: Callable[[str], Bench]) -> None:
    bench = bench_of("snapshot")
    bench.source(city(3))
    assert bench.crash("append.synced", owner="airflow:try") == "signal 9"
    assert bench.pull(owner="airflow:try") == "exit 0"
    assert History(bench.hub.lake, "people").number == 1
    assert [run.phase for run in bench.runs()] == ["published"]
