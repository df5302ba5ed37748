"""Great Expectations 1.24.1 over DuckDB, in working order.

Unrepaired it "fails" nearly every expectation within moments, without counts:

1. It closes the connection before it fetches. Dialects in `_PERSISTED_CONNECTION_DIALECTS` keep theirs; DuckDB is not among them.
2. `get_dialect_regex_expression` knows no DuckDB, and the regex metric modules hold the function by their own names.

3. It counts repeated values by joining each row to its group, which takes many times as long as sorting their hashes.
4. An expectation makes its configuration anew each of the seventy times that it is asked for it, an eighth of what GX thinks in Python.
5. With `duckdb_engine` and a GX context in one process, DuckDB's binding cannot free its types when the interpreter ends, and lists
   them on standard error: forty lines that look like a fault and are none.

`repaired()` mends the first four while it is open and puts everything back. `tests/quality/test_gx_repairs.py` fails when a repair has become
needless or when the pin moves.
"""

import atexit
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from quality.repeats import shared_hashes

PINNED = "1.24.1"
_ENGINE = "great_expectations.execution_engine.sqlalchemy_execution_engine"
_REGEX = tuple(
    f"great_expectations.expectations.metrics.column_map_metrics.column_values_{name}"
    for name in ("match_regex", "not_match_regex", "match_regex_list", "not_match_regex_list")
)
_ALONE = Lock()
_UNIQUE = ("column_values.unique", "compound_columns.unique")


class _DuckDB(str):
    """The dialect's name in the shape of GX's own enumeration."""

    __slots__ = ()

    @property
    def value(self) -> str:
        return str(self)


@contextmanager
def repaired() -> Iterator[None]:
    """Great Expectations with these repairs and without its usage statistics, as long as this is open.

    One thread at a time: whoever left first would take the repairs from the others.
    """
    quietly_imported()
    with _ALONE, persistent_connections(), regular_expressions(), repeated_values(), lasting_configurations():
        yield


@cache
def quietly_imported() -> Any:
    """The `great_expectations` module. Its import takes seconds and warns of other packages' futures."""
    atexit.register(_end_quietly)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module("great_expectations")
        importlib.import_module("duckdb_engine")
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)  # its tracebacks would quote values
    return module


def _end_quietly() -> None:
    """Repair 5: what is printed after Python's own last word goes nowhere."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def sqlalchemy() -> Any:
    """SQLAlchemy, by the name under which Great Expectations hands it out."""
    return importlib.import_module("great_expectations.compatibility.sqlalchemy").sqlalchemy


@contextmanager
def persistent_connections() -> Iterator[None]:
    """Repair 1."""
    engine: Any = importlib.import_module(_ENGINE)
    before = engine._PERSISTED_CONNECTION_DIALECTS
    engine._PERSISTED_CONNECTION_DIALECTS = (*before, _DuckDB("duckdb"))
    try:
        yield
    finally:
        engine._PERSISTED_CONNECTION_DIALECTS = before


@contextmanager
def regular_expressions() -> Iterator[None]:
    """Repair 2."""
    modules: list[Any] = [importlib.import_module(name) for name in _REGEX]
    before = [module.get_dialect_regex_expression for module in modules]
    for module in modules:
        module.get_dialect_regex_expression = _regexp_matches
    try:
        yield
    finally:
        for module, function in zip(modules, before, strict=True):
            module.get_dialect_regex_expression = function


@contextmanager
def repeated_values() -> Iterator[None]:
    """Repair 3."""
    engine = importlib.import_module(_ENGINE).SqlAlchemyExecutionEngine.__name__
    registered: Any = importlib.import_module("great_expectations.expectations.registry")._registered_metrics
    providers = [registered[f"{metric}.unexpected_count"]["providers"] for metric in _UNIQUE]
    before = [provider[engine] for provider in providers]
    for provider, (owner, _) in zip(providers, before, strict=True):
        provider[engine] = (owner, _repeated)
    try:
        yield
    finally:
        for provider, pair in zip(providers, before, strict=True):
            provider[engine] = pair


@contextmanager
def lasting_configurations() -> Iterator[None]:
    """Repair 4."""
    owner: Any = importlib.import_module("great_expectations.expectations.expectation").Expectation
    before, made = owner.configuration, dict[int, tuple[Any, Any]]()

    def configuration(expectation: Any) -> Any:
        """Made once; the expectation is held beside it, lest another come to have its number."""
        if id(expectation) not in made:
            made[id(expectation)] = expectation, before.fget(expectation)
        return made[id(expectation)][1]

    owner.configuration = property(configuration)
    try:
        yield
    finally:
        owner.configuration = before


def _repeated(execution_engine: Any, metric_domain_kwargs: Any, **_: Any) -> int:
    """The rows whose values in the domain's columns, all there, stand in another row as well."""
    sa = sqlalchemy()
    names = metric_domain_kwargs.get("column_list") or [metric_domain_kwargs["column"]]
    columns = [sa.column(name) for name in names]
    rows = execution_engine.get_domain_records(domain_kwargs=metric_domain_kwargs)
    rows = rows.subquery() if hasattr(rows, "subquery") else rows
    hashed, there = sa.func.hash(*columns), [c.is_not(None) for c in columns]

    def hashes(least: int, most: int) -> Any:
        part = hashed.between(
            *(sa.literal_column(str(n)) for n in (least, most))
        )  # a parameter would be a 128-bit number
        asked = sa.select(hashed.label("h")).select_from(rows).where(*there, part)
        return execution_engine.execute_query(asked).cursor.fetchnumpy()["h"]

    total = execution_engine.execute_query(sa.select(sa.func.count()).select_from(rows)).scalar()
    shared = shared_hashes(hashes, total)
    if shared is not None:
        there = [hashed.in_([sa.literal_column(str(h)) for h in shared]), *there] if shared else [sa.false()]
    groups = (
        sa.select(sa.func.count().label("n")).select_from(rows).where(*there)
        .group_by(*columns).having(sa.func.count() > 1).subquery()
    )  # fmt: skip
    return int(execution_engine.execute_query(sa.select(sa.func.sum(groups.c.n))).scalar() or 0)


def _regexp_matches(column: Any, regex: str, dialect: Any, positive: bool = True) -> Any:  # noqa: ARG001 - GX's signature
    sa = sqlalchemy()
    matches = sa.func.regexp_matches(column, sa.literal(regex))
    return matches if positive else sa.not_(matches)
