"""Up to where an incremental read of a server went: what is committed late is read later, not lost."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
import servers
from connector_stages import columns
from database_stages import MariaDbStage, PostgresStage, ServerStage, SqliteStage
from sqlalchemy import Connection, NullPool, create_engine, make_url
from sqlalchemy.exc import DBAPIError

from connectors.sql.mariadb import MariaDb
from connectors.sql.postgres import Postgres
from schemas.errors import SourceDamaged

WANTED = columns("id", "updated_at")
INCREMENTAL = {"sync": "incremental", "cursor": "c1"}
TABLES = {
    "timestamptz": "CREATE TABLE records (id text, updated_at timestamptz DEFAULT now())",
    "timestamp": "CREATE TABLE records (id text, updated_at timestamp DEFAULT (now() AT TIME ZONE 'Asia/Shanghai'))",
    "datetime": "CREATE TABLE records (id varchar(20), updated_at datetime(6) DEFAULT convert_tz(now(6), @@time_zone, '+08:00'))",
    "mariadb timestamp": "CREATE TABLE records (id varchar(20), updated_at timestamp(6) DEFAULT now(6))",
}


@contextmanager
def transaction(stage: ServerStage) -> Iterator[Connection]:
    """A connection of another program, in the middle of its work."""
    with create_engine(stage.url, poolclass=NullPool).connect() as connection:
        yield connection


def insert(connection: Connection, name: str) -> None:
    connection.exec_driver_sql(f"INSERT INTO records (id) VALUES ('{name}')")


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_postgresql_rows_of_a_transaction_open_during_the_read_come_with_the_next(
    postgres_stage: PostgresStage, kind: str
) -> None:
    late_row_is_read_next_time(postgres_stage, TABLES[kind])


@pytest.mark.parametrize("kind", ["datetime", "mariadb timestamp"])
def test_mariadb_rows_of_a_transaction_open_during_the_read_come_with_the_next(
    mariadb_stage: MariaDbStage, kind: str
) -> None:
    late_row_is_read_next_time(mariadb_stage, TABLES[kind])


def late_row_is_read_next_time(stage: ServerStage, table: str) -> None:
    stage.execute(table)
    with transaction(stage) as slow:
        insert(slow, "late")
        with transaction(stage) as quick:
            insert(quick, "early")
            quick.commit()
        first = stage.deliver(WANTED, **INCREMENTAL)
        slow.commit()
    assert first.values("id") == ["early"]
    assert json.loads(first.watermark or "")["sure"]
    assert first.note == ""
    assert "late" in stage.deliver(WANTED, first.watermark, **INCREMENTAL).values("id")


def test_the_horizon_of_postgresql_stands_still_while_a_transaction_runs(postgres_stage: PostgresStage) -> None:
    url = make_url(postgres_stage.url)
    with (
        transaction(postgres_stage) as slow,
        closing(
            Postgres(host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database)
        ) as session,
    ):
        slow.exec_driver_sql("SELECT 1")
        held = session.horizon()
        assert held.sure
        assert session.horizon() == held
        slow.rollback()
        assert session.horizon().moment > held.moment
        assert "since" in held.remark(held.moment + timedelta(hours=2))


def test_the_horizon_of_mariadb_is_the_oldest_transactions_start(mariadb_stage: MariaDbStage) -> None:
    mariadb_stage.execute(TABLES["mariadb timestamp"])
    url = make_url(mariadb_stage.url)
    with (
        transaction(mariadb_stage) as slow,
        closing(
            MariaDb(host=url.host, port=url.port, user=url.username, password=url.password, database=url.database)
        ) as session,
    ):
        insert(slow, "late")
        began = datetime.now(UTC)
        session.connection.cursor().execute("SET timestamp = unix_timestamp() + 100")  # this session's now() only
        assert session.horizon().moment < began


def test_the_horizon_of_mariadb_is_no_later_than_a_statement_that_has_no_transaction_yet(
    mariadb_stage: MariaDbStage,
) -> None:
    """It may wait for a lock: its rows are stamped when it began, and InnoDB knows of it only when it goes on."""
    url = make_url(mariadb_stage.url)
    arguments = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    with closing(MariaDb(**arguments, database=url.database)) as session, transaction(mariadb_stage) as slow:
        waiting = int(slow.exec_driver_sql("SELECT connection_id()").scalar_one())

        def wait() -> None:
            with suppress(DBAPIError):  # it is ended before its time
                slow.exec_driver_sql("SELECT sleep(60)")

        thread = threading.Thread(target=wait)
        thread.start()
        try:
            began = datetime.now(UTC)
            while not mariadb_stage.execute_scalar(
                f"SELECT 1 FROM information_schema.processlist WHERE id = {waiting} AND command = 'Query' AND time >= 4"
            ):
                pass
            assert session.horizon().moment < began
        finally:
            mariadb_stage.execute(f"KILL QUERY {waiting}")
            thread.join()


def test_a_mariadb_server_that_takes_no_writes_may_lag_behind_the_one_that_does(mariadb_stage: MariaDbStage) -> None:
    mariadb_stage.execute(TABLES["datetime"])
    mariadb_stage.execute("INSERT INTO records VALUES ('1', '2026-05-01 08:00:00')")
    mariadb_stage.execute("SET GLOBAL read_only = 1")
    try:
        first = mariadb_stage.deliver(WANTED, **INCREMENTAL)
    finally:
        mariadb_stage.execute("SET GLOBAL read_only = 0")
    assert not json.loads(first.watermark or "")["sure"]
    assert "bound by overlap" in first.note


def test_a_role_that_cannot_see_transactions_overlaps_and_says_so(postgres_stage: PostgresStage) -> None:
    postgres_stage.execute(TABLES["timestamptz"])
    postgres_stage.execute(
        "INSERT INTO records VALUES ('old', '2026-05-01 08:00:00+08'), ('edge', '2026-05-01 09:00:00+08')"
    )
    postgres_stage.execute("DROP ROLE IF EXISTS reader")
    postgres_stage.execute("CREATE ROLE reader LOGIN PASSWORD 'pw'")
    postgres_stage.execute("GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON records TO reader")
    overlaps(postgres_stage, "reader:pw")


def test_a_mariadb_account_without_process_overlaps_and_says_so(mariadb_stage: MariaDbStage) -> None:
    mariadb_stage.execute("CREATE TABLE records (id varchar(20), updated_at datetime)")
    mariadb_stage.execute("INSERT INTO records VALUES ('old', '2026-05-01 08:00:00'), ('edge', '2026-05-01 09:00:00')")
    mariadb_stage.execute("CREATE OR REPLACE USER reader@'127.0.0.1' IDENTIFIED BY 'pw'")
    mariadb_stage.execute("GRANT SELECT ON *.* TO reader@'127.0.0.1'")
    overlaps(mariadb_stage, "reader:pw")


def overlaps(stage: ServerStage, account: str) -> None:
    url = stage.url
    stage.url = url.replace(url[url.index("//") + 2 : url.rindex("@")], account)
    first = stage.deliver(WANTED, lag=7200, **INCREMENTAL)
    assert not json.loads(first.watermark or "")["sure"]
    assert "bound by overlap" in first.note
    assert set(stage.deliver(WANTED, first.watermark, lag=7200, **INCREMENTAL).values("id")) == {"old", "edge"}
    assert stage.deliver(WANTED, first.watermark, lag=60, **INCREMENTAL).values("id") == ["edge"]


def test_a_prepared_transaction_makes_the_bound_unsure(postgres_stage: PostgresStage) -> None:
    postgres_stage.execute(TABLES["timestamptz"])
    postgres_stage.execute("INSERT INTO records VALUES ('1', '2026-05-01 08:00:00+08')")
    with transaction(postgres_stage) as other:
        insert(other, "prepared")
        other.exec_driver_sql("PREPARE TRANSACTION 'p1'")
    try:
        assert not json.loads(postgres_stage.deliver(WANTED, **INCREMENTAL).watermark or "")["sure"]
    finally:
        servers.execute(postgres_stage.url, "ROLLBACK PREPARED 'p1'")


@pytest.mark.parametrize("moment", ["2999-01-01 00:00:00+08", "infinity"])
def test_a_row_from_the_future_does_not_stop_the_ones_after_it(postgres_stage: PostgresStage, moment: str) -> None:
    postgres_stage.execute(TABLES["timestamptz"])
    postgres_stage.execute(f"INSERT INTO records VALUES ('past', '2026-05-01 08:00:00+08'), ('future', '{moment}')")
    first = postgres_stage.deliver(WANTED, **INCREMENTAL)
    postgres_stage.execute("INSERT INTO records (id) VALUES ('now')")
    assert {"now", "future"} <= set(postgres_stage.deliver(WANTED, first.watermark, **INCREMENTAL).values("id"))


def test_rows_without_a_cursor_value_come_every_time(postgres_stage: PostgresStage) -> None:
    postgres_stage.execute(TABLES["timestamptz"])
    postgres_stage.execute("INSERT INTO records VALUES ('null', NULL), ('old', '2020-01-01'), ('new', '2021-01-01')")
    first = postgres_stage.deliver(WANTED, **INCREMENTAL)
    assert set(postgres_stage.deliver(WANTED, first.watermark, **INCREMENTAL).values("id")) == {"null", "new"}


def test_a_promise_of_values_made_after_rows_without_one_loses_none(postgres_stage: PostgresStage) -> None:
    """PostgreSQL 18 shows such a column as NOT NULL."""
    postgres_stage.execute(TABLES["timestamptz"])
    postgres_stage.execute("INSERT INTO records VALUES ('null', NULL), ('old', '2020-01-01'), ('new', '2021-01-01')")
    postgres_stage.execute("ALTER TABLE records ADD CONSTRAINT there NOT NULL updated_at NOT VALID")
    first = postgres_stage.deliver(WANTED, **INCREMENTAL)
    assert set(postgres_stage.deliver(WANTED, first.watermark, **INCREMENTAL).values("id")) == {"null", "new"}


def test_a_cursor_that_always_has_a_value_is_read_from_its_bound_on(postgres_stage: PostgresStage) -> None:
    postgres_stage.execute('CREATE TABLE records (id text, "% at" timestamptz NOT NULL)')
    postgres_stage.execute("INSERT INTO records VALUES ('old', '2020-01-01'), ('new', '2021-01-01')")
    wanted = columns("id", "% at")
    first = postgres_stage.deliver(wanted, **INCREMENTAL)
    postgres_stage.execute("INSERT INTO records VALUES ('later', '2021-01-02')")
    assert set(postgres_stage.deliver(wanted, first.watermark, **INCREMENTAL).values("id")) == {"new", "later"}


def test_an_integer_cursor_compares_as_a_number_and_zero_is_a_bound(tmp_path, postgres_stage: PostgresStage) -> None:
    for stage in (SqliteStage(tmp_path), postgres_stage):
        stage.execute("CREATE TABLE records (id text, updated_at bigint)")
        stage.execute("INSERT INTO records VALUES ('old', -5), ('zero', 0)")
        first = stage.deliver(WANTED, **INCREMENTAL)
        assert json.loads(first.watermark or "")["bound"] == 0
        stage.execute("INSERT INTO records VALUES ('nine', 9), ('ten', 10)")
        second = stage.deliver(WANTED, first.watermark, **INCREMENTAL)
        assert set(second.values("id")) == {"zero", "nine", "ten"}
        assert stage.deliver(WANTED, second.watermark, **INCREMENTAL).values("id") == ["ten"]


def test_a_cursor_value_that_is_no_moment_is_refused_at_once(tmp_path) -> None:
    stage = SqliteStage(tmp_path)
    stage.write(["id", "updated_at"], [["1", "2026-05-01 08:00:00"], ["2", "不详"]])
    with pytest.raises(SourceDamaged, match="neither a timestamp") as caught:
        stage.deliver(WANTED, **INCREMENTAL)
    assert "不详" not in str(caught.value)


def test_an_emptied_table_keeps_the_watermark_and_a_never_filled_one_has_none(tmp_path) -> None:
    stage = SqliteStage(tmp_path)
    stage.write(["id", "updated_at"], [])
    assert stage.deliver(WANTED, **INCREMENTAL).watermark is None
    stage.add([["1", "2026-05-01 08:00:00"]])
    mark = stage.deliver(WANTED, **INCREMENTAL).watermark
    stage.execute("DELETE FROM records")
    assert stage.deliver(WANTED, mark, **INCREMENTAL).watermark == mark
