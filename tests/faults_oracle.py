"""The bench of the fault suites: a small department, children that can be killed, and the oracle that judges what is left.

L nothing lost, D no duplicates, H no half-publish, R the next clean run converges (P and A belong to other suites).
"""

import json
import random
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from hub import registry
from hub.core import Hub
from hub.settings import Settings
from lake import changes, current, quarantine
from lake.history import History
from schemas.identifiers import citizen_check

TEXT = (Path(__file__).parent / "faults" / "people.odcs.yaml").read_text(encoding="utf-8")
Row = tuple[str, str | None, int]


def citizen(number: int) -> str:
    body = f"110101{1950 + number % 50}0{1 + number % 9}1{number % 10}{number:03d}"
    return body + citizen_check(body)


@dataclass
class Bench:
    """One city of one dataset, its source, and a zygote for trials."""

    root: Path
    zygote: "Zygote"
    rows: dict[str, Row] = field(default_factory=dict)
    kept: dict[str, tuple[str, int]] = field(default_factory=dict)
    trials: int = 0

    def __post_init__(self) -> None:
        self.drop = self.root / "drop"
        self.drop.mkdir(parents=True)
        self.hub = Hub(Settings(home=self.root / "home", drop_root=self.drop, judge_memory_mb=256))
        file = self.root / "people.odcs.yaml"
        file.write_text(TEXT, encoding="utf-8")
        registry.apply(self.hub, (file,))
        self.contract = self.hub.contract("people")

    def source(self, rows: dict[str, Row]) -> None:
        """Make the department hold exactly these rows."""
        self.rows, self.kept = rows, self.current()
        with sqlite3.connect(self.drop / "people.db") as db:
            db.execute('CREATE TABLE IF NOT EXISTS "人口" ("身份证号" TEXT, "姓名" TEXT, n INTEGER)')
            db.execute('DELETE FROM "人口"')
            db.executemany('INSERT INTO "人口" VALUES (?, ?, ?)', list(rows.values()))

    def start(self, *, ahead: float = 0, owner: str | None = None, **env: str) -> int:
        """A pull in a child process; returns its pid."""
        self.trials += 1
        request = {"home": str(self.root / "home"), "drop": str(self.drop), "dataset": "people",
                   "owner": owner or f"t{self.trials}", "env": env, "ahead": ahead}  # fmt: skip
        return int(self.zygote.ask(request)["pid"])

    def pull(self, **given: Any) -> str:
        return self.zygote.wait(self.start(**given))

    def crash(self, at: str, **given: Any) -> str:
        return self.pull(HUB_CRASH_AT=at, **given)

    def current(self) -> dict[str, tuple[str, int]]:
        with duckdb.connect() as con:
            current.create_view(con, self.hub.lake, self.contract, "v")
            return {k: (name, n) for k, name, n in con.execute("SELECT citizen_id, name, n FROM v").fetchall()}

    def quarantined(self) -> list[str]:
        with duckdb.connect() as con:
            quarantine.create_view(con, self.hub.lake, "people", "q")
            return sorted(json.loads(k)[0] for (k,) in con.execute("SELECT _key FROM q").fetchall())

    def expected(self) -> dict[str, tuple[str, int]]:
        """What is to be published: each good row, and of each bad one the last good version, if there was one."""
        wanted = {k: (name, n) if name else self.kept.get(k) for k, (_, name, n) in self.rows.items()}
        return {k: v for k, v in wanted.items() if v is not None}

    def check_loads(self) -> None:
        """D and H: every committed load is whole, as its commit says, and no key stands twice in one."""
        history = History(self.hub.lake, "people")
        loads = history.loads()
        assert [load.load for load in loads] == list(range(1, len(loads) + 1)), "load numbers have no gap and no repeat"
        files = {f.first_load: f for f in history.files()}
        with duckdb.connect() as con:
            for load in loads:
                if not load.changed:
                    assert load.load not in files
                    continue
                path = files.pop(load.load).path
                rows, keys = con.execute(f"SELECT count(*), count(DISTINCT citizen_id) FROM '{path}'").fetchone()
                assert (rows, keys) == (load.changed, load.changed)
                assert changes.content_hash(con, self.contract, (path,)) == load.content
        assert not files, "every data file belongs to a load"

    def check_converged(self) -> None:
        """L, D, H after a clean run: each source row is published or in quarantine, exactly once, with its payload."""
        self.check_loads()
        assert self.current() == self.expected()
        assert self.quarantined() == sorted(k for k, (_, name, _) in self.rows.items() if not name)
        head = History(self.hub.lake, "people").head()
        assert head is not None
        assert head.rows == len(self.current())


def city(seed: int, size: int = 40) -> dict[str, Row]:
    """Rows by key; every seventh lacks its name and belongs into quarantine."""
    dice = random.Random(seed)
    rows = {}
    for i in range(size):
        key = citizen(i)
        rows[key] = (key, None if i % 7 == 6 else f"测{dice.choice('甲乙丙丁')}", dice.randrange(1000))
    return rows


def later(rows: dict[str, Row], seed: int) -> dict[str, Row]:
    """The same city after some changes: moves, a correction, a new fault, a birth, a death."""
    dice = random.Random(seed)
    keys = list(rows)
    changed = {k: (k, name, n + 1 if dice.random() < 0.2 else n) for k, (_, name, n) in rows.items()}
    del changed[keys[dice.randrange(6)]]
    changed[keys[6]] = (keys[6], "改正", 1)
    changed[keys[7]] = (keys[7], None, 1)
    born = citizen(500 + seed % 100)
    changed[born] = (born, "新生", 1)
    return changed


class Zygote:
    """The warm process; see faults_zygote.py."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "faults_zygote.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
        )  # fmt: skip

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def wait(self, pid: int) -> str:
        return self.ask({"wait": pid})["ended"]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()
