"""Where a build reads records: the lake's two views as plain functions, so that a test can put tables of its own in their place."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from schemas.contract import Contract


@dataclass(frozen=True)
class Histories:
    """The two makers of views.

    `view(con, contract, name, load, where)`: the live rows as of a load, with `_load` and `_seq`; all, or if `where` is not empty those
    that this predicate holds of.
    `touched(con, contract, column, since, upto, name)`: a single column, what `column` holds in the rows of loads in
    (since, upto] and in those they superseded.
    """

    view: Callable[[duckdb.DuckDBPyConnection, Contract, str, int, str], None]
    touched: Callable[[duckdb.DuckDBPyConnection, Contract, str, int, int, str], None]


def of_lake(lake: Path) -> Histories:
    """The histories of a lake on disk."""
    from lake import current

    def view(con: duckdb.DuckDBPyConnection, contract: Contract, name: str, load: int, where: str) -> None:
        if where:
            current.create_some(con, lake, contract, name, load, where)
        else:
            current.create_view(con, lake, contract, name, load)

    def touched(
        con: duckdb.DuckDBPyConnection, contract: Contract, column: str, since: int, upto: int, name: str
    ) -> None:
        current.touched(con, lake, contract, column, since, upto, name)

    return Histories(view, touched)
