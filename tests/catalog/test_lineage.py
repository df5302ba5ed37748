"""Lineage by column follows from the declarations: source table, dataset, subject file, form field; and becomes a picture."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest

from catalog.lineage import Binding, flow, source_of
from catalog.picture import STAGES, WIDE, cut, draw
from schemas.contract import Contract, Source
from subjects.kinds import Branch, Candidate, Field, Kind, ListOf, Pick

PICK = Pick("residents", "residents", "citizen_id")
PERSON = Kind(
    "person", "自然人", "Person", "公民身份号码", "Citizen ID", "DE01001", r"\d{17}[\dX]",
    fields=(
        Field("full_name", "姓名", "Name", "DE01002", (Candidate(PICK, "name"),)),
        Field("phone", "电话", "Phone", None, (Candidate(Pick("x", "elsewhere", "id"), "tel"),)),
    ),
    lists=(ListOf("birthdays", "生日", "Birthdays", "residents", (Branch("citizen_id", {}),), ("birth_date",), "birth_date"),),
)  # fmt: skip


def bound(field: str, part: str, form: str = "renewal") -> Binding:
    return Binding(form, "换证", "Renewal", "市公安局", "Police", "person", field, field, field, part)


BINDINGS = (
    bound("applicant", "full_name"),
    bound("id", "id"),
    bound("born", "birthdays.birth_date"),
    bound("tel", "phone"),
)


def test_a_column_is_followed_from_its_source_to_the_form(contracts: Mapping[str, Contract]) -> None:
    found = flow(contracts["residents"], {"person": PERSON}, BINDINGS)
    assert set(found.edges) == {
        ("source:sfzh", "dataset:citizen_id"),
        ("source:xm", "dataset:name"),
        ("source:csrq", "dataset:birth_date"),
        ("dataset:citizen_id", "subject:person.id"),
        ("dataset:name", "subject:person.full_name"),
        ("dataset:birth_date", "subject:person.birthdays.birth_date"),
        ("subject:person.id", "form:renewal.id"),
        ("subject:person.full_name", "form:renewal.applicant"),
        ("subject:person.birthdays.birth_date", "form:renewal.born"),
    }
    assert [box.stage for box in found.boxes] == list(STAGES)


def test_what_comes_from_another_dataset_is_no_part_of_this_ones_lineage(contracts: Mapping[str, Contract]) -> None:
    found = flow(contracts["residents"], {"person": PERSON}, BINDINGS)
    assert not any("phone" in port or "tel" in port for edge in found.edges for port in edge)
    assert {box.stage for box in flow(contracts["companies"], {"person": PERSON}, BINDINGS).boxes} == {
        "source",
        "dataset",
    }


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (Source("sql", "postgresql+psycopg://db.gov.example:5432/civil", "public.people"), ("postgres://db.gov.example:5432", "civil.public.people")),
        (Source("csv", "file://", "civil/marriages_*.csv"), ("file://", "civil/marriages_*.csv")),
        (Source("csv", "sftp://files.gov.example", "out/a.csv"), ("sftp://files.gov.example", "out/a.csv")),
        (Source("rest", "https://api.gov.example/v1", "/accounts"), ("https://api.gov.example", "v1/accounts")),
        (Source("push", "", "residents"), ("push://11440300MB2C90001A", "residents")),
    ],
)  # fmt: skip
def test_a_source_is_named_without_credentials(
    contracts: Mapping[str, Contract], source: Source, named: tuple[str, str]
) -> None:
    assert source_of(replace(contracts["residents"], source=source)) == named


def test_the_picture_has_a_row_for_every_port_and_a_line_for_every_edge(contracts: Mapping[str, Contract]) -> None:
    found = flow(contracts["residents"], {"person": PERSON}, BINDINGS)
    drawing = draw(found)
    rows = {row.port.id for box in drawing.boxes for row in box.rows}
    assert rows == {port.id for box in found.boxes for port in box.ports}
    assert len(drawing.lines) == len(found.edges)
    assert [stage for stage, _ in drawing.stages] == list(STAGES)
    assert all(0 <= box.x <= drawing.width - WIDE and box.y + box.height <= drawing.height for box in drawing.boxes)
    boxes = sorted((box.x, box.y, box.height) for box in drawing.boxes)
    assert all(y + height < below for (x, y, height), (x2, below, _) in pairwise(boxes) if x == x2)


def test_what_nobody_uses_is_drawn_as_idle() -> None:
    assert cut("统一社会信用代码统一社会信用代码") == "统一社会信用代码统一社会…"
