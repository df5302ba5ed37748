"""A reconciliation finds what cursors cannot, takes nothing else for a finding, and puts right what it found."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import servers
from http_servers import http_server
from modes_bench import Bench, sieve_alone
from test_fetched_files import Fetched

from hub.core import Hub
from hub.pulling.reconcile import due, reconcile, repair
from ledger import incidents, loads, runs
from schemas.errors import Stop

ROWS: list[tuple[Any, ...]] = [(f"KEY-{n:04d}", "甲", "有效", n, f"2026-03-0{n} 08:00:00") for n in range(1, 6)]


@pytest.fixture(autouse=True)
def _sieve_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sieve_alone(monkeypatch)


def made(root: Path, **given: Any) -> Bench:
    bench = Bench(root, **{"sync": "incremental", **given})
    bench.apply()
    return bench


def found(run: runs.Run) -> tuple[int, ...]:
    return tuple(run.facts["counts"][kind] for kind in ("missing", "changed", "gone", "pending", "quarantined"))


def open_incidents(bench: Bench) -> list[str]:
    with bench.hub.ledger.read() as connection:
        query = incidents.incidents.select().where(incidents.incidents.c.closed_at.is_(None))
        return sorted(row.kind for row in connection.execute(query))


def behind_the_cursor(bench: Bench) -> None:
    """A deletion, a silent change and a late row, none of which the cursor shows; and a new row, which it does."""
    table = f'"{bench.table}"'
    bench.sql(
        f"DELETE FROM {table} WHERE \"编号\" = 'KEY-0001'",
        f"UPDATE {table} SET \"姓名\" = '改' WHERE \"编号\" = 'KEY-0002'",
        f"INSERT INTO {table} VALUES ('KEY-0000', '迟', '有效', 0, '2026-03-01 00:00:00')",
        f"INSERT INTO {table} VALUES ('KEY-0009', '新', '有效', 9, '2026-03-09 00:00:00')",
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_late_rows_silent_changes_and_deletions_are_found_and_repaired(
    tmp_path: Path, kind: str, postgres_url: str
) -> None:
    with servers.database(postgres_url, "hub_reconcile") as url:
        bench = made(tmp_path, **({"kind": kind, "url": url, "table": "things"} if kind == "postgres" else {}))
        bench.source([*ROWS, ("KEY-0007", "乙", "未知", 7, "2026-03-05 08:00:00")])
        bench.pull()
        assert found(reconcile(bench.hub, "things", owner="0")) == (0, 0, 0, 0, 1)
        behind_the_cursor(bench)
        run = reconcile(bench.hub, "things", owner="1")
        assert found(run) == (1, 1, 1, 1, 1)
        assert run.phase == "reconciled"
        assert run.facts["keys"] == {"missing": ["KE***00"], "changed": ["KE***02"], "gone": ["KE***01"]}
        assert open_incidents(bench) == ["differs"]
        assert loads.conditions(bench.hub.ledger)["things"][0] == "ok"
        bench.pull()
        assert open_incidents(bench) == ["differs"]  # which a pull by cursor does not end
        assert found(reconcile(bench.hub, "things", owner="2")) == (1, 1, 1, 0, 1)
        repair(bench.hub, "things", owner="3")
        assert found(reconcile(bench.hub, "things", owner="4")) == (0, 0, 0, 0, 1)
        assert open_incidents(bench) == []
        assert set(bench.current()) == {f"KEY-000{n}" for n in (0, 2, 3, 4, 5, 9)}


def test_what_every_pull_reads_anyway_is_pending_and_not_a_finding(tmp_path: Path) -> None:
    bench = made(tmp_path, sync="snapshot")
    bench.source(ROWS)
    bench.pull()
    behind_the_cursor(bench)
    assert found(reconcile(bench.hub, "things", owner="1")) == (0, 0, 0, 4, 0)
    assert open_incidents(bench) == []


def test_files_not_read_yet_are_pending_and_a_file_changed_after_it_was_read_is_pending_too(tmp_path: Path) -> None:
    bench = made(tmp_path, kind="csv", sync="append", table="drop")
    bench.file("drop_1.csv", ROWS[:2])
    bench.pull()
    bench.file("drop_2.csv", ROWS[2:4])
    assert found(reconcile(bench.hub, "things", owner="1")) == (0, 0, 0, 2, 0)
    bench.pull()
    assert found(reconcile(bench.hub, "things", owner="2")) == (0, 0, 0, 0, 0)
    bench.file("drop_1.csv", [ROWS[4]])
    assert found(reconcile(bench.hub, "things", owner="3")) == (0, 0, 0, 1, 0)
    assert list(bench.hub.settings.work.rglob("*")) == [bench.hub.settings.work / "things"]


def test_a_row_of_a_file_that_was_read_is_missing_and_one_of_a_file_not_read_yet_is_pending(tmp_path: Path) -> None:
    """The first was set aside; the contract has since learnt its code, which no pull of new files brings to light."""
    bench = made(tmp_path, kind="csv", sync="append", table="drop")
    bench.file("drop_1.csv", [*ROWS[:2], ("KEY-0007", "乙", "未知", 7, "2026-03-05 08:00:00")])
    bench.pull()
    bench.codes["未知"] = "unknown"
    bench.apply()
    bench.file("drop_2.csv", ROWS[2:4])
    assert found(reconcile(bench.hub, "things", owner="1")) == (1, 0, 0, 2, 0)
    assert open_incidents(bench) == ["differs"]


@pytest.mark.parametrize(("misses", "gone"), [((2,), 0), ((2, 3), 1)], ids=["once", "twice"])
def test_a_source_without_a_snapshot_is_asked_twice_before_a_row_counts_as_gone(
    tmp_path: Path, misses: tuple[int, ...], gone: int
) -> None:
    """A row may slip from one page to the one before while the pages are asked for."""
    records = [{"编号": r[0], "姓名": r[1], "状态": r[2], "数": r[3], "at": r[4]} for r in ROWS]
    full = count(1)

    def answer(_path: str, query: dict[str, str], _token: str) -> tuple[int, bytes]:
        found = [r for r in records if r["at"] >= query.get("since", "")]
        if "since" not in query and next(full) in misses:
            found = found[1:]
        return 200, json.dumps(found).encode()

    with http_server(answer) as port:
        block = {"type": "api", "location": f"http://127.0.0.1:{port}"}
        says = {"syncMode": "incremental", "cursor": "at", "options": {"updatedSince": "since"}}
        bench = Fetched(tmp_path, sync="incremental", block=block, says=says)
        bench.apply()
        bench.pull()
        assert found(reconcile(bench.hub, "things", owner="1")) == (0, 0, gone, 0, 0)
        assert next(full) == 4


def test_nothing_is_landed_nor_published_by_a_reconciliation(tmp_path: Path) -> None:
    bench = made(tmp_path)
    bench.source(ROWS)
    with pytest.raises(Stop, match="is published yet"):
        reconcile(bench.hub, "things", owner="0")
    bench.pull()
    before = sorted((bench.hub.lake / "landing").rglob("*")), bench.head
    reconcile(bench.hub, "things", owner="1")
    assert (sorted((bench.hub.lake / "landing").rglob("*")), bench.head) == before


def test_a_reconciliation_is_due_when_the_contract_says_so(tmp_path: Path) -> None:
    bench = made(tmp_path, customs={"reconcile": "weekly"})
    assert due(bench.hub) == []  # nothing is published
    bench.source(ROWS)
    bench.pull()
    assert due(bench.hub) == ["things"]
    reconcile(bench.hub, "things", owner="1")
    assert due(bench.hub) == []
    later = replace(bench.hub, clock=lambda: bench.hub.clock() + timedelta(days=7))
    assert isinstance(later, Hub)
    assert due(later) == ["things"]


def test_a_source_that_fails_during_a_reconciliation_is_not_the_datasets_state(tmp_path: Path) -> None:
    bench = made(tmp_path)
    bench.source(ROWS)
    bench.pull()
    bench.sql('DROP TABLE "登记"')
    with pytest.raises(Exception, match="no table"):
        reconcile(bench.hub, "things", owner="1")
    assert loads.conditions(bench.hub.ledger)["things"][0] == "ok"
    assert open_incidents(bench) == []
