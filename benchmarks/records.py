"""How fast a city's records become subject files, beside DuckDB's plain wide join of the same tables, in one run.

`python benchmarks/records.py` (`--rows`, `--runs`, `--buckets`, `--parts`) makes residents and five other sources of fictitious records as published
histories, and lets each contender do the whole work in a process of its own, in turn; medians are printed with their ratios, parts' times
and peak memory. `join` is one row a resident with the newest row of each other source, written to Parquet; `build` writes subject files to
the lake with provenance, losing candidates and nested lists; `change` builds those whom 1 % changed rows touch; `sqlite` and `postgres`
load the encrypted online store, while somebody reads from it.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

AT = datetime(2026, 3, 1, tzinfo=UTC)
PARTS = ("join", "build", "change", "sqlite", "postgres")
PERSON = r"""
kind: person
title: 自然人
title_en: Person
key:
  title: 公民身份号码
  title_en: Citizen ID
  element: DE01001
  pattern: '[1-9]\d{5}(18|19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}[0-9X]'
fields:
  name:
    sources:
      - residents.name
      - {column: travel_permits.name, latest: issue_date}
      - {column: insurance.name, latest: updated_at}
      - {column: marriages.husband_name, by: husband_id, latest: registered_on}
      - {column: marriages.wife_name, by: wife_id, latest: registered_on}
  sex_code: {sources: [residents.sex_code]}
  birth_date: {sources: [residents.birth_date]}
  ethnic_code: {sources: [residents.ethnic_code]}
  hukou_region: {sources: [residents.hukou_region]}
  address: {sources: [residents.address]}
  mobile: {sources: [residents.mobile]}
  employer_uscc: {sources: [{column: insurance.employer_uscc, latest: paid_until, filter: status = 'active'}]}
lists:
  travel_permits:
    dataset: travel_permits
    columns: [permit_no, name, permit_type, issue_date, valid_to, status]
    order: valid_to
    valid_until: valid_to
  marriages:
    dataset: marriages
    columns: [cert_no, registered_on, marital_code]
    by:
      husband_id: {spouse_id: wife_id, spouse_name: wife_name}
      wife_id: {spouse_id: husband_id, spouse_name: husband_name}
    order: registered_on
  insurance: {dataset: insurance, columns: [account_no, scheme, status, employer_uscc, base_amount, paid_until], order: paid_until}
  utility_accounts: {dataset: utility_accounts, columns: [account_no, utility, address, opened_on, balance], order: opened_on}
  posts: {dataset: companies, columns: [uscc, org_name, reg_status_code, establish_date], order: establish_date}
"""
_MACROS = """
CREATE MACRO head(i) AS '9901' || lpad((i % 20 + 1)::VARCHAR, 2, '0') || strftime(DATE '1950-01-01' + ((i // 20) % 20000)::INT, '%Y%m%d')
  || lpad((i // 400000 + 1)::VARCHAR, 3, '0');
CREATE MACRO tail(h) AS '10X98765432'[1 + (h[1]::INT * 7 + h[2]::INT * 9 + h[3]::INT * 10 + h[4]::INT * 5 + h[5]::INT * 8 + h[6]::INT * 4
  + h[7]::INT * 2 + h[8]::INT + h[9]::INT * 6 + h[10]::INT * 3 + h[11]::INT * 7 + h[12]::INT * 9 + h[13]::INT * 10
  + h[14]::INT * 5 + h[15]::INT * 8 + h[16]::INT * 4 + h[17]::INT * 2) % 11];
CREATE MACRO person(i) AS head(i) || tail(head(i));
CREATE MACRO named(i) AS '某' || chr(20000 + (i * 7 % 5000)::INT) || chr(21000 + (i % 3001)::INT);
"""
"""Citizen IDs of right form and check character, of places and births that no register has."""


def _tables() -> dict[str, tuple[dict[str, Any], str]]:
    """Of each dataset its columns (type, or element) and the query of its rows: {n} residents, `v` a version, `i` the row's number."""
    return {
        "residents": (
            {"citizen_id": "DE01001", "name": "DE01002", "sex_code": "string", "birth_date": "date", "ethnic_code": "string",
             "hukou_region": "string", "address": "string", "mobile": "string"},
            "SELECT person(i) citizen_id, named(i) AS name, (i % 2 + 1)::VARCHAR sex_code, DATE '1950-01-01' + ((i // 20) % 20000)::INT birth_date, "
            "lpad((i % 56 + 1)::VARCHAR, 2, '0') ethnic_code, '9901' || lpad((i % 20 + 1)::VARCHAR, 2, '0') hukou_region, "
            "'东海市中心大道' || (i % 9999 + v) || '号' || (i % 77) || '室' address, "
            "'139' || lpad((i * 7919 % 100000000)::VARCHAR, 8, '0') mobile, i "
            "FROM range({n}) r(i)",
        ),
        "travel_permits": (
            {"permit_no": "string", "citizen_id": "DE01001", "name": "DE01002", "permit_type": "string", "issue_date": "date", "valid_to": "date",
             "status": "string"},
            "SELECT 'C' || lpad(i::VARCHAR, 10, '0') permit_no, person(p) citizen_id, "
            "named(p + (i % 50 = 0)::INT) AS name, '51' || (i % 5) permit_type, "
            "DATE '2016-01-01' + (i % 3000)::INT issue_date, DATE '2026-01-01' + (i % 3000 + v)::INT valid_to, (i % 2)::VARCHAR status, i "
            "FROM (SELECT i, (i * 2654435761) % {n} p FROM range({n} * 4 // 10) r(i))",
        ),
        "marriages": (
            {"cert_no": "string", "husband_id": "DE01001", "husband_name": "string", "wife_id": "DE01001", "wife_name": "string",
             "registered_on": "date", "marital_code": "string"},
            "SELECT 'J' || lpad(i::VARCHAR, 12, '0') cert_no, person(i * 2) husband_id, named(i * 2) husband_name, person(i * 2 + 1) wife_id, "
            "named(i * 2 + 1) wife_name, DATE '1990-01-01' + (i % 13000 + v)::INT registered_on, '20' marital_code, i FROM range({n} // 4) r(i)",
        ),
        "insurance": (
            {"account_no": "string", "citizen_id": "DE01001", "name": "DE01002", "scheme": "string", "status": "string", "employer_uscc": "string",
             "base_amount": "decimal", "paid_until": "date", "updated_at": "timestamp"},
            "SELECT 'S' || lpad(i::VARCHAR, 12, '0') account_no, person(p) citizen_id, named(p) AS name, (i % 5)::VARCHAR scheme, "
            "CASE WHEN i % 7 = 0 THEN 'closed' ELSE 'active' END status, '91990100MA' || lpad((i % 100000)::VARCHAR, 8, '0') employer_uscc, "
            "((i % 20000) + 3000 + v)::DECIMAL(12, 2) base_amount, DATE '2025-01-01' + (i % 600)::INT paid_until, "
            "TIMESTAMPTZ '2025-01-01 00:00:00+00' + INTERVAL (i % 6000000) SECOND updated_at, i "
            "FROM (SELECT i, (i * 40503) % ({n} * 8 // 10) p FROM range({n} * 9 // 10) r(i))",
        ),
        "utility_accounts": (
            {"account_no": "string", "holder_id": "string", "holder_name": "string", "utility": "string", "address": "string", "opened_on": "date",
             "balance": "decimal"},
            "SELECT 'U' || lpad(i::VARCHAR, 12, '0') account_no, CASE WHEN i % 20 = 0 THEN '91990100MA' || lpad((i % 100000)::VARCHAR, 8, '0') "
            "ELSE person((i * 69621) % {n}) END holder_id, '某' || i % 1000 holder_name, (i % 3)::VARCHAR utility, "
            "'东海市海滨路' || (i % 9999) || '号' address, "
            "DATE '2010-01-01' + (i % 5000)::INT opened_on, ((i % 20000) / 10.0 + v)::DECIMAL(12, 2) balance, i FROM range({n} // 2) r(i)",
        ),
        "companies": (
            {"uscc": "string", "org_name": "string", "legal_rep_id": "DE01001", "legal_rep_name": "string", "reg_status_code": "string",
             "establish_date": "date"},
            "SELECT '91990100MA' || lpad(i::VARCHAR, 8, '0') uscc, '东海' || i || '有限公司' org_name, person((i * 104729) % {n}) legal_rep_id, "
            "'某' || i % 1000 legal_rep_name, '1' reg_status_code, "
            "DATE '2005-01-01' + (i % 7000 + v)::INT establish_date, i FROM range({n} // 20) r(i)",
        ),
    }  # fmt: skip


_PRIVATE = {"address", "mobile"}
_SUBJECT_COLUMNS = {"citizen_id", "husband_id", "wife_id", "holder_id", "legal_rep_id"}
_JOIN = """
SELECT r.* EXCLUDE (_op, _seq, _hash), t.* EXCLUDE (_k), m.* EXCLUDE (_k), i.* EXCLUDE (_k), u.* EXCLUDE (_k), c.* EXCLUDE (_k)
FROM {residents} r
LEFT JOIN ({travel_permits}) t ON t._k = r.citizen_id LEFT JOIN ({marriages}) m ON m._k = r.citizen_id
LEFT JOIN ({insurance}) i ON i._k = r.citizen_id LEFT JOIN ({utility_accounts}) u ON u._k = r.citizen_id
LEFT JOIN ({companies}) c ON c._k = r.citizen_id WHERE {mine}
"""
_PICKS = {
    "travel_permits": ("citizen_id", "permit_no, name AS permit_name, permit_type, issue_date, valid_to, status", "issue_date"),
    "marriages": ("husband_id", "cert_no, registered_on, marital_code, wife_id, wife_name", "registered_on"),
    "insurance": ("citizen_id", "account_no, scheme, status AS insured, employer_uscc, base_amount, paid_until", "updated_at"),
    "utility_accounts": ("holder_id", "account_no AS meter, utility, address AS supplied, opened_on, balance", "opened_on"),
    "companies": ("legal_rep_id", "uscc, org_name, reg_status_code, establish_date", "establish_date"),
}  # fmt: skip


def contracts() -> dict[str, Any]:
    """The six contracts."""
    from schemas.contract import Column, Contract, Source, SubjectLink

    made = {}
    for dataset, (columns, _) in _tables().items():
        listed = [
            Column(n, n, n, "string", element=kind, key_position=int(i == 0), classification="L4" if kind == "DE01001" else "L3")
            if kind.startswith("DE") else
            Column(n, n, n, kind, precision=12, scale=2, key_position=int(i == 0), classification="L3" if n in _PRIVATE else "L2")
            for i, (n, kind) in enumerate(columns.items())
        ]  # fmt: skip
        made[dataset] = Contract(
            dataset=dataset, title=dataset, version="1.0.0", status="active", provider=f"{dataset}局", provider_code="x",
            provider_en=f"Bureau of {dataset}", title_en=dataset, purpose="", resource_code="302001/000001",
            share_type=1, share_condition="", share_modes=("api",), columns=tuple(listed), source=Source("csv", "file://", "x"),
            subjects=tuple(SubjectLink("person", n) for n in columns if n in _SUBJECT_COLUMNS),
        )  # fmt: skip
    return made


def publish(lake: Path, rows: int, load: int, share: float) -> None:
    """Publish a load of every dataset: all rows, or a share of them in a new version."""
    import duckdb

    from lake import hashing
    from lake.history import History, Load
    from lake.session import PARQUET

    with duckdb.connect() as con:
        con.execute(
            "SET TimeZone = 'UTC'; SET threads = 2; SET preserve_insertion_order = false; SET memory_limit = '2GB'"
        )
        con.execute(_MACROS)
        for dataset, contract in contracts().items():
            history = History(lake, dataset)
            history.prepare(contract)
            path = history.path / f"load-{load:09d}-bench.parquet"
            query = _tables()[dataset][1].replace("{n}", str(rows)).replace("+ v", f"+ {load - 1}")
            names = ", ".join(c.name for c in contract.columns)
            some = "true" if share == 1 else f"i % {round(1 / share)} = 0"
            rowset = f"SELECT * FROM ({query}) WHERE {some}"
            con.execute(
                f"COPY (SELECT {names}, 'upsert' AS _op, {load}::BIGINT AS _load, ({load} * 1000000000 + i)::BIGINT AS _seq, "
                f"{hashing.of_values(contract)} AS _hash FROM ({rowset})) TO '{path}' ({PARQUET})"
            )
            [(count,)] = con.execute(f"SELECT count(*) FROM read_parquet('{path}')").fetchall()
            whole = count if load == 1 else (history.head() or Load(dataset, 0, "", 0, "", "", "", None, 0, 0)).rows
            at = AT.isoformat()
            history.commit(
                Load(dataset, load, f"run-{dataset}-{load}", load, "pull", at, at, None, whole, count), path, contract
            )


def sources(lake: Path, folder: Path) -> Any:
    """All that a build reads."""
    from lake.history import History
    from ledger.loads import Load
    from subjects import declare, histories
    from subjects.work import Sources

    applied = contracts()
    told = [
        Load(x.dataset, x.load, x.run, AT, x.rows, facts={"as_of": x.as_of, "changed": x.changed})
        for d in applied
        for x in History(lake, d).loads()
    ]
    return Sources(declare.load(folder / "subjects", applied), applied, histories.of_lake(lake), told)


class Measured:
    """Seconds of this process since its birth as a contender, and its peak memory; pandas, which Arrow brings along, is there already."""

    def __init__(self) -> None:
        import pandas  # noqa: F401

        self.started = time.perf_counter()
        self.cpu = time.process_time()

    def told(self, **more: Any) -> None:
        """Print what the parent reads."""
        print(json.dumps({
            "seconds": time.perf_counter() - self.started, "cpu": time.process_time() - self.cpu,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, **more,
        }))  # fmt: skip


def join(folder: Path, buckets: int, memory_mb: int) -> None:
    """The plain wide join, in hash buckets if there are more than one."""
    import duckdb

    from lake.history import History

    files = {
        d: "read_parquet([" + ", ".join(f"'{f.path}'" for f in History(folder / "lake", d).files()[:1]) + "])"
        for d in contracts()
    }
    measured = Measured()
    with duckdb.connect() as con:
        con.execute(
            f"SET threads = 2; SET preserve_insertion_order = false; SET memory_limit = '{memory_mb}MB'; SET temp_directory = '{folder / 'spill'}'"
        )
        for bucket in range(buckets):
            of = "true" if buckets == 1 else f"hash({{}}) % {buckets} = {bucket}"
            picks = {
                d: f"SELECT {by} AS _k, {columns}, _load AS _load_{d} FROM {files[d]} WHERE {of.format(by)} "
                f"QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY {latest} DESC NULLS LAST, _load DESC, _seq DESC) = 1"
                for d, (by, columns, latest) in _PICKS.items()
            }
            query = _JOIN.format(residents=files["residents"], mine=of.format("r.citizen_id"), **picks)
            con.execute(f"COPY ({query}) TO '{folder / f'wide-{bucket}.parquet'}' (FORMAT parquet, COMPRESSION zstd)")
    measured.told(bytes=sum(p.stat().st_size for p in folder.glob("wide-*.parquet")))


def build(folder: Path, buckets: int, memory_mb: int, latest: int, loaded: int) -> None:
    """A build as of load `latest` of every dataset, in threads; prints seconds and what was written."""
    from lake import subject_builds
    from ledger.subject_work import Pending
    from subjects import build as building
    from subjects import statement
    from subjects.work import Room, Work

    lake = folder / "lake"
    given = sources(lake, folder)
    kind = given.kinds["person"]
    (folder / "spill").mkdir(exist_ok=True)
    measured = Measured()
    head = subject_builds.head(lake, "person") if loaded else None
    upto = dict.fromkeys(kind.datasets, latest)
    pending = Pending("person", upto, head.upto if head else None, statement.digest(kind, given.kinds, given.contracts))
    work = Work(
        pending,
        head.build + 1 if head else 1,
        head.version if head else 0,
        True,
        (0, 0),
        1 if head else buckets,
        loaded,
    )
    building.build(work, given, lake, Room(folder / "spill", memory_mb))
    made = subject_builds.head(lake, "person")
    assert made is not None
    parts = made.since(work.build - 1)
    size = sum((subject_builds.folder(lake, "person") / p.name).stat().st_size for p in parts)
    measured.told(files=sum(p.rows for p in parts), bytes=size)


def load(folder: Path, buckets: int, memory_mb: int, url: str) -> None:
    """Load every file into the store of `url` while a thread reads from it; prints seconds and the reads' times."""
    from lake import subject_builds
    from ledger.database import Database, ledger_tables, subject_tables
    from ledger.subject_keys import SubjectKeys
    from ledger.subject_store import SubjectStore
    from ledger.subject_work import Pending
    from subjects import load as loading
    from subjects.file import SubjectFile
    from subjects.work import Room, Work

    lake = folder / "lake"
    given = sources(lake, folder)
    ledger, db = Database(f"sqlite:///{folder / 'ledger.db'}", ledger_tables), Database(url, subject_tables)
    ledger.create()
    db.create()
    store = SubjectStore(db, SubjectKeys.of([b"k" * 32], b"n" * 32))
    head = subject_builds.head(lake, "person")
    assert head is not None
    reader = subprocess.Popen(
        [sys.executable, __file__, "--child", "read", "--folder", str(folder), "--url", url],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    (folder / "spill").mkdir(exist_ok=True)
    measured = Measured()
    work = Work(
        Pending("person", head.upto, None, head.declaration), head.build, head.version, False, (0, 0), buckets, 0
    )
    built = loading.load_all(work, given, lake, ledger, store, AT, Room(folder / "spill", memory_mb))
    seconds = time.perf_counter() - measured.started
    out, _ = reader.communicate("")
    person, times = _some_person(), []
    for _ in range(2000):
        began = time.perf_counter()
        found = store.get("person", person)
        assert found is not None
        SubjectFile.of(found)
        times.append(time.perf_counter() - began)
    measured.told(
        seconds=seconds,
        files=built.written,
        rate=built.written / seconds,
        get=statistics.median(times) * 1e6,
        **json.loads(out),
    )
    db.dispose()
    ledger.dispose()


def _some_person() -> str:
    import duckdb

    with duckdb.connect() as con:
        con.execute(_MACROS)
        [(found,)] = con.execute("SELECT person(7)").fetchall()
    return str(found)


def read(url: str) -> None:
    """Look one person up a hundred times a second until the parent says that it is done; prints the slowest look-ups."""
    from ledger.database import Database, subject_tables
    from ledger.subject_keys import SubjectKeys
    from ledger.subject_store import SubjectStore

    store = SubjectStore(Database(url, subject_tables), SubjectKeys.of([b"k" * 32], b"n" * 32))
    person, times, over = _some_person(), [], threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    while not over.wait(0.01):
        began = time.perf_counter()
        store.get("person", person)
        times.append(time.perf_counter() - began)
    ordered = sorted(times)
    print(
        json.dumps({"reads": len(times), "p99": ordered[len(ordered) * 99 // 100] * 1e3, "slowest": ordered[-1] * 1e3})
    )


def child(arguments: argparse.Namespace) -> None:
    """What a contender's process does."""
    folder, buckets, memory = arguments.folder, arguments.buckets, arguments.memory
    match arguments.child:
        case "join":
            join(folder, buckets, arguments.join_memory)
        case "build":
            build(folder, buckets, memory, 1, 0)
        case "change":
            build(folder, 1, memory, 2, 1)
        case "load":
            load(folder, buckets, memory, arguments.url)
        case "read":
            read(arguments.url)


def run(arguments: argparse.Namespace, what: str, **more: str) -> dict[str, Any]:
    """One contender in a process of its own."""
    command = [sys.executable, __file__, "--child", what]
    given = {
        "folder": arguments.folder,
        "buckets": arguments.buckets,
        "memory": arguments.memory,
        "join-memory": arguments.join_memory,
        **more,
    }
    for name, value in given.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"}
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def forget(folder: Path, build: int) -> None:
    """Undo builds after `build`."""
    for path in (folder / "lake" / "subjects" / "person").glob("*"):
        if int(path.name[:9]) > build:
            path.unlink()


def show(what: str, results: list[dict[str, Any]], beside: float | None = None) -> float:
    """Print one contender's medians; returns its seconds."""
    middle = {name: statistics.median(r[name] for r in results) for name in results[0]}
    ratio = f"  {middle['seconds'] / beside:5.2f} x join" if beside else ""
    rest = "  ".join(
        f"{name} {value:,.0f}" if value > 99 else f"{name} {value:.3g}"
        for name, value in middle.items()
        if name != "seconds"
    )
    print(f"{what:28s} {middle['seconds']:8.2f} s{ratio}  {rest}", flush=True)
    return float(middle["seconds"])


def main() -> None:
    """Make the histories, run the contenders in turn, print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000_000], help="residents; several show the growth")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--buckets", type=int, default=2)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--memory", type=int, default=1000, help="MB that DuckDB may take in a build")
    parser.add_argument("--join-memory", type=int, default=8000, help="MB that it may take in the plain join")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--url", default="")
    parser.add_argument("--child", default="")
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            compare(argparse.Namespace(**{**vars(arguments), "folder": Path(name)}), rows)


def compare(arguments: argparse.Namespace, rows: int) -> None:
    """One size: every contender in turn, so often."""
    folder = arguments.folder
    (folder / "subjects").mkdir()
    (folder / "subjects" / "person.yaml").write_text(PERSON, encoding="utf-8")
    began = time.perf_counter()
    publish(folder / "lake", rows, 1, 1)
    print(f"{rows:,} residents and five other sources made in {time.perf_counter() - began:.0f} s", flush=True)
    results: dict[str, list[dict[str, Any]]] = {}
    for _ in range(arguments.runs):
        for what in [p for p in ("join", "build") if p in arguments.parts]:
            forget(folder, 0)
            results.setdefault(what, []).append(run(arguments, what))
    if "build" not in results:
        run(arguments, "build")
    beside = show("DuckDB's plain wide join", results["join"]) if "join" in results else None
    if "build" in results:
        show("subject files, everybody", results["build"], beside)
    for where in [p for p in ("sqlite", "postgres") if p in arguments.parts]:
        found = []
        for _ in range(arguments.runs):
            with ExitStack() as stack:
                found.append(run(arguments, "load", url=url_of(where, folder, stack)))
        show(f"online store, {where}", found)
    if "change" in arguments.parts:
        publish(folder / "lake", rows, 2, 0.01)
        changed = []
        for _ in range(arguments.runs):
            forget(folder, 1)
            changed.append(run(arguments, "change"))
        show("subject files, 1 % changed", changed)


def url_of(where: str, folder: Path, stack: ExitStack) -> str:
    """An empty database."""
    if where == "sqlite":
        for path in folder.glob("store.db*"):
            path.unlink()
        return f"sqlite:///{folder / 'store.db'}"
    import servers

    return str(stack.enter_context(servers.database(stack.enter_context(servers.postgres(durable=True)), "records")))


if __name__ == "__main__":
    main()
