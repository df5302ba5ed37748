"""What a probe tells before there is a contract: what is there and how much, exactly where that is cheap, else about."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from connector_stages import SERVERS, CsvStage, ParquetStage, Stage
from database_stages import ServerStage, SqliteStage

from connectors.interface import Rows


@pytest.mark.parametrize("stage", ["sqlite", *SERVERS, "parquet", "rest"], indirect=True)
def test_a_small_source_is_counted_exactly(stage: Stage) -> None:
    stage.write(["id"], [[str(i)] for i in range(7)])
    with stage.open() as connector:
        found = connector.probe()
    assert list(found.rows.values()) == [Rows(7)]
    assert set(found.rows) <= set(found.tables)


@pytest.mark.parametrize("stage", ["csv", "csv-gb18030", "jsonl"], indirect=True)
def test_a_text_file_is_estimated_from_its_beginning(stage: Stage) -> None:
    stage.write(["id", "name"], [[f"{i:07}", "张三"] for i in range(5000)])
    with stage.open() as connector:
        (rows,) = connector.probe().rows.values()
    assert not rows.exact
    assert abs(rows.count - 5000) <= 5


def test_a_table_may_be_called_anything_and_still_be_counted(tmp_path: Path) -> None:
    stage = SqliteStage(tmp_path)
    stage.table = stage.odd_table
    stage.write(["id"], [["1"]])
    with stage.open() as connector:
        assert connector.probe().rows == {stage.odd_table: Rows(1)}


@pytest.mark.parametrize("server", SERVERS)
def test_a_large_table_is_estimated_and_an_unreadable_one_is_left_out(
    server: str, request: pytest.FixtureRequest
) -> None:
    stage: ServerStage = request.getfixturevalue(f"{server}_stage")
    postgres = server == "postgres"
    series = "SELECT i FROM generate_series(1, 30000) AS i" if postgres else "SELECT seq AS i FROM seq_1_to_30000"
    stage.execute(f"CREATE TABLE {stage.q('100% 大')} AS {series}")
    stage.execute(f"{'ANALYZE' if postgres else 'ANALYZE TABLE'} {stage.q('100% 大')}")
    stage.execute("CREATE TABLE small AS SELECT 1 AS i")
    broken = "SELECT 1 / (i - 1) AS i FROM small" if postgres else "SELECT i FROM small"
    stage.execute(f"CREATE VIEW broken AS {broken}")
    if not postgres:
        stage.execute("ALTER TABLE small RENAME COLUMN i TO j")
    with stage.open() as connector:
        rows = connector.probe().rows
    large = rows["100% 大"]
    assert not large.exact
    assert 20_000 < large.count < 40_000
    assert rows["small"] == Rows(1)
    assert postgres or "broken" not in rows


def test_a_damaged_parquet_file_is_told_as_such(tmp_path: Path) -> None:
    from schemas.errors import SourceDamaged

    stage = ParquetStage(tmp_path)
    pq.write_table(pa.table({"id": ["1"]}), stage.first)
    stage.first.write_bytes(stage.first.read_bytes()[:-3] + b"xyz")
    with pytest.raises(SourceDamaged, match="no readable Parquet"), stage.open() as connector:
        connector.probe()


def test_an_encoding_that_nobody_stated_is_named(tmp_path: Path) -> None:
    stage = CsvStage(tmp_path, encoding="gb18030")
    stage.write(["姓名", "住址"], [["张三丰", "上海市静安区南京西路一号"]] * 20)
    with stage.open(stage.source(encoding=None)) as connector:
        assert connector.probe().encoding == "gb18030"
