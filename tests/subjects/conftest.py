from collections.abc import Iterator
from pathlib import Path

import pytest
from small_city import CONTRACTS, ENTERPRISE, PERSON, City, declare
from town import Town

from subjects import declare as declaring
from subjects.kinds import Kind


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    folder: Path = declare(tmp_path_factory.mktemp("kinds"), PERSON, ENTERPRISE)
    return declaring.load(folder, CONTRACTS)


@pytest.fixture
def town(tmp_path: Path, kinds: dict[str, Kind]) -> Iterator[Town]:
    made = Town(tmp_path, City(), kinds)
    yield made
    made.close()
