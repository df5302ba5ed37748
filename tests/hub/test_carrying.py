"""SQLite's log is carried into its file beside those who write, begins anew when it is long, and is let be where it cannot."""

import time
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text

from ledger.carrying import Carrier
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


def _log(db: Database) -> int:
    """How many pages the log holds now."""
    return int(db.points.rows("PRAGMA wal_checkpoint(PASSIVE)", ())[0][1])
