"""The audit's writer as a process of its own: no answer without it, nothing lost whoever ends first, and nothing said where others can read it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from access.audit import Entry
from access.audit_process import AuditProcess
from hub import trail
from hub.core import Hub
from hub.settings import Settings
from ledger import audit as store
from ledger.budgets import MARGIN, Limits
from schemas.errors import AuditUnavailable, TooMany


def entry(number: int = 0) -> Entry:
    return Entry("portal", "办理换发", "renewal", ("name",), f"subject-{number}", "answered", grants=("g1",))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(Settings(home=tmp_path))
    yield made
    made.audit.dispose()


@pytest.fixture(params=["a thread", "an event loop"])
def heard_by(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def opened(hub: Hub, heard_by: str) -> Iterator[AuditProcess]:
    """A log whose writer is listened to by a thread of its own, or by an event loop as a server's is."""
    if heard_by == "a thread":
        with trail.open_process(hub, "api") as log:
            yield log
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    log = trail.open_process(hub, "api", loop)
    try:
        yield log
    finally:
        asyncio.run_coroutine_threadsafe(_close(log), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(log: AuditProcess) -> None:
    log.close()


@pytest.fixture
def log(hub: Hub, heard_by: str) -> Iterator[AuditProcess]:
    with opened(hub, heard_by) as found:
        yield found


def _number(subject: str) -> int:
    return int(subject.rpartition("-")[2])


def subjects(hub: Hub) -> list[str]:
    return sorted((json.loads(link.body)["subject"] for link in store.links(hub.audit) if link.subject), key=_number)


def chains(hub: Hub) -> int:
    report = trail.verify(hub)
    assert report.ok, report
    return report.chains


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_an_entry_is_on_disk_when_write_returns_and_what_is_over_a_limit_is_told(hub: Hub, log: AuditProcess) -> None:
    log.write(entry(), Limits("portal", "办理换发", 0))
    assert subjects(hub) == ["subject-0"]
    told = log.submit([(entry(n), Limits("portal", "办理换发", 0)) for n in range(MARGIN + 2)]).result(30)
    assert told[:MARGIN] == [None] * MARGIN
    refused = [one for one in told if isinstance(one, TooMany)]
    assert [one.facts["limit"] for one in refused] == ["over budget"] * 2
    assert chains(hub) == 1


def test_a_writer_that_is_killed_fails_what_waits_and_the_next_entry_begins_another(
    hub: Hub, log: AuditProcess
) -> None:
    log.write(entry(0))
    first = log.writer
    os.kill(first, signal.SIGSTOP)
    waiting = log.submit([(entry(1), None)])
    os.kill(first, signal.SIGKILL)
    with pytest.raises(AuditUnavailable):
        waiting.result(30)
    log.write(entry(2))
    assert log.writer != first
    assert (subjects(hub), chains(hub)) == (["subject-0", "subject-2"], 2)


def test_a_writer_that_hangs_is_no_answer_and_is_ended_when_the_next_entry_begins_another(
    hub: Hub, log: AuditProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(entry(0))
    first = log.writer
    os.kill(first, signal.SIGSTOP)
    with monkeypatch.context() as patched:
        patched.setattr("access.audit.PATIENCE_SECONDS", 0.05)
        with pytest.raises(AuditUnavailable):
            log.write(entry(1))
        patched.setattr("access.audit_process.HANGING_SECONDS", 0.01)
        waiting = log.submit([(entry(2), None)])
    assert waiting.result(30) == [None]
    until(lambda: not running(first))
    assert log.writer != first
    assert (subjects(hub), chains(hub)) == (["subject-0", "subject-2"], 2)


def test_signals_that_mean_the_server_do_not_end_its_writer(hub: Hub, log: AuditProcess) -> None:
    log.write(entry(0))
    for name in (signal.SIGINT, signal.SIGTERM):
        os.kill(log.writer, name)
    log.write(entry(1))
    assert chains(hub) == 1


def test_closing_writes_what_came_ends_the_writer_and_takes_nothing_more(hub: Hub, heard_by: str) -> None:
    with opened(hub, heard_by) as log:
        waiting = [log.submit([(entry(n), None)]) for n in range(20)]
    assert [one.result(0) for one in waiting] == [[None]] * 20
    assert not running(log.writer)
    assert subjects(hub) == [f"subject-{n}" for n in range(20)]
    with pytest.raises(AuditUnavailable, match="closed"):
        log.write(entry())


def test_the_writer_of_a_server_that_is_killed_writes_what_came_and_ends(hub: Hub, tmp_path: Path) -> None:
    server = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from access.audit import Entry
        from hub import trail
        from hub.core import Hub
        from hub.settings import Settings
        log = trail.open_process(Hub(Settings(home=Path(sys.argv[1]))), "api")
        for n in range(20):
            log.submit([(Entry("portal", "p", "renewal", ("name",), f"subject-{n}", "answered"), None)])
        print(log.writer, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run([sys.executable, "-c", server, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    until(lambda: not running(int(done.stdout)))
    assert subjects(hub) == [f"subject-{n}" for n in range(20)]
    assert chains(hub) == 1


def test_a_writer_that_cannot_begin_is_no_answer(hub: Hub) -> None:
    with AuditProcess(
        hub.audit, command=[sys.executable, "-c", "raise SystemExit(1)"], told=b"{}", clock=hub.clock, timezone="UTC"
    ) as log:
        for _ in range(3):
            with pytest.raises(AuditUnavailable):
                log.write(entry())


def test_a_writer_is_told_where_to_write_and_no_secret_that_it_does_not_need_and_not_where_others_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "canary-of-a-password"
    settings = Settings(home=tmp_path, audit_url=f"sqlite:///{tmp_path}/{secret}.db", ledger_url="sqlite:///ledger-9e1")
    hub, told = Hub(settings), list[bytes]()
    send = Connection.send_bytes
    monkeypatch.setattr(Connection, "send_bytes", lambda line, sent: (told.append(sent), send(line, sent)))
    with trail.open_process(hub, "api") as log:
        log.write(entry())
        assert secret.encode() in told[0]
        assert b"ledger-9e1" not in told[0]
        for name in ("cmdline", "environ"):
            assert secret.encode() not in Path(f"/proc/{log.writer}/{name}").read_bytes()
    assert subjects(hub) == ["subject-0"]
    hub.audit.dispose()
