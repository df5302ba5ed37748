"""How fast a form of 20 fields is prefilled with every check, beside Feast's feature server with 20 features, in one run.

`python benchmarks/prefill.py [sqlite] [postgres] [feast] [redis]` (all by default; `--subjects`, `--peer-subjects`, `--seconds`, `--runs`).
It generates fictitious persons in three datasets, pulls them and builds their files as the hub always does, serves them with one
`hub serve`, and lets wrk (Debian: `apt install wrk`) ask over 16 connections, never for the same person twice in a run. Each of the hub's
answers holds a token, a grant, a signed consent for that very person, a budget, a durable audit entry, provenance and seals; Feast checks
nothing. Consents are signed with PS256 (2048 bits) or with ES256, in turn: to check one is the dearest single step. Feast is installed from
its own lock on first use; `redis` is left out where there is no redis-server. All servers stand side by side and are asked in turn, so that an hour
in which the machine is slower is everybody's.
"""

import argparse
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from prefill_city import ALGORITHMS, CLIENT, FIRST, STEP, bodies, fill, hub_at, identifier  # noqa: E402

PEERS, ROOM = ROOT / "benchmarks" / "peers", ROOT / ".peers" / "feast"
WRK = """
local lines, place, wrong = {}, 0, {}
for line in io.lines(os.getenv("BODIES")) do lines[#lines + 1] = line end
function request() place = place + 1; return wrk.format("POST", nil, nil, lines[(place - 1) % #lines + 1]) end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\\n{\\"requests\\": %d, \\"us\\": %d, \\"wrong\\": %d, \\"p50\\": %f, \\"p99\\": %f, \\"worst\\": %f, \\"bytes\\": %d}\\n",
    summary.requests, summary.duration, e.status + e.connect + e.read + e.write + e.timeout, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, latency.max / 1000, summary.bytes))
end
"""


@contextmanager
def served(command: list[str], port: int, environment: dict[str, str], log: Path) -> Iterator[int]:
    """A server that answers; its process id."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=out, stderr=out, start_new_session=True
        )
    try:
        end = time.monotonic() + 120
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} did not come up:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield process.pid
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def load(port: int, path: str, asked: Path, headers: dict[str, str], seconds: int, pid: int) -> dict[str, float]:
    """What wrk measures over 16 connections, and the server's CPU time for each request."""
    script = asked.with_suffix(".lua")
    script.write_text(WRK)
    given = [
        part
        for name, value in {**headers, "Content-Type": "application/json"}.items()
        for part in ("-H", f"{name}: {value}")
    ]
    command = [
        "wrk",
        "-t1",
        "-c16",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(script),
        *given,
        f"http://127.0.0.1:{port}{path}",
    ]
    before = _cpu(pid)
    done = subprocess.run(command, env={**os.environ, "BODIES": str(asked)}, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    cpu = (_cpu(pid) - before) / max(found["requests"], 1)
    return {
        "rate": found["requests"] / found["us"] * 1e6,
        "cpu_us": cpu * 1e6,
        "size": found["bytes"] / max(found["requests"], 1),
        "rss_mb": _memory(pid),
        **found,
    }


def _memory(pid: int) -> float:
    """What the process holds in memory, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def _cpu(pid: int) -> float:
    """CPU seconds of a process and its children that have ended, so far; of its living children as well."""
    ticks = os.sysconf("SC_CLK_TCK")
    living = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that ended meanwhile
            living += map(int, (task / "children").read_text().split())
    return (
        sum(sum(map(int, Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split()[11:15])) for p in living)
        / ticks
    )


Runs = Mapping[str, Callable[[int], dict[str, float]]]
"""What is measured, by its label: asks for so many seconds."""


@contextmanager
def hub_served(kind: str, subjects: int, room: Path) -> Iterator[Runs]:
    """The hub on a database, by what the consents are signed with; in the end its audit is verified."""
    import servers

    with ExitStack() as stack:
        url = stack.enter_context(servers.postgres(durable=True)) if kind == "postgres" else ""
        port, home, log = servers.free_port(), room / kind, room / f"{kind}.log"
        home.mkdir()
        hub = hub_at(home, port, url)
        print(f"\nhub on {kind}", flush=True)
        fill(hub, subjects)
        environment = {
            "HUB_HOME": str(home),
            "HUB_API_URL": hub.settings.api_url,
            "HUB_DECLARATIONS": str(home / "declared"),
        }
        environment |= {
            f"HUB_{n}_URL".upper(): hub.settings.database(n) for n in ("ledger", "subjects", "audit") if url
        }
        command = [sys.executable, "-c", "from hub.cli import main; main()", "serve", "--port", str(port)]
        pid = stack.enter_context(served(command, port, environment, log))

        def ask(algorithm: str, seconds: int) -> dict[str, float]:
            one = _run(hub, port, pid, subjects, seconds, algorithm, room / f"{kind}.jsonl")
            if one["wrong"]:
                raise RuntimeError(f"{one['wrong']:.0f} answers were wrong:\n{log.read_text()[-4000:]}")
            return one

        yield {f"hub, {kind}, {algorithm}": partial(ask, algorithm) for algorithm in ALGORITHMS}
        print(f"\nhub on {kind}: audit verified, {checked(hub):,} entries", flush=True)


def _run(hub: Any, port: int, pid: int, subjects: int, seconds: int, algorithm: str, asked: Path) -> dict[str, float]:
    from access.tokens import Tokens

    bodies(hub, subjects, 5000 * seconds, asked, algorithm)
    token = Tokens([hub.key("token")], issuer=hub.settings.api_url).issue(
        CLIENT, now=hub.clock(), jti=f"{time.time()}-{algorithm}"
    )
    return load(port, "/v1/prefill", asked, {"Authorization": f"Bearer {token.access_token}"}, seconds, pid)


def checked(hub: Any) -> int:
    """How many entries the audit holds; its chain is whole."""
    from hub import trail

    report = trail.verify(hub)
    assert report.ok, report.faults
    return int(report.entries)


@contextmanager
def feast_served(kind: str, subjects: int, room: Path) -> Iterator[Runs]:
    """The peer on one of its local stores."""
    import servers

    print(f"\nFeast on {kind}", flush=True)
    folder, port, redis = room / f"feast-{kind}", servers.free_port(), servers.free_port()
    folder.mkdir()
    with ExitStack() as stack:
        if kind == "redis":
            command = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
            stack.enter_context(served(command, redis, {}, room / "redis.log"))
        quiet = {"FEAST_USAGE": "False", "HOME": str(folder)}
        make = [
            str(peer()),
            str(PEERS / "feast_repo.py"),
            str(folder),
            kind,
            str(redis),
            str(subjects),
            str(FIRST),
            str(STEP),
        ]
        subprocess.run(make, env={**os.environ, **quiet}, check=True, stdout=subprocess.DEVNULL)
        serve = [
            str(ROOM / "bin" / "feast"),
            "-c",
            str(folder),
            "serve",
            "--port",
            str(port),
            "--workers",
            "1",
            "--no-access-log",
        ]
        pid = stack.enter_context(served(serve, port, quiet, room / f"feast-{kind}.log"))
        features = [f"person:f{i}" for i in range(20)]
        asked = room / f"feast-{kind}.jsonl"

        def ask(seconds: int) -> dict[str, float]:
            picked = random.sample(range(subjects), min(2000 * seconds, subjects))
            wishes = [{"features": features, "entities": {"person_id": [identifier(n)]}} for n in picked]
            asked.write_text("".join(json.dumps(one) + "\n" for one in wishes))
            return load(port, "/get-online-features", asked, {}, seconds, pid)

        yield {f"Feast, {kind}": ask}


def peer() -> Path:
    """The peer's interpreter, installed from its lock if it is not there or the lock is newer."""
    python, mark, lock = ROOM / "bin" / "python", ROOM / "installed", PEERS / "feast.txt"
    if not mark.exists() or mark.read_bytes() != lock.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ROOM)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", "-r", str(lock)], check=True
        )
        mark.write_bytes(lock.read_bytes())
    return python


def middle(found: list[dict[str, float]]) -> dict[str, float]:
    """The median of every figure."""
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=("sqlite", "postgres", "feast", "redis", []), default=[])
    parser.add_argument("--subjects", type=int, default=1_000_000)
    parser.add_argument(
        "--peer-subjects", type=int, default=50_000, help="persons in the peer's store: fewer is easier"
    )
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    wanted = given.what or ["sqlite", "postgres", "feast", *(["redis"] if shutil.which("redis-server") else [])]
    if shutil.which("wrk") is None:
        sys.exit("this benchmark asks with wrk: apt install wrk")
    with tempfile.TemporaryDirectory(prefix="cityhub-prefill-") as name, ExitStack() as stack:
        runs: dict[str, Callable[[int], dict[str, float]]] = {}
        for kind in wanted:
            if kind in ("sqlite", "postgres"):
                runs |= stack.enter_context(hub_served(kind, given.subjects, Path(name)))
            else:
                store = {"feast": "sqlite", "redis": "redis"}[kind]
                runs |= stack.enter_context(feast_served(store, given.peer_subjects, Path(name)))
        for ask in runs.values():
            ask(3)
        rounds = [{label: ask(given.seconds) for label, ask in runs.items()} for _ in range(given.runs)]
    found = {label: middle([one[label] for one in rounds]) for label in runs}
    print(f"\none form of 20 fields, 16 connections, one worker, {given.subjects:,} subjects, medians of {given.runs}")
    best = max((one["rate"] for name, one in found.items() if name.startswith("Feast")), default=0)
    for label, one in found.items():
        ratio = f"   {one['rate'] / best:5.1f} x Feast" if best and label.startswith("hub") else ""
        print(f"  {label:20} {one['rate']:7,.0f} req/s  p50 {one['p50']:6.1f} ms  p99 {one['p99']:7.1f} ms  "
              f"CPU {one['cpu_us']:5.0f} µs  {one['size'] / 1024:4.1f} KiB  {one['rss_mb']:4.0f} MB  {one['wrong']:.0f} failed{ratio}")  # fmt: skip


if __name__ == "__main__":
    main()
