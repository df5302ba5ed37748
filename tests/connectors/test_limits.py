"""A department's database is not hurt: rows at the agreed pace, statements that end, idle transactions that end, nothing written."""

import time
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from connector_stages import SERVERS, columns
from database_stages import DuckDbStage, ServerStage, SqliteStage, SqlStage
from sqlalchemy.exc import SQLAlchemyError

from connectors.pace import paced
from schemas.errors import HubError, SourceDenied, SourceMissing


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def batches(*sizes: int) -> list[pa.RecordBatch]:
    return [pa.record_batch({"n": list(range(size))}) for size in sizes]


def test_rows_leave_at_the_agreed_pace_in_small_slices_and_none_is_lost() -> None:
    time_ = Time()
    seen = []
    for batch in paced(iter(batches(100, 0, 30, 7)), 40, clock=lambda: time_.now, sleep=time_.sleep):
        seen += [(time_.now, n) for n in batch.column("n").to_pylist()]
        assert batch.num_rows <= 10
    assert [n for _, n in seen] == [*range(100), *range(30), *range(7)]
    assert all(sum(moment <= at < moment + 1 for at, _ in seen) <= 50 for moment, _ in seen)
    assert time_.now == pytest.approx(137 / 40)


def test_a_source_slower_than_its_pace_is_not_slowed_further() -> None:
    def never(_: float) -> None:
        raise AssertionError("slept")

    hours = iter(range(100))
    assert sum(b.num_rows for b in paced(iter(batches(10, 10)), 5, clock=lambda: next(hours) * 60.0, sleep=never)) == 20


def test_without_a_pace_batches_come_as_they_are() -> None:
    given = batches(3, 4)
    assert list(paced(iter(given), None)) == given


@pytest.mark.parametrize(("kind", "module"), [(SqliteStage, "connector"), (DuckDbStage, "generic")])
def test_a_read_keeps_the_contracts_pace(
    kind: type[SqlStage], module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_ = Time()
    timed = partial(paced, clock=lambda: time_.now, sleep=time_.sleep)
    monkeypatch.setattr(f"connectors.sql.{module}.paced", timed)
    stage = kind(tmp_path)
    stage.write(["id"], [[str(i)] for i in range(60)])
    assert len(stage.deliver(columns("id"), rows_per_second=200).records) == 60
    assert time_.now == pytest.approx(60 / 200)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> ServerStage:
    return request.getfixturevalue(f"{request.param}_stage")


def sleeping(server: ServerStage, seconds: int) -> str:
    return f"pg_sleep({seconds})::text" if type(server).__name__ == "PostgresStage" else f"sleep({seconds})"


def test_a_statement_that_takes_longer_than_agreed_is_ended_by_the_server(server: ServerStage) -> None:
    server.execute(f"CREATE VIEW records AS SELECT {sleeping(server, 30)} AS id")
    began = time.monotonic()
    with pytest.raises(SourceDenied, match="took too long"):
        server.deliver(columns("id"), statement_seconds=1)
    assert time.monotonic() - began < 20


def test_every_session_ends_idle_transactions_and_writes_nothing(server: ServerStage) -> None:
    postgres = type(server).__name__ == "PostgresStage"
    ask = (
        "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout')"
        if postgres
        else "SELECT @@idle_readonly_transaction_timeout, @@lock_wait_timeout"
    )
    with server.open() as connector, connector.engine.connect() as connection:  # type: ignore[attr-defined]
        assert tuple(connection.exec_driver_sql(ask).one()) == (("10min", "1min") if postgres else (600, 60))
        with pytest.raises(SQLAlchemyError, match=r"(?i)read.only"):
            connection.exec_driver_sql("CREATE TABLE intruder (a int)")
    if postgres:  # the session that reads is another than the one that introspects
        server.execute(f"CREATE VIEW records AS {ask.replace(',', ' AS a,')} AS b")
        assert server.deliver(columns("a")).records[0]["a"] == "10min"


def test_not_even_a_view_can_write_in_the_session_that_reads(server: ServerStage) -> None:
    """Whatever a department's view calls, the transaction that it is read in writes nothing."""
    server.execute("CREATE TABLE visits (n integer)")
    body = "RETURNS integer"
    if type(server).__name__ == "PostgresStage":
        body += " LANGUAGE sql AS 'INSERT INTO visits VALUES (1) RETURNING 1'"
    else:
        body += " MODIFIES SQL DATA BEGIN INSERT INTO visits VALUES (1); RETURN 1; END"
    server.execute(f"CREATE FUNCTION visited() {body}")
    server.execute("CREATE VIEW records AS SELECT visited() AS id")
    with pytest.raises(HubError):
        server.deliver(columns("id"))
    assert server.execute_scalar("SELECT count(*) FROM visits") == 0


def test_a_name_that_is_sql_is_a_name_that_is_not_there(server: ServerStage) -> None:
    server.write(["id"], [["1"]])
    for name in ("records; DROP TABLE records", "records WHERE 1=1", "(SELECT 1 AS id) AS x", '"records"', "records--"):
        with pytest.raises(SourceMissing, match="has no table"):
            server.deliver(columns("id"), table=name)
    for name in ("id, version()", "1", "id) FROM records; --"):
        with pytest.raises(SourceMissing, match="has no column"):
            server.deliver(columns("id", name))
        with pytest.raises(SourceMissing, match="cursor"):
            server.deliver(columns("id"), sync="incremental", cursor=name)
    assert server.deliver(columns("id")).texts("id") == ["1"]
