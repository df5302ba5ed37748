"""A contract's own SQL predicate, taken in only as what it claims to be.

DuckDB's parser reads it; it must be one expression over the dataset's columns: no subquery, window, star, lambda or parameter, so it can
reach no other table and no file. What comes back is the parser's own spelling of it (comments and loose brackets gone).
It is then bound to an empty table of the contract's columns, which finds unknown functions, wrong types and aggregates.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import duckdb

from lake.current import quote
from schemas.contract import Contract

_REFUSED = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window",
    "STAR": "*",
    "LAMBDA": "a lambda",
    "PARAMETER": "a parameter",
}


class NotAPredicate(ValueError):
    """The text is not a predicate over the dataset's columns; the message says why."""


def predicate(contract: Contract, text: str) -> tuple[str, tuple[str, ...]]:
    """The predicate as DuckDB spells it, and the columns it reads.

    Raises:
        NotAPredicate: it is empty, not SQL, or reaches beyond the row.
    """
    if not text.strip():
        raise NotAPredicate("a predicate over the dataset's columns is wanted")
    with duckdb.connect() as con:
        tree, spelled = _parse(con, text)
        nodes = list(_nodes(tree))
        refused = {_REFUSED[n["class"]] for n in nodes if n.get("class") in _REFUSED}
        if refused:
            raise NotAPredicate(f"{', '.join(sorted(refused))} cannot stand in a row's predicate")
        named = {n["column_names"][-1].lower() for n in nodes if n.get("class") == "COLUMN_REF"}
        columns = tuple(c.name for c in contract.columns if c.name.lower() in named)
        if unknown := named - {c.lower() for c in columns}:
            raise NotAPredicate(f"no column {', '.join(sorted(unknown))}")
        _bind(con, contract, spelled)
    return spelled, columns


def unevaluable(columns: str, predicates: Mapping[str, str]) -> dict[str, str]:
    """Which predicates cannot be evaluated even over a row of NULLs, by name, and why: a bad pattern, a bound that is no number."""
    wrong = {}
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE dataset ({columns})")
        con.execute("INSERT INTO dataset DEFAULT VALUES")
        with suppress(duckdb.Error):  # all at once, for that is how it is as a rule; else one by one
            con.execute(
                f"SELECT {', '.join(f'({ok})::BOOLEAN' for ok in predicates.values()) or 1} FROM dataset"
            ).fetchall()
            return {}
        for name, ok in predicates.items():
            try:
                con.execute(f"SELECT ({ok})::BOOLEAN FROM dataset").fetchall()
            except duckdb.Error as error:
                wrong[name] = str(error).splitlines()[0]
    return wrong


def _parse(con: duckdb.DuckDBPyConnection, text: str) -> tuple[dict[str, Any], str]:
    row = con.execute("SELECT json_serialize_sql(?::VARCHAR)", [f"SELECT (\n{text}\n)"]).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if tree["error"]:
        raise NotAPredicate(f"not a predicate: {tree.get('error_message', 'unreadable')}")
    node = tree["statements"][0]["node"]
    if len(tree["statements"]) != 1 or node["type"] != "SELECT_NODE" or node["from_table"]["type"] != "EMPTY":
        raise NotAPredicate("one expression is wanted, not a query")
    spelled = con.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]).fetchone()
    return tree, str(spelled[0] if spelled else "").removeprefix("SELECT ")


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child)


def _bind(con: duckdb.DuckDBPyConnection, contract: Contract, spelled: str) -> None:
    columns = ", ".join(f"{quote(c.name)} {c.sql_type}" for c in contract.columns)
    con.execute(f"CREATE TABLE dataset ({columns})")
    try:
        con.execute(f"SELECT 1 FROM dataset WHERE ({spelled})")
    except duckdb.Error as error:
        raise NotAPredicate(f"cannot be evaluated: {str(error).splitlines()[0]}") from error
