"""SQLite's log is carried into its file beside those who write, begins anew when it is long, and is let be where it cannot."""

import fcntl
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text

from ledger.carrying import Carrier, carry
from ledger.database import Database

ROWS = Table("rows", (tables := MetaData()), Column("n", Integer, primary_key=True), Column("text", Text))
PAGE = 4096


@pytest.fixture
def db(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path}/a.db", tables)
    made.create()
    return made


def write(db: Database, first: int, many: int) -> None:
    """So many commits, each of some five pages."""
    for n in range(first, first + many):
        with db.quick() as plain:
            plain.insert("rows (n, text)", [(n, "x" * 16000)])


def pages(tmp_path: Path) -> int:
    return (tmp_path / "a.db-wal").stat().st_size // PAGE


def rows(db: Database) -> int:
    return int(db.points.rows("SELECT count(*) FROM rows", ())[0][0])


def test_the_log_stays_short_while_many_write(db: Database, tmp_path: Path) -> None:
    with Carrier(db, every=0.001, long=50):
        for part in range(20):
            write(db, part * 50, 50)
            time.sleep(0.02)
    assert rows(db) == 1000
    assert pages(tmp_path) < 2000 < 1000 * 5, "without a carrier it has them all"
    assert (tmp_path / "a.db").stat().st_size > 1000 * 4 * PAGE, "what was written is in the file"
    db.dispose()


def test_without_a_carrier_the_log_has_it_all(db: Database, tmp_path: Path) -> None:
    write(db, 0, 1000)
    assert pages(tmp_path) >= 4000
    db.dispose()


def test_a_reader_keeps_the_log_from_beginning_anew_and_nobody_waits_for_it(db: Database, tmp_path: Path) -> None:
    write(db, 0, 1)
    with db.read() as connection, Carrier(db, every=0.001, long=50):
        connection.exec_driver_sql("SELECT count(*) FROM rows").scalar()
        write(db, 1, 200)
        time.sleep(0.05)
        grown = pages(tmp_path)
        assert grown >= 200 * 4
        assert connection.exec_driver_sql("SELECT count(*) FROM rows").scalar() == 1
    with Carrier(db, every=0.001, long=50):
        for n in range(201, 2000):
            write(db, n, 1)
            if _log(db) < 50:
                break
    assert _log(db) < 100 < grown, "the log has begun anew"
    db.dispose()


class Meddled:
    """A connection just before whose every statement others commit three times; the names the log had before and after."""

    def __init__(self, db: Database, tmp_path: Path) -> None:
        self._db, self._tmp_path, self.names = db, tmp_path, list[bytes]()
        self._connection = opened(db)

    def execute(self, statement: str) -> Any:
        self.names.append(name(self._tmp_path))
        write(self._db, 1000 * len(self.names), 3)
        self.names.append(name(self._tmp_path))
        return self._connection.execute(statement)


def opened(db: Database) -> Any:
    pooled = db.engine.raw_connection()
    driver = pooled.driver_connection
    pooled.detach()
    return driver


def name(tmp_path: Path) -> bytes:
    """Two numbers in the log's head that are others whenever it begins anew."""
    return (tmp_path / "a.db-wal").read_bytes()[16:24]


def test_the_log_does_not_begin_anew_while_it_is_carried_over(db: Database, tmp_path: Path) -> None:
    """Else SQLite before 3.51.3 loses pages."""
    reader, plain = opened(db), opened(db)
    write(db, 0, 1)
    seen, _ = carry(reader, plain, -1)
    first = name(tmp_path)
    write(db, 1, 1)
    assert name(tmp_path) != first, "all of it was over"

    meddled = Meddled(db, tmp_path)
    seen, left = carry(reader, meddled, seen)
    before, after = meddled.names
    assert before == after
    assert left, "what came meanwhile is not over"

    seen, left = carry(reader, plain, seen)
    assert not left
    assert carry(reader, Meddled(db, tmp_path), seen) == (seen, 0), (
        "nothing is new, nothing is done: it could begin anew"
    )
    db.dispose()


def test_of_two_carriers_one_carries(db: Database, tmp_path: Path) -> None:
    with (tmp_path / "a.db-carrier").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with Carrier(db, every=0.001):
            time.sleep(0.01)
            write(db, 0, 20)
            time.sleep(0.05)
            fcntl.flock(other, fcntl.LOCK_UN)
            in_file = (tmp_path / "a.db").stat().st_size
            assert in_file < 20 * 4 * PAGE, "the other one has the file"
            for n in range(20, 120):  # it looks once a second whether the other one has gone
                write(db, n, 1)
                time.sleep(0.05)
                if (tmp_path / "a.db").stat().st_size > 20 * 4 * PAGE:
                    break
    assert (tmp_path / "a.db").stat().st_size > 20 * 4 * PAGE, "and has gone"
    db.dispose()


def _log(db: Database) -> int:
    """How many pages the log holds now."""
    return int(db.points.rows("PRAGMA wal_checkpoint(PASSIVE)", ())[0][1])
