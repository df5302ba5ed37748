"""The demo city's databases on real servers deliver the records that the files deliver, by the same contracts."""

from pathlib import Path
from typing import Any

import pytest
import servers
import yaml
from sqlalchemy import make_url

from connectors import open_source
from examples.demo_city.generator.files import SQL_TABLES
from examples.demo_city.generator.servers import load_into, on_server
from schemas import odcs, texts
from schemas.contract import Contract

DEMO = Path(__file__).parents[2] / "examples" / "demo_city"


def _contract(dataset: str, url: str | None = None) -> Contract:
    path = DEMO / "contracts" / f"{dataset}.odcs.yaml"
    if url is None:
        return odcs.load(path)
    at = make_url(url)
    block = "postgres" if at.get_backend_name() == "postgresql" else "mariadb"
    server = yaml.safe_load((DEMO / "servers" / f"{block}.yaml").read_text(encoding="utf-8"))
    server |= {"host": at.host, "port": at.port, "database": at.database}
    return odcs.load(path, on_server(path.read_text(encoding="utf-8"), server))


def _records(contract: Contract, root: Path, secret: str = "") -> list[list[Any]]:
    """All records, sorted; stamps as points in time, since each database writes them in its own way."""
    found = []
    with (
        open_source(contract.source, secret=lambda _: secret, root=root) as source,
        source.read(contract.columns, None) as reading,
    ):
        for part in reading.parts():
            for batch in part.batches or ():
                columns = [batch.column(c.source).to_pylist() for c in contract.columns]
                found += [
                    [
                        str(texts.instant(str(v))) if c.type == "timestamp" else v
                        for c, v in zip(contract.columns, row, strict=True)
                    ]
                    for row in zip(*columns, strict=True)
                ]
    return sorted(found, key=repr)


def _same_records(datasets: tuple[str, ...], url: str, city: Path) -> None:
    secret = servers.account(url)[1]
    load_into(url, city / SQL_TABLES[datasets[0]][0])
    for dataset in datasets:
        here, there = _records(_contract(dataset), city), _records(_contract(dataset, url), city, secret)
        assert len(there) > 50
        assert there == here


@pytest.mark.needs_postgres
def test_residents_on_postgresql_are_those_of_the_file(postgres_url: str, city: Path) -> None:
    with servers.database(postgres_url, "police demo") as url:
        _same_records(("residents",), url, city)


@pytest.mark.needs_mariadb
def test_companies_and_licences_on_mariadb_are_those_of_the_file(mariadb_url: str, city: Path) -> None:
    with servers.database(mariadb_url, "market_demo") as url:
        _same_records(("companies", "food_licences"), url, city)


@pytest.mark.needs_mariadb
def test_a_day_later_an_incremental_read_of_the_server_brings_what_changed(
    mariadb_url: str, city: Path, later: Path
) -> None:
    with servers.database(mariadb_url, "market_later") as url:
        contract, secret = _contract("companies", url), servers.account(url)[1]
        load_into(url, city / SQL_TABLES["companies"][0])
        with (
            open_source(contract.source, secret=lambda _: secret, root=city) as source,
            source.read(contract.columns, None) as first,
        ):
            assert sum(b.num_rows for part in first.parts() for b in part.batches or ()) > 200
            watermark = first.watermark
        load_into(url, later / SQL_TABLES["companies"][0])
        with (
            open_source(contract.source, secret=lambda _: secret, root=later) as source,
            source.read(contract.columns, watermark) as again,
        ):
            keys = {k for part in again.parts() for b in part.batches or () for k in b.column("uscc").to_pylist()}
    change = yaml.safe_load((later / "changes_day1.json").read_text(encoding="utf-8"))["companies"]
    assert set(change["new"] + change["changed"]) <= keys
    assert not set(change["unseen"]) & keys
