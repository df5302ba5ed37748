"""Real data through the whole chain: every row of San Francisco's files ends where the independent count says."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from city_bench import ROOT, City

from examples.sf_food_inspections import unpack
from hub.core import Hub
from hub.filing import subject_files
from hub.registration import registry
from hub.settings import Settings
from lake import quarantine
from ledger import loads

SF = ROOT / "examples" / "sf_food_inspections"
EXPECTED = json.loads((SF / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    settings = Settings(home=tmp_path_factory.mktemp("sf"), declarations=SF, timezone="America/Los_Angeles")
    made = City(Hub(settings))
    unpack.unpack(settings.drops)
    registry.apply(made.hub, (SF / "contracts",))
    for dataset in EXPECTED:
        made.pull(dataset)
    subject_files.build_all(made.hub)
    return made


@pytest.mark.parametrize("dataset", EXPECTED)
def test_every_row_ends_published_repeated_or_quarantined_by_the_expected_rule(sf: City, dataset: str) -> None:
    load, expected = loads.latest(sf.hub.ledger)[dataset], EXPECTED[dataset]
    counts = load.counts
    assert (counts["delivered"], counts["duplicates"], counts["rejected"]) == (
        expected["delivered"], expected["duplicates"], expected["quarantined"],
    )  # fmt: skip
    assert load.rows == expected["published"]
    with duckdb.connect() as con:
        quarantine.create_view(con, sf.hub.lake, dataset, "q")
        reasons = con.execute("SELECT reasons FROM q").fetchall()
    assert Counter(rule for (rules,) in reasons for rule in rules) == expected["rules"]


def test_each_establishment_has_a_file_with_its_latest_score_and_open_violations(sf: City) -> None:
    with sf.hub.subjects.read() as connection:
        files = connection.exec_driver_sql(
            "SELECT count(*) FROM subject_files WHERE kind = 'establishment'"
        ).scalar_one()
    assert files == EXPECTED["sf_businesses"]["published"]
    folder = Path(unpack.__file__).parent
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE i AS SELECT * FROM read_csv('{folder}/data/inspections.csv.gz', all_varchar=true)")
        row = con.execute(
            'SELECT business_id, max_by("Score", date) FROM i WHERE "Score" IS NOT NULL GROUP BY 1 '
            "HAVING count(*) FILTER (WHERE \"Score\" <> '100') > 3 ORDER BY try_cast(business_id AS INT) LIMIT 1"
        ).fetchone()
    assert row
    file = subject_files.subject(sf.hub, "establishment", row[0])
    assert file is not None
    held = file.held("latest_score")
    assert held is not None
    assert str(held.value) == row[1]
    assert held.provenance.dataset == "sf_inspections"
    latest = max(str(i.values["inspected_on"]) for i in file.items("inspections"))
    assert all(str(v.values["found_on"]) >= latest for v in file.items("open_violations"))


def test_the_readmes_figures_are_the_measured_ones(sf: City) -> None:
    text = (SF / "README.md").read_text(encoding="utf-8")
    for dataset in EXPECTED:
        load = loads.latest(sf.hub.ledger)[dataset]
        c = load.counts
        assert f"| {dataset} | {c['delivered']:,} | {load.rows:,} | {c['duplicates']:,} | {c['rejected']:,} |" in text
