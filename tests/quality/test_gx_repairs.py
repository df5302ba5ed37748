"""The repairs to Great Expectations: pinned, put back, and each still needed."""

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from gate_builders import contract, judged

from quality import gx_repairs, judge
from schemas.contract import Check, Column
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


def test_gates_of_several_threads_do_not_take_the_repairs_from_each_other(tmp_path: Path) -> None:
    def one(n: int) -> int:
        folder = tmp_path / str(n)
        folder.mkdir()
        return judged(folder, PATTERNED, ROWS).rule("v.pattern").unexpected

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(one, range(12))) == [1] * 12


@pytest.mark.parametrize("kept", ["persistent_connections", "regular_expressions"])
def test_with_one_repair_alone_expectations_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str) -> None:
    """Fails once a repair has become needless: take it out then, and this case with it."""
    monkeypatch.setattr(judge, "repaired", getattr(gx_repairs, kept))
    with pytest.raises(JudgeFailed, match="raised"):
        judged(tmp_path, PATTERNED, ROWS)


def test_repeated_values_are_counted_as_great_expectations_counts_them_which_takes_it_a_join(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails once its own way is no longer a join: take repair 3 out then."""
    check = Check("pair", "duplicateValues", "", {"columns": ["v", "w"]}, severity="warning")
    made = contract(Column("v", "值", "值", unique=True), Column("w", "值二", "值二"), checks=[check])
    rows = [("a", "1", "x"), ("b", "1", "x"), ("c", "1", None), ("d", None, "x"), ("e", None, None), ("f", "2", "x")]
    counts = []
    for repair in (True, False):
        asked: list[str] = []
        with monkeypatch.context() as patched:
            if not repair:
                patched.setattr(gx_repairs, "repeated_values", nullcontext)
            patched.setattr(judge, "_source", _noting(asked))
            found = judged(tmp_path / str(repair), made, rows)
        counts.append([found.rule(name).unexpected for name in ("v.unique", "pair")])
        assert any("_num_rows" in query and "sum(condition)" in query for query in asked) is not repair
    assert counts == [[3, 2], [3, 2]]


def test_a_configuration_is_made_once_and_without_the_repair_each_time() -> None:
    """Fails once Great Expectations keeps it itself: take repair 4 out then."""
    gx = gx_repairs.quietly_imported()
    one, other = (gx.expectations.ExpectColumnValuesToNotBeNull(column=name) for name in ("v", "w"))
    assert one.configuration is not one.configuration
    with gx_repairs.repaired():
        assert one.configuration is one.configuration
        assert (one.configuration.kwargs, other.configuration.kwargs) == ({"column": "v"}, {"column": "w"})
    assert one.configuration is not one.configuration


def _noting(asked: list[str]) -> Any:
    """The judge's source, its engine's queries noted."""
    from sqlalchemy import event

    @contextmanager
    def source(con: Any, dataset: str) -> Iterator[Any]:
        with made(con, dataset) as found:
            event.listen(
                found.get_execution_engine().engine, "before_cursor_execute", lambda *given: asked.append(given[2])
            )
            yield found

    made = judge._source
    return source


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
