"""The append-only history of a dataset: one Delta table, whose commit *is* the publication.

1. `write` puts a load's changed rows into a Parquet file inside the table's folder. No log names it yet: nobody sees it.
2. `commit` checks that the table's recorded transaction is n-1, then adds the file in one Delta commit that carries the application
   transaction (dataset, n) and, as metadata, everything the ledger needs (`Load`). Two writers at once conflict on the transaction.
3. The data file is fsynced before the commit, log and folder after it; only then may anybody be told.

A load that changed nothing commits too, without a file: the watermark and the hour of the check are facts as well.
`loads` reads the facts back, which is how a killed run, a retry and a lost ledger find out what was published.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from lake import crash, delta_log
from lake.durable import make_folder, sync_file, sync_folder, sync_log
from schemas.contract import Column, Contract
from schemas.errors import Stop, Superseded

SYSTEM = (
    pa.field("_op", pa.string()),
    pa.field("_load", pa.int64()),
    pa.field("_seq", pa.int64()),
    pa.field("_hash", pa.int64()),
)
LANDED = ("pull", "upload")
"""Kinds of loads that are made of a landing of their own; the others (rollback, replay, release, waive) restate what is there."""
AMENDING = ("upload", "release", "waive")
"""Kinds of loads that settle rows in quarantine; they tell nothing of the source, not even that it answers."""
CONFIGURATION = {"delta.logRetentionDuration": "interval 36500 days", "delta.enableExpiredLogCleanup": "false"}


@dataclass(frozen=True)
class Load:
    """What one commit says of itself. `rows` is the number of live keys after it, `changed` the rows it appended.

    `counts` has delivered, passed, rejected, duplicates, superseded, new, updated, deleted, unchanged, and restored for a rollback.
    `absent` names a file of keys that a full but inconsistent read did not see (deleted once missed twice). `origin` is what the
    watermark was taken of: kind, url, table, cursor, the table's own key. `hashing` names the function of `_hash` (`lake.hashing`), in use
    since load `hashed_since`.
    """

    dataset: str
    load: int
    run: str
    landing: int
    kind: str
    published_at: str
    as_of: str
    watermark: str | None
    rows: int
    changed: int
    counts: dict[str, int] = field(default_factory=dict)
    verdict: dict[str, Any] = field(default_factory=dict)
    contract_version: str = ""
    key: tuple[str, ...] = ()
    manifest: str = ""
    content: str = ""
    absent: str = ""
    hashing: str = ""
    hashed_since: int = 1
    origin: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The commit's metadata text."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Load":
        """The inverse of `to_json`; fields of later versions are ignored."""
        value = json.loads(text)
        known = {k: v for k, v in value.items() if k in Load.__dataclass_fields__}
        return Load(**{**known, "key": tuple(known.get("key", ()))})


@dataclass(frozen=True)
class DataFile:
    """One committed data file and the range of loads whose rows it holds."""

    path: Path
    rows: int
    first_load: int
    last_load: int


def folder(lake: Path, dataset: str) -> Path:
    """The dataset's history table."""
    return lake / "history" / dataset


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The table's Arrow schema: the contract's columns, then the system's."""
    types: dict[str, pa.DataType] = {
        "string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "date": pa.date32(),
        "timestamp": pa.timestamp("us", "UTC"), "boolean": pa.bool_(),
    }  # fmt: skip
    fields = [
        pa.field(c.name, pa.decimal128(c.precision, c.scale) if c.type == "decimal" else types[c.type]) for c in columns
    ]
    return pa.schema([*fields, *SYSTEM])


class History:
    """One dataset's table, opened at its newest version."""

    def __init__(self, lake: Path, dataset: str) -> None:
        self.dataset = dataset
        self.path = folder(lake, dataset)
        self._table = delta_log.opened(self.path)

    @property
    def number(self) -> int:
        """The last published load, 0 if there is none."""
        if self._table is None:
            return 0
        return int(self._table.transaction_version(self.dataset) or 0)

    def loads(self) -> tuple[Load, ...]:
        """The facts of every published load, oldest first."""
        return tuple(reversed(tuple(self._newest_first())))

    def head(self) -> Load | None:
        """The facts of the newest load."""
        return next(self._newest_first(), None)

    def find(self, run: str) -> Load | None:
        """The load that a run published, if it did."""
        return next((load for load in self._newest_first() if load.run == run), None)

    def _newest_first(self) -> Iterator[Load]:
        if self._table is not None:
            yield from map(Load.from_json, delta_log.facts(self._table, self.path))

    def files(self) -> tuple[DataFile, ...]:
        """The committed data files with their load ranges."""
        if self._table is None:
            return ()
        actions = pa.table(self._table.get_add_actions(flatten=True)).to_pylist()
        return tuple(
            DataFile(self.path / a["path"], int(a["num_records"]), int(a["min._load"]), int(a["max._load"]))
            for a in sorted(actions, key=lambda a: int(a["max._load"]))
        )

    def prepare(self, contract: Contract) -> None:
        """Create the table, or add the columns that a newer contract brought.

        Raises:
            Stop: the contract changed the primary key or a column's type, which this table cannot follow.
        """
        from deltalake import DeltaTable

        wanted = arrow_schema(contract.columns)
        if delta_log.mend(self.path):
            self._reload()
        if self._table is None:
            make_folder(self.path)
            self._table = DeltaTable.create(str(self.path), schema=wanted, mode="ignore", configuration=CONFIGURATION)
            self.sync()
            return
        head = self.head()
        if head is not None and head.key and head.key != contract.key:
            raise Stop(
                f"{self.dataset}: the primary key changed from {', '.join(head.key)} to {', '.join(contract.key)}",
                todo="register the new shape under a new dataset id",
            )
        present: pa.Schema = pa.schema(self._table.schema().to_arrow())  # type: ignore[arg-type]
        missing = [wanted.field(name) for name in wanted.names if name not in present.names]
        for name in set(wanted.names) & set(present.names):
            if pa.schema([present.field(name)]) != pa.schema([wanted.field(name)]):
                raise Stop(
                    f"{self.dataset}.{name}: the type changed from {present.field(name).type} to {wanted.field(name).type}",
                    todo="give the changed column a new name in the contract",
                )
        if missing:
            from deltalake import Schema

            self._table.alter.add_columns(list(Schema.from_arrow(pa.schema(missing)).fields))
            self.sync()

    def sync(self) -> None:
        """Force the newest commits to the disk: nobody is told of one before. Then open the table at its newest version."""
        sync_log(self.path / "_delta_log")
        self._reload()

    def commit(self, load: Load, file: Path | None, contract: Contract) -> None:
        """Publish: add `file` (inside the table's folder, or None) as load `load.load`.

        Raises:
            Superseded: the table is not at load n-1, or another writer came first.
        """
        from deltalake import CommitProperties, Transaction
        from deltalake.exceptions import CommitFailedError

        self._reload()
        if self.number != load.load - 1:
            raise Superseded(
                f"{self.dataset}: load {load.load} cannot follow load {self.number}",
                todo=f"hub pull {self.dataset}",
            )
        assert self._table is not None  # noqa: S101 — prepare() has run
        actions = [_add_action(file, load)] if file is not None else []
        if file is not None:
            sync_file(file)
            sync_folder(self.path)
        crash.point("append.synced")
        properties = CommitProperties(
            custom_metadata={delta_log.METADATA: load.to_json()},
            app_transactions=[Transaction(self.dataset, load.load)],
        )
        crash.point("commit.before")
        try:
            self._table.create_write_transaction(
                actions=actions, mode="append", schema=arrow_schema(contract.columns), commit_properties=properties
            )
        except CommitFailedError as error:
            raise Superseded(f"{self.dataset}: another run published load {load.load} first") from error
        crash.point("commit.after")
        self.sync()
        crash.point("commit.synced")

    def _reload(self) -> None:
        self._table = delta_log.opened(self.path)


def _add_action(file: Path, load: Load) -> Any:
    from deltalake.transaction import AddAction

    stat = file.stat()
    stats = {
        "numRecords": load.changed,
        "minValues": {"_load": load.load},
        "maxValues": {"_load": load.load},
        "nullCount": {"_load": 0},
    }
    return AddAction(
        path=file.name,
        size=stat.st_size,
        partition_values={},
        modification_time=int(stat.st_mtime * 1000),
        data_change=True,
        stats=json.dumps(stats),
    )
