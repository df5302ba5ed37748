"""A kill around the sealing of a landing: rows standardised before it are let go of, those after it are used."""

from collections.abc import Callable

import pytest
from faults_bench import Bench, city, later
from faults_oracle import Oracle, Tally

from lake import landing
from lake.history import History


def prepared(bench: Bench) -> list[str]:
    """The preparations in the work folders, each with whether it is said whose it is."""
    folders = bench.hub.settings.work.glob("people/*/early-*")
    return ["named" if (folder / "prepared.json").exists() else "nameless" for folder in folders]


@pytest.mark.parametrize(
    ("point", "sealed", "left"),
    [("land.before-manifest", False, ["nameless"]), ("land.after-manifest", True, ["nameless"]), ("judge.before-verdict", True, ["named"])],
)  # fmt: skip
def test_what_was_prepared_counts_only_with_its_manifest(
    bench_of: Callable[[str], Bench], tally: Tally, point: str, sealed: bool, left: list[str]
) -> None:
    bench = bench_of("snapshot")
    oracle = Oracle(bench, tally)
    bench.source(city(5))
    bench.pull()
    bench.source(later(bench.rows, 5))
    before = bench.current()
    assert bench.crash(point, owner="airflow:try") == "signal 9"
    tally.count("faults")
    (run, *_) = bench.runs()
    assert (landing.manifest(bench.hub.lake, "people", run.run) is not None) == sealed
    assert prepared(bench) == left
    assert (bench.current(), History(bench.hub.lake, "people").number) == (before, 1)
    oracle.check_recovery(owner="airflow:try")
    assert bench.current() == bench.expected()
    assert prepared(bench) == []
