"""The program that `connectors.sql.connectorx_rows` runs: one statement's rows by connectorx as an Arrow stream on standard output.

What to read stands as JSON in one line on standard input. If that fails, the server's number (or nothing) goes to the descriptor `tell`.
Not imported by anybody: it needs nothing of the hub.
"""

import json
import os
import re
import sys
from typing import TYPE_CHECKING, cast

import pyarrow as pa

if TYPE_CHECKING:
    from io import IOBase


UNREADABLE = "1366"
"""MySQL's number for a text that its character set does not hold: here, one that connectorx cannot read as UTF-8."""


def main() -> int:
    """Read and write; the exit code says whether the stream is whole."""
    import connectorx

    asked = json.loads(sys.stdin.buffer.readline())
    try:
        found = connectorx.read_sql(
            asked["url"], asked["statement"], return_type="arrow_stream", batch_size=asked["rows"], protocol="binary",
            pre_execution_query=asked["says_first"],
        )  # fmt: skip
        reader = cast("pa.RecordBatchReader", found)
        with pa.ipc.new_stream(pa.PythonFile(cast("IOBase", sys.stdout.buffer), mode="w"), reader.schema) as out:
            for batch in reader:
                out.write_batch(batch)
    except BaseException as error:  # noqa: BLE001 - a Rust panic is no Exception; its words may quote a row
        code = re.search(r"ERROR (\d{4}) ", str(error))
        unreadable = UNREADABLE if "Could not retrieve" in str(error) else ""
        os.write(asked["tell"], (code[1] if code else unreadable).encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
