"""The stages as fixtures: `stage` is each of them in turn."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import servers
from connector_stages import KINDS, TOKEN, CsvStage, JsonlStage, ParquetStage, PushStage, RestStage, Stage, XlsxStage
from database_stages import DuckDbStage, MariaDbStage, PostgresStage, SqliteStage
from http_servers import http_server

_numbers = count(1)


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    plain = {
        "sqlite": SqliteStage,
        "duckdb": DuckDbStage,
        "csv": CsvStage,
        "csv-gb18030": lambda root: CsvStage(root, encoding="gb18030"),
        "xlsx": XlsxStage,
        "jsonl": JsonlStage,
        "parquet": ParquetStage,
        "push": PushStage,
    }
    if request.param in plain:
        yield plain[request.param](tmp_path)
    else:
        yield request.getfixturevalue(f"{request.param}_stage")


@pytest.fixture(scope="session")
def civil(postgres_url: str) -> Iterator[str]:
    with servers.database(postgres_url, "civil affairs") as url:
        yield url


@pytest.fixture
def postgres_stage(civil: str, tmp_path: Path) -> PostgresStage:
    servers.execute(civil, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return PostgresStage(tmp_path, url=civil)


@pytest.fixture
def mariadb_stage(mariadb_url: str, tmp_path: Path) -> Iterator[MariaDbStage]:
    with servers.database(mariadb_url, f"market {next(_numbers)}") as url:
        yield MariaDbStage(tmp_path, url=url)


@pytest.fixture
def rest_stage(tmp_path: Path) -> Iterator[RestStage]:
    stage = RestStage(tmp_path, secret=TOKEN)
    with http_server(stage.answer) as stage.port:
        yield stage
