"""How fast a delivery is judged, beside Great Expectations on pandas and a hand-written DuckDB pass, in one run.

`python benchmarks/gate.py [--rows 1000000 5000000] [--runs 3]` makes a table of twelve columns of fictitious residents, about one row in two hundred
wrong, and lets each contender judge it by the same fifteen rules, in turn, each in a process of its own; medians are printed with
their ratios and peak memory. All must count the same. Exit code 1 if a limit is missed: 4.5 times Great Expectations on pandas, a quarter of
the hand-written pass, 1.5 GB.

- cityhub: judge, sieve and the rows set aside written with their reasons, over what standardising left (shown apart, as it has a benchmark of its
  own). Besides the fifteen it judges what it always judges: types, control characters, keys.
- Great Expectations on pandas: a data frame, a suite, counts. It writes no rows, and reading the file into the frame is not counted.
- By hand: one DuckDB session: the fifteen counts, then the broken rows with their reasons into Parquet.

Imports are not counted, for nobody.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["GX_ANALYTICS_ENABLED"] = "false"

MEMORY_MB = 768
BATCH = 61_440
PEERS = {"pandas": "Great Expectations on pandas", "hand": "by hand, DuckDB"}
STATES = ("active", "ended", "lost")
CARD, REGION, MOBILE = "^[0-9]{17}[0-9X]$", "^[0-9]{6}$", "^1[3-9][0-9]{9}$"
SPOILED = {
    "name": "NULL", "citizen_id": "'X' || i", "sex": "'3'", "birth_date": "DATE '1800-01-01'", "region": "'31'", "mobile": "'12'",
    "income": "-1", "state": "'?'", "valid_to": "DATE '1999-01-01'",
}  # fmt: skip
COLUMNS = {
    "id": "i", "name": "chr((20000 + i % 5000)::INTEGER) || chr((21000 + i % 3001)::INTEGER)",
    "citizen_id": "lpad((310000000000000000 + (CASE WHEN i % 2000 = 11 THEN i - 1 ELSE i END) * 7919)::VARCHAR, 18, '0')",
    "sex": "(1 + i % 2)::VARCHAR", "birth_date": "DATE '1950-01-01' + (i % 20000)::INTEGER", "region": "(310100 + i % 20)::VARCHAR",
    "mobile": "'13' || lpad((i % 1000000000)::VARCHAR, 9, '0')", "income": "(i % 1000000)::DECIMAL(12, 2)",
    "state": "['active', 'ended', 'lost'][1 + i % 3]", "valid_from": "DATE '2020-01-01' + (i % 900)::INTEGER",
    "valid_to": "DATE '2024-01-01' + (i % 900)::INTEGER", "serial": "i // 3",
}  # fmt: skip
RULES: dict[str, tuple[str, dict[str, Any], str]] = {
    "key.duplicate": ("expect_column_values_to_be_unique", {"column": "id"}, ""),
    "name.required": ("expect_column_values_to_not_be_null", {"column": "name"}, "name IS NULL"),
    "name.length": (
        "expect_column_value_lengths_to_be_between", {"column": "name", "min_value": 2, "max_value": 20}, "length(name) NOT BETWEEN 2 AND 20"),
    "citizen_id.required": ("expect_column_values_to_not_be_null", {"column": "citizen_id"}, "citizen_id IS NULL"),
    "citizen_id.pattern": (
        "expect_column_values_to_match_regex", {"column": "citizen_id", "regex": CARD}, f"NOT regexp_matches(citizen_id, '{CARD}')"),
    "citizen_id.unique": ("expect_column_values_to_be_unique", {"column": "citizen_id"}, "citizen_id IN (FROM twice)"),
    "sex.enum": ("expect_column_values_to_be_in_set", {"column": "sex", "value_set": ["1", "2"]}, "sex NOT IN ('1', '2')"),
    "birth_date.required": ("expect_column_values_to_not_be_null", {"column": "birth_date"}, "birth_date IS NULL"),
    "birth_date.range": (
        "expect_column_values_to_be_between", {"column": "birth_date", "min_value": "1900-01-01"}, "birth_date < DATE '1900-01-01'"),
    "region.pattern": (
        "expect_column_values_to_match_regex", {"column": "region", "regex": REGION}, f"NOT regexp_matches(region, '{REGION}')"),
    "mobile.pattern": (
        "expect_column_values_to_match_regex", {"column": "mobile", "regex": MOBILE}, f"NOT regexp_matches(mobile, '{MOBILE}')"),
    "income.range": (
        "expect_column_values_to_be_between", {"column": "income", "min_value": 0, "max_value": 10_000_000}, "income NOT BETWEEN 0 AND 10000000"),
    "state.enum": (
        "expect_column_values_to_be_in_set", {"column": "state", "value_set": list(STATES)}, "state NOT IN ('active', 'ended', 'lost')"),
    "order": (
        "expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "valid_to", "column_B": "valid_from", "or_equal": True},
        "valid_from > valid_to"),
    "once": ("expect_compound_columns_to_be_unique", {"column_list": ["id", "serial"]}, ""),
}  # fmt: skip
"""The fifteen: the contract's id of each, the peer's expectation, the predicate of a broken row by hand (none: no row is)."""


def make(file: Path, rows: int) -> None:
    """The delivery, as Parquet of the contract's types."""
    import duckdb

    spoiled = {
        name: f"CASE WHEN i % 2000 = {n} THEN {value} ELSE {{}} END"
        for n, (name, value) in enumerate(SPOILED.items(), 1)
    }
    columns = ", ".join(f"{spoiled.get(name, '{}').format(made)} AS {name}" for name, made in COLUMNS.items())
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT {columns} FROM range(1, {rows + 1}) t(i)) TO '{file}' (FORMAT parquet, ROW_GROUP_SIZE {BATCH})"
        )


def cityhub(file: Path, work: Path) -> dict[str, Any]:
    """The gate, as a pull calls it; what standardising took apart."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from quality import gate, gx_parts
    from quality.gx_repairs import quietly_imported
    from quality.table_rules import Past

    def batches() -> Iterator[pa.RecordBatch]:
        row = 1
        for batch in pq.ParquetFile(file).iter_batches(BATCH):
            yield batch.append_column("_row", pa.array(range(row, row + batch.num_rows), pa.int64()))
            row += batch.num_rows

    def nothing(con: Any, name: str) -> None:
        con.execute(f'CREATE OR REPLACE VIEW "{name}" AS SELECT * FROM standard WHERE false')

    quietly_imported()
    gx_parts.register()
    verdict = gate.judge(
        contract(), [("residents.parquet", batches())], workdir=work, first_seq=0, today=date(2026, 1, 1), current=nothing, references={},
        docs=None, past=Past(datetime(2026, 1, 1, tzinfo=UTC)), memory_mb=MEMORY_MB,
    )  # fmt: skip
    laps = verdict.seconds
    return {
        "seconds": laps["sieve"] + laps["write"] + laps["judge"], "apart": laps["standardise"], **laps,
        "found": {r.id: r.unexpected for r in verdict.rules if r.id in RULES}, "rules": len(verdict.rules),
    }  # fmt: skip


def contract() -> Any:
    """The fifteen rules as a contract says them."""
    from schemas.contract import Check, Column, Contract, Source

    def column(name: str, **more: Any) -> Column:
        return Column(name, name, name, **more)

    return Contract(
        dataset="residents", title="residents", version="1.0.0", status="active", provider="bench", provider_code="11310100MADEM0011P",
        provider_en="bench", title_en="residents", purpose="", resource_code="101001/000001", share_type=1, share_condition="无条件",
        share_modes=("database",), source=Source("parquet", "file://", "residents.parquet", sync="append"),
        columns=(
            column("id", type="integer", required=True, key_position=1), column("name", required=True, min_length=2, max_length=20),
            column("citizen_id", required=True, unique=True, pattern=CARD), column("sex", enum=("1", "2")),
            column("birth_date", type="date", required=True, minimum="1900-01-01"), column("region", pattern=REGION),
            column("mobile", pattern=MOBILE), column("income", type="decimal", precision=12, scale=2, minimum="0", maximum="10000000"),
            column("state", enum=STATES), column("valid_from", type="date"), column("valid_to", type="date"), column("serial", type="integer"),
        ),
        checks=(
            Check("order", "dateOrder", "", {"columns": ["valid_from", "valid_to"]}),
            Check("once", "duplicateValues", "", {"columns": ["id", "serial"]}),
        ),
    )  # fmt: skip


def pandas(file: Path, _: Path) -> dict[str, Any]:
    """The peer, as its documentation has it: a data frame asset and a suite, without sample values."""
    import great_expectations as gx
    import pandas as pd
    from great_expectations.data_context.types.base import ProgressBarsConfig

    frame = pd.read_parquet(file)
    for name in ("birth_date", "valid_from", "valid_to"):
        frame[name] = pd.to_datetime(frame[name])
    frame["income"] = frame["income"].astype(float)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    made = [
        getattr(gx.expectations, "".join(part.title() for part in kind.split("_")))(
            **arguments | _dates(arguments), meta={"rule": rule}
        )
        for rule, (kind, arguments, _) in RULES.items()
    ]
    suite = context.suites.add(gx.ExpectationSuite("s", expectations=made))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="v", data=batch, suite=suite))
    started = time.perf_counter()
    done = definition.run(
        batch_parameters={"dataframe": frame}, result_format={"result_format": "BASIC", "partial_unexpected_count": 0}
    )
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "found": {r.expectation_config.meta["rule"]: int(r.result["unexpected_count"]) for r in done.results},
    }


def _dates(arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(v) for name, v in arguments.items() if name == "min_value" and isinstance(v, str)
    }


def hand(file: Path, work: Path) -> dict[str, Any]:
    """What somebody who wants only this answer would write."""
    import duckdb

    rows = f"read_parquet('{file}')"
    config = {
        "memory_limit": f"{MEMORY_MB}MB",
        "temp_directory": str(work / "spill"),
        "preserve_insertion_order": False,
    }
    started = time.perf_counter()
    with duckdb.connect(config=config) as con:
        con.execute(
            f"CREATE TEMP TABLE twice AS SELECT citizen_id FROM {rows} WHERE citizen_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
        )
        found = {
            "key.duplicate": con.execute(f"SELECT sum(n) FROM (SELECT count(*) n FROM {rows} GROUP BY id HAVING n > 1)"),
            "once": con.execute(f"SELECT sum(n) FROM (SELECT count(*) n FROM {rows} GROUP BY id, serial HAVING n > 1)"),
        }  # fmt: skip
        counts = {rule: int((cursor.fetchone() or (0,))[0] or 0) for rule, cursor in found.items()}
        broken = {rule: predicate for rule, (_, _, predicate) in RULES.items() if predicate}
        each = ", ".join(f"count(*) FILTER ({predicate})" for predicate in broken.values())
        counts |= dict(zip(broken, con.execute(f"SELECT {each} FROM {rows}").fetchone() or (), strict=True))
        reasons = ", ".join(f"CASE WHEN {predicate} THEN '{rule}' END" for rule, predicate in broken.items())
        con.execute(
            f"COPY (SELECT *, list_filter([{reasons}], lambda r: r IS NOT NULL) AS reasons FROM {rows} WHERE {' OR '.join(broken.values())}) "
            f"TO '{work / 'broken.parquet'}' (FORMAT parquet, COMPRESSION zstd)"
        )
    return {"seconds": time.perf_counter() - started, "found": counts}


CONTENDERS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {"cityhub": cityhub, "pandas": pandas, "hand": hand}


def alone(name: str, file: Path) -> dict[str, Any]:
    """What one contender says of itself, run in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--alone", name, str(file)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(rows: int, runs: int) -> bool:
    """The table for one size; whether every limit is kept."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "residents.parquet")
        make(file, rows)
        for _ in range(runs):
            for name, found in results.items():
                found.append(alone(name, file))
    for name, found in results.items():
        apart = {
            k: (v, found[0]["found"].get(k))
            for k, v in results["cityhub"][0]["found"].items()
            if v != found[0]["found"].get(k)
        }
        assert not apart, f"{name} counts otherwise: {apart}"
    seconds = {name: statistics.median(f["seconds"] for f in found) for name, found in results.items()}
    peak = {name: max(f["peak"] for f in found) for name, found in results.items()}
    ours, mine = seconds["cityhub"], results["cityhub"][-1]
    print(f"\n{rows:,} rows, {len(RULES)} rules (cityhub: {mine['rules']}), medians of {runs}")
    print(f"  {'cityhub':30} {ours:7.2f} s {rows / ours:12,.0f} rows/s {peak['cityhub']:6.0f} MiB"
          f"   sieve {mine['sieve']:.2f}, judge {mine['judge']:.2f}, write {mine['write']:.2f} (standardise apart: {mine['apart']:.2f})")  # fmt: skip
    for name, told in PEERS.items():
        ratio = seconds[name] / ours
        print(
            f"  {told:30} {seconds[name]:7.2f} s {rows / seconds[name]:12,.0f} rows/s {peak[name]:6.0f} MiB   cityhub is {ratio:.2f} times as fast"
        )
    return seconds["pandas"] / ours >= 4.5 and seconds["hand"] / ours >= 0.25 and peak["cityhub"] <= 1500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    wanted: Any = parser.parse_args()
    if wanted.alone:
        name, file = wanted.alone
        with tempfile.TemporaryDirectory() as work:
            found = CONTENDERS[name](Path(file), Path(work))
        print(json.dumps(found | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}))
        return
    kept = [compare(rows, wanted.runs) for rows in wanted.rows]
    if not all(kept):
        sys.exit(1)


if __name__ == "__main__":
    main()
