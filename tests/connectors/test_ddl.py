"""The DDL of a contract creates its table in real databases, whatever its names and words are."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import servers
import sqlalchemy as sa
from city_bench import CITY

from connectors.sql.ddl import DIALECTS, ddl
from schemas import odcs
from schemas.contract import Column, Contract
from schemas.errors import Invalid

RESIDENTS = odcs.load(CITY / "contracts" / "residents.odcs.yaml")
HOSTILE = replace(
    RESIDENTS,
    dataset="select",
    title="100% 'quoted' :bind \\ \"双\"",
    columns=(
        Column("order", "order", "键 'x' 5%", key_position=1, required=True),
        Column("group", "group", "第二键", type="date", key_position=2, required=True),
        Column("状态", "s", "状态", enum=("有效", "it's", "100%")),
        Column("n", "n", "数", type="integer", unique=True),
        Column("amount", "amount", "额", type="decimal", precision=12, scale=2),
        Column("share", "share", "比", type="number"),
        Column("open", "open", "开", type="boolean"),
        Column("at", "at", "时", type="timestamp", required=True),
        Column("long", "long", "长", max_length=9000),
    ),
)
CITY_CONTRACTS = [odcs.load(path) for path in sorted((CITY / "contracts").glob("*.odcs.yaml"))]


def created(url: str, contract: Contract, dialect: str) -> dict[str, str]:
    """Column types of the table after the statements ran, each by itself."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            for statement in ddl(contract, dialect).split(";\n"):
                connection.exec_driver_sql(statement.rstrip(";").replace("%", "%%"))
        return {c["name"]: str(c["type"]) for c in sa.inspect(engine).get_columns(contract.dataset)}
    finally:
        engine.dispose()


def test_sqlite_takes_every_contract_and_keeps_its_rules(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as db:
        for contract in (*CITY_CONTRACTS, HOSTILE):
            db.executescript(ddl(contract, "sqlite"))
        row = ("k", "2024-01-01", "it's", 1, 1.5, 0.5, 1, "2024-01-01", "x")
        db.execute('INSERT INTO "select" VALUES (?,?,?,?,?,?,?,?,?)', row)
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            db.execute('INSERT INTO "select" VALUES (?,?,?,?,?,?,?,?,?)', ("l", *row[1:2], "别的", 2, *row[4:]))
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            db.execute('INSERT INTO "select" VALUES (?,?,?,?,?,?,?,?,?)', row)


def test_postgres_takes_every_contract_with_comments(postgres_url: str) -> None:
    with servers.database(postgres_url, "ddl") as url:
        types = created(url, HOSTILE, "postgresql")
        assert (types["amount"], types["at"], types["long"]) == ("NUMERIC(12, 2)", "TIMESTAMP", "TEXT")
        engine = sa.create_engine(url)
        try:
            assert sa.inspect(engine).get_table_comment("select")["text"] == f"{HOSTILE.title} {HOSTILE.title_en}"
        finally:
            engine.dispose()
        for contract in CITY_CONTRACTS:
            created(url, contract, "postgresql")


def test_mariadb_takes_every_contract(mariadb_url: str) -> None:
    with servers.database(mariadb_url, "ddl") as url:
        assert created(url, HOSTILE, "mysql")["amount"] == "DECIMAL(12, 2)"
        for contract in CITY_CONTRACTS:
            created(url, contract, "mysql")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_has_the_columns_their_lengths_and_the_key(dialect: str) -> None:
    text = ddl(RESIDENTS, dialect)
    assert all(column.name in text for column in RESIDENTS.columns)
    assert "PRIMARY KEY (citizen_id)" in text
    assert "(18" in text.partition("citizen_id")[2].splitlines()[0]
    assert text.endswith(";")


def test_an_unknown_dialect_names_those_there_are() -> None:
    with pytest.raises(Invalid, match="cobol") as refused:
        ddl(RESIDENTS, "cobol")
    assert all(name in refused.value.todo for name in DIALECTS)
