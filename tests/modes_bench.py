"""A hub of one small dataset whose contract and source change under the tests' hands: a SQLite table, a PostgreSQL table, or files."""

import copy
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import duckdb
import pytest
import servers
import yaml
from sqlalchemy import make_url

from hub.core import Hub
from hub.pulling import pipeline
from hub.registration import registry
from hub.settings import Settings
from lake import current, quarantine
from lake.history import History
from ledger.runs import Run
from quality import gate
from quality.judge import Judgement

COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("id", "编号", "string"), ("name", "姓名", "string"), ("state", "状态", "string"), ("n", "数", "integer"), ("at", "at", "timestamp"),
)  # fmt: skip


class Unjudged(Judgement):
    """No results."""

    def to_text(self) -> str:
        return "{}"


def sieve_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave Great Expectations' second count and its pages out: they have tests of their own, and cost most of a small pull."""
    monkeypatch.setattr(gate.gx_judge, "count", lambda *_: Unjudged({}, {}))
    monkeypatch.setattr(gate.gx_judge, "agree", lambda *_: None)
    monkeypatch.setattr(gate.data_docs, "build", lambda *_: None)


@dataclass
class Bench:
    """`columns` are (hub name, source name, type), `customs` the contract's custom properties, `server` the server's."""

    root: Path
    kind: str = "sqlite"
    url: str = ""
    sync: str = "snapshot"
    columns: list[tuple[str, str, str]] = field(default_factory=lambda: list(COLUMNS))
    customs: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=lambda: {"有效": "active"})
    table: str = "登记"
    cursor: str = "at"
    version: int = 1
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    encoding: str = ""
    quality: list[dict[str, Any]] = field(default_factory=list)
    pulls: int = 0

    def __post_init__(self) -> None:
        self.drop = self.root / "drop"
        self.drop.mkdir(parents=True, exist_ok=True)
        self.hub = self._hub(self.root)
        self.address = self.url or f"sqlite:///{self.drop / 'source.db'}"

    def _hub(self, root: Path) -> Hub:
        settings = Settings(
            home=root / "home", declarations=root / "home" / "declarations", drop_root=self.drop, judge_memory_mb=256
        )
        return Hub(settings, secret=lambda _reference: servers.account(self.url)[1])

    def apply(self, because: str = "a test") -> None:
        """Put the contract in force, as a new version."""
        file = self.root / "things.odcs.yaml"
        file.write_text(yaml.safe_dump(self._document(), allow_unicode=True, sort_keys=False), encoding="utf-8")
        registry.apply(self.hub, (file,), because=because)
        self.version += 1

    def source(
        self, rows: Iterable[Sequence[Any]], names: Sequence[str] = (), *, key: str = "编号", table: str = ""
    ) -> None:
        """Make the table hold exactly these rows; of columns `names`, the contract's by default."""
        names = tuple(names) or tuple(source for _, source, _ in self.columns)
        at = table or self.table
        types = {source: kind for _, source, kind in self.columns}
        declared = ", ".join(
            f'"{n}" {self._type(types.get(n, "string"))}{" PRIMARY KEY" if n == key else ""}' for n in names
        )
        values = [
            f'INSERT INTO "{at}" VALUES ({", ".join("NULL" if v is None else repr(str(v)) for v in row)})'
            for row in rows
        ]
        servers.execute(self.address, f'DROP TABLE IF EXISTS "{at}"', f'CREATE TABLE "{at}" ({declared})', *values)

    def sql(self, *statements: str) -> None:
        servers.execute(self.address, *statements)

    def file(self, name: str, rows: Iterable[Sequence[Any]], names: Sequence[str] = ()) -> None:
        """Drop a CSV file."""
        names = tuple(names) or tuple(source for _, source, _ in self.columns)
        lines = [",".join("" if v is None else str(v) for v in row) for row in (names, *rows)]
        (self.drop / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def pull(self, **given: Any) -> Run:
        self.pulls += 1
        return pipeline.pull(self.hub, "things", owner=f"pull {self.pulls}", **given)

    def current(self, load: int | None = None) -> dict[str, tuple[Any, ...]]:
        contract = self.hub.contract("things")
        names = ", ".join(current.quote(c.name) for c in contract.columns if c.type != "timestamp")
        with duckdb.connect() as con:
            current.create_view(con, self.hub.lake, contract, "v", load)
            return {row[0]: row[1:] for row in con.execute(f"SELECT {names} FROM v").fetchall()}

    def quarantined(self) -> dict[str, str]:
        """Reasons by key."""
        with duckdb.connect() as con:
            quarantine.create_view(con, self.hub.lake, "things", "q")
            rows = con.execute("SELECT _key, reasons FROM q").fetchall()
        return {json.loads(key)[0] if key else "-": " ".join(sorted(reasons)) for key, reasons in rows}

    @property
    def head(self) -> int:
        return History(self.hub.lake, "things").number

    def twin(self, root: Path) -> "Bench":
        """The same contract in a hub of its own that has pulled nothing yet."""
        made = Bench(
            root,
            self.kind,
            self.url,
            self.sync,
            list(self.columns),
            copy.deepcopy(self.customs),
            dict(self.codes),
            self.table,
            self.cursor,
        )
        made.drop, made.address = self.drop, self.address
        made.hub = made._hub(root)
        return made

    def copy(self, root: Path) -> "Bench":
        """All that the bench has, in a folder of its own, which must be empty: what one test does to it no other sees."""
        for database in (self.hub.ledger, self.hub.subjects, self.hub.audit):
            database.dispose()
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        given = {f.name: copy.deepcopy(getattr(self, f.name)) for f in fields(self) if f.name not in ("root", "url")}
        return type(self)(root, url=self.url, **given)

    def _type(self, kind: str) -> str:
        return {"integer": "INTEGER", "timestamp": "TIMESTAMP" if self.url else "TEXT"}.get(kind, "VARCHAR(50)")

    def _document(self) -> dict[str, Any]:
        properties = []
        for name, source, kind in self.columns:
            node: dict[str, Any] = {"name": name, "physicalName": source, "logicalType": kind}
            if name == "id":
                node |= {"primaryKey": True, "primaryKeyPosition": 1}
            if name == "state":
                node["customProperties"] = [{"property": "codeMap", "value": self.codes, "vendor": "cityhub"}]
            if name in self.options:
                node["logicalTypeOptions"] = self.options[name]
            properties.append(node)
        given = {
            "resourceCode": "302001/000001", "shareType": 2, "shareCondition": "依法履职", "shareMode": ["api"],
            "providerCode": "11310000002420886W", "limits": {"deleted": 0.5, "rejected": 1.0}, **self.customs,
        }  # fmt: skip
        return {
            "apiVersion": "v3.2.0", "kind": "DataContract", "id": "things", "name": "登记", "version": f"1.{self.version}.0",
            "status": "active", "tenant": "市局", "servers": [self._server()],
            "schema": [{"name": "things", "physicalName": self.table, "properties": properties, "quality": self.quality}],
            "customProperties": [{"property": k, "value": v, "vendor": "cityhub"} for k, v in given.items()],
        }  # fmt: skip

    def _server(self) -> dict[str, Any]:
        own: dict[str, Any] = {"syncMode": self.sync, **({"encoding": self.encoding} if self.encoding else {})}
        if self.sync != "snapshot" and self.kind != "csv":
            own["cursor"] = self.cursor
        match self.kind:
            case "csv":
                block: dict[str, Any] = {"type": "local", "path": f"{self.table}_*.csv", "format": "csv"}
            case "postgres":
                at = make_url(self.url)
                block = {
                    "type": "postgres",
                    "host": at.host,
                    "port": at.port,
                    "database": at.database,
                    "schema": "public",
                }
                own["secretRef"] = "env:UNUSED"
            case _:
                block, own["url"] = {"type": "custom"}, "sqlite:///source.db"
        listed = [{"property": k, "value": v, "vendor": "cityhub"} for k, v in own.items()]
        return {"server": "source", **block, "customProperties": listed}
