"""A dataset's contract as values: what every other room reads instead of YAML.

`schemas.odcs.load` makes a `Contract` from one ODCS 3.2 file; `to_json`/`from_json` carry it through the ledger and the
compiled index without loss. One contract describes one dataset: one table, file family or endpoint of one department.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pydantic import TypeAdapter

LogicalType = Literal["string", "integer", "number", "decimal", "date", "timestamp", "boolean"]
SyncMode = Literal["snapshot", "incremental", "append"]
Severity = Literal["error", "warning"]
DriftMode = Literal["evolve", "freeze", "quarantine", "stop"]
NOT_SHARED = 3
"""The shareType of what is given to nobody (不予共享)."""


@dataclass(frozen=True)
class Column:
    """One data item (信息项).

    `name` is the hub's name, `source` the department's own (ODCS `physicalName`; any script, any punctuation).
    `format` is a strptime pattern for dates in the source, where the data element's own reading does not suffice.
    `codes` maps the department's codes to standard ones; `enum` holds the allowed standard values of a local list.
    `minimum`/`maximum` are text in the column's own type, inclusive.
    """

    name: str
    source: str
    title: str
    type: LogicalType = "string"
    precision: int = 18
    scale: int = 4
    required: bool = False
    unique: bool = False
    key_position: int = 0
    element: str | None = None
    format: str | None = None
    codes: dict[str, str] | None = None
    enum: tuple[str, ...] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    classification: str = "L2"
    share_type: int = 2
    description: str = ""
    deprecated: bool = False

    @property
    def sql_type(self) -> str:
        """The column's type in the lake's SQL (DuckDB)."""
        if self.type == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        return {
            "string": "VARCHAR",
            "integer": "BIGINT",
            "number": "DOUBLE",
            "date": "DATE",
            "timestamp": "TIMESTAMPTZ",
            "boolean": "BOOLEAN",
        }[self.type]


@dataclass(frozen=True)
class Check:
    """One quality rule as the contract states it; `quality.rules` gives it its meaning.

    `kind` is an ODCS library metric (nullValues, missingValues, invalidValues, duplicateValues, rowCount) or one of ours
    (`dateOrder`, `reference`, `idAgrees`, `sql`, ...); `column` is empty for a rule over several columns.
    `arguments` are the rule's own; `limit` is the operator and bound for dataset-level rules, as ("mustBeGreaterThan", 0): of rows, or with
    `percent` of a hundred.
    """

    id: str
    kind: str
    column: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    limit: tuple[str, float] | None = None
    severity: Severity = "error"
    dimension: str = "conformity"
    percent: bool = False


@dataclass(frozen=True)
class Threshold:
    """The most of something that is borne: rows, or with `percent` of a hundred rows."""

    most: float
    percent: bool = False


@dataclass(frozen=True)
class Judging:
    """What a contract says of one rule, by its id: another severity, and how many rows may break it before the delivery is held."""

    severity: Severity | None = None
    threshold: Threshold | None = None


@dataclass(frozen=True)
class Source:
    """Where the records are and how to pull them.

    `kind` is the connector (`sql`, `csv`, `xlsx`, `jsonl`, `parquet`, `rest`, `push`). `url` has no credentials: `secret` names them
    (`env:NAME`, `file:PATH`, `airflow:CONNECTION`). `table` is the table, file pattern or path below the URL.
    `cursor` is a hub column name, for incremental sync; `lag` the overlap in seconds where no bound can be had.
    `timezone` is that of zoneless timestamps in the source (IANA name).
    `windows` are the hours in which a pull may begin (`22:00-06:00`, in the city's time; none: always), `rows_per_second` the pace
    that a database is asked to keep up with (None: as fast as it can), `statement_seconds` the longest that one statement may take.
    """

    kind: str
    url: str
    table: str
    sync: SyncMode = "snapshot"
    cursor: str | None = None
    lag: int = 0
    encoding: str | None = None
    timezone: str = "Asia/Shanghai"
    secret: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    windows: tuple[str, ...] = ()
    rows_per_second: int | None = None
    statement_seconds: int = 7200


@dataclass(frozen=True)
class Limits:
    """When a delivery is held instead of published: fractions in 0..1 of the table (deleted) or the delivery (rejected), rejected rows."""

    deleted: float = 0.10
    rejected: float = 0.50
    rejected_rows: int | None = None


@dataclass(frozen=True)
class Drift:
    """What happens when a source no longer is as the contract says: its table, its columns, its values' types.

    Each outcome is named in docs/reference/drift.md.
    """

    table: DriftMode = "stop"
    columns: DriftMode = "stop"
    types: DriftMode = "quarantine"


@dataclass(frozen=True)
class SubjectLink:
    """The dataset tells something of a subject: its `kind` (person, enterprise, ...) and the column that names it."""

    kind: str
    key: str


@dataclass(frozen=True)
class Claim:
    """The dataset is the authoritative source (数源) of a data element of a subject kind."""

    subject: str
    element: str


@dataclass(frozen=True)
class Contact:
    """Who is told of a failed, held or late dataset: a webhook or a `mailto:` address, and its message format."""

    url: str
    format: Literal["plain", "wecom", "dingtalk", "cloudevents"] = "plain"


@dataclass(frozen=True)
class Contract:
    """Everything the hub derives from: tables, checks, catalog entry, grants, prefill bindings, lineage.

    `dataset` is the contract's id and the dataset's name everywhere. `provider` is the department's name as it writes it,
    `provider_code` its USCC. `cycle_hours` is the promised update cycle, `latency_hours` the age from which a value is
    stale, both None where nothing is promised; `retention_days` is how long landed bytes are kept. `reconcile_days` is how often the
    source is compared with what is published, None for never. `claims` are the data elements it is the authoritative source of; `retire_on`
    (an ISO date) and `successor` say until when a deprecated dataset is served, and which dataset to read instead.
    `open` says whether it is open to the public, None where nothing is said, `open_condition` under what condition.
    """

    dataset: str
    title: str
    version: str
    status: str
    provider: str
    provider_code: str
    provider_en: str
    title_en: str
    purpose: str
    resource_code: str
    share_type: int
    share_condition: str
    share_modes: tuple[str, ...]
    columns: tuple[Column, ...]
    source: Source
    subjects: tuple[SubjectLink, ...] = ()
    checks: tuple[Check, ...] = ()
    judging: dict[str, Judging] = field(default_factory=dict)
    limits: Limits = Limits()
    drift: Drift = Drift()
    reconcile_days: int | None = None
    cycle: str = "每日"
    cycle_hours: float | None = 24
    latency_hours: float | None = 48
    schedule: str | None = None
    retention_days: int = 90
    contact: Contact | None = None
    tags: tuple[str, ...] = ()
    domain: str = ""
    authoritative: bool = False
    claims: tuple[Claim, ...] = ()
    retire_on: str | None = None
    successor: str | None = None
    open: bool | None = None
    open_condition: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the primary-key columns, in key order."""
        keyed = sorted((c for c in self.columns if c.key_position), key=lambda c: c.key_position)
        return tuple(c.name for c in keyed)

    @property
    def shared(self) -> tuple[Column, ...]:
        """The columns that may be given to others at all: neither the dataset's shareType nor their own is 3 (不予共享)."""
        return tuple(c for c in self.columns if NOT_SHARED not in (self.share_type, c.share_type))

    @property
    def references(self) -> tuple[str, ...]:
        """The datasets that this contract's reference checks look into."""
        return tuple(dict.fromkeys(str(c.arguments["dataset"]) for c in self.checks if c.kind == "reference"))

    def column(self, name: str) -> Column:
        """The column with this hub name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def pool(self) -> str:
        """The Airflow pool all of the department's pulls share."""
        return f"dept_{self.provider_code}"

    def to_json(self) -> dict[str, Any]:
        """The contract as plain JSON values."""
        return cast("dict[str, Any]", _ADAPTER.dump_python(self, mode="json"))

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Contract":
        """The inverse of `to_json`."""
        return _ADAPTER.validate_python(value)


_ADAPTER: TypeAdapter[Contract] = TypeAdapter(Contract)
