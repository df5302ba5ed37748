"""One Airflow for the whole folder: its home is set before anything imports it, its database made once."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from city_bench import TOKEN, City, city

HOME = Path(tempfile.mkdtemp(prefix="cityhub-airflow-"))
os.environ |= {
    "AIRFLOW_HOME": str(HOME / "airflow"),
    "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parents[2] / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
}


@pytest.fixture(scope="session")
def airflow_city() -> Iterator[City]:
    """A small city, not pulled yet, and an Airflow with a migrated database."""
    subprocess.run([Path(sys.executable).parent / "airflow", "db", "migrate"], check=True, capture_output=True)
    with city(HOME / "hub", residents=300) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def hub_of_the_tasks(airflow_city: City) -> Iterator[pytest.MonkeyPatch]:
    """Tasks find the city's hub by the environment, as on a server; a module may name another hub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUB_HOME", str(airflow_city.hub.settings.home))
        patch.setenv("HUB_DECLARATIONS", str(airflow_city.hub.settings.declared))
        patch.setenv("DEMO_REST_TOKEN", TOKEN)
        yield patch
