"""MariaDB's and MySQL's rows by connectorx: Arrow batches made in Rust, several times as fast as a driver in Python.

It opens a connection of its own for one statement, so rows are of that statement's snapshot, taken after the bound's: nothing at or below
the bound can be missing. Only what it converts exactly is asked for natively (signed integers, DOUBLE); all else comes as the server's text.
It knows no TLS by our rules, so sessions with TLS do without it.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast
from urllib.parse import quote

import pyarrow as pa
import pymysql
from pymysql.constants import CR

from connectors.batches import ahead

ROWS = 65_536


def fits(arguments: dict[str, Any]) -> bool:
    """Whether a session with these driver arguments can do with it."""
    return "ssl" not in arguments


def rows(
    arguments: dict[str, Any], says_first: Sequence[str], statement: str, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """The statement's rows as batches of `schema`, received while the last ones are used.

    Raises:
        pymysql.Error: the server refuses, ends the statement or is gone; with a code, without the server's words.
    """
    for batch in ahead(_batches(arguments, says_first, statement)):
        columns = [values.cast(field.type) for values, field in zip(batch.columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _batches(arguments: dict[str, Any], says_first: Sequence[str], statement: str) -> Iterator[pa.RecordBatch]:
    import connectorx

    user, password = quote(str(arguments.get("user", "")), safe=""), quote(str(arguments.get("password", "")), safe="")
    host = str(arguments["host"])
    host = f"[{host}]" if ":" in host else host
    place = f"{host}:{arguments.get('port', 3306)}/{quote(str(arguments.get('database', '')), safe='')}"
    try:
        found = connectorx.read_sql(
            f"mysql://{user}:{password}@{place}", statement, return_type="arrow_stream", batch_size=ROWS,
            protocol="binary", pre_execution_query=list(says_first),
        )  # fmt: skip
        yield from cast("pa.RecordBatchReader", found)
    except BaseException as error:
        if not isinstance(error, RuntimeError) and type(error).__name__ != "PanicException":
            raise
        code = re.search(r"ERROR (\d{4}) ", str(error))
        raise pymysql.OperationalError(int(code[1]) if code else CR.CR_SERVER_LOST) from None
