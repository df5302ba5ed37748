"""kill -9 while a batch comes in and while it is pulled: what was acknowledged is published once, what was not does no harm."""

import os
import random
import signal
from pathlib import Path

import pytest
from faults_bench import Zygote
from library_bench import Clock, Library, Row, library_at, lines

from connectors.inbox import Receipt, body, sealed
from hub.core import utc_now
from lake import crash, inbox
from lake.history import History
from lake.inbox import Door
from ledger import runs
from schemas.errors import Conflict

SEEDS = range(20)
PULL_SEAMS = ("land.before-manifest", "commit.before", "commit.after")


def push(lake: Path, content: bytes, key: str = "k") -> tuple[Receipt, bool]:
    """Take one body in, in pieces, as the API does."""
    with Door(lake, "arrivals", "library", "incremental", 1 << 20, utc_now).open(
        key, "jsonl", complete=False
    ) as arrival:
        for start in range(0, len(content), 100):
            arrival.write(content[start : start + 100])
        return arrival.seal(lambda _receipt: None)


def child(lake: Path, content: bytes, at: str, how: str = "KILL") -> int:
    """The same in a process that ends, or freezes, at a crash point; its pid."""
    pid = os.fork()
    if pid == 0:
        os.environ.update(HUB_CRASH_AT=at, HUB_CRASH_SIGNAL=how)
        push(lake, content)
        os._exit(70)
    return pid


def batch(seed: int) -> list[Row]:
    dice = random.Random(seed)
    return [(f"c{dice.randrange(30)}-{i}", "林一", dice.randrange(1000)) for i in range(dice.randrange(1, 40))]


@pytest.mark.parametrize("seam", crash.PUSH_POINTS)
def test_a_kill_while_a_batch_comes_in_leaves_it_whole_or_not_at_all(tmp_path: Path, seam: str) -> None:
    for seed in SEEDS:
        lake, content = tmp_path / str(seed), lines(*batch(seed))
        place = inbox.folder(lake, "arrivals")
        _, status = os.waitpid(child(lake, content, seam), 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        there = sealed(place)
        assert len(there) == (seam == "push.after-receipt")
        receipt, again = push(lake, content)  # what a department does that got no answer
        assert again == bool(there)
        assert sealed(place) == [receipt]
        assert body(place, receipt).read_bytes() == content


def test_a_frozen_request_holds_its_key_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    content = lines(*batch(1))
    frozen = child(tmp_path, content, "push.received", "STOP")
    os.waitpid(frozen, os.WUNTRACED)
    with pytest.raises(Conflict):
        push(tmp_path, content)
    assert push(tmp_path, content, key="another")[1] is False
    os.kill(frozen, signal.SIGKILL)
    os.waitpid(frozen, 0)
    assert push(tmp_path, content)[1] is False
    assert len(sealed(inbox.folder(tmp_path, "arrivals"))) == 2


def pull(zygote: Zygote, library: Library, owner: str, *, ahead: float = 0, **env: str) -> str:
    return zygote.wait(zygote.start(library.hub.settings, dataset="arrivals", owner=owner, ahead=ahead, **env))


@pytest.mark.parametrize("seam", PULL_SEAMS)
def test_a_kill_while_batches_are_pulled_loses_none_and_publishes_none_twice(
    tmp_path: Path, zygote: Zygote, seam: str
) -> None:
    library = library_at(tmp_path, clock=Clock(utc_now()))
    rows = {row[0]: row[1:] for seed in (1, 2) for row in batch(seed)}
    receipts = [library.send(*batch(1)), library.send(*batch(2))]
    assert pull(zygote, library, "killed", HUB_CRASH_AT=seam) == "signal 9"
    receipts.append(library.send(("late", "林晚", 1)))
    assert pull(zygote, library, "next", ahead=3600) == "exit 0"
    assert library.current() == {**rows, "late": ("林晚", 1)}
    history = History(library.hub.lake, "arrivals")
    assert sum(file.rows for file in history.files()) == len(rows) + 1
    assert [library.fate(receipt)["status"] for receipt in receipts] == ["published"] * 3
    assert pull(zygote, library, "last", ahead=7200) == "exit 0"
    assert sum(file.rows for file in History(library.hub.lake, "arrivals").files()) == len(rows) + 1
    assert {run.phase for run in runs.recent(library.hub.ledger)} <= {"published", "failed"}
