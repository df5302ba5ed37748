"""Three small contracts and a load, as values and in a ledger of their own."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from catalog_ledger import NOW, apply

from catalog.library import Catalog, Uses
from ledger.database import Database, ledger_tables
from ledger.loads import Load
from schemas.contract import Check, Column, Contract, Source, SubjectLink


def contract(dataset: str, code: str, title: str, title_en: str, *columns: Column, **more: object) -> Contract:
    base = Contract(
        dataset=dataset,
        title=title,
        title_en=title_en,
        version="1.0.0",
        status="active",
        provider="市公安局",
        provider_en="Public Security Bureau",
        provider_code="11440300MB2C90001A",
        purpose="供各部门核验与预填",
        resource_code=code,
        share_type=2,
        share_condition="依法履职且经授权",
        share_modes=("api", "table"),
        columns=columns,
        source=Source("sql", "sqlite:///police.db", dataset),
    )
    return replace(base, **more)  # type: ignore[arg-type]


@pytest.fixture
def contracts() -> Mapping[str, Contract]:
    market = {
        "provider": "市市场监督管理局",
        "provider_en": "Market Supervision Bureau",
        "provider_code": "11440300MB2C91234T",
    }
    several = (
        contract(
            "residents",
            "301001/000001",
            "常住人口基本信息",
            "Residents",
            Column("citizen_id", "sfzh", "公民身份号码", key_position=1, element="DE01001", share_type=3),
            Column("name", "xm", "姓名", required=True, element="DE01002"),
            Column("birth_date", "csrq", "出生日期", type="date", element="DE01006"),
            subjects=(SubjectLink("person", "citizen_id"),),
            authoritative=True,
        ),
        contract(
            "companies",
            "302001/000001",
            "企业登记基本信息",
            "Companies",
            Column("uscc", "tyshxydm", "统一社会信用代码", key_position=1, element="DE02001"),
            Column("reg_capital", "zczb", "注册资本", type="decimal", element="DE02007"),
            tags=("法人库",),
            **market,
        ),
        contract(
            "food_licences",
            "302002/000001",
            "食品经营许可证信息",
            "Food business licences",
            Column("licence_no", "xkzh", "许可证编号", key_position=1, element="DE03004"),
            Column("premises", "jycs", "经营场所"),
            checks=(
                Check("uscc_known", "reference", arguments={"columns": ["uscc"], "dataset": "companies", "to": "uscc"}),
            ),
            cycle="每周",
            cycle_hours=168,
            latency_hours=None,
            **market,
        ),
    )
    return {one.dataset: one for one in several}


@pytest.fixture
def load() -> Load:
    """The residents' newest load: an hour old, 5 of 100 rows rejected."""
    at = NOW - timedelta(hours=1)
    rules = [
        {"id": "name.required", "column": "name", "severity": "error", "dimension": "completeness", "checked": 100, "unexpected": 1},
        {"id": "citizen_id.checksum", "column": "citizen_id", "severity": "error", "dimension": "accuracy", "checked": 100, "unexpected": 4},
        {"id": "birth_date.date", "column": "birth_date", "severity": "error", "dimension": "conformity", "checked": 0, "unexpected": 0},
    ]  # fmt: skip
    counts = {"delivered": 100, "passed": 95, "rejected": 5}
    return Load("residents", 3, "run-3", at, 950, counts, "ok", "", at, {"verdict": {"rules": rules}})


@pytest.fixture
def ledger(tmp_path: Path, contracts: Mapping[str, Contract]) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/ledger.db", ledger_tables)
    database.create()
    apply(database, *contracts.values())
    yield database
    database.dispose()


@pytest.fixture
def catalog(ledger: Database, tmp_path: Path) -> Catalog:
    return Catalog(ledger, tmp_path / "catalog.db", lambda: NOW, lambda: Uses({}), "Asia/Shanghai")
