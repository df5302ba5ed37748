"""hub subject: identifiers merged, undone, looked for, past files and new keys, all by command; and two processes that share one build."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from city_bench import CITY, City, city, hub_at
from command_line import Run

from access.audit import Entry
from hub import trail
from hub.filing import subject_desk, subject_files
from schemas.errors import Invalid, NotFound
from schemas.identifiers import citizen_check, uscc_check

NEW = (head := "44030819910101001") + citizen_check(head)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    home, drops = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("departments")
    with city(home, 120, drop_root=drops, subject_buckets=3) as made:
        for dataset in ("residents", "marriages"):
            made.pull(dataset)
        yield made


_met: list[Barrier] = []


def _join(barrier: Barrier) -> None:
    """Keep the barrier in this worker: a bound method would bring a list of its own along."""
    _met.append(barrier)


def _bucket(home: Path, work: dict[str, Any], bucket: int) -> dict[str, Any]:
    hub = hub_at(home, subject_buckets=3)
    if bucket < _met[0].parties:  # nobody goes on before every worker has a bucket in hand
        _met[0].wait(60)
    try:
        return subject_files.build_bucket(hub, work, bucket)
    finally:
        hub.ledger.dispose()
        hub.subjects.dispose()


def _people(made: City) -> list[str]:
    return sorted(key[0] if isinstance(key, tuple) else key for key in made.current("residents"))


def test_two_worker_processes_build_the_files_that_one_builds(lived: City) -> None:
    hub, people = lived.hub, _people(lived)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(2, spawn, initializer=_join, initargs=(spawn.Barrier(2),)) as workers:
        for work in subject_files.plan(hub):
            parts = list(workers.map(partial(_bucket, hub.settings.home, work), range(work["buckets"])))
            assert (work["buckets"], len({part["name"] for part in parts})) == (3, 3)
            subject_files.publish(hub, work, parts)
            for share in range(work["buckets"]):
                subject_files.load(hub, work, share)
            subject_files.finish(hub, work)
    spread = [body(lived, one) for one in people]
    assert None not in spread
    subject_files.build_all(hub, full=True)
    assert [body(lived, one) for one in people] == spread


def body(made: City, identifier: str) -> Any:
    found = subject_files.subject(made.hub, "person", identifier)
    return None if found is None else found.body


def test_a_copy_of_the_store_names_none_of_the_people_whose_files_are_in_it(lived: City) -> None:
    hub, people = lived.hub, _people(lived)
    subject_files.build_all(hub)
    bodies = [body(lived, one) for one in people]
    fields = [held["value"] for one in bodies for held in one["fields"].values() if held]
    told = {str(value) for value in fields if len(str(value).encode()) > 5} | {*people}
    assert len(told) > 2 * len(people)
    copied = b"".join(file.read_bytes() for file in hub.settings.home.glob("subjects.db*"))
    assert len(copied) > 100 * len(people)
    assert [value for value in told if value.encode() in copied] == []


@pytest.fixture
def told(lived: City, run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a command on the city's hub, with answers to its questions; what it told as JSON."""
    monkeypatch.setenv("HUB_HOME", str(lived.hub.settings.home))
    monkeypatch.setenv("HUB_DECLARATIONS", str(CITY))

    def tell(*words: str, answers: tuple[str, ...] = ()) -> Any:
        waiting = iter(answers)
        monkeypatch.setattr("typer.prompt", lambda *_args, **_more: next(waiting))
        code, out, err = run(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    return tell


def test_a_reissued_number_is_merged_listed_and_undone_by_command(lived: City, told: Callable[..., Any]) -> None:
    subject_files.build_all(lived.hub)
    person = _people(lived)[0]
    before = body(lived, person)
    with trail.open_log(lived.hub, "test") as log:
        called = trail.called(lived.hub, "person", person)
        log.write(Entry("portal", "renewal", "f", ("name",), called, "answered", "duty", "case before"))
    merged = told("subject", "merge", "person", "--reissued", "--because", "新证", answers=(person, f" {NEW} "))
    told("subject", "build")
    assert body(lived, person) == body(lived, NEW)
    assert body(lived, NEW)["former"] == [person]
    asked = [told("audit", "search", "--kind", "person", answers=(one,)) for one in (person, NEW)]
    assert [[use["evidence"] for use in uses] for uses in asked] == [["case before"]] * 2, "who used the data before"
    told("subject", "unmerge", "person", str(merged["merge"]), "--because", "弄错了")
    told("subject", "build")
    assert (body(lived, person), body(lived, NEW)) == (before, None)
    assert told("audit", "search", "--kind", "person", answers=(NEW,)) == []
    masked, plain = told("subject", "history", "person"), told("subject", "history", "person", "--unmask")
    assert [(d["action"], d["because"]) for d in masked] == [("reissue", "新证"), ("unmerge", "弄错了")]
    assert [d["former"] for d in plain] == [person] * 2
    assert person not in json.dumps(masked)


def test_a_credit_code_that_was_issued_anew_is_merged_and_undone_by_command(told: Callable[..., Any]) -> None:
    old, new = (head + uscc_check(head) for head in ("91310000MA1FL0000", "93310000MA1FL0000"))
    merged = told("subject", "merge", "enterprise", "--reissued", "--because", "换证", answers=(old, new))
    told("subject", "unmerge", "enterprise", str(merged["merge"]), "--because", "弄错了")
    decided = told("subject", "history", "enterprise", "--unmask")
    assert [(d["action"], d["former"], d["surviving"]) for d in decided] == [
        ("reissue", old, new),
        ("unmerge", old, new),
    ]


def test_a_merge_that_would_lose_a_file_is_refused(lived: City) -> None:
    subject_files.build_all(lived.hub)
    person = _people(lived)[0]
    with pytest.raises(Invalid, match="form of a person's"):
        subject_desk.merge(lived.hub, "person", person, "12345", "reissue", "", "me")
    with pytest.raises(NotFound, match="no person file"):
        subject_desk.merge(lived.hub, "person", person, NEW, "duplicate", "", "me")
    with pytest.raises(NotFound, match="no merge number 99"):
        subject_desk.unmerge(lived.hub, "person", 99, "", "me")


def test_records_that_are_nobodys_are_listed_masked(lived: City, told: Callable[..., Any]) -> None:
    found = told("subject", "review", "person", "--limit", "500", "--unmask")
    assert {f["reason"] for f in found} <= {"missing", "form", "check", "ambiguous"}
    hidden = told("subject", "review", "person", "--limit", "500")
    assert len(hidden) == len(found)
    for shown, masked in zip(found, hidden, strict=True):
        assert not shown["identifier"] or shown["identifier"] != masked["identifier"]


def test_a_past_file_is_shown_as_it_was(lived: City, told: Callable[..., Any]) -> None:
    hub, person = lived.hub, _people(lived)[0]
    subject_files.build_all(hub)
    tomorrow = f"{hub.clock() + timedelta(days=1):%Y-%m-%dT%H:%M:%S}"
    asked = ("subject", "show", "person", "--identifier", person, "--unmask", "--as-of")
    assert told(*asked, tomorrow) == json.loads(json.dumps(body(lived, person)))
    with pytest.raises(AssertionError, match="no person file"):
        told(*asked, "2020-01-01")


def test_the_stores_keys_are_rotated_by_command_and_nobody_is_lost(lived: City, told: Callable[..., Any]) -> None:
    subject_files.build_all(lived.hub)
    people = _people(lived)
    before = [body(lived, one) for one in people]
    old = subject_files.keys(lived.hub).current.id
    assert told("key", "rotate", "subject")["rows written anew"] >= len(people)
    assert subject_files.keys(lived.hub).current.id != old
    assert [body(lived, one) for one in people] == before
