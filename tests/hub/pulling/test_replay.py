"""A replay gives what the pulls would have given under the contract in force, and asks no source."""

import random
from pathlib import Path
from typing import Any

import duckdb
import pytest
import servers
from library_bench import library_at
from modes_bench import Bench, sieve_alone

from hub import maintenance
from hub.pulling import pipeline
from hub.pulling.replay import replay
from lake import inbox, landing, upkeep
from lake.history import History
from ledger import runs
from schemas.errors import DeliveryHeld, Stop

Row = tuple[Any, ...]


@pytest.fixture(autouse=True)
def _sieve_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sieve_alone(monkeypatch)


def day(number: int) -> str:
    return f"2026-03-{number:02d} 08:00:00"


def history_of(seed: int, days: int = 3, size: int = 12) -> list[list[Row]]:
    """A source's states, day by day: births, deaths, corrections, states that the first contract does not know."""
    dice, rows, found = random.Random(seed), {}, []
    for number in range(1, days + 1):
        for i in range(size):
            key = f"K{i:02d}"
            if dice.random() < 0.5 or number == 1:
                rows[key] = (
                    key,
                    dice.choice("甲乙丙"),
                    dice.choice(["有效", "终止", ""]),
                    dice.choice([1, 2, "x"]),
                    day(number),
                    dice.choice(["黄", ""]),
                )
            elif dice.random() < 0.15:
                rows.pop(key, None)
        found.append([*rows.values()])
    return found


def wider(bench: Bench) -> None:
    """The contract learns a code, and a column that was always delivered."""
    bench.codes = {"有效": "active", "终止": "ended"}
    bench.columns.append(("colour", "颜色", "string"))


def test_the_oracle_is_a_hub_that_knew_the_contract_from_the_start(tmp_path: Path) -> None:
    names = [*(s for _, s, _ in Bench(tmp_path / "x").columns), "颜色"]
    for seed in range(2):
        made = Bench(
            tmp_path / f"a{seed}", sync=["snapshot", "incremental"][seed % 2], customs={"drift": {"columns": "evolve"}}
        )
        made.apply()
        twin = made.twin(tmp_path / f"b{seed}")
        wider(twin)
        twin.apply()
        for rows in history_of(seed):
            made.source(rows, names)
            made.pull(accept_deletions=True)
            twin.pull(accept_deletions=True)
        assert made.current() != twin.current()
        wider(made)
        made.apply()
        made.sql('DROP TABLE "登记"')  # the source is not asked
        done = replay(made.hub, "things", since=1, owner="r", accept_deletions=True)
        assert (done.phase, made.head) == ("published", 4)
        assert made.current() == twin.current()
        assert made.quarantined() == twin.quarantined()
        facts = History(made.hub.lake, "things").head()
        assert facts is not None
        assert facts.rows == len(made.current())
        assert facts.watermark == History(twin.hub.lake, "things").head().watermark  # type: ignore[union-attr]


def test_a_replay_from_later_on_begins_with_what_was_published_before(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.apply()
    a, b = ("1", "甲", "终止", 1, day(1)), ("2", "乙", "有效", 1, day(1))
    for rows in ([b, a], [b, a, ("3", "丙", "终止", 1, day(2))], [b, ("3", "丙", "终止", 2, day(3))]):
        made.source(rows)
        made.pull()
    assert set(made.current()) == {"2"}
    made.codes["终止"] = "ended"
    made.apply()
    replay(made.hub, "things", since=2, owner="r")
    assert made.current() == {"2": ("乙", "active", 1), "3": ("丙", "ended", 2)}  # 1 came and went again
    assert made.quarantined() == {}


def test_the_next_pull_after_a_replay_finds_nothing_to_do_and_a_second_replay_neither(tmp_path: Path) -> None:
    made = Bench(tmp_path, sync="incremental")
    made.apply()
    made.source([("1", "甲", "终止", 1, day(1)), ("2", "乙", "有效", 1, day(1))])
    made.pull()
    made.codes["终止"] = "ended"
    made.apply()
    replay(made.hub, "things", since=1, owner="r")
    counts = made.pull().facts["counts"]
    assert (counts["new"], counts["updated"], counts["deleted"]) == (0, 0, 0)
    again = replay(made.hub, "things", since=1, owner="r2").facts["counts"]
    assert (again["new"], again["updated"], again["deleted"]) == (0, 0, 0)


def test_a_row_that_no_longer_passes_goes_back_to_its_last_good_version(tmp_path: Path) -> None:
    made = Bench(tmp_path, codes={"有效": "active", "终止": "ended"})
    made.apply()
    made.source([("1", "甲", "有效", 1, day(1)), ("2", "乙", "终止", 1, day(1))])
    made.pull()
    made.source([("1", "甲", "终止", 2, day(2)), ("2", "乙", "终止", 1, day(1))])
    made.pull()
    made.codes = {"有效": "active"}
    made.apply()
    replay(made.hub, "things", since=1, owner="r", accept_deletions=True)
    assert made.current() == {"1": ("甲", "active", 1)}
    assert made.quarantined() == {"1": "state.code", "2": "state.code"}


def test_a_rollback_in_between_is_repeated_and_one_that_reaches_further_back_is_told(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.apply()
    for n in (1, 2, 3):
        made.source([("1", "甲", "终止", n, day(n)), ("2", "乙", "有效", n, day(n))])
        made.pull()
    pipeline.rollback(made.hub, "things", to=2, reason="a test", owner="back")
    made.codes["终止"] = "ended"
    made.apply()
    with pytest.raises(Stop, match="reaches back to load 3"):
        replay(made.hub, "things", since=4, owner="r")
    replay(made.hub, "things", since=1, owner="r2")
    assert made.current() == {"1": ("甲", "ended", 2), "2": ("乙", "active", 2)}


def test_a_landing_that_was_removed_is_told_with_the_load_from_which_it_can_be_done(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.apply()
    for n in (1, 2):
        made.source([("1", "甲", "有效", n, day(n))])
        made.pull()
    first = History(made.hub.lake, "things").loads()[0]
    (landing.folder(made.hub.lake, "things", first.run) / "manifest.json").unlink()
    upkeep.clean_landing(made.hub.lake, made.hub.contract("things"), now=made.hub.clock(), running=frozenset)
    with pytest.raises(Stop, match=r"landing of load 1 .* was removed") as told:
        replay(made.hub, "things", since=1, owner="r")
    assert told.value.todo == "hub replay things --from 2"
    with pytest.raises(Stop, match="has no load 7"):
        replay(made.hub, "things", since=7, owner="r2")


def test_a_replay_that_would_empty_the_dataset_is_held_and_leaves_everything_as_it_was(tmp_path: Path) -> None:
    made = Bench(tmp_path, customs={"limits": {"deleted": 0.5, "rejected": 0.5}})
    made.apply()
    made.source([(str(n), "甲", "有效", n, day(1)) for n in range(4)])
    made.pull()
    before = made.current()
    made.codes = {"终止": "ended"}
    made.apply()
    with pytest.raises(DeliveryHeld, match="load 1 would be held"):
        replay(made.hub, "things", since=1, owner="r")
    assert (made.current(), made.head, made.quarantined()) == (before, 1, {})
    assert list(made.hub.settings.work.rglob("*.parquet")) == []


@pytest.mark.parametrize(
    ("at", "nth"),  # of a point that both lakes pass the first is the scratch lake's
    [("publish.quarantine-committed", 1), ("commit.before", 2), ("tell.before", 1)],
)
def test_a_replay_cut_off_at_any_point_is_whole_or_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, nth: int
) -> None:
    from lake import crash

    made = Bench(tmp_path)
    made.apply()
    made.source([("1", "甲", "终止", 1, day(1)), ("2", "乙", "有效", 1, day(1))])
    made.pull()
    before = made.current()
    made.codes["终止"] = "ended"
    made.apply()
    passed = 0

    class Killed(BaseException):
        pass

    def point(name: str) -> None:
        nonlocal passed
        passed += name == at
        if name == at and passed == nth:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(crash, "point", point)
        with pytest.raises(Killed):
            replay(made.hub, "things", since=1, owner="r")
    assert made.current() in (before, {"1": ("甲", "ended", 1), "2": ("乙", "active", 1)})
    runs.forget(made.hub.ledger)  # the lease of the dead
    replay(made.hub, "things", since=1, owner="r2")
    assert made.current() == {"1": ("甲", "ended", 1), "2": ("乙", "active", 1)}
    assert made.quarantined() == {}
    maintenance.upkeep(made.hub)
    assert list(made.hub.settings.work.rglob("*.parquet")) == []


def test_files_are_replayed_in_their_order_and_a_column_may_be_younger_than_a_file(tmp_path: Path) -> None:
    made = Bench(tmp_path, kind="csv", sync="append", table="drop")
    made.apply()
    made.file("drop_1.csv", [("1", "甲", "终止", 1, day(1)), ("2", "乙", "有效", 1, day(1))])
    made.pull()
    made.file("drop_2.csv", [("1", "甲", "终止", 2, day(2))])
    made.pull()
    wider(made)
    made.apply()
    made.file("drop_3.csv", [("3", "丙", "有效", 3, day(3), "黄")])
    made.pull()
    replay(made.hub, "things", since=1, owner="r")
    assert made.current() == {
        "1": ("甲", "ended", 2, None), "2": ("乙", "active", 1, None), "3": ("丙", "active", 3, "黄")
    }  # fmt: skip


def test_on_postgresql_a_column_that_a_department_added_is_filled_from_kept_landings(
    tmp_path: Path, postgres_url: str
) -> None:
    with servers.database(postgres_url, "hub_replay") as url:
        made = Bench(tmp_path, kind="postgres", url=url, customs={"drift": {"columns": "evolve"}}, table="things")
        made.apply()
        names = [*(s for _, s, _ in made.columns), "颜色"]
        made.source([("1", "甲", "有效", 1, day(1), "黄"), ("2", "乙", "有效", 1, day(1), None)], names)
        made.pull()
        wider(made)
        made.apply()
        made.sql('DROP TABLE "things"')
        replay(made.hub, "things", since=1, owner="r")
        assert made.current() == {"1": ("甲", "active", 1, "黄"), "2": ("乙", "active", 1, None)}
        with duckdb.connect() as con:
            files = ", ".join(f"'{f.path}'" for f in History(made.hub.lake, "things").files())
            assert con.execute(f"SELECT count(*) FROM read_parquet([{files}], union_by_name=true)").fetchone() == (4,)


def test_what_an_api_lacked_once_is_still_remembered_after_a_replay(tmp_path: Path) -> None:
    made = Bench(tmp_path)
    made.apply()
    made.source([(str(n), "甲", "有效", n, day(n)) for n in range(1, 5)])
    made.pull()
    made.source([(str(n), "甲", "有效", n, day(n)) for n in range(1, 4)])
    with pytest.MonkeyPatch.context() as patched:  # a table is read in one snapshot; an API is not
        patched.setattr("connectors.sql.sqlite.Sqlite.consistent", lambda *_: False)
        made.pull()
        made.apply()
        assert set(made.current()) == {"1", "2", "3", "4"}
        replay(made.hub, "things", since=2, owner="r")
        assert set(made.current()) == {"1", "2", "3", "4"}
        made.pull()
    assert set(made.current()) == {"1", "2", "3"}


def test_pushed_batches_are_replayed_from_landing_and_the_next_pull_reads_on(tmp_path: Path) -> None:
    library = library_at(tmp_path)
    library.send(("c1", "林一", 1), ("c2", None, 2))
    library.pull()
    library.send(("c1", "林一", 5))
    library.pull()
    assert library.current() == {"c1": ("林一", 5)}
    library.agree(("logicalType: string, required: true}", "logicalType: string}"))
    place, away = inbox.folder(library.hub.lake, "arrivals"), tmp_path / "away"
    place.rename(away)  # what the department sent is not looked at again
    done = replay(library.hub, "arrivals", since=1, owner="r")
    away.rename(place)
    assert (done.phase, done.load) == ("published", 3)
    assert library.current() == {"c1": ("林一", 5), "c2": (None, 2)}
    receipt = library.send(("c3", "林二", 1))
    assert library.pull().facts["counts"]["delivered"] == 1
    assert library.fate(receipt)["status"] == "published"
    assert library.current().keys() == {"c1", "c2", "c3"}
