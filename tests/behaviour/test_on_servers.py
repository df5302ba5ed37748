"""The same contracts on real servers: only the server block changes, what is published and quarantined does not."""

from pathlib import Path

import pytest
import servers
import yaml
from city_bench import CITY, TODAY, City, hub_at
from sqlalchemy import make_url

from examples.demo_city.generator import Plan, generate
from examples.demo_city.generator.files import SQL_TABLES
from examples.demo_city.generator.servers import load_into, on_server
from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import registry


def city_on(home: Path, url: str, dataset: str) -> City:
    """A city whose SQL department lives on the server at `url`."""
    bare = hub_at(home)
    generate(bare.settings.drops, Plan(400, 60, 7, TODAY), 0)
    at = make_url(url)
    block = "postgres" if at.get_backend_name() == "postgresql" else "mariadb"
    server = yaml.safe_load((CITY / "servers" / f"{block}.yaml").read_text(encoding="utf-8"))
    server |= {"host": at.host, "port": at.port, "database": at.database}
    path = home / f"{dataset}.odcs.yaml"
    text = (CITY / "contracts" / path.name).read_text(encoding="utf-8")
    path.write_text(on_server(text, server), encoding="utf-8")
    hub = Hub(bare.settings, secret=lambda _reference: servers.account(url)[1])
    registry.apply(hub, (path,))
    return City(hub)


@pytest.mark.needs_postgres
def test_residents_on_postgresql_end_as_they_do_from_the_file(postgres_url: str, tmp_path: Path) -> None:
    with servers.database(postgres_url, "hub police") as url:
        made = city_on(tmp_path / "home", url, "residents")
        load_into(url, made.drop / SQL_TABLES["residents"][0])
        made.pull("residents")
        assert made.quarantined("residents") == made.expected_quarantine("residents")
        assert len(made.current("residents")) == made.truth("truth.json")["residents"]["current"]


@pytest.mark.needs_mariadb
def test_companies_on_mariadb_end_as_they_do_from_the_file_and_a_day_later_only_changes_come(
    mariadb_url: str, tmp_path: Path
) -> None:
    with servers.database(mariadb_url, "hub_market") as url:
        made = city_on(tmp_path / "home", url, "companies")
        load_into(url, made.drop / SQL_TABLES["companies"][0])
        made.pull("companies")
        assert made.quarantined("companies") == made.expected_quarantine("companies")
        made.next_day()
        load_into(url, made.drop / SQL_TABLES["companies"][0])
        run = pipeline.pull(made.hub, "companies", owner="second day")
        change = made.truth("changes_day1.json")["companies"]
        assert (run.facts["counts"]["new"], run.facts["counts"]["updated"]) == (
            len(change["new"]),
            len(change["changed"]),
        )
        assert run.facts["counts"]["delivered"] < 60
