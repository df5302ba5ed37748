"""What was pulled from any kind of source can be compared with it again, and judged again without it."""

from collections.abc import Callable

import pytest
from faults_bench import Bench, city, later
from test_kills import KINDS

from hub.pulling.pipeline import pull
from hub.pulling.reconcile import FOUND, reconcile
from hub.pulling.replay import replay
from ledger.runs import Run


@pytest.mark.parametrize("kind", KINDS)
def test_a_reconciliation_finds_what_no_pull_shows_and_a_replay_changes_nothing(
    bench_of: Callable[[str], Bench], kind: str
) -> None:
    bench = bench_of(kind)
    bench.source(city(3))
    pull(bench.hub, "people", owner="1")
    bench.source(later(bench.rows, 4))
    for turn in range(bench.department.reads):
        pull(bench.hub, "people", owner=f"2.{turn}")
    found = reconcile(bench.hub, "people", owner="3")
    assert differences(found) == {"missing": 0, "changed": 0, "gone": unseen_deaths(kind)}
    before = bench.current()
    again = replay(bench.hub, "people", since=1, owner="4").facts["counts"]
    assert [again[kind] for kind in ("new", "updated", "deleted")] == [0, 0, 0]
    assert bench.current() == before == bench.expected()
    pull(bench.hub, "people", owner="5")
    assert bench.current() == before


def differences(run: Run) -> dict[str, int]:
    return {kind: run.facts["counts"][kind] for kind in FOUND}


def unseen_deaths(kind: str) -> int:
    """One person dies, which a cursor does not show; files still hold the row."""
    return 1 if "incremental" in kind else 0
