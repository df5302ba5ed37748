"""A step whose ledger fails, whose lease cannot be renewed for a moment, whose lake lost what was published."""

import errno
import sqlite3
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from city_bench import hub_at

from hub import maintenance
from hub.core import Hub
from hub.pulling import pipeline, steps
from hub.registration import registry
from lake import durable, history
from ledger import loads, runs
from schemas.errors import Retry, Stop, StorageFull

CONTRACT = Path(__file__).parents[2] / "faults" / "people.odcs.yaml"
ID = "110101199003074610"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    made = hub_at(tmp_path / "home")
    made.settings.drops.mkdir(parents=True)
    registry.apply(made, (CONTRACT,))
    source(made, 1)
    return made


def source(hub: Hub, n: int) -> None:
    with sqlite3.connect(hub.settings.drops / "people.db") as db:
        db.execute('CREATE TABLE IF NOT EXISTS "人口" ("身份证号" TEXT, "姓名" TEXT, n INTEGER)')
        db.execute('DELETE FROM "人口"')
        db.execute('INSERT INTO "人口" VALUES (?, ?, ?)', (ID, "张三", n))


def raising(error: Exception) -> Any:
    def broken(*_: object, **__: object) -> None:
        raise error

    return broken


def test_a_lease_is_renewed_again_after_the_ledger_failed_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed, tries, real = Event(), [], runs.renew

    def shaky(*given: Any, **named: Any) -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise sqlite3.OperationalError("database is locked")
        done = real(*given, **named)
        renewed.set()
        return done

    quick = replace(hub, settings=hub.settings.model_copy(update={"lease_seconds": 0.03}))
    run = pipeline.claim(quick, "people", "me")
    monkeypatch.setattr(runs, "renew", shaky)
    with steps.working(quick, run, quick.contract("people"), "read"):
        assert renewed.wait(20)
    assert len(tries) >= 2


def test_a_lake_that_lost_a_published_load_stops_the_dataset_until_someone_decides(hub: Hub) -> None:
    pipeline.pull(hub, "people", owner="1")
    source(hub, 2)
    pipeline.pull(hub, "people", owner="2")
    newest = max((history.folder(hub.lake, "people") / "_delta_log").glob("*.json"))
    newest.write_bytes(b"")  # what a broken disk may leave, and a torn commit looks like
    with pytest.raises(Stop, match="ends at load 1, but load 2 was published"):
        pipeline.pull(hub, "people", owner="3")
    assert newest.exists(), "what may still be restored is not set aside"
    assert loads.conditions(hub.ledger)["people"][0] == "failed"
    assert maintenance.upkeep(hub)["told"] == 0, "upkeep goes on for the other datasets"
    assert maintenance.rebuild(hub) == {"people": 1}
    assert pipeline.pull(hub, "people", owner="4").phase == "published"


def test_a_ledger_that_fails_while_a_step_fails_does_not_hide_why(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    run = pipeline.claim(hub, "people", "me")
    monkeypatch.setattr(runs, "close", raising(sqlite3.OperationalError(f"locked {ID}")))
    with pytest.raises(StorageFull, match="no space is left"), steps.working(hub, run, hub.contract("people"), "read"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_ledger_that_fails_at_the_claim_is_told_without_its_text(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "claim", raising(sqlite3.OperationalError(f"no such column {ID}")))
    with pytest.raises(Retry, match="OperationalError inside the hub") as told:
        pipeline.claim(hub, "people", "me")
    assert ID not in str(told.value)
    monkeypatch.setattr(runs, "claim", raising(sqlite3.OperationalError("database or disk is full")))
    with pytest.raises(StorageFull):
        pipeline.claim(hub, "people", "me")


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"), True),
        (RuntimeError('Could not write file "/x": No space left on device'), True),
        (RuntimeError("database or disk is full"), True),
        (RuntimeError("database is locked"), False),
    ],
)
def test_a_full_disk_is_known_by_number_or_by_words(error: Exception, full: bool) -> None:
    assert durable.says_disk_is_full(error) is full
