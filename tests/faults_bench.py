"""The bench of the fault suites: a city of one dataset, children that can be killed, and what is expected to be published."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import yaml
from faults_departments import Department, Rows

from hub.core import Hub
from hub.registration import registry
from hub.settings import Settings
from lake import current, quarantine
from ledger import runs
from schemas.identifiers import citizen_check

CONTRACT = Path(__file__).parent / "faults" / "people.odcs.yaml"
SEEDS = int(os.environ.get("FAULT_SEEDS", "0"))
"""Seeds per crash point and kind of source (`make faults`: 20); 0 is the short form, in which each point is tried once."""
CANARY = "金丝雀"
FAR = 3600
"""Seconds by which a run's clock is ahead that takes over a dead run's lease."""
Published = dict[str, tuple[str, int]]


def citizen(number: int) -> str:
    """A person who does not exist."""
    body = f"110101{1950 + number % 50}0{1 + number % 9}{10 + number // 50 % 18}{number % 1000:03d}"
    return body + citizen_check(body)


def city(seed: int, size: int = 40) -> Rows:
    """Rows by key; every seventh lacks its name and belongs into quarantine."""
    dice = random.Random(seed)
    keys = [citizen(i) for i in range(size)]
    return {k: (k, None if i % 7 == 6 else _name(dice), dice.randrange(10**6)) for i, k in enumerate(keys)}


def moved(rows: Rows) -> Rows:
    """The same people, each with another number: everything changes, nothing is born, dies or breaks; as many bytes, mostly."""
    return {key: (key, name, n % 10**6 + 1) for key, (_, name, n) in rows.items()}


def later(rows: Rows, seed: int) -> Rows:
    """The same city after some changes: moves, a correction, a new fault, a birth, a death."""
    dice = random.Random(seed)
    now = {k: (k, name, dice.randrange(10**6) if dice.random() < 0.2 else n) for k, (_, name, n) in rows.items()}
    bad = [k for k, (_, name, _) in rows.items() if name is None]
    corrected, dead, *_ = dice.sample(bad, 1) + dice.sample(sorted(rows.keys() - set(bad)), 1)
    broken = dice.choice(sorted(rows.keys() - {*bad, dead}))
    now[corrected] = (corrected, _name(dice), dice.randrange(10**6))
    now[broken] = (broken, None, dice.randrange(10**6))
    del now[dead]
    born = next(k for k in map(citizen, range(100 + seed, 900 + seed)) if k not in rows)
    return {**now, born: (born, _name(dice), dice.randrange(10**6))}


def _name(dice: random.Random) -> str:
    return CANARY + dice.choice("甲乙丙丁戊己庚辛")


@dataclass
class Bench:
    """One city of one dataset, its source, and a zygote for trials."""

    root: Path
    zygote: "Zygote"
    department: Department
    ledger_url: str = ""
    before: Published = field(default_factory=dict)
    aside_before: list[str] = field(default_factory=list)
    trials: int = 0
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home, self.log = self.root / "home", self.root / "log"
        self.hub = Hub(
            Settings(home=self.home, drop_root=self.department.drop, judge_memory_mb=256, ledger_url=self.ledger_url),
            secret=lambda _: self.department.secret,
        )
        (self.root / "tmp").mkdir()
        self.agree()

    @property
    def rows(self) -> Rows:
        """What the department holds."""
        return self.department.rows

    def agree(self) -> None:
        """Apply the contract as the department's system is now."""
        value = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
        block = self.department.server()
        own = {
            name: block.pop(name)
            for name in ("url", "syncMode", "cursor", "secretRef", "options", "encoding", "statementSeconds")
            if name in block
        }
        custom = [{"property": n, "value": v, "vendor": "cityhub"} for n, v in own.items()]
        value["servers"] = [{"server": "source", **block, "customProperties": custom}]
        value["schema"][0]["properties"] += self.department.extra
        file = self.root / "people.odcs.yaml"
        file.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
        registry.apply(self.hub, (file,))
        self.contract = self.hub.contract("people")

    def source(self, rows: Rows) -> None:
        """Make the department hold exactly these rows."""
        self.before, self.aside_before = self.current(), self.quarantined()
        self.department.hold(rows)

    def runs(self) -> tuple[runs.Run, ...]:
        """The dataset's runs, newest first."""
        return runs.recent(self.hub.ledger, "people")

    def close(self) -> None:
        """Let go of the databases."""
        self.hub.ledger.dispose()

    def start(self, *, ahead: float = 0, owner: str | None = None, task: str = "pull", **env: str) -> int:
        """A task in a child process; returns its pid."""
        self.trials += 1
        env = {"TMPDIR": str(self.root / "tmp"), **self.env, **env}
        secret, log = self.department.secret, self.log
        return self.zygote.start(
            self.hub.settings, owner=owner or f"t{self.trials}", task=task, ahead=ahead, secret=secret, log=log, **env
        )

    def pull(self, **given: Any) -> str:
        """A pull in a child; how it ended: "exit 0", or the code of the error that it told."""
        return self.zygote.wait(self.start(**given))

    def crash(self, at: str, **given: Any) -> str:
        return self.pull(HUB_CRASH_AT=at, **given)

    def current(self) -> Published:
        with duckdb.connect() as con:
            current.create_view(con, self.hub.lake, self.contract, "v")
            return {k: (name, n) for k, name, n in con.execute("SELECT citizen_id, name, n FROM v").fetchall()}

    def quarantined(self) -> list[str]:
        with duckdb.connect() as con:
            quarantine.create_view(con, self.hub.lake, "people", "q")
            return sorted({json.loads(k)[0] for (k,) in con.execute("SELECT _key FROM q").fetchall()})

    def expected(self) -> Published:
        """What is to be published: each good row, and of each bad one the last good version, if there was one."""
        wanted = {k: (name, n) if name else self.before.get(k) for k, (_, name, n) in self.rows.items()}
        known = {} if self.department.whole else self.before
        return known | {k: v for k, v in wanted.items() if v is not None}

    def aside(self) -> list[str]:
        """Which keys are to be in quarantine."""
        bad = {k for k, (_, name, _) in self.rows.items() if name is None}
        known = set() if self.department.whole else {k for k in self.aside_before if k not in self.rows}
        return sorted(bad | known)


class Zygote:
    """The warm process; see faults_zygote.py."""

    def __init__(self) -> None:
        self.asked = 0
        here = Path(__file__).parent
        own = {
            name: value for name, value in os.environ.items() if not name.startswith("HUB_")
        }  # Airflow's tests set some
        self.process = subprocess.Popen(
            [sys.executable, str(here / "faults_zygote.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here.parent,
            env={**own, "PYTHONPATH": str(here.parent)},
        )  # fmt: skip

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.asked += 1
        self.process.stdin.write(json.dumps({**request, "number": self.asked}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = {"number": 0}
        while answer["number"] < self.asked:  # passing over an answer for which nobody waited any more
            answer = json.loads(self.process.stdout.readline())
        return answer

    def start(
        self, settings: Settings, *, owner: str, dataset: str = "people", task: str = "pull", ahead: float = 0,
        secret: str = "", log: Path = Path(os.devnull), **env: str,
    ) -> int:  # fmt: skip
        """A task in a child; returns its pid."""
        request = {
            "settings": settings.model_dump(mode="json", exclude_none=True), "dataset": dataset, "task": task,
            "owner": owner, "ahead": ahead, "secret": secret, "log": str(log), "env": env,
        }  # fmt: skip
        return int(self.ask(request)["pid"])

    def wait(self, pid: int) -> str:
        try:
            return self.ask({"wait": pid})["ended"]
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()
