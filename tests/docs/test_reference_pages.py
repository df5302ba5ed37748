"""The reference pages say what the code says: nothing in the code is left out, nothing on the page is made up."""

import ast
import re
import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors import options
from hub.settings import Settings
from quality.stated import stated
from schemas import odcs
from schemas.contract import Check
from schemas.errors import ContractInvalid

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
ROOMS = (
    "dags", "hub", "serving", "prefill", "catalog", "subjects", "access", "ledger", "quality", "lake", "connectors", "schemas",
)  # fmt: skip


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def first_cells(text: str) -> set[str]:
    """What stands in backquotes in the first cell of any table's rows."""
    return {
        cell
        for line in text.splitlines()
        if line.startswith("|")
        for cell in re.findall(r"`([^`]+)`", line.split("|")[1])
    }


def test_generated_pages_are_current() -> None:
    for path, text in runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old: python docs/generate.py"


def test_every_setting_has_a_help_text() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_settings_never_show_a_secret() -> None:
    canary = "c4nary"
    settings = Settings(ledger_url=f"postgresql://hub:{canary}@db/x", subject_key=SecretStr(canary))
    assert canary not in f"{settings!r}{settings}"


def custom_properties() -> set[str]:
    """The literal names that the walk over a contract (`schemas/odcs_*.py`) asks `custom(node, name)` for."""
    found = set()
    for file in (ROOT / "schemas").glob("odcs_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "custom":
                name = node.args[1]
                assert isinstance(name, ast.Constant), (
                    f"{file.name}:{node.lineno} asks for a name that no page can list"
                )
                found.add(str(name.value))
    return found


def test_every_custom_property_is_documented_and_no_other() -> None:
    text = page("contract.md")
    sections = text[text.index("## Custom properties") : text.index("## Service levels")]
    tables = [t for t in re.split(r"\n\n", sections) if t.startswith("| property")]
    assert set().union(*map(first_cells, tables)) - {"property"} == custom_properties()


@pytest.mark.parametrize("name", sorted({*options.FILES, *options.REST, *options.PAGINATION}))
def test_every_option_of_a_connector_is_documented(name: str) -> None:
    camel = re.sub(r"_(.)", lambda found: found[1].upper(), name)
    assert f"`{camel}`" in page("contract.md")


def test_the_whole_contract_on_the_page_is_in_order() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", page("contract.md"), re.DOTALL)
    contract = odcs.load(Path("contract.md"), example)
    assert contract.key == ("permit_no",)
    assert contract.contact is not None


def test_the_page_would_notice_a_contract_that_is_not_in_order() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", page("contract.md"), re.DOTALL)
    with pytest.raises(ContractInvalid, match="resourceCode"):
        odcs.load(Path("contract.md"), example.replace("302001/000001", "none"))


def test_every_kind_of_rule_is_documented() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", page("contract.md"), re.DOTALL)
    contract = odcs.load(Path("contract.md"), example)
    with pytest.raises(ContractInvalid) as refused:
        stated(replace(contract, checks=(Check("x", "no such kind"),)))
    kinds = refused.value.problems[0].example.removeprefix("one of ").split(", ")
    assert len(kinds) > 5
    assert [kind for kind in kinds if f"`{kind}`" not in page("contract.md")] == []


def classes() -> Iterator[tuple[str, list[str]]]:
    """Every class of the hub with the names of its bases."""
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    yield node.name, [ast.unparse(base).rpartition(".")[2] for base in node.bases]


def test_every_error_is_listed_and_no_other() -> None:
    everything = dict(classes())
    tree = {"HubError"}
    while more := {name for name, bases in everything.items() if tree.intersection(bases)} - tree:
        tree |= more
    assert first_cells(page("errors.md")) == tree


def test_the_error_page_tells_status_and_exit_code_as_they_are() -> None:
    from schemas import errors

    for line in page("errors.md").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        error = getattr(errors, cells[1].strip("`"), None) if len(cells) > 4 else None
        if error is not None:
            assert (error.status, error.exit_code) == (int(cells[2]), int(cells[3])), cells[1]


def test_every_link_between_pages_leads_somewhere() -> None:
    for file in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", file.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (file.parent / target).exists(), f"{file.name} links to {target}"


def test_the_glossary_explains_each_term_once() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ][2:]
    terms = [row[0] for row in rows]
    assert terms == sorted(terms, key=str.lower)
    assert len({*terms}) == len(terms)
    assert all(len(row) == 3 and all(row) for row in rows)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_every_page_is_one_click_from_the_readme(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    pages = [p for folder in ("guides", "reference", "runbooks") for p in sorted((ROOT / "docs" / folder).glob("*.md"))]
    assert len(pages) > 30
    assert [p.name for p in pages if f"({p.relative_to(ROOT).as_posix()})" not in text] == []
