"""How fast whole columns are standardised and checked: `python benchmarks/elements.py [--rows 1000000] [--limit 0.5]`.

One DuckDB statement per data element normalises every value, then asks every check of it, on all cores that DuckDB takes. Beside it the
scalar reference on the first 50,000 values. Exit code 1 if citizen IDs take longer than the limit (seconds a million, best of five).
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from datetime import date

import duckdb
import pyarrow as pa

from schemas import identifiers, types, values
from schemas.codes import code_list
from schemas.elements import element
from schemas.expressions import checks, normalise

ZONE, TODAY = "Asia/Shanghai", date(2026, 1, 1)
SCALAR = 50_000


def citizen_id(dice: random.Random, regions: tuple[str, ...]) -> str:
    """Mostly as they should be; 2 % of 15 digits, 1 % in full-width or small letters, 1 % with a wrong digit."""
    born = f"{dice.randint(1940, 2020)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}"
    first17 = f"{dice.choice(regions)}{born}{dice.randint(0, 995):03}"
    value, kind = first17 + identifiers.citizen_check(first17), dice.random()
    if kind < 0.02 and born.startswith("19"):
        return first17[:6] + first17[8:]
    if kind < 0.03:
        return value.lower().translate({48 + i: 0xFF10 + i for i in range(10)})
    return f"{value[:9]}{dice.randint(0, 9)}{value[10:]}" if kind < 0.04 else value


def uscc(dice: random.Random) -> str:
    """A valid credit code."""
    organisation = "".join(dice.choices(identifiers.USCC_ALPHABET, k=8))
    head = f"91{dice.randint(110000, 650000)}{organisation}{identifiers.organisation_check(organisation)}"
    return head + identifiers.uscc_check(head)


def measured(column: list[str], name: str, times: int) -> tuple[float, int]:
    """Best seconds for the whole column, and how many values have a finding."""
    held = types.column_of(element(name))
    rules = checks(held, "n", today=TODAY)
    broken = " OR ".join(f"NOT {rule.ok}" for rule in rules) or "false"
    each = ", ".join(f"count(*) FILTER (NOT {rule.ok})" for rule in rules) or "0"
    with duckdb.connect() as con:
        con.register("delivered", pa.table({"v": column}))
        con.execute("CREATE TABLE t AS FROM delivered")
        inner = f"SELECT {normalise(held, 'v', timezone=ZONE)} AS n FROM t"
        found = con.execute(f"SELECT count(*) FILTER ({broken}) FROM ({inner})").fetchone()
        best = min(
            _seconds(lambda: con.execute(f"SELECT max(n), {each} FROM ({inner})").fetchall()) for _ in range(times)
        )
    return best, int(found[0]) if found else 0


def scalar(column: list[str], name: str) -> float:
    """Seconds of the reference for the first values."""
    found = element(name)

    def run() -> None:
        for text in column[:SCALAR]:
            value = values.normalise(found, text)
            if value is not None:
                values.check(found, value, today=TODAY)

    return _seconds(run)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--limit", type=float, default=0.5)
    given = parser.parse_args()
    dice, regions = random.Random(7), code_list("region").current
    distinct = given.rows // 4 or 1
    columns = {
        "DE01001": [citizen_id(dice, regions) for _ in range(distinct)],
        "DE02001": [uscc(dice) for _ in range(distinct)],
        "DE01012": [f"{dice.choice(['', '+86 '])}1{dice.randint(3 * 10**9, 10**10 - 1)}" for _ in range(distinct)],
        "DE01006": [f"{dice.randint(1940, 2020)}-{dice.randint(1, 12)}-1" for _ in range(distinct)],
        "DE02007": [f"{dice.randint(1, 9000)}万人民币" for _ in range(distinct)],
        "DE04001": [dice.choice(regions) for _ in range(distinct)],
    }
    over = False
    for name, sample in columns.items():
        column = (sample * 5)[: given.rows]
        seconds, found = measured(column, name, 5)
        rate = scalar(column, name) * len(column) / min(SCALAR, len(column)) / seconds
        million = seconds * 1e6 / len(column)
        print(
            f"{name} {element(name).zh:<10} {million:6.2f} s a million, {found} findings, {rate:5.0f} x the scalar reference"
        )
        over |= name == "DE01001" and million > given.limit
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
