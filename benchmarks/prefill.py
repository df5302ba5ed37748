"""How fast a form of 20 fields is prefilled with every check, beside Feast's feature server with 20 features, in one run.

`python benchmarks/prefill.py [sqlite] [postgres] [feast] [redis]` (all by default; `--subjects`, `--peer-subjects`, `--seconds`, `--runs`).
It generates fictitious persons in three datasets, pulls them and builds their files as the hub always does, serves them with one
`hub serve`, and lets wrk (Debian: `apt install wrk`) ask over 16 connections, never for the same person twice in a run. Each of the hub's
answers holds a token, a grant, a signed consent for that very person, a budget, a durable audit entry, provenance and seals; Feast checks
nothing. Feast is installed from its own lock on first use; `redis` is left out where there is no redis-server.
"""

import argparse
import base64
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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

PEERS, ROOM = ROOT / "benchmarks" / "peers", ROOT / ".peers" / "feast"
FIRST, STEP = 310000199001010000, 7
FORM, PURPOSE, CLIENT, ISSUER = "renewal", "service-application", "bench", "https://id.bench.test"
PERSON = [f"p{i}" for i in range(10)]
WORK = [f"w{i}" for i in range(5)]
PERMIT = [f"c{i}" for i in range(5)]
TABLES = {"residents": PERSON, "insurance": WORK, "permits": PERMIT}
_ENTRY = {
    "shareType": 2, "shareCondition": "限依法履职", "shareMode": ["api"], "providerCode": "11310100MADEM0011P", "providerEn": "Bureau",
    "nameEn": "Table", "subjects": [{"kind": "person", "key": "person_id"}],
}  # fmt: skip
KIND = """
kind: person
title: 自然人
title_en: Person
key: {{title: 号码, title_en: Number, pattern: '\\d{{18}}'}}
fields:
{fields}
lists:
  permits: {{title: 证件, title_en: Permits, dataset: permits, columns: [{permit}, valid_to], order: valid_to, valid_until: valid_to}}
"""
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


def identifier(number: int) -> str:
    """The n-th person."""
    return str(FIRST + number * STEP)


def contract(dataset: str, columns: list[str]) -> str:
    """One dataset's contract: a key, text columns and a date."""
    properties = [{"name": "person_id", "physicalName": "person_id", "businessName": "号码", "logicalType": "string", "physicalType": "text",
                   "primaryKey": True, "primaryKeyPosition": 1, "required": True, "classification": "L3"}]  # fmt: skip
    for name in (*columns, "valid_to"):
        kind = (
            {"logicalType": "date", "physicalType": "date"}
            if name == "valid_to"
            else {"logicalType": "string", "physicalType": "text"}
        )
        properties.append(
            {"name": name, "physicalName": name, "businessName": f"{name}栏", "classification": "L3", **kind}
        )
    own = {**_ENTRY, "resourceCode": f"30100{[*TABLES].index(dataset) + 1}/000001"}
    server = {"server": "source", "type": "local", "path": f"{dataset}.parquet", "format": "parquet",
              "customProperties": [{"property": "syncMode", "value": "snapshot", "vendor": "cityhub"}]}  # fmt: skip
    table = {
        "name": dataset,
        "physicalName": f"{dataset}.parquet",
        "logicalType": "object",
        "businessName": f"{dataset}表",
        "properties": properties,
    }
    return json.dumps({
        "apiVersion": "v3.2.0", "kind": "DataContract", "id": dataset, "name": f"{dataset}表", "version": "1.0.0", "status": "active",
        "tenant": f"{dataset}局", "domain": "bench", "description": {"purpose": "x"}, "servers": [server], "schema": [table],
        "customProperties": [{"property": k, "value": v, "vendor": "cityhub"} for k, v in own.items()],
    })  # fmt: skip


def declarations(folder: Path) -> None:
    """The subject kind and the form of 20 fields."""
    fields = [
        f"  {n}: {{title: {n}栏, title_en: {n}, sources: [{t}.{n}]}}"
        for t in ("residents", "insurance")
        for n in TABLES[t]
    ]
    paths = [f"person.{n}" for n in (*PERSON, *WORK)] + [f"permits.latest.{n}" for n in PERMIT]
    lines = [
        f"  - {{name: {p.rpartition('.')[2]}, label: {p.rpartition('.')[2]}栏, label_en: {p}, from: {p}, entry: {'locked' if i % 2 else 'editable'}}}"
        for i, p in enumerate(paths)
    ]
    head = f"form: {FORM}\nversion: 1.0.0\ntitle: 换发\ntitle_en: Renewal\nsubject: person\ndepartment: 市公安局\ndepartment_en: Police\nfields:\n"
    for name, text in (
        ("subjects/person.yaml", KIND.format(fields="\n".join(fields), permit=", ".join(PERMIT))),
        ("forms/renewal.yaml", head + "\n".join(lines)),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n", encoding="utf-8")


def fill(hub: Any, subjects: int) -> None:
    """Generate, pull, build, and let the client in."""
    import duckdb

    from hub.filing import subject_files
    from hub.pulling import pipeline
    from hub.registration import registry

    hub.settings.drops.mkdir(parents=True, exist_ok=True)
    declarations(hub.settings.declared)
    for dataset, columns in TABLES.items():
        values = ", ".join(
            f"'某{name}' || ((i * 2654435761) % {9973 + place}) AS {name}" for place, name in enumerate(columns)
        )
        target = hub.settings.drops / f"{dataset}.parquet"
        duckdb.sql(
            f"COPY (SELECT CAST({FIRST} + i * {STEP} AS VARCHAR) AS person_id, {values}, DATE '2030-01-01' + CAST(i % 700 AS INTEGER) AS valid_to "
            f"FROM range({subjects}) t(i)) TO '{target}' (FORMAT parquet)"
        )
        path = hub.settings.home / f"{dataset}.odcs.yaml"
        path.write_text(contract(dataset, columns), encoding="utf-8")
        registry.apply(hub, (path,))
    for dataset in TABLES:
        run = pipeline.pull(hub, dataset, owner="bench")
        assert run.phase == "published", run
    started = time.perf_counter()
    subject_files.build_all(hub)
    print(f"  {subjects:,} subject files built in {time.perf_counter() - started:.0f} s", flush=True)
    let_in(hub, subjects)


def let_in(hub: Any, subjects: int) -> None:
    """A client with a grant on consent, a budget that suffices, and an identity provider."""
    from access.keys import checked
    from ledger import budgets, clients, credentials, grants

    now = hub.clock()
    clients.put(hub.ledger, clients.Client(CLIENT, CLIENT, CLIENT, "-"), now)
    grants.allow(
        hub.ledger, grants.Grant("bench", CLIENT, "form", FORM, PURPOSE, "consent", now - timedelta(days=1)), now
    )
    budgets.set_budget(hub.ledger, CLIENT, PURPOSE, subjects)
    point = _signing().public_key().public_numbers()
    public = {
        "kty": "EC",
        "crv": "P-256",
        "x": _text(point.x.to_bytes(32, "big")),
        "y": _text(point.y.to_bytes(32, "big")),
    }
    jwks = checked(json.dumps({"keys": [{**public, "kid": "idp", "use": "sig", "alg": "ES256"}]}))
    credentials.put_issuer(hub.ledger, credentials.Issuer(ISSUER, jwks), now)


def bodies(hub: Any, subjects: int, count: int, path: Path) -> None:
    """One request a line, each for another person with that person's consent."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    from access.consent import pairwise, salt

    form_fields = [*PERSON, *WORK, *PERMIT]
    key, names, now = _signing(), salt(hub.key("pairwise"), ISSUER), int(datetime.now(UTC).timestamp())
    head = _text(json.dumps({"alg": "ES256", "kid": "idp"}).encode())
    with path.open("w") as out:
        for n, number in enumerate(random.sample(range(subjects), min(count, subjects))):
            person = identifier(number)
            claims = {
                "iss": ISSUER, "aud": hub.settings.api_url, "sub": pairwise(names, CLIENT, "person", person), "client_id": CLIENT,
                "purpose": PURPOSE, "target": f"form:{FORM}", "fields": form_fields, "jti": f"{now}-{n}", "iat": now, "exp": now + 890,
            }  # fmt: skip
            signed = f"{head}.{_text(json.dumps(claims).encode())}"
            r, t = decode_dss_signature(key.sign(signed.encode(), ECDSA(SHA256())))
            statement = f"{signed}.{_text(r.to_bytes(32, 'big') + t.to_bytes(32, 'big'))}"
            out.write(json.dumps({"form": FORM, "subject": person, "purpose": PURPOSE, "consent": statement}) + "\n")


def _signing() -> Any:
    """The identity provider's key: the same in every run, so that requests can be made beside a server that is up."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

    return derive_private_key(0xB0B, SECP256R1())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def hub_at(home: Path, port: int, url: str) -> Any:
    """The hub in this folder, on SQLite or on the server of `url`."""
    import servers

    import hub.web  # noqa: F401 - every table is known before the first database is opened
    from hub.core import Hub
    from hub.settings import Settings

    names = ("ledger", "subjects", "audit")
    urls: dict[str, Any] = {}
    if url:
        for name in names:
            servers.execute(url, f"CREATE DATABASE {name}")
        urls = {f"{name}_url": url.rpartition("/")[0] + f"/{name}" for name in names}
    return Hub(
        Settings(
            home=home, api_url=f"http://127.0.0.1:{port}", declarations=home / "declared", judge_memory_mb=512, **urls
        )
    )


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
    living = [pid, *(int(c) for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split())]
    return (
        sum(sum(map(int, Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split()[11:15])) for p in living)
        / ticks
    )


def hub_runs(kind: str, subjects: int, seconds: int, runs: int, room: Path) -> dict[str, float]:
    """The medians of the hub's runs."""
    import servers

    with ExitStack() as stack:
        url = stack.enter_context(servers.postgres(durable=True)) if kind == "postgres" else ""
        port, home = servers.free_port(), room / kind
        home.mkdir()
        hub = hub_at(home, port, url)
        print(f"\nhub on {kind}", flush=True)
        fill(hub, subjects)
        from access.tokens import Tokens

        environment = {
            "HUB_HOME": str(home),
            "HUB_API_URL": hub.settings.api_url,
            "HUB_DECLARATIONS": str(home / "declared"),
        }
        environment |= {
            f"HUB_{n}_URL".upper(): hub.settings.database(n) for n in ("ledger", "subjects", "audit") if url
        }
        command = [sys.executable, "-c", "from hub.cli import main; main()", "serve", "--port", str(port)]
        pid = stack.enter_context(served(command, port, environment, room / f"{kind}.log"))
        found = []
        for run in range(runs + 1):
            asked = room / f"{kind}.jsonl"
            bodies(hub, subjects, 6000 * (seconds if run else 3), asked)
            token = Tokens([hub.key("token")], issuer=hub.settings.api_url).issue(
                CLIENT, now=hub.clock(), jti=f"bench-{run}"
            )
            headers = {"Authorization": f"Bearer {token.access_token}"}
            found.append(load(port, "/v1/prefill", asked, headers, seconds if run else 3, pid))
        assert not any(one["wrong"] for one in found), found
        checked(hub)
        return middle(found[1:])


def checked(hub: Any) -> None:
    """The audit holds an entry for every answer, and its chain is whole."""
    from hub import trail

    report = trail.verify(hub)
    assert report.ok, report.faults
    print(f"  audit verified: {report.entries:,} entries", flush=True)


def feast_runs(kind: str, subjects: int, seconds: int, runs: int, room: Path) -> dict[str, float]:
    """The medians of the peer's runs."""
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
        found = []
        for run in range(runs + 1):
            asked = room / f"feast-{kind}.jsonl"
            picked = random.sample(range(subjects), min(2000 * seconds, subjects))
            asked.write_text(
                "".join(
                    json.dumps({"features": features, "entities": {"person_id": [identifier(n)]}}) + "\n"
                    for n in picked
                )
            )
            found.append(load(port, "/get-online-features", asked, {}, seconds if run else 3, pid))
        return middle(found[1:])


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
    found = {}
    with tempfile.TemporaryDirectory(prefix="cityhub-prefill-") as name:
        for kind in wanted:
            if kind in ("sqlite", "postgres"):
                found[f"hub, {kind}"] = hub_runs(kind, given.subjects, given.seconds, given.runs, Path(name))
            else:
                store = {"feast": "sqlite", "redis": "redis"}[kind]
                found[f"Feast, {store}"] = feast_runs(store, given.peer_subjects, given.seconds, given.runs, Path(name))
    print(f"\none form of 20 fields, 16 connections, one worker, {given.subjects:,} subjects, medians of {given.runs}")
    best = max((one["rate"] for name, one in found.items() if name.startswith("Feast")), default=0)
    for label, one in found.items():
        ratio = f"   {one['rate'] / best:5.1f} x Feast" if best and label.startswith("hub") else ""
        print(f"  {label:15} {one['rate']:7,.0f} req/s  p50 {one['p50']:6.1f} ms  p99 {one['p99']:7.1f} ms  "
              f"CPU {one['cpu_us']:5.0f} µs  {one['size'] / 1024:4.1f} KiB  {one['rss_mb']:4.0f} MB  {one['wrong']:.0f} failed{ratio}")  # fmt: skip


if __name__ == "__main__":
    main()
