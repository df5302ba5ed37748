"""A stream that ends before its end: left by the reader, or cut by the server (for MariaDB: tests/faults/test_cuts.py)."""

import pytest
from connector_stages import columns
from database_stages import MariaDbStage, PostgresStage, ServerStage

from schemas.errors import SourceUnreachable

ROWS = 200_000
WIDE = "repeat('x', 100)"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.sql.copying.BLOCK", 1 << 16)
    monkeypatch.setattr("connectors.sql.packets.BLOCK", 1 << 16)


@pytest.fixture
def wide_postgres(postgres_stage: PostgresStage) -> PostgresStage:
    postgres_stage.execute(
        f"CREATE TABLE records AS SELECT i AS id, {WIDE} AS pad FROM generate_series(1, {ROWS}) AS i"
    )
    return postgres_stage


@pytest.fixture
def wide_mariadb(mariadb_stage: MariaDbStage) -> MariaDbStage:
    mariadb_stage.execute(f"CREATE TABLE records AS SELECT seq AS id, {WIDE} AS pad FROM seq_1_to_{ROWS}")
    return mariadb_stage


def leave_early(stage: ServerStage) -> None:
    with stage.open() as connector, connector.read(columns("id"), None) as reading:
        next(next(reading.parts()).batches or iter(()))
    stage.execute("DROP TABLE records")  # would wait for ever if the reader's transaction still held its lock


def cut(stage: ServerStage, kill: str) -> None:
    with stage.open() as connector, connector.read(columns("id"), None) as reading:
        batches = next(reading.parts()).batches or iter(())
        next(batches)
        stage.execute(kill)
        with pytest.raises(SourceUnreachable, match="broke off") as caught:
            list(batches)
    assert "xxx" not in str(caught.value)


def test_leaving_a_postgresql_stream_early_frees_the_table(wide_postgres: PostgresStage) -> None:
    leave_early(wide_postgres)


def test_leaving_a_mariadb_stream_early_frees_the_table(wide_mariadb: MariaDbStage) -> None:
    leave_early(wide_mariadb)


def test_a_postgresql_stream_that_is_cut_is_never_a_short_read(wide_postgres: PostgresStage) -> None:
    cut(wide_postgres, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'")
