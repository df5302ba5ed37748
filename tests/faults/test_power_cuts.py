"""The power goes at every seam of a pull: whatever was not forced to the disk may be gone, and still the oracle holds."""

import random
from collections.abc import Callable

import pytest
from faults_bench import FAR, SEEDS, Bench, city, later
from faults_oracle import Oracle, Tally
from faults_power import Disk

from lake import crash
from lake.history import History
from ledger import loads, runs

CHAIN = 5
KINDS = ("snapshot", "files", "api")


def trials() -> list[object]:
    """Per kind and point as many power cuts as there are seeds; or in all one city's lifetime."""
    if not SEEDS:
        return [pytest.param("snapshot", ["tell.after", "land.after-manifest", "commit.after"], id="once")]
    few = (SEEDS + 3) // 4
    return [
        pytest.param(k, [p] * n, id=f"{k}-{p}")
        for k, n in zip(KINDS, (SEEDS, few, few), strict=True)
        for p in crash.POINTS
    ]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kind", "points"), trials())
def test_a_power_cut_at_any_seam_loses_nothing_that_was_told_and_the_next_run_converges(
    bench_of: Callable[[str], Bench], tally: Tally, kind: str, points: list[str]
) -> None:
    for number, point in enumerate(points):
        if number % CHAIN == 0:
            bench = bench_of(kind)
        tally.at(f"power cut: {point}")
        bench.source(later(bench.rows, number) if number % CHAIN else city(number))
        unkind = 0.5 if number % CHAIN else 1.0
        power_cut(bench, Oracle(bench, tally), point, random.Random(f"{kind} {point} {number}"), unkind)


def power_cut(bench: Bench, oracle: Oracle, point: str, dice: random.Random, unkind: float) -> None:
    """Kill a pull at `point`; at times another process goes on for a while, and is killed; then the power goes."""
    before, aside = bench.current(), bench.quarantined()
    disk = Disk(bench.home, bench.root.parent / "store", dice, unkind)
    disk.begin()
    owner = dice.choice((None, f"airflow:{bench.trials}"))
    given = {"owner": owner, "ahead": 0, "FAULTS_POWER": str(disk.journal)}
    assert bench.crash(point, **given) == "signal 9"
    if dice.random() < 0.5:
        bench.crash(dice.choice(crash.POINTS), **given | {"ahead": 0 if owner else FAR * bench.trials})
    told = loads.known(bench.hub.ledger, "people")
    ended = {run.run for run in runs.recent(bench.hub.ledger) if run.phase == "published"}
    disk.cut()
    oracle.tally.count("faults")
    oracle.tally.count("lost", disk.lost)
    history = History(bench.hub.lake, "people")
    assert history.number >= told, "what the ledger was told of is on the disk"
    assert ended <= {load.run for load in history.loads()}
    oracle.check_loads()
    if bench.department.reads == 1:
        oracle.check_either(before, bench.expected())
        assert bench.quarantined() in (aside, bench.aside())
    oracle.check_recovery()
