"""A tiny dataset and hand-made gate outputs, so that the lake is tested without the gate."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lake import changes, current, hashing, quarantine
from lake.changes import Changes, Delivered
from lake.history import History, Load
from schemas.contract import Column, Contract, Source

Row = tuple[str, str]


def contract(*extra: Column) -> Contract:
    columns = (Column("id", "编号", "编号", key_position=1, required=True), Column("姓名", "姓名", "姓名"), *extra)
    return Contract(
        dataset="people", title="人", version="1.0.0", status="active", provider="市局", provider_code="11310000002420886W",
        provider_en="Bureau", title_en="People", purpose="", resource_code="302001/000001", share_type=2, share_condition="x",
        share_modes=("api",), columns=columns, source=Source("csv", "file://", "p.csv"),
    )  # fmt: skip


@dataclass
class Desk:
    """Publishes deliveries of (id, name) rows the way the pipeline does."""

    lake: Path
    work: Path
    contract: Contract

    def deliver(self, rows: list[Row], *, bad: list[Row] = (), complete: bool = True, consistent: bool = True, unkeyable: int = 0,
                landing: int = 1, accept: bool = False, load: int | None = None, run: str | None = None) -> Load:  # fmt: skip
        prepared = self.prepare(rows, bad=bad, landing=landing)
        history = History(self.lake, "people")
        n = load or history.number + 1
        run = run or f"run{landing}"
        history.prepare(self.contract)
        head = history.head()
        delivered = Delivered(*prepared, complete, consistent, unkeyable, (landing << 32) + len(rows) + len(bad))
        with duckdb.connect() as con:
            found = changes.find(con, self.lake, self.contract, delivered, load=n, run=run,
                                 absent_before=head.absent if head else "", accept_deletions=accept,
                                 rows_before=head.rows if head else 0)  # fmt: skip
        return self.commit(history, found, n, run, landing)

    def commit(self, history: History, found: Changes, n: int, run: str, landing: int) -> Load:
        facts = Load("people", n, run, landing, "pull", "2026-01-01T00:00:00+00:00", "", None, found.rows, found.changed,
                     counts=found.counts, key=("id",), content=found.content, absent=found.absent, hashing=hashing.fingerprint())  # fmt: skip
        history.commit(facts, found.file, self.contract)
        return facts

    def prepare(self, rows: list[Row], bad: list[Row] = (), landing: int = 1) -> tuple[Path, Path]:
        self.work.mkdir(exist_ok=True)
        first = landing << 32
        hashes = [int.from_bytes(hashlib.md5(repr(r).encode()).digest()[:7]) for r in rows]
        table = pa.table({
            "id": [r[0] for r in rows], "姓名": [r[1] for r in rows], "_seq": pa.array([first + i for i in range(len(rows))], pa.int64()),
            "_hash": pa.array(hashes, pa.int64()), "_file": ["f"] * len(rows), "_row": pa.array(range(len(rows)), pa.int64()),
        })  # fmt: skip
        for column in self.contract.columns[2:]:
            table = table.append_column(column.name, pa.nulls(len(rows), pa.string()))
        pq.write_table(table.cast(pa.schema([f if f.type != pa.null() else f.with_type(pa.string()) for f in table.schema])),
                       self.work / "passes.parquet")  # fmt: skip
        ids = pa.array([r[0] for r in [*rows, *bad]], pa.string())
        pq.write_table(pa.table({"id": ids}), self.work / "keys.parquet")
        return self.work / "passes.parquet", self.work / "keys.parquet"

    def reject(
        self, bad: list[Row], *, landing: int, held: bool = False, complete: bool = True, keys: list[str] = ()
    ) -> None:
        self.work.mkdir(exist_ok=True)
        n = len(bad)
        pq.write_table(pa.table({
            "_key": [json.dumps([r[0]]) for r in bad], "_hash": pa.array([hashlib.md5(repr(r).encode()).digest() for r in bad], pa.binary()),
            "_seq": pa.array(range(n), pa.int64()), "_file": ["f"] * n, "_row": pa.array(range(n), pa.int64()),
            "reasons": pa.array([["姓名.format"]] * n, pa.list_(pa.string())), "delivered": [json.dumps({"编号": r[0]}) for r in bad],
        }, schema=pa.schema([("_key", pa.string()), ("_hash", pa.binary()), ("_seq", pa.int64()), ("_file", pa.string()),
                             ("_row", pa.int64()), ("reasons", pa.list_(pa.string())), ("delivered", pa.string())])),
            self.work / "rejects.parquet")  # fmt: skip
        pq.write_table(
            pa.table({"id": pa.array([*keys, *(r[0] for r in bad)], pa.string())}), self.work / "rkeys.parquet"
        )
        with duckdb.connect() as con:
            quarantine.record(con, self.lake, self.contract, self.work / "rejects.parquet", self.work / "rkeys.parquet",
                              run=f"run{landing}", landing=landing, rules="r1", held=held, complete=complete,
                              at="2026-01-01T00:00:00+00:00")  # fmt: skip

    def now(self, load: int | None = None) -> dict[str, str]:
        with duckdb.connect() as con:
            current.create_view(con, self.lake, self.contract, "v", load)
            return dict(con.execute('SELECT id, "姓名" FROM v ORDER BY id').fetchall())

    def quarantined(self) -> list[str]:
        with duckdb.connect() as con:
            quarantine.create_view(con, self.lake, "people", "q")
            return [k for (k,) in con.execute("SELECT _key FROM q ORDER BY _key").fetchall()]
