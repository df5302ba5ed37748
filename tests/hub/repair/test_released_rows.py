"""Rows in quarantine after a rule was put right: judged again from kept landing; what became of each row, and how old it is."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from modes_bench import Bench, sieve_alone

from hub.core import utc_now
from hub.pulling import pipeline
from hub.pulling.replay import replay
from hub.repair import amending, quarantined, returns
from hub.repair.handout import export
from hub.repair.release import release, waive
from lake import crash, landing, quarantine, upkeep
from lake.history import History
from ledger import loads, runs
from schemas.errors import DeliveryHeld, Invalid, Stop

DAY = "2026-03-01 08:00:00"
GOOD = [("1", "甲", "有效", 1, DAY), ("2", "乙", "有效", 1, DAY)]
ENDED = ("3", "丙", "终止", 1, DAY)
LOST = ("4", "丁", "遗失", 1, DAY)


@pytest.fixture(autouse=True)
def _sieve_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sieve_alone(monkeypatch)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Two rows published, two set aside; then the contract learns the code of one of them."""
    made = Bench(tmp_path)
    made.apply()
    made.source([*GOOD, ENDED, LOST])
    made.pull()
    return made


def learn(bench: Bench) -> None:
    bench.codes["终止"] = "ended"
    bench.apply()


def states(bench: Bench) -> dict[str, str]:
    """Each key's newest state."""
    with duckdb.connect() as con:
        quarantine.create_states(con, bench.hub.lake, "things", "s")
        return {
            json.loads(key)[0]: state
            for key, state in con.execute(
                "SELECT _key, state FROM s WHERE state <> 'renewed' ORDER BY _landing, state = 'open'"
            ).fetchall()
        }


def seqs(bench: Bench) -> dict[str, int]:
    """`_seq` of every row of the history, by key."""
    with duckdb.connect() as con:
        files = ", ".join(f"'{f.path}'" for f in History(bench.hub.lake, "things").files())
        return dict(
            con.execute(f"SELECT id, _seq FROM read_parquet([{files}], union_by_name=true) ORDER BY _load").fetchall()
        )


def test_a_released_row_is_read_from_its_landing_and_keeps_its_place_in_order(bench: Bench) -> None:
    learn(bench)
    bench.sql('DROP TABLE "登记"')  # the source is not asked
    done = release(bench.hub, "things", owner="r")
    assert (done.phase, done.facts["released"], done.facts["still"]) == ("published", 1, 1)
    assert bench.current()["3"] == ("丙", "ended", 1)
    assert seqs(bench)["3"] == (1 << 32) + 2
    assert states(bench) == {"3": "released", "4": "open"}
    head = History(bench.hub.lake, "things").head()
    assert head is not None
    assert (head.kind, head.rows, head.verdict["from"]) == ("release", 3, 1)


def test_if_nothing_passes_nothing_is_published(bench: Bench) -> None:
    done = release(bench.hub, "things", owner="r")
    assert (done.phase, done.facts["still"], bench.head) == ("dry", 2, 1)
    learn(bench)
    assert release(bench.hub, "things", owner="r2", dry_run=True).facts["released"] == 1
    assert (bench.head, states(bench)["3"]) == (1, "open")
    assert release(bench.hub, "things", owner="r3").phase == "published"


def test_a_row_that_a_later_version_or_deletion_overtook_is_superseded(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sync="incremental")
    bench.apply()
    bench.source([*GOOD])
    bench.pull()
    bench.source([*GOOD, ENDED, ("5", "戊", "终止", 1, "2026-03-02 08:00:00")])
    bench.pull()
    pipeline.rollback(bench.hub, "things", to=1, reason="a test", owner="back")
    restate(bench, "3", 9)
    learn(bench)
    done = release(bench.hub, "things", owner="r")
    assert (done.facts["released"], done.facts["superseded"]) == (1, 1)
    assert states(bench) == {"3": "superseded", "5": "released"}
    assert bench.current()["3"] == ("丙", "active", 9)


def restate(bench: Bench, key: str, n: int) -> None:
    """Publish a version of the key by way of a partial delivery that quarantine has not heard of."""
    contract = bench.hub.contract("things")
    run = pipeline.claim(bench.hub, "things", "restate")
    from lake import changes
    from lake.hashing import of_values
    from lake.session import session

    with session(bench.root, 256) as con:
        row = f"SELECT '{key}' AS id, '丙' AS name, 'active' AS state, {n}::BIGINT AS n, TIMESTAMPTZ '2026-03-05 08:00:00+00' AS at"
        mine = f"'upsert' AS _op, {run.load}::BIGINT AS _load, {run.landing << 32}::BIGINT AS _seq"
        select = f"SELECT *, {mine}, {of_values(contract)} AS _hash FROM ({row})"
        rows = amending.head_of(bench.hub, contract).rows + 1
        found = changes.append(
            con, bench.hub.lake, contract, select, load=run.load, run=run.run, rows=rows, counts={"new": 1, "updated": 0, "deleted": 0}
        )  # fmt: skip
    amending.publish(
        bench.hub, run, contract, found, kind="rollback", verdict={"outcome": "rollback", "to": bench.head}
    )


def test_a_row_deleted_later_is_not_brought_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sync="incremental")
    bench.apply()
    bench.source([*GOOD, ("3", "丙", "有效", 1, DAY)])
    bench.pull()
    bench.source([*GOOD, ("3", "丙", "终止", 2, "2026-03-02 08:00:00")])
    bench.pull()
    back = bench.hub.contract("things")
    run = pipeline.claim(bench.hub, "things", "delete")
    from lake import changes
    from lake.session import session

    with session(bench.root, 256) as con:
        select = (
            "SELECT '3' AS id, NULL::VARCHAR AS name, NULL::VARCHAR AS state, NULL::BIGINT AS n, NULL::TIMESTAMPTZ AS at, "
            f"'delete' AS _op, {run.load}::BIGINT AS _load, {run.landing << 32}::BIGINT AS _seq, NULL::BIGINT AS _hash"
        )
        found = changes.append(
            con, bench.hub.lake, back, select, load=run.load, run=run.run, rows=2, counts={"new": 0, "updated": 0, "deleted": 1}
        )  # fmt: skip
    amending.publish(bench.hub, run, back, found, kind="rollback", verdict={"outcome": "rollback", "to": 1})
    learn(bench)
    assert release(bench.hub, "things", owner="r").facts["superseded"] == 1
    head = History(bench.hub.lake, "things").head()
    assert head is not None
    assert (set(bench.current()), head.rows) == ({"1", "2"}, 2)


def test_of_a_landing_past_retention_the_values_kept_with_the_row_are_judged(bench: Bench) -> None:
    learn(bench)
    shutil.rmtree(landing.folder(bench.hub.lake, "things", runs.recent(bench.hub.ledger)[0].run))
    assert release(bench.hub, "things", owner="r").facts["released"] == 1
    assert (bench.current()["3"], states(bench)) == (("丙", "ended", 1), {"3": "released", "4": "open"})


def test_files_are_read_again_where_they_lie_and_rivals_for_a_key_stay_rivals(tmp_path: Path) -> None:
    bench = Bench(tmp_path, kind="csv", sync="append", table="drop")
    bench.apply()
    rivals = [("7", "庚", "终止", 1, DAY), ("7", "庚", "终止", 2, DAY)]
    bench.file("drop_1.csv", [*GOOD, ENDED])
    bench.file("drop_2.csv", [LOST, *rivals, ("8", "辛", "终止", 1, DAY)])
    bench.pull()
    bench.file("drop_3.csv", [("9", "壬", "终止", 1, DAY)])
    bench.pull()
    learn(bench)
    done = release(bench.hub, "things", owner="r")
    assert (done.facts["released"], done.facts["still"], done.facts["lost"]) == (3, 3, 0)
    assert set(bench.current()) == {"1", "2", "3", "8", "9"}
    assert bench.quarantined() == {"4": "state.code", "7": "key.duplicate"}


def test_a_held_delivery_is_not_released_row_by_row(tmp_path: Path) -> None:
    bench = Bench(tmp_path, customs={"limits": {"deleted": 0.5, "rejected": 0.3}})
    bench.apply()
    with pytest.raises(Stop, match="nothing of things is published yet"):
        release(bench.hub, "things", owner="r0")
    bench.source(GOOD)
    bench.pull()
    bench.source([*GOOD, ENDED, LOST])
    with pytest.raises(DeliveryHeld):
        bench.pull()
    learn(bench)
    assert release(bench.hub, "things", owner="r").phase == "dry"
    assert set(bench.current()) == {"1", "2"}
    bench.pull()
    assert set(bench.current()) == {"1", "2", "3"}


def test_a_row_corrected_at_its_source_leaves_by_itself_and_so_does_one_that_is_gone(bench: Bench) -> None:
    bench.source([*GOOD, ("3", "丙", "有效", 1, DAY)])
    bench.pull()
    assert states(bench) == {"3": "corrected", "4": "corrected"}
    bench.source([*GOOD, ENDED])
    bench.pull()
    assert states(bench)["3"] == "open"
    bench.source([*GOOD, ("3", "丙", "遗失", 1, DAY)])
    bench.pull()
    with duckdb.connect() as con:
        quarantine.create_states(con, bench.hub.lake, "things", "s")
        found = con.execute(
            """SELECT list(state ORDER BY _landing, state = 'open') FROM s WHERE _key = '["3"]'"""
        ).fetchone()
    assert found == (["superseded", "open"],)


def later(bench: Bench, days: float) -> None:
    bench.hub = replace(bench.hub, clock=lambda: utc_now() + timedelta(days=days))


def test_ages_are_told_by_rule_and_a_repeated_or_half_corrected_row_does_not_grow_young(bench: Bench) -> None:
    later(bench, 40)
    bench.source([*GOOD, ENDED, ("4", "丁丁", "遗失", 1, DAY), ("5", "戊", "不明", 1, DAY)])
    bench.pull()
    (found,) = quarantined.summary(bench.hub, "things")
    assert (found["rule"], found["rows"], found["days"]) == ("state.code", 3, 40)
    assert found["ages"] == {"0-7": 1, "8-30": 0, "31-90": 2, "91+": 0}
    assert (found["superseded"], found["corrected"], found["department"]) == (1, 0, "市局")
    assert found["last_seen"] == f"{bench.hub.clock():%Y-%m-%d}"
    assert found["since"] == f"{utc_now():%Y-%m-%d}"
    assert quarantined.summary(bench.hub, department="别的局") == []


def test_a_waived_row_is_asked_for_no_more_until_it_comes_right(bench: Bench) -> None:
    contract = bench.hub.contract("things")
    done = waive(bench.hub, contract, numbers=("q1.4",), rule=None, reason="paper only", owner="w")
    assert (done.phase, done.facts["waived"], states(bench)["4"]) == ("published", 1, "waived")
    bench.pull()
    bench.options["n"] = {"maximum": 100}  # other rules, and the same fault
    bench.apply()
    bench.pull()
    assert (set(bench.quarantined()), states(bench)["4"]) == ({"3"}, "waived")
    (found,) = quarantined.summary(bench.hub, "things")
    assert (found["rows"], found["waived"]) == (1, 1)
    bench.source([*GOOD, ENDED, ("4", "丁", "遗失", 1000, DAY)])
    bench.pull()
    assert states(bench)["4"] == "open", "it is another row now"
    bench.source([*GOOD, ENDED, ("4", "丁", "有效", 1, DAY)])
    bench.pull()
    assert states(bench)["4"] == "corrected"


def test_a_waiver_is_taken_back_and_one_of_nothing_publishes_nothing(bench: Bench) -> None:
    contract = bench.hub.contract("things")
    waive(bench.hub, contract, numbers=(), rule="state.code", reason="a test", owner="w")
    assert bench.quarantined() == {}
    waive(bench.hub, contract, numbers=("Q1.3",), rule=None, reason="a test", owner="w2", undo=True)
    assert set(bench.quarantined()) == {"3"}
    assert waive(bench.hub, contract, numbers=("Q7.7",), rule=None, reason="a test", owner="w3").phase == "dry"
    for numbers in ((), ("3",)):
        with pytest.raises(Invalid, match="which rows"):
            waive(bench.hub, contract, numbers=numbers, rule=None, reason="a test", owner="w4")


def test_a_replay_knows_what_a_release_stands_for(bench: Bench) -> None:
    bench.source([*GOOD, ENDED, LOST, ("6", "己", "有效", 1, DAY)])
    bench.pull()
    learn(bench)
    release(bench.hub, "things", owner="r")
    before = bench.current()
    with pytest.raises(Stop, match="release that reaches back to load 1"):
        replay(bench.hub, "things", since=2, owner="p")
    replay(bench.hub, "things", since=1, owner="p2")
    assert bench.current() == before
    assert bench.quarantined() == {"4": "state.code"}


class Killed(BaseException):
    pass


def corrected(bench: Bench) -> bytes:
    """The exported file with both rows put right."""
    file = io.BytesIO()
    export(bench.hub, bench.hub.contract("things"), "csv", file)
    return file.getvalue().replace("遗失".encode(), "有效".encode()).replace("终止".encode(), "有效".encode())


def upload(bench: Bench, content: bytes) -> Any:
    return returns.take_back(
        bench.hub, bench.hub.contract("things"), io.BytesIO(content), "csv", "fixed.csv", owner="same", who="w", record=lambda _: None
    )  # fmt: skip


AMENDMENTS: dict[str, Callable[[Bench, bytes], Any]] = {
    "upload": upload,
    "release": lambda bench, _: release(bench.hub, "things", owner="same"),
    "waive": lambda bench, _: waive(
        bench.hub, bench.hub.contract("things"), numbers=("Q1.3",), rule=None, reason="a test", owner="same"
    ),
}
SEAMS = {
    "upload": ("land.part", "land.after-manifest", "publish.quarantine-committed", "commit.after"),
    "release": ("publish.quarantine-committed", "append.synced", "tell.before"),
    "waive": ("publish.quarantine-committed", "commit.after"),
}
AFTER = {"upload": ({"1", "2", "3", "4"}, set()), "release": ({"1", "2", "3"}, {"4"}), "waive": ({"1", "2"}, {"4"})}


@pytest.mark.parametrize("kind", AMENDMENTS)
def test_cut_off_at_any_seam_it_is_whole_or_was_not_and_is_whole_after_the_next_try(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    learn(bench)
    before, content = ({"1", "2"}, {"3", "4"}), corrected(bench)
    bench.hub.ledger.dispose()
    for seam in SEAMS[kind]:
        trial = Bench(shutil.copytree(bench.root, bench.root / f"at {seam}", ignore=shutil.ignore_patterns("at *")))

        def point(name: str, at: str = seam) -> None:
            if name == at:
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(crash, "point", point)
            with pytest.raises(Killed):
                AMENDMENTS[kind](trial, content)
        told = seam in ("commit.after", "tell.before")
        assert (set(trial.current()), set(trial.quarantined())) == (AFTER[kind] if told else before), seam
        AMENDMENTS[kind](trial, content)  # the same request once more
        assert (set(trial.current()), set(trial.quarantined())) == AFTER[kind], seam
        head = History(trial.hub.lake, "things").head()
        assert head is not None
        assert (head.load, head.rows) == (2, len(AFTER[kind][0])), seam
        assert loads.known(trial.hub.ledger, "things") == 2, seam


def test_upkeep_leaves_nothing_of_a_killed_upload(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def point(name: str) -> None:
        if name == "append.written":
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(crash, "point", point)
        with pytest.raises(Killed):
            upload(bench, corrected(bench))
    assert [*bench.hub.settings.work.rglob("*.parquet")] != []
    runs.forget(bench.hub.ledger)
    pipeline.clear_work(bench.hub)
    assert [*bench.hub.settings.work.rglob("*.parquet")] == []
    upkeep.clean_landing(bench.hub.lake, bench.hub.contract("things"), now=utc_now(), running=frozenset)
