"""Small contracts, deliveries built by hand, and the gate over them with or without Great Expectations."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lake.current import quote
from quality import gate
from quality.rules import rules
from quality.sieve import Sifted, sift
from quality.standardise import Delivery, create_view, standardise
from quality.table_rules import Past
from quality.verdict import Verdict
from schemas.contract import Check, Column, Contract, Limits, Source

TODAY = date(2026, 3, 1)
KEY = Column("id", "编号", "编号", required=True, key_position=1)
Row = tuple[Any, ...]
View = Callable[[duckdb.DuckDBPyConnection, str], None]


def contract(*columns: Column, checks: Sequence[Check] = (), sync: str = "append", rejected: float = 1.0) -> Contract:
    """A contract of the key column `id` and the columns given."""
    return Contract(
        dataset="people", title="人员", version="1.0.0", status="active", provider="市局", provider_code="11310000002420886W",
        provider_en="Bureau", title_en="People", purpose="", resource_code="302001/000001", share_type=2, share_condition="x",
        share_modes=("api",), columns=(KEY, *columns), source=Source("csv", "file://", "p.csv", sync=sync),
        checks=tuple(checks), limits=Limits(rejected=rejected),
    )  # fmt: skip


def compound(declared: Contract, second: str) -> Contract:
    """The same contract with a second key column."""
    columns = tuple(replace(c, key_position=2, required=True) if c.name == second else c for c in declared.columns)
    return replace(declared, columns=columns)


def batches(declared: Contract, rows: Sequence[Row], size: int = 3) -> Iterator[pa.RecordBatch]:
    """Rows of text as batches of a landed file."""
    names = ["_row", *(c.source for c in declared.columns)]
    types = [pa.int64(), *([pa.string()] * len(declared.columns))]
    for start in range(0, len(rows), size):
        part = [(start + i + 1, *row) for i, row in enumerate(rows[start : start + size])]
        arrays = [pa.array(values, kind) for values, kind in zip(zip(*part, strict=True), types, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, names=names)


def view(declared: Contract, rows: Sequence[Row]) -> View:
    """A maker of a view of live rows, as `lake.current.create_view` is."""

    def make(con: duckdb.DuckDBPyConnection, name: str) -> None:
        shape = [f"NULL::{c.sql_type} AS {quote(c.name)}" for c in declared.columns]
        select = f"SELECT {', '.join([*shape, 'NULL::BIGINT AS _load, NULL::BIGINT AS _seq, NULL::BIGINT AS _hash'])} WHERE false"
        for row in rows:
            typed = zip(row, declared.columns, strict=True)
            values = ", ".join("NULL" if v is None else f"CAST('{v}' AS {c.sql_type})" for v, c in typed)
            select += f" UNION ALL SELECT {values}, 1, 1, NULL"
        con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS {select}")

    return make


def standard_view(
    con: duckdb.DuckDBPyConnection, declared: Contract, deliveries: Iterable[Delivery], work: Path, first_seq: int = 0
) -> None:
    """View `standard` over the deliveries, standardised."""
    _, files = standardise(con, declared, deliveries, first_seq, work)
    create_view(con, declared, files)


@contextmanager
def sieved(
    work: Path,
    declared: Contract,
    *files: Sequence[Row],
    current: Sequence[Row] = (),
    references: Mapping[str, View] | None = None,
    past: Past | None = None,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Sifted]]:
    """The gate up to and with the sieve: quick, for most of what there is to prove."""
    deliveries = [(f"{i}.csv", batches(declared, rows)) for i, rows in enumerate(files)]
    with gate._session(work, 256) as con:
        standard_view(con, declared, deliveries, work)
        compiled = rules(declared, today=TODAY)
        yield (
            con,
            sift(con, declared, compiled, current=view(declared, current), references=references or {}, past=past),
        )


def fates(work: Path, declared: Contract, *files: Sequence[Row], **more: Any) -> list[str]:
    """What became of each row, in order of delivery: passed, duplicate, superseded, or the reasons joined by a space."""
    with sieved(work, declared, *files, **more) as (con, sifted):
        assert sifted.counts.balanced
        query = (
            "SELECT coalesce(fate, array_to_string(reasons, ' '), 'passed') FROM standard "
            "LEFT JOIN fates USING (_seq) LEFT JOIN rejected USING (_seq) ORDER BY _seq"
        )
        return [row[0] for row in con.execute(query).fetchall()]


@dataclass
class Outcome:
    """What the whole gate left behind."""

    verdict: Verdict
    work: Path

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of one of the gate's files; of `passes` those that passed."""
        rows = pq.read_table(self.work / f"{name}.parquet").to_pylist()
        left_out = self.work / "left_out.parquet"
        gone = set(pq.read_table(left_out)["_seq"].to_pylist()) if name == "passes" and left_out.exists() else set()
        return [row for row in rows if row.get("_seq") not in gone]

    def text(self, name: str) -> str:
        return (self.work / name).read_text(encoding="utf-8")

    def json(self, name: str) -> Any:
        return json.loads(self.text(name))

    def rule(self, name: str) -> Any:
        return next(r for r in self.verdict.rules if r.id == name)


def judged(
    work: Path, declared: Contract, *files: Sequence[Row], current: Sequence[Row] = (),
    references: Mapping[str, View] | None = None, docs: Path | None = None, first_seq: int = 0, past: Past | None = None,
) -> Outcome:  # fmt: skip
    """The whole gate."""
    verdict = gate.judge(
        declared, [(f"{i}.csv", batches(declared, rows)) for i, rows in enumerate(files)],
        workdir=work, first_seq=first_seq, today=TODAY, current=view(declared, current), references=references or {}, docs=docs,
        past=past, memory_mb=256,
    )  # fmt: skip
    return Outcome(verdict, work)
