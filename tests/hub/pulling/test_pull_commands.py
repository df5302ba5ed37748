"""hub pull, runs, reconcile and replay on the command line: what a run did is told as it was, and `--json` is for machines."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from command_line import Run
from modes_bench import sieve_alone

PEOPLE = Path(__file__).parents[2] / "faults" / "people.odcs.yaml"
IDS = ("110101199003074610", "440308199901101512", "610104196209276908")


@pytest.fixture
def pulled(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line of a hub with one dataset that was pulled once: two good rows and one without its name."""
    sieve_alone(monkeypatch)
    monkeypatch.setenv("HUB_JUDGE_MEMORY_MB", "256")
    (tmp_path / "home" / "drop").mkdir(parents=True)
    source(tmp_path, (IDS[0], "张三", 1), (IDS[1], "李四", 2), (IDS[2], None, 3))
    assert run("contract", "apply", str(PEOPLE))[0] == 0
    assert run("pull", "people", "--json")[0] == 0
    return run


def source(root: Path, *rows: tuple[str, str | None, int]) -> None:
    with sqlite3.connect(root / "home" / "drop" / "people.db") as db:
        db.execute('DROP TABLE IF EXISTS "人口"')
        db.execute('CREATE TABLE "人口" ("身份证号" TEXT, "姓名" TEXT, n INTEGER)')
        db.executemany('INSERT INTO "人口" VALUES (?, ?, ?)', rows)
    db.close()


def told(run: Run, *words: str) -> Any:
    code, out, err = run(*words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def five(of: dict[str, Any]) -> list[int]:
    return [of[name] for name in ("read", "changed", "unchanged", "deleted", "quarantined")]


def test_a_run_is_shown_with_the_counts_bytes_and_seconds_that_it_had(pulled: Run, tmp_path: Path) -> None:
    source(tmp_path, (IDS[0], "张三", 7), (IDS[1], "李四", 2), (IDS[2], None, 3))
    second = told(pulled, "pull", "people")
    assert five(second) == [3, 1, 1, 0, 1]
    newest, first = told(pulled, "runs", "list", "people")
    assert five(first) == [3, 2, 0, 0, 1]
    assert (newest["run"], newest["load"]) == (second["run"], 2)
    shown = told(pulled, "runs", "show", second["run"][:8])
    assert five(shown) == [3, 1, 1, 0, 1]
    assert shown["bytes"] > 0
    assert shown["files"] == 1
    assert shown["seconds"] >= sum(shown["steps"].values()) * 0.5
    assert set(shown["steps"]) == {"read", "judge", "publish"}
    people = pulled("runs", "show", second["run"])[1]
    assert "published" in people
    assert IDS[0] not in people


def test_a_dry_run_publishes_nothing_and_a_full_one_reads_everything(pulled: Run, tmp_path: Path) -> None:
    source(tmp_path, (IDS[0], "张三", 9), (IDS[1], "李四", 2), (IDS[2], None, 3))
    tried = told(pulled, "pull", "people", "--dry-run")
    assert five(tried)[:2] == [3, 1]
    assert five(told(pulled, "pull", "people"))[:2] == [3, 1], "the dry run had published nothing"
    assert five(told(pulled, "pull", "people", "--full")) == [3, 0, 2, 0, 1]
    assert [r["phase"] for r in told(pulled, "runs", "list")].count("published") == 3


def test_the_pipeline_goes_by_its_steps_too(pulled: Run, tmp_path: Path) -> None:
    source(tmp_path, (IDS[0], "张三", 9), (IDS[1], "李四", 2))
    claimed = told(pulled, "read", "people")
    assert (claimed["phase"], claimed["read"]) == ("landed", 2)
    assert told(pulled, "judge", claimed["run"])["phase"] == "judged"
    assert five(told(pulled, "publish", claimed["run"], "--accept-deletions"))[:2] == [2, 1]


def test_a_replay_asks_the_source_nothing_and_a_reconciliation_compares_with_it(pulled: Run, tmp_path: Path) -> None:
    same = told(pulled, "reconcile", "people")
    assert (same["phase"], same["counts"]["missing"], same["counts"]["gone"]) == ("reconciled", 0, 0)
    (tmp_path / "home" / "drop" / "people.db").unlink()
    again = told(pulled, "replay", "people", "--from", "1")
    assert again["counts"]["new"] == again["counts"]["updated"] == 0
    code, out, err = pulled("reconcile", "people", "--json")
    assert (code, out) == (1, "")
    assert json.loads(err)["title"] == "source missing"


def test_what_is_asked_wrongly_is_told_on_standard_error_alone(pulled: Run) -> None:
    for words, code in (
        (("pull", "nothing"), 3),
        (("runs", "show", "nothing"), 3),
        (("reconcile",), 3),
        (("pull",), 2),
    ):
        ended, out, err = pulled(*words)
        assert (ended, out) == (code, "")
        assert err
