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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from records_city import AT, MACROS, PERSON, contracts, publish, sources  # noqa: E402

PARTS = ("join", "build", "change", "sqlite", "postgres")
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
        con.execute(MACROS)
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
