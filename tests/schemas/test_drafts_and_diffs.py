"""Suggestions with their evidence, drafts that load as they are, and what a change of contract means."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas import odcs
from schemas.contract import Column, Contract, Source
from schemas.diff import diff
from schemas.draft import Described, draft_yaml, hub_names
from schemas.identifiers import citizen_check
from schemas.masking import mask
from schemas.suggest import suggest

SERVER: dict[str, Any] = {
    "type": "postgres",
    "host": "db.example.invalid",
    "port": 5432,
    "database": "police",
    "schema": "public",
}
IDS = [f"{head}{citizen_check(head)}" for head in (f"440308{1950 + n % 60}0110{n:03}" for n in range(400))]


def best(values: list[Any], name: str = "") -> str | None:
    found = suggest(values, name=name)
    return found[0].element if found else None


def test_a_column_of_valid_citizen_ids_is_recognised_with_its_evidence() -> None:
    first = suggest([*IDS[:-1], IDS[-1][:-1] + "?"])[0]
    assert first.element == "DE01001"
    assert first.evidence.startswith("99.8 % valid GB 11643")


def test_eighteen_digits_without_check_characters_are_no_citizen_ids() -> None:
    assert best([str(10**17 + n) for n in range(100)]) is None


@pytest.mark.parametrize(
    ("values", "name", "element"),
    [
        (["91110000600037341L", "91310101132327232U"], "", "DE02001"),
        (["13800138000", "+86 139 0013 9000"], "", "DE01012"),
        (["li@example.cn", "wang@example.cn"], "", "DE01013"),
        (["张三", "李四", "王小明"], "", "DE01002"),
        (["张三", "李四", "王小明"], "法定代表人", "DE02003"),
        (["示例市某某有限公司", "示例市某某食品厂"], "", "DE02002"),
        (["示例省示例市示例区示例路1号", "示例省示例市示例区示例街道2弄3号"], "", "DE04003"),
        (["500万人民币", "30万元"], "", "DE02007"),
        (["男", "女", "男"], "", "DE01005"),
        (["1", "2", "9"], "sex_code", "DE01005"),
        (["汉", "回", "汉"], "", "DE01007"),
        (["1990-01-02", "19910203"], "出生日期", "DE01006"),
        (["2030-01-02", "长期"], "有效期至", "DE03010"),
        (["2024-01-02 03:04:05"], "updated_at", "DE05006"),
        ([IDS[0], IDS[1]], "法定代表人证件号码", "DE02004"),
        ([], "公民身份号码", "DE01001"),
    ],
)
def test_values_and_names_point_to_elements(values: list[str], name: str, element: str) -> None:
    assert best(values, name) == element


@pytest.mark.parametrize("values", [["1", "2"], ["1990-01-02"], ["x", "y"], [], [None, " "]])
def test_what_is_ambiguous_without_a_name_is_not_guessed(values: list[Any]) -> None:
    assert best(values) is None


def test_labels_come_with_the_code_map_they_need() -> None:
    assert suggest(["男", "女", "女"])[0].codes == {"男": "1", "女": "2"}


def test_two_columns_never_share_a_name() -> None:
    names = hub_names(
        ["姓名", "性别", "甲", "乙", "A b", "a-b", "1x", "😀", "_id", "person name"],
        ["person_name", "sex_code", *[None] * 8],
    )
    assert names == [
        "person_name",
        "sex_code",
        "col_3",
        "col_4",
        "a_b",
        "a_b_2",
        "col_1x",
        "col_8",
        "id",
        "person_name_2",
    ]


HOSTILE = [
    Described("公民身份号码", "VARCHAR(18)", False, 1, IDS),
    Described("姓名", "TEXT", values=["张三", "李四"]),
    Described("性别", "TEXT", values=["男", "女"]),
    Described("出生日期", "DATE", values=["1990-03-07"]),
    Described("😀", "TEXT", values=["x"]),
    Described("2024 total: #1", "DECIMAL(12,2)", values=["1.00"]),
    Described("cap: 'ital' # x", "TEXT", values=["500万人民币"], comment="注册资本"),
    Described("applied", "TEXT", values=["12/30/1899", "01/02/2020"]),
    Described("updated_at", "timestamp without time zone", values=["2020-01-01 00:00:00"]),
    Described("sex", "int", values=["1", "2"]),
    Described("yes", "boolean"),
    Described("n", "double precision"),
    Described("- a: [b", "json"),
]


def test_a_draft_loads_as_it_is_and_says_what_is_left_to_do() -> None:
    text = draft_yaml("people", SERVER, HOSTILE, table="人口: #表", title="人口")
    contract = odcs.load(Path("people.odcs.yaml"), text)
    assert contract.key == ("citizen_id",)
    assert [c.source for c in contract.columns] == [c.name for c in HOSTILE]
    assert contract.column("citizen_id").element == "DE01001"
    assert contract.column("sex_code").codes == {"男": "1", "女": "2"}
    assert (contract.column("birth_date").type, contract.column("sex").type) == ("date", "string")
    assert contract.column("cap_ital_x").sql_type == "DECIMAL(18,4)"
    assert contract.column("applied").format == "%m/%d/%Y"
    assert contract.column("col_2024_total_1").sql_type == "DECIMAL(12,2)"
    assert all(
        f"property: {p}" in line for p in ("resourceCode", "providerCode") for line in text.splitlines() if p in line
    )
    assert sum("# TODO" in line for line in text.splitlines()) >= 8
    assert "100.0 % valid GB 11643" in text
    assert not any(number in text for number in IDS)


def test_a_draft_of_a_table_without_a_key_proposes_one_and_asks() -> None:
    columns = [Described("kind", values=["a", "a"]), Described("no", values=["1", "2"])]
    text = draft_yaml("things", {"type": "local", "path": "things.csv", "format": "csv"}, columns)
    contract = odcs.load(Path("things.odcs.yaml"), text)
    assert contract.key == ("no",)
    assert contract.share_modes == ("file", "api")
    assert "TODO 主键" in text


CONTRACT = Contract(
    dataset="d", title="t", version="1", status="active", provider="p", provider_code="c", provider_en="p", title_en="t",
    purpose="", resource_code="300000/1", share_type=2, share_condition="x", share_modes=("api",), source=Source("csv", "file://", "a"),
    columns=(Column("id", "id", "编号", key_position=1), Column("kind", "kind", "类型", enum=("a", "b"), required=True)),
)  # fmt: skip


def kinds(**changes: Any) -> dict[str, str]:
    return {c.path: c.kind for c in diff(CONTRACT, replace(CONTRACT, **changes))}


def with_kind(**changes: Any) -> dict[str, str]:
    return kinds(columns=(CONTRACT.columns[0], replace(CONTRACT.columns[1], **changes)))


def test_nothing_changed_is_no_difference() -> None:
    assert diff(CONTRACT, CONTRACT) == ()


def test_what_readers_lose_is_breaking() -> None:
    assert kinds(columns=CONTRACT.columns[:1]) == {"columns.kind": "breaking"}
    assert with_kind(type="integer")["columns.kind.type"] == "breaking"
    assert with_kind(enum=("a",))["columns.kind.enum"] == "breaking"
    assert with_kind(required=False)["columns.kind.required"] == "breaking"
    assert with_kind(element="DE01001")["columns.kind.element"] == "breaking"
    assert with_kind(key_position=2)["primaryKey"] == "breaking"
    assert kinds(share_type=3) == {"share_type": "breaking"}


def test_what_readers_need_not_notice_is_compatible() -> None:
    assert kinds(columns=(*CONTRACT.columns, Column("new", "new", "新"))) == {"columns.new": "compatible"}
    assert with_kind(enum=("a", "b", "c")) == {"columns.kind.enum": "compatible"}
    assert kinds(source=Source("csv", "file://", "b")) == {"source": "compatible"}
    assert kinds(share_type=1) == {"share_type": "compatible"}


def test_words_alone_are_cosmetic() -> None:
    assert with_kind(title="种类") == {"columns.kind.title": "cosmetic"}
    assert kinds(title="新名", purpose="y") == {"title": "cosmetic", "purpose": "cosmetic"}


@pytest.mark.parametrize(
    ("element", "value", "masked"),
    [
        ("DE01001", "440308199901101512", "440308********1512"),
        ("DE01012", "13800138000", "138****8000"),
        ("DE01002", "欧阳小明", "欧***"),
        ("DE01013", "li.si@example.cn", "l***@example.cn"),
        ("DE02001", "91110000600037341L", "91110000600037341L"),
        (None, "440308199901101512", "44**************12"),
        (None, "12345", "*****"),
        ("DE01004", "E1234567", "E1****67"),
    ],
)
def test_masks_show_enough_to_recognise_and_too_little_to_learn(element: str | None, value: str, masked: str) -> None:
    assert mask(element, value) == masked
