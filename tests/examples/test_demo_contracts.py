"""The demo city's seven contracts load, name what is really there, and move to a server by their server block alone."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from sqlalchemy import create_engine, text

from examples.demo_city.generator import words
from examples.demo_city.generator.servers import load_into, on_server
from schemas import identifiers, odcs
from schemas.codes import code_list
from schemas.contract import Contract
from schemas.elements import ELEMENTS

DEMO = Path(__file__).parents[2] / "examples" / "demo_city"
FILES = sorted((DEMO / "contracts").glob("*.odcs.yaml"))
WANTED = {
    "residents": "citizen_id! name sex_code birth_date ethnic_code hukou_region address mobile updated_at",
    "companies": "uscc! org_name legal_rep_name legal_rep_id org_type_code industry_code reg_capital establish_date term_end address "
    "business_scope reg_status_code phone updated_at",
    "food_licences": "licence_no! uscc premises_name premises_address category valid_from valid_to status issuer_code",
    "marriages": "cert_no! husband_id husband_name wife_id wife_name registered_on marital_code",
    "insurance": "account_no! citizen_id name employer_uscc scheme status base_amount paid_until updated_at",
    "travel_permits": "permit_no! citizen_id name pinyin_name permit_type issue_date valid_to status",
    "utility_accounts": "account_no! utility holder_type holder_id holder_name address opened_on balance",
}


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return {contract.dataset: contract for contract in map(odcs.load, FILES)}


def test_seven_contracts_have_the_agreed_columns_and_keys(contracts: dict[str, Contract]) -> None:
    written = {
        name: " ".join(c.name + "!" * (c.name in contract.key) for c in contract.columns)
        for name, contract in contracts.items()
    }
    assert written == WANTED


def test_every_item_has_a_chinese_title_and_an_english_label(contracts: dict[str, Contract]) -> None:
    for contract in contracts.values():
        assert contract.title_en != contract.dataset
        assert contract.provider_en.isascii()
        for column in contract.columns:
            assert not column.title.isascii()
            assert column.description.isascii()
            assert column.description


def test_departments_and_resources_have_codes_of_their_own_that_are_valid(contracts: dict[str, Contract]) -> None:
    codes = {contract.provider: contract.provider_code for contract in contracts.values()}
    assert len(set(codes.values())) == len(codes) == 6
    assert all(code.startswith("11") and not identifiers.uscc_faults(code) for code in codes.values())
    assert len({contract.resource_code for contract in contracts.values()}) == 7
    assert {contract.share_type for contract in contracts.values()} == {1, 2}


def test_data_elements_fit_the_columns_that_name_them(contracts: dict[str, Contract]) -> None:
    for contract in contracts.values():
        for column in contract.columns:
            if column.element:
                assert column.type in ELEMENTS[column.element].logical_types, (contract.dataset, column.name)


def test_the_city_has_no_region_that_is_out_of_force() -> None:
    assert {*words.HOME_REGIONS, *words.OTHER_REGIONS} <= set(code_list("region").current)


def test_a_contract_moves_to_a_server_by_its_server_block_alone(contracts: dict[str, Contract]) -> None:
    for dataset, block in (("residents", "postgres"), ("companies", "mariadb"), ("food_licences", "mariadb")):
        server = yaml.safe_load((DEMO / "servers" / f"{block}.yaml").read_text(encoding="utf-8"))
        written = (DEMO / "contracts" / f"{dataset}.odcs.yaml").read_text(encoding="utf-8")
        moved = odcs.load(Path(f"{dataset}.odcs.yaml"), on_server(written, server))
        here = contracts[dataset]
        assert moved.source.url.startswith("postgresql+psycopg://" if block == "postgres" else "mysql+pymysql://")
        assert moved.source.table.rpartition(".")[2] == here.source.table
        assert (moved.source.sync, moved.source.cursor, moved.source.lag) == (
            here.source.sync,
            here.source.cursor,
            here.source.lag,
        )
        assert (moved.columns, moved.checks, moved.subjects) == (here.columns, here.checks, here.subjects)


def test_a_departments_tables_are_copied_to_another_database_whole_and_again(city: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    source = city / "market" / "market.db"
    assert load_into(url, source) == load_into(url, source) == ("ent_base", "food_licence")
    engine = create_engine(url)
    with closing(sqlite3.connect(source)) as con, engine.connect() as copy:
        for table in ("ent_base", "food_licence"):
            here = con.execute(f"SELECT count(*), count(DISTINCT uscc) FROM {table}").fetchone()
            assert tuple(copy.execute(text(f"SELECT count(*), count(DISTINCT uscc) FROM {table}")).one()) == here
        stamps = copy.execute(text("SELECT updated_at FROM ent_base ORDER BY rowid")).scalars().all()
        assert [str(stamp)[:19] for stamp in stamps] == [
            row[0] for row in con.execute("SELECT updated_at FROM ent_base ORDER BY rowid")
        ]
    engine.dispose()
