"""Prefill as the hub composes it: when a source is asked next, states that are watched, names for clients, form commands."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from city_bench import CITY
from command_line import Run

from hub import web  # noqa: F401 - every table is known before the first database is opened
from hub.core import Hub
from hub.filing import answers
from hub.filing.answers import LOOK, STALE, Watched, handle, next_pull
from hub.registration import registry
from hub.settings import Settings
from ledger import contracts, loads, subject_work
from ledger.loads import Load
from prefill.sources import SourceState
from schemas.errors import Retry

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    made = Hub(Settings(home=tmp_path_factory.mktemp("home"), declarations=CITY), clock=lambda: NOON)
    registry.apply(made, tuple(sorted((CITY / "contracts").glob("*.yaml"))))
    return made


def test_a_source_is_asked_next_as_its_schedule_and_its_departments_hours_allow(hub: Hub) -> None:
    from dataclasses import replace

    plain = contracts.applied(hub.ledger)["residents"]
    at_two = replace(plain, schedule="0 2 * * *", source=replace(plain.source, windows=()))
    assert next_pull(hub, at_two) == datetime(2026, 11, 23, 18, tzinfo=UTC)
    night = replace(at_two, schedule="0 * * * *", source=replace(plain.source, windows=("22:00-06:00",)))
    assert next_pull(hub, night) == datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert next_pull(hub, replace(plain, schedule=None, cycle_hours=None)) is None


class Now:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_states_are_read_again_beside_the_answers_and_not_believed_for_ever() -> None:
    now, reads = Now(), 0
    down = False

    def read(_kind: str) -> dict[str, SourceState]:
        nonlocal reads
        reads += 1
        if down:
            raise OSError("no ledger")
        return {}

    revision = 1
    watched = Watched(read, lambda: revision, now)
    first = watched("person")
    assert watched("person") is first
    now.seconds += LOOK + 0.1
    assert watched("person") is first, "nothing has changed"
    assert reads == 1
    now.seconds += LOOK + 0.1
    revision = 2
    watched("person")
    for thread in watched.threads():
        thread.join(10)
    assert reads == 2
    assert watched("person") is not first
    now.seconds += STALE + 1
    down = True
    with pytest.raises(Retry, match="does not answer"):
        watched("person")


def test_who_comes_first_after_a_quiet_hour_is_answered_too() -> None:
    now, reads = Now(), list[float]()

    def read(_kind: str) -> dict[str, SourceState]:
        reads.append(now.seconds)
        return {}

    watched = Watched(read, lambda: 1, now)
    first = watched("person")
    now.seconds += 3600
    assert watched("person") is not first
    assert reads == [0, 3600]


class Late(threading.Thread):
    """A thread that takes a moment to start, as on a busy machine."""

    def start(self) -> None:
        time.sleep(0.05)
        super().start()


def test_all_who_come_at_once_after_a_quiet_hour_wait_for_the_same_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "threading", SimpleNamespace(Thread=Late))
    now, reads = Now(), list[float]()

    def read(_kind: str) -> dict[str, SourceState]:
        reads.append(now.seconds)
        time.sleep(0.1 * (len(reads) > 1))
        return {}

    watched = Watched(read, lambda: 1, now)
    watched("person")
    now.seconds += 3600
    with ThreadPoolExecutor(4) as pool:
        told = [*pool.map(watched, ["person"] * 4)]
    assert told == [({}, {})] * 4
    assert len(reads) <= 3


def test_what_is_told_of_a_source_changes_with_every_load_run_contract_and_build(hub: Hub) -> None:
    def changed(does: Callable[[], object]) -> bool:
        before = subject_work.revision(hub.ledger)
        does()
        return subject_work.revision(hub.ledger) != before

    load = Load("residents", 1, "r", NOON, 1)
    pending = subject_work.Pending("person", {"residents": 1}, None, "x")
    assert changed(lambda: loads.tell(hub.ledger, load))
    assert changed(lambda: loads.set_state(hub.ledger, "residents", "held", "why", NOON))
    assert changed(lambda: subject_work.mark(hub.ledger, pending, NOON))
    assert not changed(lambda: loads.latest(hub.ledger))


def test_a_ledger_that_hangs_lets_one_wait_a_moment_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    now, hangs, goes_on = Now(), threading.Event(), threading.Event()

    def read(_kind: str) -> dict[str, SourceState]:
        if hangs.is_set():
            goes_on.wait(30)
        return {}

    monkeypatch.setattr(answers, "PATIENCE", 0.05)
    watched = Watched(read, lambda: 1, now)
    watched("person")
    hangs.set()
    now.seconds += STALE + 1
    for _ in range(2):
        with pytest.raises(Retry, match="does not answer"):
            watched("person")
        assert len(watched.threads()) == 1
        now.seconds += 1
    goes_on.set()
    for thread in watched.threads():
        thread.join(10)
    assert watched("person") == ({}, {})


def test_a_subject_has_another_name_with_every_client_and_one_however_it_is_spelled() -> None:
    key = b"k" * 32
    assert handle(key, "a", "person", " 44030819990101151ｘ") == handle(key, "a", "person", "44030819990101151X")
    names = {handle(key, c, k, i) for c in "ab" for k in ("person", "firm") for i in ("1", "2")}
    assert len(names) == 8


def test_form_commands_check_draft_and_offer_a_schema(
    run: Run, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_HOME", str(hub.settings.home))
    code, shown, _ = run("form", "check", "--json")
    assert (code, {one["form"] for one in json.loads(shown)}) == (
        0,
        {"food_licence_renewal", "hk_macao_permit_renewal"},
    )
    asked = {
        "title": "居住证申领", "type": "object", "required": ["fullName"],
        "properties": {
            "fullName": {"type": "string", "title": "姓名", "readOnly": True},
            "phone": {"type": "string", "title": "联系手机"},
            "id": {"type": "string", "title": "证件", "x-element": "DE01001"},
            "travelPermits": {"type": "array", "title": "证件", "items": {"type": "object", "properties": {"permit_no": {"title": "号码"}}}},
            "reason": {"enum": ["work", "study"], "title": "居住事由"},
            "1st": {"type": "string"},
        },
    }  # fmt: skip
    source, target = tmp_path / "residence.json", tmp_path / "residence.yaml"
    source.write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
    code, text, _ = run("form", "draft", str(source))
    assert code == 0
    for line in (
        "from: person.name, entry: locked",
        "from: person.mobile",
        "# TODO is this",
        "from: person.id",
        "items: [{name: permit_no",
    ):
        assert line in text, line
    target.write_text(text, encoding="utf-8")
    assert run("form", "check", str(target))[0] == 0
    target.write_text(text.replace("person.name", "person.nom"), encoding="utf-8")
    code, _, complaint = run("form", "check", str(target))
    assert (code, "person.nom" in complaint or "no field 'nom'" in complaint) == (3, True)
    assert "person.mobile" in run("form", "schema")[1]
    assert run("form", "draft", str(target))[0] == 3
    assert len(json.loads(run("form", "personas", "--json")[1])) == 16
