"""One small department per connector, all in the same shape, so that one suite runs over every kind.

A stage keeps one table of text columns. `write` makes it anew, `add` adds records as the department would (rows, or a further
file), `source` is the contract's server block for it. `deliver` reads as the hub does: land, then decode.
"""

import csv
import json
import math
import shutil
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import servers

from connectors import Connector, decode, open_source
from lake import inbox
from schemas.contract import Column, Source

TOKEN = "token-that-nobody-may-see-51c0"
SERVERS = tuple(pytest.param(name, marks=getattr(pytest.mark, f"needs_{name}")) for name in ("postgres", "mariadb"))
KINDS = ("sqlite", "duckdb", *SERVERS, "csv", "csv-gb18030", "xlsx", "jsonl", "parquet", "rest", "push")
Rows = Sequence[Sequence[str | None]]


@dataclass
class Delivery:
    """What one read brought: records as dicts by source name, and what the reading said of itself."""

    records: list[dict[str, Any]]
    names: list[str]
    watermark: str | None
    complete: bool
    consistent: bool
    note: str
    parts: list[str]

    def values(self, name: str) -> list[Any]:
        return [record[name] for record in self.records]

    def texts(self, name: str) -> list[str | None]:
        """A column in text form, whatever type it came in."""
        return [text(value) for value in self.values(name)]


def text(value: Any) -> str | None:
    """A value as the source would write it."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case datetime():
            return value.isoformat(" ")
        case bytes():
            return "\\x" + value.hex()
        case _:
            return str(value)


def columns(*names: str) -> tuple[Column, ...]:
    """Contract columns whose hub names are c0, c1, … for these source names."""
    return tuple(Column(f"c{i}", name, name) for i, name in enumerate(names))


def deliver(
    connector: Connector, source: Source, wanted: Sequence[Column], watermark: str | None, folder: Path
) -> Delivery:
    """Read all parts, landing each in `folder`, and decode what was landed."""
    records: list[dict[str, Any]] = []
    names: list[str] = []
    parts: list[str] = []
    folder.mkdir(exist_ok=True)
    with connector, connector.read(wanted, watermark) as reading:
        for number, part in enumerate(reading.parts()):
            landed = folder / f"{number}.{part.media}"
            if part.batches is not None:
                with pa.ipc.new_stream(str(landed), part.schema) as writer:
                    for batch in part.batches:
                        writer.write_batch(batch)
            else:
                landed.write_bytes(b"".join(part.chunks or ()))
            parts.append(part.name)
            for batch in decode(landed, part.media, source, name=part.name):
                names += [n for n in batch.schema.names if n not in names and n != "_row"]
                records += batch.to_pylist()
        return Delivery(records, names, reading.watermark, reading.complete, reading.consistent, reading.note, parts)


class Impossible(Exception):
    """The system itself refuses such a value, or has no way to write it."""


@dataclass
class Stage:
    """What the suite needs of a department; each kind fills in its own."""

    root: Path
    secret: str = ""
    table: str = "records"
    options: dict[str, Any] = field(default_factory=dict)
    turn: int = 0
    names: Sequence[str] = ()

    tells_null_from_empty = True
    names_without_records = True
    keeps_snapshots = True
    begins_whole = True
    """Whether the first incremental read is of everything there is."""
    gives_once = False
    """Whether an incremental read brings what no other brought before, instead of all from the bound on."""
    misses = True
    """Whether a table that is not there is a fault."""
    odd_table = "1 表'x' \"y\" %s;-- \\ 😀"
    """A table's name with all that a name may hold."""
    longest = 10 << 20
    """Characters that one cell can hold."""

    def poison(self, name: str, raw: bytes) -> None:
        """Make the table anew with one record, whose text is these bytes. Raises Impossible where the system takes no such text."""
        raise Impossible(name, raw)

    def source(self, **changes: Any) -> Source:
        raise NotImplementedError

    def write(self, names: Sequence[str], rows: Rows) -> None:
        raise NotImplementedError

    def add(self, rows: Rows) -> None:
        raise NotImplementedError

    def missing(self) -> Source:
        return self.source(table="absent")

    def unreachable(self) -> Source | None:
        """The source on a port where nobody listens, None where there is no network between."""
        return None

    def open(self, source: Source | None = None, secret: str | None = None) -> Connector:
        return open_source(
            source or self.source(), secret=lambda _: self.secret if secret is None else secret, root=self.root
        )

    def deliver(self, wanted: Sequence[Column] = (), watermark: str | None = None, **changes: Any) -> Delivery:
        source = self.source(**changes)
        self.turn += 1
        return deliver(self.open(source), source, wanted, watermark, self.root / f"landed-{self.turn}")


class FileStage(Stage):
    """Files in a drop folder, `records-001.csv` and so on."""

    kind = "csv"
    tells_null_from_empty = False
    begins_whole = False
    gives_once = True

    def source(self, **changes: Any) -> Source:
        if changes.get("sync", "snapshot") != "snapshot":
            changes = {"table": f"drops/*.{self.kind}", **changes}
        return replace(
            Source(self.kind, "file://", f"drops/{self.table}-001.{self.kind}", options=self.options), **changes
        )

    @property
    def first(self) -> Path:
        (self.root / "drops").mkdir(exist_ok=True)
        return self.root / "drops" / f"{self.table}-001.{self.kind}"

    def write(self, names: Sequence[str], rows: Rows) -> None:
        self.names = names
        self.write_file(self.first, rows)

    def add(self, rows: Rows) -> None:
        number = len(list((self.root / "drops").iterdir())) + 1
        self.write_file(self.root / "drops" / f"{self.table}-{number:03d}.{self.kind}", rows)

    def missing(self) -> Source:
        return self.source(table=f"drops/absent.{self.kind}")

    def write_file(self, path: Path, rows: Rows) -> None:
        raise NotImplementedError


@dataclass
class CsvStage(FileStage):
    encoding: str | None = None

    def source(self, **changes: Any) -> Source:
        return super().source(**{"encoding": self.encoding, **changes})

    def write_file(self, path: Path, rows: Rows) -> None:
        with path.open("w", encoding=self.encoding or "utf-8-sig", newline="") as file:
            csv.writer(file).writerows([self.names, *rows])

    def poison(self, name: str, raw: bytes) -> None:
        if self.encoding:
            raise Impossible
        self.first.write_bytes(b"\xef\xbb\xbf" + f'"{name}"\r\n"'.encode() + raw + b'"\r\n')


class XlsxStage(FileStage):
    kind = "xlsx"
    longest = 32_767

    def write_file(self, path: Path, rows: Rows) -> None:
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for row in [self.names, *rows]:
            sheet.append(list(row))
        for cell in (cell for row in sheet.iter_rows() for cell in row if cell.value is not None):
            cell.data_type = "s"  # text that begins with = is no formula here
        book.save(path)


class JsonlStage(FileStage):
    kind = "jsonl"
    tells_null_from_empty = True
    names_without_records = False

    def poison(self, name: str, raw: bytes) -> None:
        self.first.write_text(poisoned(name, raw) + "\n", encoding="utf-8")

    def write_file(self, path: Path, rows: Rows) -> None:
        objects = [dict(zip(self.names, row, strict=True)) for row in rows]
        path.write_text("".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects) or "\n", encoding="utf-8")


class ParquetStage(FileStage):
    kind = "parquet"
    tells_null_from_empty = True

    def write_file(self, path: Path, rows: Rows) -> None:
        columns = list(zip(*rows, strict=True)) or [()] * len(self.names)
        table = pa.table([pa.array(column, pa.string()) for column in columns], names=list(self.names))
        pq.write_table(table, path)

    def poison(self, name: str, raw: bytes) -> None:
        self.names = [name]
        offsets = pa.py_buffer(struct.pack("<ii", 0, len(raw)))
        column = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(raw)])
        pq.write_table(pa.table([column], names=[name]), self.first)


@dataclass
class RestStage(Stage):
    """A real HTTP server over a list of records, three kinds of fault on request."""

    port: int = 0
    records: list[dict[str, str | None]] = field(default_factory=list)
    since: list[str] = field(default_factory=list)
    raw: bytes = b""
    names_without_records = False
    keeps_snapshots = False
    odd_table = "1 表'x' 😀"  # a path is the API's own: ?, # and % mean something there

    def poison(self, name: str, raw: bytes) -> None:
        self.raw = f'{{"data": {{"total": 1, "items": [{poisoned(name, raw)}]}}}}'.encode()

    def source(self, **changes: Any) -> Source:
        options = {
            "records": "data.items",
            "total": "data.total",
            "pagination": {"kind": "page", "size": 400},
            "updatedSince": "since",
        }
        url = f"http://127.0.0.1:{self.port}/v1"
        return replace(Source("rest", url, self.table, secret="env:TOKEN", options=options), **changes)

    def unreachable(self) -> Source | None:
        return self.source(url=f"http://127.0.0.1:{servers.free_port()}/v1")

    def write(self, names: Sequence[str], rows: Rows) -> None:
        self.names = names
        self.records.clear()
        self.add(rows)

    def add(self, rows: Rows) -> None:
        self.records += [dict(zip(self.names, row, strict=True)) for row in rows]

    def answer(self, path: str, query: dict[str, str], token: str) -> tuple[int, bytes]:
        if token != f"Bearer {self.secret}":
            return 401, b"{}"
        if unquote(path) != f"/v1/{self.table}":
            return 404, b"{}"
        if self.raw:
            return 200, self.raw
        found = self.records
        if "since" in query:
            self.since.append(query["since"])
            found = [r for r in found if (r["updated_at"] or "") >= query["since"]]
        size = min(int(query["size"]), 300)  # the server caps what it is asked for
        first = (int(query["page"]) - 1) * size
        data = {"total": len(found), "items": found[first : first + size]}
        return 200, json.dumps({"data": data}, ensure_ascii=False, indent=1).encode()


class PushStage(Stage):
    """An inbox, into which the department sends JSON lines through the hub's own door: the whole table, then what is new."""

    names_without_records = False
    gives_once = True
    misses = False  # the department has yet to send
    odd_table = "records"  # a dataset's name is the hub's own

    def source(self, **changes: Any) -> Source:
        return replace(Source("push", "", self.table, encoding="utf-8"), **changes)

    def open(self, source: Source | None = None, secret: str | None = None) -> Connector:
        assert secret is None
        return open_source(source or self.source(), secret=str, root=self.root, inbox=inbox.root(self.root))

    def write(self, names: Sequence[str], rows: Rows) -> None:
        self.names = names
        shutil.rmtree(inbox.folder(self.root, self.table), ignore_errors=True)
        if rows:
            self.send([json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows], whole=True)

    def add(self, rows: Rows) -> None:
        self.send(
            [json.dumps(dict(zip(self.names, row, strict=True)), ensure_ascii=False) for row in rows], whole=False
        )

    def poison(self, name: str, raw: bytes) -> None:
        self.send([poisoned(name, raw)], whole=True)

    def send(self, lines: list[str], *, whole: bool) -> None:
        door = inbox.Door(
            self.root, self.table, "bureau", "incremental", 64 << 20, lambda: datetime(2026, 5, 1, tzinfo=UTC)
        )
        with door.open(f"key {time.monotonic_ns()}", "jsonl", complete=whole) as arrival:
            arrival.write("\n".join(lines).encode())
            arrival.seal(lambda _: None)


def poisoned(name: str, raw: bytes) -> str:
    """A JSON object whose value is these bytes, lone surrogates and control characters as escapes."""
    return json.dumps({name: raw.decode("utf-8", "surrogatepass")})
