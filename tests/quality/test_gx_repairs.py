"""The repairs to Great Expectations: pinned, put back, and each still needed."""

import importlib
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from gate_builders import contract, judged

from quality import gx_repairs, judge
from schemas.contract import Column
from schemas.errors import JudgeFailed

pytestmark = pytest.mark.usefixtures("gx")
PATTERNED = contract(Column("v", "值", "值", pattern="^1"))
ROWS = [("a", "1"), ("b", "2")]


def test_the_version_repaired_is_the_one_pinned_and_installed() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"great-expectations=={gx_repairs.PINNED}" in project["project"]["dependencies"]
    assert metadata.version("great-expectations") == gx_repairs.PINNED


def test_with_both_repairs_the_gate_judges(tmp_path: Path) -> None:
    assert judged(tmp_path, PATTERNED, ROWS).rule("v.pattern").unexpected == 1


@pytest.mark.parametrize("kept", ["persistent_connections", "regular_expressions"])
def test_with_one_repair_alone_expectations_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str) -> None:
    """Fails once a repair has become needless: take it out then, and this case with it."""
    monkeypatch.setattr(judge, "repaired", getattr(gx_repairs, kept))
    with pytest.raises(JudgeFailed, match="raised"):
        judged(tmp_path, PATTERNED, ROWS)


def test_everything_is_put_back() -> None:
    engine = importlib.import_module("great_expectations.execution_engine.sqlalchemy_execution_engine")
    regex = importlib.import_module(
        "great_expectations.expectations.metrics.column_map_metrics.column_values_match_regex"
    )
    before = engine._PERSISTED_CONNECTION_DIALECTS, regex.get_dialect_regex_expression
    with gx_repairs.repaired():
        assert before != (engine._PERSISTED_CONNECTION_DIALECTS, regex.get_dialect_regex_expression)
    assert before == (engine._PERSISTED_CONNECTION_DIALECTS, regex.get_dialect_regex_expression)


def ending(*, repaired: bool) -> str:
    """What a process prints on standard error that had a GX context and DuckDB's SQLAlchemy dialect."""
    start = (
        "from quality.gx_repairs import quietly_imported as gx"
        if repaired
        else "def gx():\n import great_expectations as g\n return g"
    )
    text = f"{start}\nimport duckdb_engine\ngx().get_context(mode='ephemeral')"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", text], capture_output=True, text=True, check=True)
    return done.stderr


def test_a_process_ends_without_the_bindings_list_of_leaks_and_the_repair_is_needed() -> None:
    assert "nanobind" in ending(repaired=False)
    assert ending(repaired=True) == ""
