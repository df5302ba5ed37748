"""Rows stamped early and committed late, and tables that change while they are read, on real servers: nothing is lost, nothing is mixed."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from faults_bench import FAR, SEEDS, Bench, city, moved
from faults_departments import Api, Row, ServerChanges
from faults_oracle import Oracle, Reader, Tally
from sqlalchemy import Connection, NullPool, create_engine, text

SYSTEMS = (
    pytest.param("postgresql incremental", marks=pytest.mark.needs_postgres),
    pytest.param("mariadb incremental", marks=pytest.mark.needs_mariadb),
)
PULLS = 12 if SEEDS else 1


@contextmanager
def transaction(department: ServerChanges) -> Iterator[Connection]:
    """A clerk in the middle of some work."""
    with create_engine(department.url, poolclass=NullPool).connect() as connection:
        yield connection


def write(department: ServerChanges, connection: Connection, row: Row) -> None:
    """Put one row, stamped now, not committed yet."""
    put = department.ddl("INSERT INTO {人口} ({身份证号}, {姓名}, n) VALUES (:k, :name, :n)")
    connection.execute(text(department.ddl("DELETE FROM {人口} WHERE {身份证号} = :k")), {"k": row[0]})
    connection.execute(text(put), {"k": row[0], "name": row[1], "n": row[2]})


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", SYSTEMS)
def test_rows_of_transactions_held_open_during_pulls_all_come_in_the_end(
    bench_of: Callable[[str], Bench], tally: Tally, kind: str
) -> None:
    bench = bench_of(kind)
    department = bench.department
    assert isinstance(department, ServerChanges)
    dice, oracle = random.Random(kind), Oracle(bench, tally)
    bench.source(city(1))
    oracle.check_recovery()
    tally.at(f"{kind}: held-open transactions")
    for number in range(PULLS):
        with Reader(bench, tally), transaction(department) as slow, transaction(department) as slower:
            keys = dice.sample(sorted(bench.rows), 6)
            rows: list[Row] = [(key, "金丝雀戊", number * 100 + i) for i, key in enumerate(keys)]
            write(department, slow, rows[0])
            write(department, slower, rows[1])
            commit(department, rows[2:4])
            assert bench.pull() == "exit 0"
            slow.commit()
            commit(department, rows[4:])
            assert bench.pull() == "exit 0"
            slower.commit()
            tally.count("faults", 2)
        bench.before = bench.current()
        department.rows = {**department.rows, **{row[0]: row for row in rows}}
        oracle.check_recovery()


def commit(department: ServerChanges, rows: list[Row]) -> None:
    """What the quick ones write and commit at once."""
    with transaction(department) as quick:
        for row in rows:
            write(department, quick, row)
        quick.commit()


CHANGES = {
    "a column less": "ALTER TABLE {人口} DROP COLUMN n",
    "a column more": "ALTER TABLE {人口} ADD COLUMN extra varchar(9)",
    "a column renamed": "ALTER TABLE {人口} RENAME COLUMN n TO m",
    "all rows gone": "TRUNCATE TABLE {人口}",
}
WHENS = ("before the read", "during the read")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("kind", SYSTEMS)
def test_a_table_altered_around_a_read_is_never_half_read(
    bench_of: Callable[[str], Bench], tally: Tally, kind: str, when: str
) -> None:
    bench = bench_of(kind)
    department, oracle = bench.department, Oracle(bench, tally)
    assert isinstance(department, ServerChanges)
    bench.source(city(1))
    oracle.check_recovery()
    for change, statement in list(CHANGES.items())[: None if SEEDS else 1]:
        tally.at(f"{kind}: {change} {when}")
        bench.source(moved(bench.rows))
        with Reader(bench, tally):
            ended = altered(bench, department, department.ddl(statement), during=when == WHENS[1])
            tally.count("faults")
            oracle.check_loads()
            if when == WHENS[1]:
                assert ended == "exit 0", "the read goes on in its snapshot"
                oracle.check_either(bench.expected())
            else:
                assert ended in ("exit 0", "source-missing", "source-damaged", "delivery-held")
                oracle.check_either(bench.before)
            department.begin_anew()
            oracle.check_recovery()


def altered(bench: Bench, department: ServerChanges, statement: str, *, during: bool) -> str:
    """Run `statement` while a run stands at its claim, or in its landing with the read's transaction open; how the run ended."""
    point = "land.part" if during else "read.claimed"
    child = bench.start(HUB_CRASH_AT=point, HUB_CRASH_SIGNAL="STOP", ahead=FAR * bench.trials)
    assert bench.zygote.wait(child) == "stopped"
    change = threading.Thread(target=department.execute, args=(statement,))  # waits for the read, if that has begun
    change.start()
    if not during:
        change.join()
    os.kill(child, signal.SIGCONT)
    ended = bench.zygote.wait(child)
    change.join()
    return ended


SHAPES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "a column renamed": lambda item: {("名字" if name == "姓名" else name): value for name, value in item.items()},
    "a column more": lambda item: {**item, "extra": 1},
    "another type": lambda item: {**item, "n": {"value": item["n"]}},
}


@pytest.mark.parametrize("shape", SHAPES if SEEDS else list(SHAPES)[:1])
def test_an_api_whose_second_page_has_another_shape_publishes_nothing_of_either(
    bench_of: Callable[[str], Bench], tally: Tally, shape: str
) -> None:
    bench = bench_of("api")
    department = bench.department
    assert isinstance(department, Api)
    bench.source(city(3))
    assert bench.pull() == "exit 0"
    bench.source(moved(bench.rows))
    tally.at(f"api: {shape} from the second page on")
    department.later_pages = SHAPES[shape]
    assert bench.pull() in ("source-damaged", "retry"), "told as what it is, by the gate or by the reader of pages"
    tally.count("faults")
    Oracle(bench, tally).check_either(bench.before)
    department.later_pages = None
    Oracle(bench, tally).check_recovery()
