"""One Airflow for the whole folder: its home is set before anything imports it, its database made once."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from city_bench import City, city

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
    """A small city, not pulled yet, and an Airflow with a migrated database that sees its index."""
    subprocess.run([Path(sys.executable).parent / "airflow", "db", "migrate"], check=True, capture_output=True)
    with city(HOME / "hub", residents=300) as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUB_HOME", str(made.hub.settings.home))
        patch.setenv("HUB_DECLARATIONS", str(made.hub.settings.declared))
        patch.setenv("DEMO_REST_TOKEN", "city-token")
        yield made
