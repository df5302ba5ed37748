"""The real files are as published, and the counts that the README promises are those that pandas finds."""

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from examples.sf_food_inspections import expected_counts
from examples.sf_food_inspections.unpack import DATA, FILES, main, unpack
from schemas import identifiers, odcs
from schemas.contract import Contract

HERE = DATA.parent


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return {c.dataset: c for c in map(odcs.load, sorted((HERE / "contracts").glob("*.odcs.yaml")))}


@pytest.fixture(scope="module")
def expected() -> dict[str, expected_counts.Counts]:
    return expected_counts.expected()


def _records(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_kept_counts_are_those_that_are_found(expected: dict[str, expected_counts.Counts]) -> None:
    assert json.loads(expected_counts.EXPECTED.read_text(encoding="utf-8")) == expected


def test_each_row_is_accounted_for_once(expected: dict[str, expected_counts.Counts]) -> None:
    delivered = {
        dataset: len(_records(name))
        for dataset, name in zip(expected, ("businesses", "inspections", "violations"), strict=True)
    }
    for dataset, counts in expected.items():
        assert counts["delivered"] == delivered[dataset]
        assert counts["delivered"] == counts["published"] + counts["duplicates"] + counts["quarantined"]
        assert sum(counts["rules"].values()) >= counts["quarantined"]


def test_the_readme_shows_the_counts(expected: dict[str, expected_counts.Counts]) -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    for dataset, c in expected.items():
        assert (
            f"| {dataset} | {c['delivered']:,} | {c['published']:,} | {c['duplicates']} | {c['quarantined']} |"
            in readme
        )
        for rule in c["rules"]:
            assert f"`{rule}`" in readme


def test_the_files_have_the_dirt_that_the_readme_names() -> None:
    businesses = _records("businesses")
    ids = Counter(row["business_id"] for row in businesses)
    assert sum(n > 1 for n in ids.values()) == 14
    assert len({row["city"] for row in businesses}) == 41
    assert sum(row["application_date"] == "12/30/1899" for row in businesses) == 5
    assert sum(row["postal_code"] == "CA" for row in businesses) == 3
    for name, orphans in (("inspections", 97), ("violations", 78)):
        distinct = {tuple(row.items()) for row in _records(name)}
        assert sum(dict(row)["business_id"] not in ids for row in distinct) == orphans


def test_every_spelling_of_a_city_is_mapped_save_the_one_that_is_no_city(contracts: dict[str, Contract]) -> None:
    codes = contracts["sf_businesses"].column("city").codes
    assert codes is not None
    assert {row["city"] for row in _records("businesses")} - set(codes) == {"", "CA"}
    assert {"San Francisco", "South San Francisco", "Oakland"} < set(codes.values())


def test_the_contracts_name_the_files_columns_and_refer_to_establishments(contracts: dict[str, Contract]) -> None:
    assert {contract.provider_code for contract in contracts.values()} == {"11310100MADEM0070T"}
    assert not identifiers.uscc_faults("11310100MADEM0070T")
    for dataset, contract in contracts.items():
        assert [c.source for c in contract.columns] == list(_records(dataset.removeprefix("sf_"))[0])
        assert contract.source.timezone == "America/Los_Angeles"
        assert [(link.kind, link.key) for link in contract.subjects] == [("establishment", "business_id")]
        references = [c.arguments["dataset"] for c in contract.checks if c.kind == "reference"]
        assert references == ([] if dataset == "sf_businesses" else ["sf_businesses"])


def test_unpacking_gives_the_files_where_the_contracts_look(
    contracts: dict[str, Contract], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    assert [Path(line).name for line in capsys.readouterr().out.split()] == list(FILES)
    assert {(tmp_path / c.source.table).is_file() for c in contracts.values()} == {True}
    assert sorted(p.name for p in (tmp_path / "sf").iterdir()) == sorted(FILES)
    unpack(tmp_path)
    assert (tmp_path / "sf" / "violations.csv").stat().st_size == 3_794_561
