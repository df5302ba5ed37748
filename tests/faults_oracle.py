"""The oracle of the fault suites: what must hold after every fault, by letter. Each letter that was looked at is tallied.

L nothing lost, D no duplicates, H no half-publish, P no leak, R the next clean run converges. (A, no answer before its audit entry,
is held by test_audit_kills.py.)
"""

import subprocess
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import duckdb
from faults_bench import CANARY, FAR, Bench, Published

from hub.pulling import pipeline
from lake import changes, current, landing
from lake.history import History, Load
from ledger import loads

LETTERS = "LDHPRA"


@dataclass
class Tally:
    """What a test looked at: per place (a crash point, a cut, …) how many faults fired and how often each letter was held."""

    figures: dict[str, Counter[str]] = field(default_factory=dict)
    place: str = ""

    def at(self, place: str) -> None:
        """Count from now on under `place`."""
        self.place = place
        self.figures.setdefault(place, Counter())

    def count(self, what: str, number: int = 1) -> None:
        self.figures[self.place][what] += number


@dataclass
class Oracle:
    """Judges a bench; `tally` is told what was held."""

    bench: Bench
    tally: Tally

    def check_loads(self) -> None:
        """D and H: every committed load is whole, as its commit says, and no key stands twice in one; its landing is kept."""
        history = History(self.bench.hub.lake, "people")
        told = history.loads()
        assert [load.load for load in told] == list(range(1, len(told) + 1)), "load numbers have no gap and no repeat"
        assert history.number == len(told)
        files = history.files()
        assert sum(f.rows for f in files) == sum(load.changed for load in told), "every row belongs to a load"
        with duckdb.connect() as con:
            for load in told:
                check_whole(con, self.bench, history, load)
        for load in told[-2:]:
            if load.kind == "pull":
                manifest = landing.manifest(self.bench.hub.lake, "people", load.run)
                assert manifest is not None, "what a load was made of is kept"
                assert len(list(landing.files(self.bench.hub.lake, manifest))) == len(manifest.files)
        self.tally.count("D")
        self.tally.count("H")

    def check_either(self, *states: Published) -> None:
        """H: a reader sees one of these states, never a mixture."""
        assert self.bench.current() in states, "a reader sees the old load or the new one"
        self.tally.count("H")

    def check_converged(self) -> None:
        """L: each source row is published or in quarantine, exactly once, with its payload; and all else that holds at rest."""
        self.check_loads()
        assert self.bench.current() == self.bench.expected()
        assert self.bench.quarantined() == self.bench.aside()
        head = History(self.bench.hub.lake, "people").head()
        assert head is not None
        assert head.rows == len(self.bench.current())
        assert loads.known(self.bench.hub.ledger, "people") == head.load
        self.tally.count("L")

    def check_recovery(self, *, owner: str | None = None) -> None:
        """R: the next clean run, or as many as deletions take, ends well, and then L, D, H and P hold."""
        ahead = 0 if owner else FAR * self.bench.trials
        assert self.bench.pull(ahead=ahead, owner=owner) == "exit 0"
        for _ in range(self.bench.department.reads - 1):
            assert self.bench.pull(ahead=FAR * self.bench.trials) == "exit 0"
        self.tally.count("R")
        self.check_converged()
        self.check_no_leak()

    def check_no_leak(self) -> None:
        """P: no name, no identifier, no secret outside the lake, its source and the databases' own tables of people."""
        pipeline.clear_work(self.bench.hub)
        canaries = [CANARY.encode(), CANARY.encode("gb18030"), ascii(CANARY)[1:-1].encode()]
        canaries += [key.encode() for key in self.bench.rows]
        canaries += [self.bench.department.secret.encode()] if self.bench.department.secret else []
        # In a process of its own: whoever closes a file of SQLite's lets go of all the locks that the process has on it.
        search = ["grep", "-rlaF", "-f", "-", "--exclude-dir=lake", "--exclude-dir=drop", str(self.bench.root)]
        found = subprocess.run(
            search, input=b"\n".join(canaries), capture_output=True, check=False, env={"LC_ALL": "C"}
        )
        assert (found.returncode, found.stdout, found.stderr) == (1, b"", b""), "personal data lies where none belongs"
        self.tally.count("P")


def check_whole(con: duckdb.DuckDBPyConnection, bench: Bench, history: History, load: Load) -> None:
    """One load is in its files as its commit says: count, keys, content."""
    paths = tuple(f.path for f in history.files() if f.first_load <= load.load <= f.last_load)
    if not load.changed:
        assert not paths
        return
    names = ", ".join(f"'{p}'" for p in paths)
    found = con.execute(f"SELECT count(*), count(DISTINCT citizen_id) FROM read_parquet([{names}])").fetchone()
    assert found == (load.changed, load.changed), f"load {load.load} has no more and no fewer rows than it says"
    assert changes.content_hash(con, bench.contract, paths) == load.content
    assert load.verdict["outcome"] in ("publish", "rollback")


class Reader:
    """H, held throughout: a thread that reads the dataset again and again, and keeps the first thing that is not whole."""

    def __init__(self, bench: Bench, tally: Tally) -> None:
        self.bench, self.tally = bench, tally
        self.seen: tuple[Load, ...] = ()
        self.fault: BaseException | None = None
        self.looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self.fault is not None:
            raise AssertionError(f"a reader saw what was not whole: {self.fault!r}") from self.fault
        self.tally.count("looks", self.looks)

    def _run(self) -> None:
        try:
            with duckdb.connect() as con:
                while not self._stop.wait(0.1):
                    self._look(con)
                    self.looks += 1
        except BaseException as error:  # noqa: BLE001 - told where the reader ends
            self.fault = error

    def _look(self, con: duckdb.DuckDBPyConnection) -> None:
        told = loads.known(self.bench.hub.ledger, "people")
        history = History(self.bench.hub.lake, "people")
        now = history.loads()
        assert told <= history.number, "the ledger knows no load that the lake has not"
        assert now[: len(self.seen)] == self.seen, "what was published stays as it was"
        for load in now[len(self.seen) :]:
            check_whole(con, self.bench, history, load)
        if len(now) > len(self.seen):
            current.create_view(con, self.bench.hub.lake, self.bench.contract, "v", now[-1].load)
            found = con.execute("SELECT count(*), count(DISTINCT citizen_id) FROM v").fetchone()
            assert found == (now[-1].rows, now[-1].rows), "current has as many rows as the load says"
        self.seen = now
