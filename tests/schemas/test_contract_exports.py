"""A contract's page and JSON Schema: nothing the contract says is left out, nothing in it can break the page."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from city_bench import CITY
from jsonschema import Draft202012Validator

from schemas import contract_page, odcs
from schemas.contract import Claim, Column
from schemas.types import record_schema

RESIDENTS = odcs.load(CITY / "contracts" / "residents.odcs.yaml")
HOSTILE = replace(
    RESIDENTS,
    title="<script>alert(1)</script>",
    purpose="a | b & <i>c</i>",
    status="deprecated",
    retire_on="2027-06-30",
    successor="residents_2",
    columns=(*RESIDENTS.columns, Column("odd", "odd", "x | y\n<b>", enum=("a|b",), deprecated=True)),
    claims=(Claim("person", "DE01002"),),
)


class Reader(HTMLParser):
    """The page's tags, cells and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.outside: list[str] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.outside += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


def test_both_pages_say_the_same_and_everything() -> None:
    html, markdown = Reader(contract_page.html(HOSTILE)), contract_page.markdown(HOSTILE)
    for section in contract_page.sections(HOSTILE):
        for row in section.rows:
            for cell in filter(None, row):
                assert cell in "".join(html.cells), cell
                assert cell.replace("|", "\\|").replace("\n", " ") in markdown, cell
    for column in HOSTILE.columns:
        assert f"| {column.name} |" in markdown
    assert "2027-06-30" in markdown.splitlines()[2]
    assert "DE01002 姓名" in markdown


def test_a_page_needs_nothing_from_outside_and_no_text_becomes_a_tag() -> None:
    page = Reader(contract_page.html(HOSTILE))
    assert page.outside == []
    assert not page.tags & {"script", "i", "b", "img", "link"}


def test_a_dataset_in_force_has_no_notice() -> None:
    assert "notice" not in Reader(contract_page.html(RESIDENTS)).tags
    assert ">" not in contract_page.markdown(RESIDENTS).splitlines()[2][:1]


GOOD = {
    "citizen_id": "440308199901101512", "name": "张三", "sex_code": "1", "birth_date": "1999-01-10", "ethnic_code": "01",
    "hukou_region": "440308", "address": None, "mobile": "13800138000", "updated_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"mobile": None}, True),
        ({"sex_code": "7"}, False),
        ({"citizen_id": None}, False),
        ({"citizen_id": "44030819990110151"}, False),
        ({"mobile": "021-6234"}, False),
        ({"unknown": 1}, False),
    ],
)
def test_the_json_schema_admits_published_records_and_no_others(change: dict[str, object], good: bool) -> None:
    schema = record_schema(RESIDENTS)
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid({**GOOD, **change}) is good


def test_every_contract_of_the_examples_has_a_schema_and_a_page() -> None:
    for path in sorted(CITY.parent.rglob("*.odcs.yaml")):
        contract = odcs.load(path)
        Draft202012Validator.check_schema(record_schema(contract))
        assert contract_page.markdown(contract).startswith(f"# {contract.title}")
