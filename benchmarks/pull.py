"""How fast a department's table becomes published history, beside dlt and the wire's own limit, in one run.

`python benchmarks/pull.py [postgres] [mariadb] [change] [memory]` (all by default; `--rows`, `--runs`) starts its own PostgreSQL and MariaDB, makes a
table of 14 columns of fictitious residents, and lets each contender do the whole work in a process of its own, in turn; medians are printed
with their ratios and peak memory. The hub's time holds connecting, landing, typing, hashing, change detection, every fsync and the
commit; its gate (`sieve`, `judge`) has a benchmark of its own and is shown apart. dlt is installed from its own lock on first use.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from sqlalchemy import make_url  # noqa: E402

PEERS = ROOT / "benchmarks" / "peers"
ROOM = ROOT / ".peers" / "dlt"
BACKENDS = ("connectorx", "pyarrow")
COLUMNS = (
    ("id", "integer", ""), ("citizen_id", "string", ""), ("name", "string", ""), ("sex", "integer", ""), ("birth_date", "date", ""),
    ("region", "string", ""), ("address", "string", ""), ("mobile", "string", ""), ("income", "number", "decimal(12,2)"),
    ("score", "number", "double"), ("active", "boolean", ""), ("registered_at", "timestamp", ""), ("updated_at", "timestamp", ""),
    ("note", "string", ""),
)  # fmt: skip
_POSTGRES = """
CREATE TABLE residents (
  id bigint PRIMARY KEY, citizen_id varchar(18) NOT NULL, name varchar(60), sex smallint, birth_date date, region varchar(6), address text,
  mobile varchar(20), income numeric(12,2), score double precision, active boolean, registered_at timestamptz,
  updated_at timestamptz NOT NULL, note text);
INSERT INTO residents SELECT i, lpad((310000000000000000 + i::bigint * 7919)::text, 18, '0'),
  chr(20000 + mod(i, 5000)) || chr(21000 + mod(i, 3001)), mod(i, 2) + 1, date '1950-01-01' + mod(i, 20000), (310100 + mod(i, 20))::text,
  '东海市中心大道' || mod(i, 9999) || '号' || mod(i, 77) || '室', '000' || lpad(mod(i, 100000000)::text, 8, '0'), mod(i, 1000000) / 7.0,
  mod(i, 1000) / 8.0, mod(i, 3) = 0, timestamptz '2020-01-01 00:00:00+08' + i * interval '7 seconds',
  timestamptz '2024-01-01 00:00:00+08' + i * interval '1 second', CASE WHEN mod(i, 5) = 0 THEN 'remark ' || i END
FROM generate_series(1, {rows}) AS i;
CREATE INDEX ON residents (updated_at);
VACUUM ANALYZE residents
"""
_MARIADB = """
CREATE TABLE residents (
  id bigint PRIMARY KEY, citizen_id varchar(18) NOT NULL, name varchar(60), sex smallint, birth_date date, region varchar(6), address text,
  mobile varchar(20), income decimal(12,2), score double, active tinyint(1), registered_at datetime,
  updated_at timestamp NOT NULL, note text) CHARACTER SET utf8mb4;
INSERT INTO residents SELECT seq, lpad(310000000000000000 + seq * 7919, 18, '0'), concat('某', mod(seq, 997)), mod(seq, 2) + 1,
  date '1950-01-01' + interval mod(seq, 20000) day, 310100 + mod(seq, 20), concat('东海市中心大道', mod(seq, 9999), '号', mod(seq, 77), '室'),
  concat('000', lpad(mod(seq, 100000000), 8, '0')), mod(seq, 1000000) / 7.0, mod(seq, 1000) / 8.0, mod(seq, 3) = 0,
  timestamp '2020-01-01 00:00:00' + interval seq * 7 second, timestamp '2024-01-01 00:00:00' + interval seq second,
  if(mod(seq, 5) = 0, concat('remark ', seq), NULL) FROM seq_1_to_{rows};
ANALYZE TABLE residents
"""


_ENTRY = {
    "resourceCode": "101001/000001", "shareType": 1, "shareCondition": "无条件", "shareMode": ["database"], "providerCode": "11310100MADEM0011P",
}  # fmt: skip


def _own(properties: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"property": name, "value": value, "vendor": "cityhub"} for name, value in properties.items()]


def contract(url: str, sync: str) -> str:
    """The residents' contract: types and a key, no further rules."""
    at = make_url(url)
    kind = "postgres" if at.get_backend_name() == "postgresql" else "mysql"
    custom = {"syncMode": sync, "secretRef": "env:BENCH"} | ({"cursor": "updated_at"} if sync == "incremental" else {})
    properties = [
        {"name": name, "physicalName": name, "logicalType": logical, "businessName": name, "classification": "L1"}
        | ({"physicalType": physical} if physical else {})
        | ({"primaryKey": True, "primaryKeyPosition": 1, "required": True} if name == "id" else {})
        for name, logical, physical in COLUMNS
    ]  # fmt: skip
    server = {"server": "source", "type": kind, "host": at.host, "port": at.port, "database": at.database}
    server["customProperties"] = _own(custom)
    server |= {"schema": "public"} if kind == "postgres" else {}
    table = {"name": "residents", "physicalName": "residents", "logicalType": "object", "properties": properties}
    return json.dumps({"apiVersion": "v3.2.0", "kind": "DataContract", "id": "residents", "name": "residents", "version": "1.0.0", "status": "active",
                       "tenant": "bench", "domain": "bench", "servers": [server], "schema": [table], "customProperties": _own(_ENTRY)})  # fmt: skip


def hub_pull(url: str, home: Path, sync: str) -> None:
    """One pull in this process: prints seconds, those of the gate apart, bytes written and peak MiB."""
    import servers

    from hub.core import Hub
    from hub.pulling import pipeline
    from hub.registration import registry
    from hub.settings import Settings
    from lake.history import History

    hub = Hub(Settings(home=home, judge_memory_mb=160), secret=lambda _name: servers.account(url)[1])
    if not (home / "residents.odcs.yaml").exists():
        home.mkdir(parents=True, exist_ok=True)
        (home / "residents.odcs.yaml").write_text(contract(url, sync), encoding="utf-8")
        registry.apply(hub, (home / "residents.odcs.yaml",))
    import deltalake  # noqa: F401 - a worker has these loaded long before
    import pandas  # noqa: F401
    import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401

    from connectors import formats  # noqa: F401
    from connectors.sql import mariadb, postgres  # noqa: F401

    written = _written()
    started = time.perf_counter()
    run = pipeline.claim(hub, "residents", f"bench {os.getpid()}")
    run = pipeline.read(hub, run.run)
    read = time.perf_counter()
    pipeline.judge(hub, run.run)
    judged = time.perf_counter()
    run = pipeline.publish(hub, run.run)
    ended = time.perf_counter()
    head = History(hub.lake, "residents").head()
    assert head is not None
    assert run.phase == "published", run
    laps: dict[str, float] = head.verdict["seconds"]
    prepared = laps["standardise"] + laps["write"]
    print(json.dumps({
        "seconds": read - started + prepared + ended - judged, "gate": judged - read - prepared, "read": read - started, "standardise": prepared,
        "publish": ended - judged, "written": _written() - written, "rows": head.rows, "changed": head.changed,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }))  # fmt: skip


def _written() -> int:
    """Bytes that this process has written to files so far."""
    return int(
        next(line.split()[1] for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("wchar"))
    )


def copy_to_nowhere(url: str, since: str = "") -> None:
    """The wire's limit: binary COPY, read and dropped; of the whole table, or of what changed since a moment."""
    import psycopg

    connection = psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    rows = f"(SELECT * FROM residents WHERE updated_at >= '{since}')" if since else "residents"
    started = time.perf_counter()
    session = connection.pgconn
    session.exec_(f"COPY {rows} TO STDOUT (FORMAT binary)".encode())
    while session.get_copy_data(0)[0] > 0:
        pass
    print(json.dumps({"seconds": time.perf_counter() - started}))
    session.finish()


def dlt_pull(url: str, backend: str, folder: Path, rows: int) -> dict[str, float]:
    """The peer's time and peak MiB."""
    driver = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql"}[make_url(url).get_backend_name()]
    address = make_url(url).set(drivername=driver).render_as_string(hide_password=False)
    quiet = os.environ | {"RUNTIME__DLTHUB_TELEMETRY": "false", "HOME": str(folder)}
    command = [str(_peer()), str(PEERS / "dlt_pull.py"), address, backend, str(folder), str(rows)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=quiet)
    if done.returncode:
        raise RuntimeError(f"dlt with {backend} failed:\n{done.stderr[-2000:]}")
    seconds, peak = done.stdout.split()[-2:]
    return {"seconds": float(seconds), "peak": float(peak)}


def _peer() -> Path:
    """The peer's interpreter, installed from its lock if it is not there or the lock is newer."""
    python, mark, lock = ROOM / "bin" / "python", ROOM / "installed", PEERS / "dlt.txt"
    if not mark.exists() or mark.read_bytes() != lock.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ROOM)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "-q", "--require-hashes", "--no-deps", "-r", str(lock)], check=True
        )
        mark.write_bytes(lock.read_bytes())
    return python


def alone(*arguments: str) -> dict[str, float]:
    """What one contender prints, run in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--alone", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{arguments} failed:\n{done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def table_of(kind: str, rows: int, **settings: int) -> Iterator[str]:
    """A server with the table; its URL."""
    import servers

    start, script, name = (
        (servers.postgres, _POSTGRES, "postgres") if kind == "postgres" else (servers.mariadb, _MARIADB, "bench")
    )
    with ExitStack() as stack:
        url = stack.enter_context(start(**settings))
        if kind != "postgres":
            url = stack.enter_context(servers.database(url, name))
        servers.execute(url, *script.format(rows=rows).split(";"))
        yield url


def median_of(runs: list[dict[str, float]]) -> dict[str, float]:
    """Each figure's median."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def compare(kind: str, rows: int, runs: int) -> None:
    """The whole table, by every contender."""
    results: dict[str, list[dict[str, float]]] = {}
    with table_of(kind, rows) as url, tempfile.TemporaryDirectory() as work:
        for turn in range(runs):
            if kind == "postgres":
                results.setdefault("binary COPY to nowhere", []).append(alone("copy", url))
            results.setdefault("cityhub", []).append(alone("hub", url, f"{work}/hub{turn}", "snapshot"))
            for backend in BACKENDS:
                folder = Path(work, f"dlt-{backend}{turn}")
                folder.mkdir()
                results.setdefault(f"dlt, {backend}", []).append(dlt_pull(url, backend, folder, rows))
    medians = {name: median_of(found) for name, found in results.items()}
    ours = medians["cityhub"]["seconds"]
    print(f"\n{kind}: {rows:,} rows x {len(COLUMNS)} columns -> published history, medians of {runs}")
    for name, found in medians.items():
        ratio = "" if name == "cityhub" else f"   cityhub takes {ours / found['seconds']:.2f} of it"
        print(f"  {name:24} {found['seconds']:7.2f} s  {found.get('peak', 0):6.0f} MiB{ratio}")
    _parts(medians["cityhub"])


def change(rows: int, runs: int) -> None:
    """1 % of the rows changed, pulled by cursor and published.

    Every changed row bears a stamp of its own, as of a day's many transactions: rows that bear the bound's come again with the next pull.
    The server has a quarter of the memory, as its manual advises.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with table_of("postgres", rows, buffers_mb=memory >> 22) as url, tempfile.TemporaryDirectory() as work:
        alone("hub", url, f"{work}/hub", "incremental")
        _upkeep(f"{work}/hub")
        found, limit = [], []
        for turn in range(runs):  # whoever comes first finds the pages cold, so the two take turns
            _changed(url, 2 * turn)
            found.append(alone("hub", url, f"{work}/hub", "incremental"))
            limit.append(alone("copy", url, _changed(url, 2 * turn + 1)))
            alone("hub", url, f"{work}/hub", "incremental")
        size = _csv_bytes(url, f"SELECT * FROM residents WHERE mod(id, 100) = {2 * runs - 2}")
    print(f"\n1 % of {rows:,} changed, pulled and published, median of {runs}")
    middle, copied = median_of(found), median_of(limit)["seconds"]
    print(f"  {middle['seconds']:.2f} s for {middle['changed']:,.0f} rows; {middle['written'] / 1e6:.1f} MB written, "
          f"{middle['written'] / size:.2f} of the change ({size / 1e6:.1f} MB as CSV); {middle['peak']:.0f} MiB")  # fmt: skip
    print(f"  binary COPY of such a change to nowhere: {copied:.2f} s")
    _parts(middle)


def _changed(url: str, turn: int) -> str:
    """Change 1 % of the rows; the moment before it. What changes in one turn lies scattered over the table, as in life."""
    import psycopg
    import servers

    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        ((before,),) = connection.execute("SELECT clock_timestamp()::text").fetchall()
    servers.execute(
        url,
        f"UPDATE residents SET address = address || '改', updated_at = clock_timestamp() WHERE mod(id, 100) = {turn}",
        "VACUUM ANALYZE residents",
    )
    time.sleep(3)  # the bound lies a second or two behind the clock
    return str(before)


def _upkeep(home: str) -> None:
    """What upkeep does every night: a base for reading current."""
    from hub import maintenance
    from hub.core import Hub
    from hub.settings import Settings

    maintenance.upkeep(Hub(Settings(home=Path(home))))


def _csv_bytes(url: str, query: str) -> int:
    import psycopg

    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    statement = f"COPY ({query}) TO STDOUT (FORMAT csv)".encode()
    with psycopg.connect(address) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        return sum(len(block) for block in copy)


def memory(rows: int) -> None:
    """Peak memory at one and at four times the rows."""
    print("\npeak memory of a full pull from PostgreSQL (gate included)")
    for times in (1, 4):
        with table_of("postgres", rows * times) as url, tempfile.TemporaryDirectory() as work:
            found = alone("hub", url, f"{work}/hub", "snapshot")
        print(f"  {rows * times:>12,} rows  {found['peak']:6.0f} MiB  {found['seconds']:.1f} s")


def _parts(found: dict[str, float]) -> None:
    print(
        "  "
        + ", ".join(f"{part} {found[part]:.2f} s" for part in ("read", "standardise", "publish"))
        + f"; the gate apart: {found['gate']:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["postgres", "mariadb", "change", "memory"])
    parser.add_argument("--rows", type=int, help="5,000,000 (MariaDB: 2,000,000)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--alone", nargs="+", help=argparse.SUPPRESS)
    wanted: Any = parser.parse_args()
    if wanted.alone:
        what, url, *more = wanted.alone
        copy_to_nowhere(url, *more) if what == "copy" else hub_pull(url, Path(more[0]), more[1])
        return
    for part in wanted.parts:
        rows = wanted.rows or (2_000_000 if part == "mariadb" else 5_000_000)
        match part:
            case "change":
                change(rows, wanted.runs)
            case "memory":
                memory(rows)
            case _:
                compare(part, rows, wanted.runs)


if __name__ == "__main__":
    main()
