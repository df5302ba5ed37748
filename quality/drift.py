"""What becomes of a delivery that is no longer as the contract says, by the contract's `drift` modes.

1. `fitted` passes each file's batches on with exactly the contract's columns: what a file lacks is there as NULL, what the contract does not
   name is left out. Rows that the mode sets aside are noted by file and row number beside the work files, so memory stays flat.
2. `adapted` softens rules: with `types: freeze` an unreadable value is counted instead of setting its row aside, with `types: evolve` a text
   that is too long is.
3. `keep_known` gives rows that lack a frozen column the value published before.
4. `Finding`s go into the verdict: every outcome is told. docs/reference/drift.md names them all.

In no mode does a file pass that lacks a key column or the cursor, or more than half of the columns: that is another table, or no header.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.current import literal, quote
from lake.session import PARQUET
from quality.rule import Rule, Words, satisfy
from quality.verdict import Finding, What
from schemas.contract import Contract, DriftMode
from schemas.errors import SourceDamaged

Delivery = tuple[str, Iterator[pa.RecordBatch]]
_MARKED: dict[str, pa.DataType] = {"_part": pa.int32(), "_row": pa.int64(), "what": pa.string()}
_MARKS = pa.schema(_MARKED)
_EN = {
    "unknown": {"evolve": "not in the contract: kept in landing, a contract change is drafted", "freeze": "not in the contract: left in landing",
                "quarantine": "not in the contract: rows with a value there are set aside"},
    "missing": {"evolve": "not delivered: empty from now on", "freeze": "not delivered: the values published before stay",
                "quarantine": "not delivered: the rows are set aside"},
    "type": {"evolve": "values that its type cannot hold: the rows are set aside, a contract change is drafted",
             "freeze": "values that its type cannot hold: published empty", "stop": "values that its type cannot hold"},
    "length": {"evolve": "longer than the contract allows: published whole, a contract change is drafted"},
}  # fmt: skip
_ZH = {
    "unknown": {"evolve": "契约未列:保留在落地区,已拟契约变更", "freeze": "契约未列:留在落地区", "quarantine": "契约未列:有值的记录转入问题数据"},
    "missing": {"evolve": "未报送:今后为空", "freeze": "未报送:沿用已发布的值", "quarantine": "未报送:记录转入问题数据"},
    "type": {"evolve": "有类型容不下的值:记录转入问题数据,已拟契约变更", "freeze": "有类型容不下的值:以空值发布", "stop": "有类型容不下的值"},
    "length": {"evolve": "超过契约长度:原样发布,已拟契约变更"},
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The contract's columns (source names) that a file lacks, and the file's that the contract does not name."""

    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.unknown)


def plan(contract: Contract, file: str, delivered: Sequence[str]) -> Plan:
    """How a file with these columns (without `_row`) is fitted.

    Raises:
        SourceDamaged: the mode is stop, or no mode can help.
    """
    wanted = [c.source for c in contract.columns]
    found = Plan(
        tuple(n for n in wanted if n not in delivered), tuple(dict.fromkeys(n for n in delivered if n not in wanted))
    )
    twice = [n for n in dict.fromkeys(delivered) if delivered.count(n) > 1]
    hopeless = bool(twice) or bool(needed(contract) & {*found.missing}) or len(found.missing) * 2 > len(wanted)
    if hopeless or (found and contract.drift.columns == "stop"):
        raise _damaged(contract, file, found, twice, wanted)
    return found


def needed(contract: Contract) -> set[str]:
    """The department's names of what no delivery can lack: the key, and the cursor of an incremental read."""
    cursor = contract.source.cursor if contract.source.sync == "incremental" else None
    return {c.source for c in contract.columns if c.name in contract.key or c.name == cursor}


def require(contract: Contract, file: str, delivered: Sequence[str]) -> None:
    """That these are the contract's columns, each once; SourceDamaged if not."""
    wanted = [c.source for c in contract.columns]
    if sorted(delivered) != sorted(wanted):
        missing = tuple(n for n in wanted if n not in delivered)
        unknown = tuple(n for n in delivered if n not in wanted)
        twice = [n for n in dict.fromkeys(delivered) if delivered.count(n) > 1]
        raise _damaged(contract, file, Plan(missing, unknown), twice, wanted)


@dataclass
class Fitting:
    """A delivery being fitted; `findings` and `parts` (what each file lacked) are known once every batch was taken."""

    contract: Contract
    marks: Path
    missing: dict[str, list[int]] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    _unseen: set[str] | None = None
    _writer: pq.ParquetWriter | None = field(default=None, repr=False)

    def fitted(self, deliveries: Iterable[Delivery]) -> Iterator[Delivery]:
        """The same deliveries, with exactly the contract's columns and `_row`."""
        try:
            for part, (file, batches) in enumerate(deliveries):
                yield file, self._batches(part, file, batches)
        finally:
            if self._writer is not None:
                self._writer.close()

    def findings(self) -> tuple[Finding, ...]:
        """What was found of columns; `rows` counts the values that an unknown column held."""
        mode = self.contract.drift.columns
        found = [_finding("missing", name, mode) for name in self.missing]
        found += [_finding("missing", name, "evolve") for name in sorted(self._unseen or ())]
        return (*found, *(_finding("unknown", shown(name), mode, rows) for name, rows in self.unknown.items()))

    def to_json(self) -> dict[str, Any]:
        """What was found, as plain JSON values; the marks stay in their file."""
        unseen = None if self._unseen is None else sorted(self._unseen)
        return {"missing": self.missing, "unknown": self.unknown, "unseen": unseen}

    @classmethod
    def of_json(cls, contract: Contract, marks: Path, found: dict[str, Any]) -> "Fitting":
        """A fitting that is over, as `to_json` told it."""
        unseen = None if found["unseen"] is None else set(found["unseen"])
        return cls(contract, marks, found["missing"], found["unknown"], unseen)

    def create_table(self, con: duckdb.DuckDBPyConnection) -> None:
        """Table `drifted` of the rows to set aside, where the contract asks for it."""
        if self.contract.drift.columns == "quarantine":
            con.execute("CREATE TABLE drifted (_part INTEGER, _row BIGINT, what VARCHAR)")
            if self.marks.exists():
                con.execute(f"INSERT INTO drifted SELECT * FROM read_parquet({literal(str(self.marks))})")

    def _batches(self, part: int, file: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        names: list[str] | None = None
        found = Plan()
        for delivered in batches:
            batch = (
                self._opened(delivered) if (delivered.schema.metadata or {}).get(b"absent") == b"null" else delivered
            )
            if batch.schema.names != names:
                if names is not None:
                    raise SourceDamaged(
                        f"{self.contract.dataset}: the columns of {file} change midway",
                        todo="deliver the file again, with one header",
                    )
                names = batch.schema.names
                found = plan(self.contract, file, [n for n in names if n != "_row"])
                for name in found.missing:
                    self.missing.setdefault(name, []).append(part)
            yield self._shaped(part, batch, found) if found else batch

    def _opened(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch of a form without a header (JSON), where what no record names is empty, not missing; but for what makes a row a row."""
        absent = [c.source for c in self.contract.columns if c.source not in batch.schema.names]
        if needed(self.contract) & {*absent}:
            return batch
        self._unseen = {*absent} if self._unseen is None else self._unseen & {*absent}
        for name in absent:
            batch = batch.append_column(name, pa.nulls(batch.num_rows, pa.string()))
        return batch.replace_schema_metadata(None)

    def _shaped(self, part: int, batch: pa.RecordBatch, found: Plan) -> pa.RecordBatch:
        rows = batch.column("_row")
        held: pa.Array[Any] = pa.repeat(pa.scalar(bool(found.missing)), batch.num_rows)
        for name in found.unknown:
            filled = _filled(batch.column(name))
            self.unknown[name] = self.unknown.get(name, 0) + (pc.sum(filled).as_py() or 0)
            held = pc.or_(held, filled)
        if self.contract.drift.columns == "quarantine":
            self._mark(part, rows.filter(held), "missing" if found.missing else "unknown")
        empty = pa.nulls(batch.num_rows, pa.string())
        wanted = [c.source for c in self.contract.columns]
        arrays = [empty if name in found.missing else batch.column(name) for name in wanted]
        return pa.RecordBatch.from_arrays([rows, *arrays], names=["_row", *wanted])

    def _mark(self, part: int, rows: "pa.Array[Any]", what: str) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.marks, _MARKS, compression="zstd")
        parts, words = pa.array([part] * len(rows), pa.int32()), pa.array([what] * len(rows), pa.string())
        self._writer.write_batch(pa.RecordBatch.from_arrays([parts, rows.cast(pa.int64()), words], schema=_MARKS))


def keep_known(
    con: duckdb.DuckDBPyConnection, contract: Contract, fitting: Fitting, current: Callable[[duckdb.DuckDBPyConnection, str], None],
    hash_of: str, file: Path,
) -> bool:  # fmt: skip
    """With `columns: freeze`, write `standard` anew into `file`, with the published values of what a row's file lacked; whether there was a need.

    `hash_of` is the expression of `_hash`.
    """
    if contract.drift.columns != "freeze" or not fitting.missing:
        return False
    current(con, "_known")
    key = " AND ".join(f"s.{quote(k)} = k.{quote(k)}" for k in contract.key)
    parts = sorted({part for parts in fitting.missing.values() for part in parts})
    lacked = [(c, fitting.missing[c.source]) for c in contract.columns if c.source in fitting.missing]
    kept = ", ".join(
        f"CASE WHEN k._seq IS NOT NULL AND s._part IN ({_list(where)}) THEN CAST(k.{quote(c.name)} AS {c.sql_type}) ELSE s.{quote(c.name)} END "
        f"AS {quote(c.name)}"
        for c, where in lacked
    )
    hashed = f"CASE WHEN _part IN ({_list(parts)}) THEN {hash_of} ELSE _hash END AS _hash"
    con.execute(
        f"COPY (SELECT * REPLACE ({hashed}) FROM (SELECT s.* REPLACE ({kept}) FROM standard s LEFT JOIN _known k ON {key})) "
        f"TO {literal(str(file))} ({PARQUET})"
    )
    return True


def rules(contract: Contract) -> Iterator[Rule]:
    """The rules that set drifted rows aside, with `columns: quarantine`; they look at table `drifted`."""
    if contract.drift.columns != "quarantine":
        return
    for what, zh, en in (
        ("unknown", "含有契约未列的信息项", "has a value in a column that the contract does not name"),
        ("missing", "所在文件缺少契约的信息项", "comes from a file that lacks a column of the contract"),
    ):
        ok = f"(_part, _row) NOT IN (SELECT (_part, _row) FROM drifted WHERE what = '{what}')"
        words = Words(
            zh, en, "请按契约报送,或与数据管理部门商定变更", "deliver as agreed, or agree on a change of the contract"
        )
        yield Rule(f"drift.{what}", "drift", (), ok, words, satisfy(ok))


def adapted(contract: Contract, found: Iterable[Rule]) -> list[Rule]:
    """The columns' own rules under the contract's mode for types."""
    softened = {"freeze": "type", "evolve": "length"}.get(contract.drift.types)
    return [replace(rule, severity="warning") if rule.kind == softened else rule for rule in found]


def of_types(contract: Contract, broken: dict[str, int]) -> tuple[Finding, ...]:
    """What was found of types, from the rows that broke each rule; in quarantine mode the rules themselves tell it."""
    mode = contract.drift.types
    if mode == "quarantine":
        return ()
    found = [_finding("type", c.source, mode, n) for c in contract.columns if (n := broken.get(f"{c.name}.type", 0))]
    if mode == "evolve":
        found += [
            _finding("length", c.source, mode, n) for c in contract.columns if (n := broken.get(f"{c.name}.length", 0))
        ]
    return tuple(found)


def shown(name: str) -> str:
    """A column's name fit to be told: a file without its header line has somebody's data there."""
    return re.sub(r"\d{5,}", "…", name)[:40]


def _finding(what: What, name: str, mode: DriftMode, rows: int = 0) -> Finding:
    return Finding(what, name, mode, _ZH[what][mode], _EN[what][mode], rows)


def _filled(values: "pa.Array[Any]") -> "pa.Array[Any]":
    """Where there is more than blanks."""
    text = values if pa.types.is_string(values.type) else pc.cast(values, pa.string())
    filled: pa.Array[Any] = pc.not_equal(pc.utf8_trim_whitespace(text), pa.scalar(""))
    return filled.fill_null(False)


def _list(parts: Iterable[int]) -> str:
    return ", ".join(map(str, parts))


def _damaged(contract: Contract, file: str, found: Plan, twice: Sequence[str], wanted: Sequence[str]) -> SourceDamaged:
    unknown = [shown(n) for n in found.unknown[:10]]
    if len(found.missing) * 2 > len(wanted) and found.unknown:
        unknown = [f"({len(found.unknown)} names not shown: is the header line missing?)"]
    faults = [
        f"{what} {', '.join(map(repr, names))}"
        for what, names in (("lacks column", found.missing), ("has unknown column", unknown), ("has twice", twice))
        if names
    ]
    return SourceDamaged(
        f"{contract.dataset}: file {file} {'; '.join(faults)}",
        todo=f"deliver exactly the columns {', '.join(wanted)}, or change the contract {contract.dataset} {contract.version}",
    )
