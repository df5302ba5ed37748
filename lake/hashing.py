"""The hash by which a row's change is noticed: 63 bits of DuckDB's own hash over the contract's values, names sorted.

It is several times cheaper than a digest of the row's text. DuckDB does not promise the same numbers for ever, so each load says by which
function it was hashed (`fingerprint`), and since which load it has been that one; older rows are hashed again when they are compared.
"""

from functools import cache

import duckdb

from schemas.contract import Contract


def of_values(contract: Contract) -> str:
    """The SQL expression (BIGINT) over a row's standardised values; rows differ in it when they differ, but for one case in 2^63."""
    columns = sorted('"' + c.name.replace('"', '""') + '"' for c in contract.columns)
    return f"CAST(hash({', '.join(columns)}) >> 1 AS BIGINT)"


@cache
def fingerprint() -> str:
    """A name of the function in use: what it makes of one value of each type."""
    probe = "hash(1::BIGINT, 1.5::DOUBLE, 2.50::DECIMAL(18,4), '数据'::VARCHAR, DATE '2026-01-02', TIMESTAMPTZ '2026-01-02 03:04:05+00', true, NULL)"
    row = duckdb.connect().execute(f"SELECT printf('%016x', {probe})").fetchone()
    return str(row[0]) if row else ""


def since(hashing: str, hashed_since: int, load: int) -> int:
    """The first load whose rows all later ones share their function with, for a load `load` after one that says the first two."""
    return hashed_since if hashing == fingerprint() else load
